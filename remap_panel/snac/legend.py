"""The legend of chips: what their colours, letters, glyphs, marks and heights mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from math import ceil, floor, log10
from typing import final

from remap_panel.snac.layout import SCALE, Scale, Size, arrange
from remap_panel.snac.lettering import lettered, number, text_width
from remap_panel.snac.strip import LINES, MARGIN, sign
from remap_panel.snac.svg import block_svg, pen, root
from remap_panel.theme import OUTPUT
from remap_ray.errors import InvalidRequest
from remap_ray.space import Activation, Dense, Design, Part
from remap_ray.space.spaces import ENTRIES

__all__ = ["KINDS_IN_WORDS", "LEGEND_WIDTH", "kinds_of", "legend_body", "legend_svg", "symbol"]

KINDS_IN_WORDS: Mapping[str, str] = {
    "conv": "convolution",
    "depthwise_conv": "depthwise convolution",
    "max_pool": "max pooling",
    "avg_pool": "average pooling",
    "global_avg_pool": "global average pooling",
    "batch_norm": "batch normalization",
    "relu": "ReLU",
    "tanh": "tanh",
    "sigmoid": "sigmoid",
    "dropout": "dropout",
    "dense": "dense",
    OUTPUT: "output, one unit per class",
}
"""Kinds of layers and the functions of activations as the legend says them, in its order."""

OTHERS_IN_WORDS: Mapping[str, str] = {
    "boost": "boosting: trees a round",
    "tree": "what a tree may be",
    "bins": "bins of values",
    "column": "a column that is seen",
}
"""The same for what models of other spaces are made of."""

OTHERS_OUTPUT = "a score for each class"
"""What the output's block is called in a legend without any layer."""

IN_WORDS: Mapping[str, str] = {**OTHERS_IN_WORDS, **KINDS_IN_WORDS}

HEIGHTS = "height: values that leave a layer, on a log scale"
OTHERS_HEIGHTS = "height: how many (trees, leaves, bins, classes), on a log scale"

LEGEND_WIDTH = 520
"""Width in px that a legend fills before it begins a new line, unless its figure is wider."""


@final
@dataclass(frozen=True)
class _Entry:
    """One entry of a legend: a picture, its words, and the width of both."""

    body: str
    width: float


def legend_svg(
    size: Size,
    kinds: Iterable[str] | None = None,
    scale: Scale | None = SCALE,
    width: int = LEGEND_WIDTH,
) -> str:
    """Draw what colours, letters, glyphs and heights mean.

    Parameters
    ----------
    kinds
        Keys of `IN_WORDS`; those of layers by default.
    scale
        What heights mean; nothing is said of them where it is None.
    width
        In px, beyond which a new line begins.
    """
    asked = set(KINDS_IN_WORDS if kinds is None else kinds)
    if unknown := sorted(asked - IN_WORDS.keys()):
        raise InvalidRequest(f"a legend has no {unknown[0]!r}; choose of {', '.join(IN_WORDS)}")
    body, wide, high = legend_body(size, asked, width, scale)
    said = ", ".join(words for kind, words in _in_words(asked).items() if kind in asked)
    return f"{root(wide, high, f'Legend: {said}', MARGIN)}{body}</svg>"


def symbol(kind: str, size: Size, x: float = 0, y: float = 0) -> str:
    """Draw the block of a kind, as a legend shows it, with its corner at a point.

    Parameters
    ----------
    kind
        Key of `IN_WORDS`.
    """
    layer, output = _example(kind)
    even = replace(size, least=size.equal, most=size.equal, tooltips=False)
    chip = arrange((layer, Dense(2)), ((1,), (1,), (2,)), even)
    block = replace(chip.blocks[1 if output else 0], x=0)
    return (
        f'<g transform="translate({number(x)} {number(y)})">{pen(chip)}'
        f"{block_svg(chip, block, 0)}</g></g>"
    )


def kinds_of(architectures: Sequence[Design]) -> set[str]:
    """Give what a legend of these architectures has to explain."""
    layers = {layer for one in architectures for layer in one.parts}
    return {
        OUTPUT,
        *(layer.function if isinstance(layer, Activation) else layer.kind for layer in layers),
    }


def _example(kind: str) -> tuple[Part, bool]:
    """Give a layer of a kind, and whether the output's block is meant."""
    if kind == OUTPUT:
        return Dense(2), True
    for known in (one.kinds for one in ENTRIES.values()):
        if kind in known:
            cls = known[kind]
            wanted = {
                name: "x" if one.type is str else one.low
                for name, one in cls.parameters().items()
                if not one.choices
            }
            return cls(**wanted), False
    return Activation(kind), False


def legend_body(
    size: Size,
    kinds: AbstractSet[str],
    width: int,
    scale: Scale | None,
    *,
    folded: bool = False,
    differences: Sequence[str] = (),
) -> tuple[str, int, int]:
    """Give the SVG of a legend from the origin on, its width and its height.

    Parameters
    ----------
    kinds, scale
        As for `legend_svg`.
    folded
        Whether chips that it explains have counts.
    differences
        Marks under their blocks.
    """
    font = size.text
    high = max(size.equal, ceil(font * 1.3))
    line = high / 2 + font * 0.35
    near, apart = round(font * 0.5), round(font * 1.6)

    def entry(picture: str, wide: float, words: str) -> _Entry:
        told = lettered(words, wide + near, line, font)
        return _Entry(picture + told, ceil(wide + near + text_width(words, font)))

    entries = [
        entry(symbol(kind, size, 0, (high - size.equal) / 2), size.width, words)
        for kind, words in _in_words(kinds).items()
        if kind in kinds
    ]
    if folded:
        wide = size.width
        drawn = f'{LINES}stroke-width="1"><path d="M0 {number(high / 2 - 5)}v3h{wide}v-3"/></g>'
        drawn += lettered("×3", wide / 2, high / 2 + size.label, size.label, "middle")
        entries.append(entry(drawn, wide, "so many times in a row"))
    scaled = min(1.0, (size.width + size.gap) / 12)
    for name in differences:
        drawn = sign(name, 5 * scaled, high / 2, scaled)
        said = {"changed": "another value", "replaced": "another kind"}.get(name, name)
        entries.append(entry(drawn, 10 * scaled, said))
    rows: list[list[_Entry]] = [[]]
    end = 0.0
    for one in entries:
        if rows[-1] and end + one.width > width:
            rows.append([])
            end = 0.0
        rows[-1].append(one)
        end += one.width + apart
    parts = []
    y = -round(font * 0.6)
    widest = 0.0
    for row in rows:
        y += round(font * 0.6)
        x = 0.0
        for one in row:
            parts.append(f'<g transform="translate({number(x)} {y})">{one.body}</g>')
            x += one.width + apart
        widest = max(widest, x - apart)
        y += high
    if scale is not None:
        words = OTHERS_HEIGHTS if _has_no_layer(kinds) else HEIGHTS
        drawn, across, tall = _heights(size, scale, words)
        y += font
        parts.append(f'<g transform="translate(0 {y})">{drawn}</g>')
        widest = max(widest, across)
        y += tall
    return "".join(parts), ceil(widest), y


def _has_no_layer(kinds: AbstractSet[str]) -> bool:
    """Say whether a legend is one of models of another space alone."""
    return bool(OTHERS_IN_WORDS.keys() & kinds) and kinds <= {OUTPUT, *OTHERS_IN_WORDS}


def _in_words(kinds: AbstractSet[str]) -> Mapping[str, str]:
    return {**IN_WORDS, OUTPUT: OTHERS_OUTPUT} if _has_no_layer(kinds) else IN_WORDS


def _heights(size: Size, scale: Scale, words: str) -> tuple[str, float, int]:
    """Draw blocks of some heights beside what they mean."""
    font = size.text
    first, last = ceil(log10(scale.low)), floor(log10(scale.high))
    steps = sorted({first, (first + last) // 2, last}) if first <= last else []
    shown = [10**step for step in steps] or [scale.low, scale.high]
    heights = [size.least + round(scale.share(one) * (size.most - size.least)) for one in shown]
    tall = max(*heights, ceil(font * 1.3))
    line = tall / 2 + font * 0.35
    parts = [lettered(words, 0, line, font)]
    at: int = ceil(text_width(words, font)) + font
    boxes = []
    for values, height in zip(shown, heights, strict=True):
        boxes.append(
            f'<rect x="{at + 0.5}" y="{number((tall - height) / 2 + 0.5)}" '
            f'width="{size.narrow - 1}" height="{height - 1}" rx="{number(size.corner)}"/>'
        )
        at += size.narrow + round(font * 0.4)
        told = f"{values:,}"
        parts.append(lettered(told, at, line, font))
        at += ceil(text_width(told, font)) + font
    parts.append(f'{LINES}stroke-width="1">{"".join(boxes)}</g>')
    return "".join(parts), at - font, tall
