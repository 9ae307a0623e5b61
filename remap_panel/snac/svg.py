"""A chip as SVG text: standing alone, without scripts, styles, fonts or ids.

It can be put into a page, a table cell, a tooltip or a file, as often as wanted. Whatever a
person may have written is escaped.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from html import escape
from math import pi

from remap_panel.snac.layout import SCALE, Block, Chip, Scale, blocks
from remap_panel.theme import BLOCKS, INK, MARKS, SANS, TICKS
from remap_ray.errors import InvalidRequest
from remap_ray.space import Design

__all__ = ["DIFFERENCES", "in_columns", "piece", "svg"]

NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)")
UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")


def svg(
    architecture: Design,
    size: str = "small",
    title: str | None = None,
    scale: Scale = SCALE,
    *,
    fixed_height: bool = False,
) -> str:
    """Draw an architecture as SVG text.

    Texts are kept for later calls: tables ask for the same ones again and again.

    Parameters
    ----------
    architecture
        What is drawn.
    size
        ``large``, ``medium``, ``small`` or ``tiny``.
    title
        A name for it: written above the chip where the size has room, and read out by screen
        readers in every size.
    scale
        Height by tensor size; chips shown together share one.
    fixed_height
        All blocks equally high, whatever their tensors.

    Raises
    ------
    InvalidRequest
        No architecture, or no such size.
    """
    if not isinstance(architecture, Design):
        raise InvalidRequest(
            f"a SNAC draws an Architecture, not {type(architecture).__name__}; "
            "give a model's .design"
        )
    return _text(architecture, size, title, scale, fixed_height)


@lru_cache(maxsize=4096)
def _text(
    architecture: Design, size: str, title: str | None, scale: Scale, fixed_height: bool
) -> str:
    chip = blocks(architecture, size, scale, fixed_height=fixed_height)
    font = chip.size.font if title else 0
    top = round(font * 1.5)
    # Text has no width before it is drawn: room for a wide font, so that nothing is cut off.
    width = max(chip.width, round(_ems(title) * font) if title else 0)
    height = chip.height + top
    layers = ", ".join(layer.words for layer in architecture.parts)
    label = f"{layers}, output {chip.blocks[-1].words}" if layers else chip.blocks[-1].words
    root = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{_escaped(f"{title}: {label}" if title else label)}">'
    )
    parts = [root]
    if title and font:
        parts.append(
            f'<text y="{font}" font-family="{SANS}" font-size="{font}" fill="currentColor">'
            f"{_escaped(title)}</text>"
        )
    parts.append(_pen(chip))
    parts += [_block(chip, block, top) for block in chip.blocks]
    return "".join(parts) + "</g></svg>"


def piece(chip: Chip, block: Block) -> str:
    """Draw one block of a chip alone, in a box of its width and of the chip's height.

    What is put side by side is the chip, and can be marked, moved and broken into lines. It is
    for the eye alone: who puts it somewhere says there what it is.
    """
    box = f"{block.x} 0 {block.width} {chip.height}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{block.width}" height="{chip.height}" '
        f'viewBox="{box}" aria-hidden="true">{_pen(chip)}{_block(chip, block, 0)}</g></svg>'
    )


def _pen(chip: Chip) -> str:
    return (
        f'<g fill="none" stroke="{INK}" stroke-width="{_number(chip.size.line)}" '
        'stroke-linecap="round" stroke-linejoin="round">'
    )


DIFFERENCES = {
    "added": "m-4 0h8m-4-4v8",
    "missing": "m-4 0h8",
    "changed": "m-5 1.5c1.5-4 3.5-4 5-1.5s3.5 2.5 5-1.5",
    "replaced": "m-5-2h10l-3-3m3 7h-10l3 3",
}
"""Marks under the blocks of chips that are compared, as lines around their middle."""

FOOT = 16
"""Room under a chip for these marks, in px."""


def in_columns(
    architecture: Design,
    columns: Sequence[int | None],
    differences: Sequence[str],
    size: str = "medium",
    scale: Scale = SCALE,
) -> str:
    """Draw a chip whose layers stand in given columns, so that chips below each other compare.

    Parameters
    ----------
    columns
        For each column from left to right the layer in it, from 0, the output layer after all
        others; None where it stays empty.
    differences
        For each column one of `DIFFERENCES`, or empty where nothing is to be marked.

    Raises
    ------
    InvalidRequest
        There is no such size.
    """
    chip = blocks(architecture, size, scale)
    width = max(block.width for block in chip.blocks)
    step = width + chip.size.gap
    total = len(columns) * step - chip.size.gap
    height = chip.height + FOOT
    words = []
    parts = [_pen(chip)]
    marks = []
    for place, (layer, difference) in enumerate(zip(columns, differences, strict=True)):
        x = place * step
        if layer is not None:
            block = replace(chip.blocks[layer], x=x)
            title = f"<title>{_escaped(block.tooltip)}</title>"
            parts.append(f"<g>{title}{_block(chip, block, 0)}</g>")
            words.append(block.words + (f" ({difference})" if difference else ""))
        elif difference:
            words.append(f"({difference})")
        if difference:
            middle = f"{_number(x + width / 2)} {_number(chip.height + FOOT / 2)}"
            marks.append(f'<path d="M{middle}{DIFFERENCES[difference]}"/>')
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{total}" height="{height}" '
        f'viewBox="0 0 {total} {height}" role="img" aria-label="{_escaped(", ".join(words))}">'
        f'{"".join(parts)}</g><g fill="none" stroke="currentColor" stroke-width="1.6" '
        f'stroke-linecap="round" stroke-linejoin="round">{"".join(marks)}</g></svg>'
    )


def _block(chip: Chip, block: Block, top: int) -> str:
    size, style = chip.size, BLOCKS[block.style]
    x, y = block.x, block.y + top
    if style.dotted:
        # The dots lie on the fill, where they show on every background.
        shape = _box(block, y, 0, size.corner, f'fill="{style.fill}" stroke="none"')
        inset, corner = size.dots / 2, size.corner / 2
        around = 2 * (block.width + block.height - 4 * inset) - (8 - 2 * pi) * corner
        # A whole number of dots: the last meets the first at the same distance.
        apart = around / round(around / size.dots)
        dots = f'stroke-width="{_number(size.dots * 0.45)}" stroke-dasharray="0 {_number(apart)}"'
        shape += _box(block, y, inset, corner, f'stroke="{style.stroke}" {dots}')
    else:
        line = f'stroke="{style.stroke}" stroke-width="{_number(size.stroke)}"'
        shape = _box(block, y, size.stroke / 2, size.corner, f'fill="{style.fill}" {line}')
    mark = MARKS.get(block.mark) if size.letters else TICKS.get(block.style)
    if mark:
        middle = f"{_number(x + block.width / 2)} {_number(y + block.height / 2)}"
        shape += f'<path d="M{middle}{_scaled(mark, chip.mark)}"/>'
    if size.tooltips:
        title = _escaped(block.tooltip)
        shape = f'<g data-layer="{block.index}"><title>{title}</title>{shape}</g>'
    return shape


def _box(block: Block, y: int, inset: float, corner: float, look: str) -> str:
    return (
        f'<rect x="{_number(block.x + inset)}" y="{_number(y + inset)}" '
        f'width="{_number(block.width - 2 * inset)}" '
        f'height="{_number(block.height - 2 * inset)}" rx="{_number(corner)}" {look}/>'
    )


@lru_cache(maxsize=256)
def _scaled(path: str, factor: float) -> str:
    return NUMBER.sub(lambda number: _number(float(number[0]) * factor), path)


def _number(value: float) -> str:
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    # The sign stays on a zero, since it parts two numbers of a path.
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def _ems(text: str) -> float:
    wide = sum(unicodedata.east_asian_width(one) in {"W", "F"} for one in text)
    return 0.64 * (len(text) - wide) + wide


def _escaped(text: str) -> str:
    return escape(UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text))
