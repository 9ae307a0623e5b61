"""Where the blocks of a chip stand: numbers only, so that every drawing of a chip agrees.

A chip is one block per layer from left to right, the implied output layer last, all centred on
one line. SVG text is made of it in `remap_panel.snac.svg`.

References
----------
Cashman et al., 2019, section 5.5.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from math import floor, log, prod
from typing import final

from remap_panel.theme import OUTPUT
from remap_ray.errors import InvalidRequest
from remap_ray.space import Activation, Design, Part, Shape

__all__ = ["SCALE", "SIZES", "Block", "Chip", "Scale", "Size", "arrange", "blocks", "size_named"]


@final
@dataclass(frozen=True)
class Scale:
    """Height by tensor size: a bounded logarithmic scale, the same for all chips shown together.

    Parameters
    ----------
    low, high
        Numbers of values at the least and the greatest height; beyond them it is clamped.
    """

    low: int = 1
    high: int = 131_072

    def __post_init__(self) -> None:
        if not 1 <= self.low < self.high:
            raise InvalidRequest(
                f"a scale needs 1 <= low < high, not low {self.low} and high {self.high}"
            )

    @staticmethod
    def of(architectures: Iterable[Design]) -> Scale:
        """Give the scale from the smallest to the largest tensor of the architectures shown."""
        values = [prod(shape) for one in architectures for shape in one.sizes[1:]]
        if not values:
            raise InvalidRequest("a scale needs at least one architecture whose tensors it spans")
        low = min(values)
        return Scale(low, max(*values, low + 1))

    def share(self, values: int) -> float:
        """Give the place of a tensor of ``values`` numbers between low (0) and high (1)."""
        clamped = min(max(values, self.low), self.high)
        return log(clamped / self.low) / log(self.high / self.low)


SCALE = Scale()
"""The scale unless another is asked for. Fixed, so that chips drawn at different times compare:
it ends at the largest tensor of the paper's space on 32x32 images, 128 filters."""


@final
@dataclass(frozen=True)
class Size:
    """The measures of one of the four resolutions, in px.

    Parameters
    ----------
    width, narrow
        Width of a block, and in a chip of at least `MANY` layers.
    gap
        Between blocks.
    least, most, equal
        Height of a block at the two ends of the scale, and where all are equally high.
    corner, stroke
        Radius of the corners, and width of the border.
    dots
        From one dot of a dotted border to the next.
    mark, narrow_mark
        Scale of the marks, in px per unit of their box, and in a narrow block.
    line
        Width of the lines of a mark.
    letters
        Whether blocks carry letters and glyphs; else ticks, which need less room.
    tooltips
        Whether a block tells what it is when the mouse rests on it.
    font
        Size of the title's text; 0 where the title is not drawn.
    text, label
        Size of the text beside chips in a figure, and of what stands under a block.
    """

    name: str
    width: int
    narrow: int
    gap: int
    least: int
    most: int
    equal: int
    corner: float
    stroke: float
    dots: float
    mark: float
    narrow_mark: float
    line: float
    letters: bool = True
    tooltips: bool = False
    font: int = 0
    text: int = 13
    label: int = 9


MANY = 20
"""Layers from which on the blocks of a chip are narrow."""

SIZES: Mapping[str, Size] = {
    size.name: size
    for size in (
        Size("large", 34, 17, 2, 12, 76, 34, 3, 1, 4, 1.2, 0.75, 1.9, tooltips=True, font=13),
        Size("medium", 17, 17, 2, 9, 40, 20, 2, 1, 3, 0.75, 0.75, 1.4, font=11, text=11, label=7),
        Size("small", 9, 9, 1, 6, 26, 14, 1.5, 0.8, 2.4, 0.42, 0.42, 1, text=10, label=7),
        Size("tiny", 5, 5, 1, 4, 14, 9, 1, 0.7, 2, 0.9, 0.9, 0.8, letters=False, text=9, label=6),
    )
}
"""The four resolutions by name."""


@final
@dataclass(frozen=True)
class Block:
    """One layer of a chip.

    Parameters
    ----------
    index
        The layer's zero-based place; the output layer comes after all others.
    kind
        The kind's name in JSON.
    style
        Key of its look in `remap_panel.theme.BLOCKS`: the kind, or `OUTPUT`.
    mark
        Its letter or the name of its activation function, empty where it has none.
    x, y, width, height
        Its box in px, the border included.
    words
        The layer in words, such as ``Conv(16, 3x3)``.
    shape
        What leaves it: ``(channels, height, width)``, or ``(units,)`` once flat; empty where
        that is not known.
    parameters
        Its trainable parameters; 0 where the shape is not known.
    placed
        Whether it stands in a row that data goes through: where it stands and what leaves it
        then say what it is, and nothing otherwise.
    """

    index: int
    kind: str
    style: str
    mark: str
    x: int
    y: int
    width: int
    height: int
    words: str
    shape: Shape
    parameters: int
    placed: bool = True

    @property
    def values(self) -> int:
        """How many numbers leave the layer per item."""
        return prod(self.shape)

    @property
    def tooltip(self) -> str:
        """What the block is, such as ``0: Conv(16, 3x3) -> 16x26x26, 160 parameters``."""
        if not self.placed:
            return self.words
        place = OUTPUT if self.style == OUTPUT else f"{self.index}"
        text = f"{place}: {self.words} -> {'x'.join(map(str, self.shape))}"
        return text + (f", {self.parameters:,} parameters" if self.parameters else "")


@final
@dataclass(frozen=True)
class Chip:
    """The blocks of one architecture in a box of ``width`` by ``height`` px."""

    size: Size
    scale: Scale
    width: int
    height: int
    blocks: tuple[Block, ...]

    @property
    def mark(self) -> float:
        """Scale of the marks: narrow blocks have smaller ones."""
        narrow = self.blocks[0].width < self.size.width
        return self.size.narrow_mark if narrow else self.size.mark


def size_named(name: str) -> Size:
    """Give one of the four resolutions.

    Raises
    ------
    InvalidRequest
        There is no such size; the message names those there are.
    """
    if name not in SIZES:
        raise InvalidRequest(f"a SNAC has no size {name!r}; choose one of {', '.join(SIZES)}")
    return SIZES[name]


def blocks(
    architecture: Design,
    size: str = "large",
    scale: Scale = SCALE,
    *,
    fixed_height: bool = False,
) -> Chip:
    """Lay out the blocks of an architecture.

    Parameters
    ----------
    architecture
        What is drawn.
    size
        ``large``, ``medium``, ``small`` or ``tiny``.
    scale
        Height by tensor size; chips shown together share one.
    fixed_height
        All blocks equally high, whatever their tensors.

    Raises
    ------
    InvalidRequest
        There is no such size.
    """
    layers = (*architecture.parts, architecture.output)
    sizes = architecture.sizes
    return arrange(layers, sizes, size_named(size), scale, fixed_height=fixed_height)


def arrange(
    layers: Sequence[Part],
    shapes: Sequence[Shape],
    measures: Size,
    scale: Scale = SCALE,
    *,
    fixed_height: bool = False,
) -> Chip:
    """Lay out the blocks of layers that need not be a network yet.

    Parameters
    ----------
    layers
        At least one; the last is the output layer.
    shapes
        What enters the first, and what leaves each; empty where that is not known. Such a
        block is as high as the last one whose shape is known.
    measures
        Of the blocks.
    scale
        Height by tensor size.
    fixed_height
        All blocks equally high, whatever their tensors.
    """
    width = measures.narrow if len(layers) > MANY else measures.width
    full = measures.equal if fixed_height else measures.most
    made = []
    share = 0.0
    for index, layer in enumerate(layers):
        entering, leaving = shapes[index : index + 2]
        share = scale.share(prod(leaving)) if leaving else share
        grown = measures.least + round(share * (measures.most - measures.least))
        height = full if fixed_height else grown
        made.append(
            Block(
                index=index,
                kind=layer.kind,
                style=OUTPUT if index == len(layers) - 1 else layer.kind,
                mark=layer.function if isinstance(layer, Activation) else layer.letter,
                x=index * (width + measures.gap),
                # Whole pixels keep the borders sharp.
                y=floor((full - height) / 2),
                width=width,
                height=height,
                words=layer.words,
                shape=leaving,
                parameters=layer.parameter_count(entering) if leaving else 0,
                placed=layer.placed,
            )
        )
    return Chip(measures, scale, made[-1].x + width, full, tuple(made))
