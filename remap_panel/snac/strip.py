"""A chip with what stands under its blocks: sizes, counts of what repeats, marks of what differs.

Figures and comparisons are made of strips; a chip alone is drawn by `remap_panel.snac.svg`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import final

from remap_panel.snac.folding import Run, runs
from remap_panel.snac.layout import MANY, SCALE, Block, Chip, Scale, Size, arrange, size_named
from remap_panel.snac.lettering import lettered, number, text_width
from remap_panel.snac.svg import block_svg, pen, root
from remap_panel.theme import OUTPUT
from remap_ray.space import Design, Shape

__all__ = [
    "DIFFERENCES",
    "LINES",
    "MARGIN",
    "Look",
    "Strip",
    "in_columns",
    "label_room",
    "lines",
    "sign",
    "strip",
]

DIFFERENCES = {
    "added": "m-4 0h8m-4-4v8",
    "missing": "m-4 0h8",
    "changed": "m-5 1.5c1.5-4 3.5-4 5-1.5s3.5 2.5 5-1.5",
    "replaced": "m-5-2h10l-3-3m3 7h-10l3 3",
}
"""Marks under the blocks of chips that are compared, as lines around their middle."""

FOOT = 16
"""Room under a chip for these marks, in px, where blocks are wide enough for them."""

MARGIN = 2
"""Free room around a figure in px: lines are as wide at its edge as elsewhere."""

LINES = '<g fill="none" stroke="currentColor" stroke-linecap="round" stroke-linejoin="round" '


@final
@dataclass(frozen=True)
class Look:
    """What chips that are shown together have in common.

    Parameters
    ----------
    size
        Their resolution.
    scale
        Height by tensor size.
    fixed_height
        All blocks equally high, whatever their tensors.
    narrow
        Whether blocks have the smaller width.
    sizes
        Whether what leaves a layer is written under its block.
    fold
        Whether what repeats is drawn once, with a count.
    step
        Width of a column in px, where chips stand in columns.
    tight
        Whether a chip is as high as its highest block, not as that of the largest tensor.
    """

    size: Size
    scale: Scale = SCALE
    fixed_height: bool = False
    narrow: bool = False
    sizes: bool = False
    fold: bool = False
    step: int = 0
    tight: bool = False

    def laid(self, architecture: Design) -> Chip:
        """Lay out a chip in this look, before anything is folded or moved."""
        wide = self.size
        if self.narrow:
            wide = replace(wide, width=wide.narrow, mark=wide.narrow_mark)
        layers, shapes = (*architecture.parts, architecture.output), architecture.sizes
        even = replace(wide, narrow=wide.width, narrow_mark=wide.mark)
        return arrange(layers, shapes, even, self.scale, fixed_height=self.fixed_height)

    def shown(self, architecture: Design) -> tuple[Run, ...]:
        """Give what is drawn from left to right; what does not repeat is a run of one layer."""
        found: list[Run] = []
        at = 0
        folds = runs(architecture.parts) if self.fold else ()
        for run in (*folds, Run(len(architecture.parts) + 1, 1, 1)):
            found += [Run(layer, 1, 1) for layer in range(at, run.start)]
            found.append(run)
            at = run.end
        return tuple(found[:-1])

    def is_long(self, architecture: Design) -> bool:
        """Whether a chip would better have narrow blocks."""
        return sum(run.unit for run in self.shown(architecture)) > MANY


@final
@dataclass(frozen=True)
class Strip:
    """A drawn chip, ready to be put somewhere.

    Parameters
    ----------
    width, height
        In px, all that stands under the blocks included.
    middle
        Where the line lies on which the blocks are centred.
    body
        SVG from the origin on.
    words
        What is drawn, for those who hear it.
    """

    width: int
    height: int
    middle: float
    body: str
    words: str


def strip(
    architecture: Design,
    look: Look,
    columns: Sequence[int | None] | None = None,
    differences: Sequence[str] = (),
    *,
    tell: bool = False,
) -> Strip:
    """Draw a chip and what stands under it.

    Parameters
    ----------
    columns
        For each column from left to right the layer in it, from 0, the output layer after all
        others; None where it stays empty. By default blocks follow each other.
    differences
        For each column one of `DIFFERENCES`, or empty where nothing is to be marked.
    tell
        Whether blocks tell what they are on hover, whatever the size.
    """
    chip = look.laid(architecture)
    # What is cut off above is cut off below, so that blocks keep to their line.
    rise = min(block.y for block in chip.blocks) if look.tight else 0
    room = chip.height - 2 * rise
    below = float(room)
    marks: list[str] = []
    words: list[str] = []
    if columns is not None:
        if any(differences):
            scaled = min(1.0, (chip.size.width + chip.size.gap) / 12)
            step = look.step or chip.size.width + chip.size.gap
            for place, difference in enumerate(differences):
                if difference:
                    x = place * step + (step - chip.size.gap) / 2
                    marks.append(sign(difference, x, below + FOOT * scaled / 2, scaled))
            below += ceil(FOOT * scaled)
        placed, width, words = _in_columns(chip, look, columns, differences)
        spans: list[tuple[int, int, int]] = []
    else:
        placed, width, spans = _in_a_row(chip, look, architecture)
        words = _words(chip, look.shown(architecture))
    made = [
        block_svg(chip, block, -rise, told if tell or chip.size.tooltips else None)
        for block, told in placed
    ]
    font = look.size.label
    if look.sizes:
        below += 2
        for block, _ in placed:
            for line, text in enumerate(lines(block.shape)):
                x, y = block.x + block.width / 2, below + (line + 0.85) * font * 1.2
                marks.append(lettered(text, x, y, font, "middle"))
        below += ceil(2 * font * 1.2)
    if spans:
        ticks = "".join(f"M{x} {number(below + 2)}v3h{w}v-3" for x, w, _ in spans)
        marks.append(f'{LINES}stroke-width="1"><path d="{ticks}"/></g>')
        below += 6 + font
        marks += [lettered(f"×{times}", x + w / 2, below, font, "middle") for x, w, times in spans]
        below += 2
    body = f"{pen(chip)}{''.join(made)}</g>{''.join(marks)}"
    return Strip(width, ceil(below), room / 2, body, ", ".join(words))


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
    look = Look(size_named(size), scale)
    look = replace(look, narrow=look.is_long(architecture))
    made = strip(architecture, look, columns, differences, tell=True)
    # Room for marks also where there are none: chips below each other are equally high.
    height = max(made.height, look.size.most + FOOT)
    return f"{root(made.width, height, made.words)}{made.body}</svg>"


def sign(difference: str, x: float, y: float, scaled: float = 1.0) -> str:
    """Draw the mark of a difference around a point."""
    return (
        f'{LINES}stroke-width="{number(1.6)}" '
        f'transform="translate({number(x)} {number(y)})scale({scaled:.4g})">'
        f'<path d="M0 0{DIFFERENCES[difference]}"/></g>'
    )


def lines(shape: Sequence[int]) -> tuple[str, ...]:
    """Write what leaves a layer in one or two short lines: height and width, then channels."""
    if len(shape) == 1:
        return (str(shape[0]),)
    channels, height, width = shape
    return f"{height}×{width}", str(channels)


def label_room(shape: Shape, font: float) -> int:
    """Give the width in px that the lines of a shape need."""
    return ceil(max(text_width(text, font) for text in lines(shape))) + 2


def _in_a_row(
    chip: Chip, look: Look, architecture: Design
) -> tuple[list[tuple[Block, str]], int, list[tuple[int, int, int]]]:
    """Place the blocks after each other, and give from where to where each fold goes."""
    gap = chip.size.gap
    placed: list[tuple[Block, str]] = []
    spans = []
    x = 0
    for run in look.shown(architecture):
        # The last time stands for all: what comes after the run gets what leaves it.
        unit = [*_unit(chip, run)]
        slots = [
            max(block.width, label_room(block.shape, look.size.label) if look.sizes else 0)
            for block, _ in unit
        ]
        inner = sum(slots) + gap * (len(slots) - 1)
        counted = ceil(text_width(f"×{run.times}", look.size.label)) + 2 if run.times > 1 else 0
        wide = max(inner, counted)
        at = x + (wide - inner) // 2
        for (block, told), slot in zip(unit, slots, strict=True):
            placed.append((replace(block, x=at + (slot - block.width) // 2), told))
            at += slot + gap
        if run.times > 1:
            spans.append((x, wide, run.times))
        x += wide + gap
    return placed, x - gap, spans


def _unit(chip: Chip, run: Run) -> Iterator[tuple[Block, str]]:
    for layer in range(run.end - run.unit, run.end):
        block = chip.blocks[layer]
        if run.times == 1:
            yield block, block.tooltip
            continue
        same = chip.blocks[layer - run.saved : layer + 1 : run.unit]
        first = "x".join(map(str, same[0].shape))
        last = "x".join(map(str, block.shape))
        leaves = first if first == last else f"{first} ... {last}"
        parameters = sum(one.parameters for one in same)
        told = f"{', '.join(str(one.index) for one in same)}: {block.words} -> {leaves}"
        yield block, told + (f", {parameters:,} parameters together" if parameters else "")


def _in_columns(
    chip: Chip, look: Look, columns: Sequence[int | None], differences: Sequence[str]
) -> tuple[list[tuple[Block, str]], int, list[str]]:
    step = look.step or chip.size.width + chip.size.gap
    placed = []
    words = []
    for place, layer in enumerate(columns):
        difference = differences[place] if differences else ""
        if layer is not None:
            block = chip.blocks[layer]
            x = place * step + (step - chip.size.gap - block.width) // 2
            placed.append((replace(block, x=x), block.tooltip))
            words.append(block.words + (f" ({difference})" if difference else ""))
        elif difference:
            words.append(f"({difference})")
    return placed, len(columns) * step - chip.size.gap, words


def _words(chip: Chip, shown: Sequence[Run]) -> list[str]:
    found = []
    for run in shown:
        unit = [chip.blocks[layer] for layer in range(run.start, run.start + run.unit)]
        said = ", ".join(
            f"output {one.words}" if one.style == OUTPUT and len(chip.blocks) > 1 else one.words
            for one in unit
        )
        found.append(f"{run.times} times ({said})" if run.times > 1 else said)
    return found
