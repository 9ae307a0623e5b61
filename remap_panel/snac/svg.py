"""A chip as SVG text: standing alone, without scripts, styles, fonts or ids.

It can be put into a page, a table cell, a tooltip or a file, as often as wanted. Whatever a
person may have written is escaped.
"""

from __future__ import annotations

import re
from functools import lru_cache
from math import ceil, pi

from remap_panel.snac.layout import SCALE, Block, Chip, Scale, blocks
from remap_panel.snac.lettering import escaped, lettered, number, text_width
from remap_panel.theme import BLOCKS, INK, MARKS, TICKS
from remap_ray.errors import InvalidRequest
from remap_ray.space import Design

__all__ = ["block_svg", "pen", "piece", "root", "svg"]

NUMBER = re.compile(r"-?(?:\d+\.?\d*|\.\d+)")


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
    width = max(chip.width, ceil(text_width(title, font)) if title else 0)
    height = chip.height + top
    layers = ", ".join(layer.words for layer in architecture.parts)
    label = f"{layers}, output {chip.blocks[-1].words}" if layers else chip.blocks[-1].words
    parts = [root(width, height, f"{title}: {label}" if title else label)]
    if title and font:
        parts.append(lettered(title, 0, font, font))
    parts.append(pen(chip))
    parts += [block_svg(chip, block, top) for block in chip.blocks]
    return "".join(parts) + "</g></svg>"


def piece(chip: Chip, block: Block) -> str:
    """Draw one block of a chip alone, in a box of its width and of the chip's height.

    What is put side by side is the chip, and can be marked, moved and broken into lines. It is
    for the eye alone: who puts it somewhere says there what it is.
    """
    box = f"{block.x} 0 {block.width} {chip.height}"
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{block.width}" height="{chip.height}" '
        f'viewBox="{box}" aria-hidden="true">{pen(chip)}{block_svg(chip, block, 0)}</g></svg>'
    )


def root(width: int, height: int, label: str, margin: int = 0) -> str:
    """Open a drawing that is read out as ``label``, with free room of ``margin`` px around."""
    across, down = width + 2 * margin, height + 2 * margin
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{across}" height="{down}" '
        f'viewBox="{-margin} {-margin} {across} {down}" role="img" '
        f'aria-label="{escaped(label)}">'
    )


def pen(chip: Chip) -> str:
    """Open the group in which the blocks of a chip and their marks are drawn."""
    return (
        f'<g fill="none" stroke="{INK}" stroke-width="{number(chip.size.line)}" '
        'stroke-linecap="round" stroke-linejoin="round">'
    )


def block_svg(chip: Chip, block: Block, top: int, told: str | None = None) -> str:
    """Draw a block inside its chip's group, ``top`` px lower than laid out.

    Parameters
    ----------
    told
        What it tells on hover; by default what it is, in the sizes whose blocks tell.
    """
    size, style = chip.size, BLOCKS[block.style]
    x, y = block.x, block.y + top
    if style.dotted:
        # The dots lie on the fill, where they show on every background.
        shape = _box(block, y, 0, size.corner, f'fill="{style.fill}" stroke="none"')
        inset, corner = size.dots / 2, size.corner / 2
        around = 2 * (block.width + block.height - 4 * inset) - (8 - 2 * pi) * corner
        # A whole number of dots: the last meets the first at the same distance.
        apart = around / round(around / size.dots)
        dots = f'stroke-width="{number(size.dots * 0.45)}" stroke-dasharray="0 {number(apart)}"'
        shape += _box(block, y, inset, corner, f'stroke="{style.stroke}" {dots}')
    else:
        line = f'stroke="{style.stroke}" stroke-width="{number(size.stroke)}"'
        shape = _box(block, y, size.stroke / 2, size.corner, f'fill="{style.fill}" {line}')
    tick = TICKS.get(block.mark, TICKS.get(block.style))
    mark = MARKS.get(block.mark) if size.letters else tick
    if mark:
        middle = f"{number(x + block.width / 2)} {number(y + block.height / 2)}"
        # A letter stays inside a low block.
        most = (block.height - 2 * size.stroke - size.line) / 10 if size.letters else chip.mark
        shape += f'<path d="M{middle}{_scaled(mark, min(chip.mark, most))}"/>'
    if told is not None or size.tooltips:
        title = escaped(block.tooltip if told is None else told)
        shape = f'<g data-layer="{block.index}"><title>{title}</title>{shape}</g>'
    return shape


def _box(block: Block, y: int, inset: float, corner: float, look: str) -> str:
    return (
        f'<rect x="{number(block.x + inset)}" y="{number(y + inset)}" '
        f'width="{number(block.width - 2 * inset)}" '
        f'height="{number(block.height - 2 * inset)}" rx="{number(corner)}" {look}/>'
    )


@lru_cache(maxsize=256)
def _scaled(path: str, factor: float) -> str:
    return NUMBER.sub(lambda found: number(float(found[0]) * factor), path)
