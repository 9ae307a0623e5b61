"""A confusion matrix as a figure: rows true, columns predicted."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import pi
from typing import Any, final

import numpy as np
from bokeh.core.properties import value
from bokeh.models import (
    ColumnDataSource,
    CustomJSHover,
    FixedTicker,
    HoverTool,
    LinearAxis,
    LinearColorMapper,
    PlainText,
    Range1d,
)
from bokeh.plotting import figure
from numpy.typing import NDArray

from remap_panel import theme
from remap_panel.paint import paint
from remap_ray.space.terms import LAYERS
from remap_ray.study.metrics import class_accuracies, never_predicted

__all__ = ["Confusion", "cells", "flags"]

LEGIBLE = 24
"""Classes up to which cells have room for their counts."""

CELL = 30
"""Least width of a cell with a count, in px."""

LONGEST = 14
"""Letters of a class name on an axis; hovering a cell tells the whole name."""

NAMES = "return names[value]"


def cells(matrix: NDArray[np.int64]) -> dict[str, NDArray[Any]]:
    """Give one value per cell and column, row by row.

    ``shade`` is the cell's share of its row, in [0, 1] on the diagonal and in [-1, 0] off it, so
    that one palette colours both.
    """
    classes = len(matrix)
    true, predicted = np.divmod(np.arange(classes * classes, dtype=np.int32), classes)
    total = np.repeat(matrix.sum(axis=1), classes)
    count = matrix.ravel()
    share = count / np.maximum(total, 1)
    return {
        "true": true,
        "predicted": predicted,
        "count": count.astype(np.int32),
        "total": total.astype(np.int32),
        "shade": np.where(true == predicted, share, -share).astype(np.float32),
    }


def flags(matrix: NDArray[np.int64], names: Sequence[str]) -> tuple[str, ...]:
    """Give the names of the classes that no image at all is labelled as."""
    return tuple(names[index] for index in np.flatnonzero(never_predicted(matrix)).tolist())


@final
class Confusion:
    """The figure of one model's confusion matrix at a time."""

    def __init__(self, names: Sequence[str]) -> None:
        self._names = tuple(names)
        classes = len(self._names)
        nothing = np.zeros((classes, classes), np.int64)
        self.source = ColumnDataSource({**cells(nothing), "text": [""] * classes**2})
        self._recall = ColumnDataSource({"true": np.arange(classes), "text": [""] * classes})
        self._never = ColumnDataSource({"predicted": []})
        name = CustomJSHover(args={"names": list(self._names)}, code=NAMES)
        # Bokeh escapes what a formatter gives, so a class name stays text.
        self._hover = HoverTool(formatters={"@true": name, "@predicted": name})
        self.figure = self._figure()

    def show(self, model: str, matrix: NDArray[np.int64], items: str = LAYERS.items) -> None:
        """Show the matrix (classes, classes) of the model of that name."""
        written = len(self._names) <= LEGIBLE
        counts = [str(count) if count and written else "" for count in matrix.ravel().tolist()]
        self.source.data = {**cells(matrix), "text": counts}
        recall = ["–" if np.isnan(one) else f"{one:.2f}" for one in class_accuracies(matrix)]
        self._recall.data = {"true": np.arange(len(matrix)), "text": recall}
        self._never.data = {"predicted": np.flatnonzero(never_predicted(matrix))}
        self._hover.tooltips = (
            f'<span style="font-size: 13px">Of the @total {items} of @true{{custom}}, {model} '
            "labels @count as @predicted{custom}</span>"
        )

    def _figure(self) -> figure:
        classes = len(self._names)
        last = classes - 0.5
        plot = figure(
            name="confusion matrix",
            height=min(110 + 25 * classes, 720),
            max_width=150 + 58 * (classes + 1),
            sizing_mode="stretch_width",
            # On a phone the matrix is scrolled rather than squeezed.
            styles={"min-width": f"{130 + CELL * (min(classes, LEGIBLE) + 1)}px"},
            x_range=Range1d(start=-0.5, end=last + 1.1),
            y_range=Range1d(start=last, end=-0.5),
            x_axis_location=None,
            y_axis_label="true class",
            tools=[self._hover],
            toolbar_location=None,
            background_fill_alpha=0,
            border_fill_alpha=0,
            outline_line_color=None,
            min_border=6,
        )
        labels: Mapping[float | str, Any] = {
            place: PlainText(text=_cut(name)) for place, name in enumerate(self._names)
        }
        top: Any = LinearAxis(
            axis_label="labelled as",
            major_label_overrides={**labels, classes: PlainText(text="correct")},
            major_label_orientation=pi / 4,
            axis_label_text_font_style="normal",
        )
        top.ticker = FixedTicker(ticks=list(range(classes + 1)))
        plot.add_layout(top, "above")
        plot.yaxis.ticker = FixedTicker(ticks=list(range(classes)))
        plot.yaxis.major_label_overrides = dict(labels)
        plot.yaxis.axis_label_text_font_style = "normal"
        plot.grid.visible = False
        fill = LinearColorMapper(palette=_fills(theme.LIGHT), low=-1, high=1)
        ink = LinearColorMapper(palette=_inks(theme.LIGHT), low=-1, high=1)
        shaded = plot.rect(
            "predicted",
            "true",
            0.95,
            0.92,
            source=self.source,
            fill_color={"field": "shade", "transform": fill},
            line_color=None,
        )
        shaded.hover_glyph = None
        self._hover.renderers = [shaded]
        plot.text(
            "predicted",
            "true",
            "text",
            source=self.source,
            text_color={"field": "shade", "transform": ink},
            text_align="center",
            text_baseline="middle",
            text_font=value(theme.SANS),
            text_font_size="11px",
        )
        recall = plot.text(
            last + 0.55,
            "true",
            "text",
            source=self._recall,
            text_align="center",
            text_baseline="middle",
            text_font=value(theme.SANS),
            text_font_size="11px",
        )
        never = plot.rect(
            "predicted",
            (classes - 1) / 2,
            0.95,
            classes - 0.08,
            source=self._never,
            fill_alpha=0,
            hatch_pattern="right_diagonal_line",
            hatch_alpha=0.45,
            line_dash="dashed",
        )
        paint(
            plot,
            (fill, "palette", _fills),
            (ink, "palette", _inks),
            (recall.glyph, "text_color", lambda mode: mode.text),
            (never.glyph, "line_color", lambda mode: mode.bad),
            (never.glyph, "hatch_color", lambda mode: mode.bad),
        )
        return plot


def _fills(mode: theme.Mode) -> list[str]:
    return [*theme.ramp(mode.wrong, 64)[::-1], *theme.ramp(mode.right, 64)]


def _inks(mode: theme.Mode) -> list[str]:
    return [theme.ink_on(fill) for fill in _fills(mode)]


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
