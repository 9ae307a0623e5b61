"""Colours, symbols, fonts and circle sizes: the only file with colour values.

Everything that REMAP draws takes its look from here: chips, plots, tables and the page. A new
layer kind needs one entry in `BLOCKS` and, where its letter is new, one in `MARKS`.

The tests hold what is promised of these values: text and block marks keep a WCAG contrast of at
least 4.5, and layer colours stay apart under simulated protanopia, deuteranopia and tritanopia.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import log10
from typing import final

from remap_ray.errors import InvalidRequest

__all__ = [
    "BLOCKS",
    "DARK",
    "HIGHLIGHT",
    "HIGHLIGHT_STROKE",
    "INK",
    "LIGHT",
    "MARKS",
    "MODES",
    "MONO",
    "OUTPUT",
    "PAPER",
    "PRINT",
    "RADIUS_HOVER",
    "RADIUS_PARAMETERS",
    "RADIUS_RANGE",
    "SANS",
    "SHADES",
    "STATUS_SYMBOLS",
    "TICKS",
    "BlockStyle",
    "Mode",
    "contrast",
    "css_variables",
    "darkness_domain",
    "ink_on",
    "radius",
    "ramp",
]

SANS = (
    "system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', 'DejaVu Sans', Arial, "
    "sans-serif"
)
"""Font stack of all text; system fonts only, so that nothing is fetched."""

MONO = "ui-monospace, 'SF Mono', 'Cascadia Mono', Menlo, 'DejaVu Sans Mono', Consolas, monospace"
"""Font stack of commands, paths and error texts."""

INK = "#16202a"
"""Marks on the blocks of a chip."""


PRINT = "#000000"
"""Text and lines of a figure in a file, as browsers show an SVG that stands alone."""

PAPER = "#ffffff"
"""Background of pictures made of pixels."""


@final
@dataclass(frozen=True)
class BlockStyle:
    """How the blocks of one layer kind look, on light and on dark backgrounds alike.

    The fill is light enough to stand out on a dark background, the stroke dark enough to bound
    the block on a light one.
    """

    fill: str
    stroke: str
    dotted: bool = False


OUTPUT = "output"
"""Key in `BLOCKS` of the implied output layer."""

BLOCKS: Mapping[str, BlockStyle] = {
    "conv": BlockStyle("#e98f3a", "#9a5210"),
    "depthwise_conv": BlockStyle("#e98f3a", "#9a5210"),
    "activation": BlockStyle("#93c295", "#447a4c"),
    "max_pool": BlockStyle("#ad74c0", "#73408a"),
    "avg_pool": BlockStyle("#f2dc59", "#8f7c12"),
    "global_avg_pool": BlockStyle("#f2dc59", "#8f7c12"),
    "batch_norm": BlockStyle("#c0ffc0", "#2f7d4f"),
    "dropout": BlockStyle("#dcdfe3", "#535c67", dotted=True),
    "dense": BlockStyle("#66c2f5", "#1f75a8"),
    "boost": BlockStyle("#e98f3a", "#9a5210"),
    "tree": BlockStyle("#93c295", "#447a4c"),
    "bins": BlockStyle("#f2dc59", "#8f7c12"),
    "column": BlockStyle("#66c2f5", "#1f75a8"),
    OUTPUT: BlockStyle("#9499a3", "#535a66"),
}
"""Look of a block by the kind's name in JSON, and of the output layer. Kinds of one family share
their colours and differ in their marks: there are no more colours that everyone can tell apart."""

MARKS: Mapping[str, str] = {
    "C": "m3.7-3.3c-.9-1.1-2-1.7-3.4-1.7c-2.7 0-4.5 2.1-4.5 5s1.8 5 4.5 5c1.4 0 2.5-.6 3.4-1.7",
    "M": "m-4.3 5v-10l4.3 6.5 4.3-6.5v10",
    "A": "m-4.3 5l4.3-10 4.3 10m-1.5-3.5h-5.6",
    "D": "m-3.7-5v10h3c2.9 0 4.7-2 4.7-5s-1.8-5-4.7-5z",
    "B": "m-3.5-5v10h4c2 0 3.2-1.1 3.2-2.8s-1.2-2.7-3.2-2.7h-4h3.6c1.7 0 2.8-.9 2.8-2.3"
    "s-1.1-2.2-2.8-2.2z",
    "G": "m3.7-3.3c-.9-1.1-2-1.7-3.4-1.7c-2.7 0-4.5 2.1-4.5 5s1.8 5 4.5 5c1.5 0 2.9-.7 3.7-1.8"
    "v-2.7h-3.2",
    "W": "m-5-5l2.5 10 2.5-8 2.5 8 2.5-10",
    "E": "m3.5-5h-7v10h7m-1.5-5h-5.5",
    "T": "m-4-5h8m-4 0v10",
    "H": "m-3.7-5v10m7.4-10v10m-7.4-5h7.4",
    "I": "m-2.5-5h5m-2.5 0v10m-2.5 0h5",
    "relu": "m-6 3h6l6-7",
    "tanh": "m-6 5c4.5 0 5-2 6-5s1.5-5 6-5",
    "sigmoid": "m-6 3c4 0 4.5-.8 6-3s2-3 6-3",
}
"""Letters and activation glyphs as lines: SVG path data with relative commands only, around the
middle of a box of 12 by 10. Drawn letters look the same in every viewer and need no font."""

TICKS: Mapping[str, str] = {
    "relu": "m-1 1h1l1-2",
    "tanh": "m-1 1h1v-2h1",
    "sigmoid": "m-1 1l2-2",
    "max_pool": "m-1 0h2",
    "avg_pool": "m-1-1h2m-2 2h2",
    "depthwise_conv": "m-1-1l1 2 1-2",
    "global_avg_pool": "m-1-1h2v2h-2z",
    "batch_norm": "m0-1v2",
    "dense": "m-1-1l2 2m0-2l-2 2",
    "boost": "m0-1v2m-1-1h2",
    "tree": "m-1 1l1-2 1 2",
    "bins": "m-1-1v2m2-2v2",
    OUTPUT: "m-1-1l2 2m0-2l-2 2",
}
"""Marks of the layer types, and of the functions of activations, where a block is too small for a
letter, in the same form as `MARKS` around the middle of a box of 2 by 2. Convolutions and columns
are plain, dropout has its dotted border."""

HIGHLIGHT = "#f97316"
"""Fill of the hovered or inspected model's circle, in every view and both modes."""

HIGHLIGHT_STROKE = "#9a3412"
"""Its stroke."""

RADIUS_RANGE = (3.0, 7.0)
"""Radius of circles in px, from the smallest to the largest model."""

RADIUS_PARAMETERS = (10, 10_000_000)
"""Parameter counts of the smallest and the largest radius."""

RADIUS_HOVER = 10.0
"""Radius of the hovered circle in px."""

STATUS_SYMBOLS: Mapping[str, str] = {
    "queued": "…",
    "training": "▶",
    "done": "✓",
    "failed": "!",
    "cancelled": "⊘",
}
"""Symbol of a model's status, enough alone where colours cannot be told apart."""


SHADES = 7
"""Steps from none to all of a row in a confusion matrix that is a table."""


@final
@dataclass(frozen=True)
class Mode:
    """The colours of the page in light or dark mode.

    Parameters
    ----------
    name
        ``light`` or ``dark``.
    page, surface
        Background of the page and of the cards, tables and plots on it.
    row
        Background of the selected row of a table.
    text, muted
        Text, and text of second rank; both readable on page, surface and row.
    border
        Lines between cards and rows.
    accent, on_accent
        Current tab and buttons, and the text on them.
    header, header_text, header_muted
        The title bar.
    good, bad
        Text of changes for the better and for the worse.
    front
        Line of the Pareto front.
    circle_stroke
        Bounds circles of every darkness against the surface and against each other.
    training, validation
        The two curves of the inspector.
    greys
        Stops of the ramp from chance level to an accuracy of 1, away from the surface: darker is
        better in light mode, lighter in dark mode.
    right, wrong
        Stops of the ramps of the confusion matrix on and off its diagonal.
    better
        ``darker`` or ``lighter``: the word for a legend.
    status
        Text colour by a model's status.
    """

    name: str
    page: str
    surface: str
    row: str
    text: str
    muted: str
    border: str
    accent: str
    on_accent: str
    header: str
    header_text: str
    header_muted: str
    good: str
    bad: str
    front: str
    circle_stroke: str
    training: str
    validation: str
    greys: tuple[str, ...]
    right: tuple[str, ...]
    wrong: tuple[str, ...]
    better: str
    status: Mapping[str, str]


# The stops lie closer together at the far end of lightness than at the near one: models gather
# near the top of the accuracies, where they are to be told apart.
LIGHT = Mode(
    name="light",
    page="#f5f6f8",
    surface="#ffffff",
    row="#e8eef6",
    text="#1f2933",
    muted="#5a6572",
    border="#dde1e6",
    accent="#1d4ed8",
    on_accent="#ffffff",
    header="#1f2933",
    header_text="#ffffff",
    header_muted="#a9bacb",
    good="#14713a",
    bad="#b42318",
    front="#c2410c",
    circle_stroke="#767676",
    training="#646e79",
    validation="#111827",
    greys=("#c6c6c6", "#a4a4a4", "#747474", "#141414"),
    right=("#f3f8fd", "#9fc8ea", "#3f8bc7", "#12508a"),
    wrong=("#fdf6f0", "#f6c49a", "#e0803a", "#9a3d0d"),
    better="darker",
    status={
        "queued": "#5a6572",
        "training": "#1d4ed8",
        "done": "#14713a",
        "failed": "#b42318",
        "cancelled": "#5a6572",
    },
)

DARK = Mode(
    name="dark",
    page="#10161d",
    surface="#19222c",
    row="#26323f",
    text="#e6ebf0",
    muted="#a3b0bd",
    border="#34414f",
    accent="#8ab4ff",
    on_accent="#10161d",
    header="#0b1016",
    header_text="#ffffff",
    header_muted="#a9bacb",
    good="#9be8b1",
    bad="#ff8a7d",
    front="#fb923c",
    circle_stroke="#8492a0",
    training="#97a3af",
    validation="#f3f6f9",
    greys=("#3b4651", "#596672", "#8c98a4", "#f7f9fb"),
    right=("#1d2935", "#1f5a8d", "#4a9bd8", "#b5dcf8"),
    wrong=("#2b2420", "#8a4215", "#dd8440", "#fbd3b0"),
    better="lighter",
    status={
        "queued": "#a3b0bd",
        "training": "#8ab4ff",
        "done": "#9be8b1",
        "failed": "#ff8a7d",
        "cancelled": "#a3b0bd",
    },
)

MODES: Mapping[str, Mode] = {mode.name: mode for mode in (LIGHT, DARK)}
"""Both modes by name."""


def radius(parameters: int) -> float:
    """Give the radius in px of a model's circle, logarithmic in its parameter count.

    The scale runs over `RADIUS_PARAMETERS`, beyond which it is clamped. It is the same for every
    study and never changes, so circles keep their size when models arrive.
    """
    low, high = RADIUS_PARAMETERS
    least, most = RADIUS_RANGE
    share = log10(min(max(parameters, low), high) / low) / log10(high / low)
    return least + share * (most - least)


def darkness_domain(classes: int) -> tuple[float, float]:
    """Give the accuracies of the first and the last colour of a mode's ``greys``.

    They are the chance level and 1, so a circle's colour depends on its own accuracy alone and
    never changes when models arrive.

    Raises
    ------
    InvalidRequest
        Fewer than 2 classes.
    """
    if classes < 2:
        raise InvalidRequest(f"accuracy needs at least 2 classes, not {classes}")
    return 1 / classes, 1.0


def ramp(stops: Sequence[str], count: int = 256) -> list[str]:
    """Interpolate evenly spaced colour stops to a palette, as Bokeh's colour mappers take it.

    Parameters
    ----------
    stops
        At least two colours, each as ``#rrggbb``.
    count
        Number of colours, at least 2; the first and the last are the outer stops.

    Raises
    ------
    InvalidRequest
        Fewer than two stops or colours.
    """
    if len(stops) < 2 or count < 2:
        raise InvalidRequest(
            f"a palette needs at least 2 stops and 2 colours, not {len(stops)} and {count}"
        )
    parts = [_channels(stop) for stop in stops]
    palette = []
    for step in range(count):
        place = step / (count - 1) * (len(stops) - 1)
        left = min(int(place), len(stops) - 2)
        share = place - left
        mixed = (
            round(a + share * (b - a)) for a, b in zip(parts[left], parts[left + 1], strict=True)
        )
        palette.append("#" + "".join(f"{channel:02x}" for channel in mixed))
    return palette


def contrast(one: str, other: str) -> float:
    """Give the contrast ratio of two colours (``#rrggbb``), from 1 to 21.

    References
    ----------
    Web Content Accessibility Guidelines 2.2, definition of contrast ratio.
    """
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def ink_on(fill: str) -> str:
    """Give black or white, whichever reads better on ``fill`` (``#rrggbb``).

    Only pure black and white reach a contrast of 4.5 on every fill.
    """
    return max(("#000000", "#ffffff"), key=lambda ink: contrast(ink, fill))


def css_variables(mode: Mode) -> str:
    """Give a mode's colours and the fonts as CSS declarations, such as ``--remap-text: ...;``.

    Styles and scripts speak of these names, so that no colour stands anywhere else.
    """
    plain = (
        "page surface row text muted border accent on_accent header header_text header_muted "
        "good bad front training validation"
    )
    values = {name: getattr(mode, name) for name in plain.split()}
    values |= {f"status-{status}": colour for status, colour in mode.status.items()}
    for name in ("right", "wrong"):
        for step, fill in enumerate(ramp(getattr(mode, name), SHADES)):
            values |= {f"{name}-{step}": fill, f"{name}-{step}-ink": ink_on(fill)}
    values |= {"highlight": HIGHLIGHT, "sans": SANS, "mono": MONO}
    return " ".join(f"--remap-{name.replace('_', '-')}: {value};" for name, value in values.items())


def _channels(colour: str) -> tuple[int, int, int]:
    return int(colour[1:3], 16), int(colour[3:5], 16), int(colour[5:7], 16)


def _luminance(colour: str) -> float:
    linear = (
        share / 12.92 if share <= 0.04045 else ((share + 0.055) / 1.055) ** 2.4
        for share in (channel / 255 for channel in _channels(colour))
    )
    return sum(
        weight * light for weight, light in zip((0.2126, 0.7152, 0.0722), linear, strict=True)
    )
