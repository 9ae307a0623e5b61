"""Training curves that grow: accuracy and loss by epoch, of one model at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import isfinite, nan
from typing import Any, final

import numpy as np
from bokeh.core.enums import MarkerTypeType
from bokeh.models import (
    BasicTicker,
    ColumnDataSource,
    DataRange1d,
    HoverTool,
    Range1d,
)
from bokeh.models.renderers import GlyphRenderer
from bokeh.plotting import figure
from numpy.typing import NDArray

from remap_panel import theme
from remap_panel.paint import Coat, paint
from remap_ray.study import Epoch

__all__ = ["Curves", "Prospect", "curve_table", "prospect"]

FITTED = 4
"""Epochs that a curve is extrapolated from at least."""

WORTHWHILE = 0.05
"""Share of the validation loss that further training has to take away to be called worthwhile."""

RATES = (0.3, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.93, 0.95)
"""Shares of the distance to the limit that are left after an epoch."""

FIGURES = ("train_accuracy", "validation_accuracy", "train_loss", "validation_loss")


def curve_table(epochs: Sequence[Epoch]) -> dict[str, list[float]]:
    """Give one column per curve, and the epochs' numbers; what is not finite is a gap (NaN)."""
    table: dict[str, list[float]] = {"epoch": [one.epoch for one in epochs]}
    for name in FIGURES:
        values = (float(getattr(one, name)) for one in epochs)
        table[name] = [value if isfinite(value) else nan for value in values]
    return table


@final
@dataclass(frozen=True)
class Prospect:
    """Whether more training would pay, by how the validation loss went.

    Parameters
    ----------
    verdict
        ``pays``, ``levels off``, ``overfits``, or ``unknown`` after too few epochs.
    words
        The same for a person, with what it is judged by.
    """

    verdict: str
    words: str


def prospect(epochs: Sequence[Epoch]) -> Prospect:
    """Extrapolate a model's validation loss to twice as many epochs.

    A falling loss is taken for one that approaches a limit and loses a fixed share of its
    distance to it in each epoch: ``limit + drop * rate ** epoch``, fitted by least squares over
    the later half of the epochs, at least `FITTED` of them, since the first epochs fall by
    another rule. A loss that has risen for a while although the training loss still falls is one
    of a model that overfits.
    """
    known = [one for one in epochs if isfinite(one.validation_loss) and isfinite(one.train_loss)]
    if len(known) < FITTED:
        return Prospect("unknown", f"Whether more training pays shows after {FITTED} epochs.")
    losses = np.array([one.validation_loss for one in known])
    best = int(losses.argmin())
    since = len(losses) - 1 - best
    falls = known[-1].train_loss < known[best].train_loss
    if since >= max(3, len(losses) // 4) and losses[-1] > 1.02 * losses[best] and falls:
        return Prospect(
            "overfits",
            f"More training would hardly pay: the validation loss was lowest at epoch "
            f"{known[best].epoch} and has risen since, while the training loss still falls "
            "(it overfits).",
        )
    late = losses[-max(FITTED, len(losses) // 2) :]
    gain = _further_fall(late, len(losses))
    if gain >= WORTHWHILE * losses[-1]:
        return Prospect(
            "pays",
            f"More training may pay: as the validation loss falls now, as many epochs again "
            f"would bring it from {losses[-1]:.3f} to about {losses[-1] - gain:.3f} "
            "(an extrapolation).",
        )
    return Prospect(
        "levels off",
        f"More training would hardly pay: the validation loss has levelled off at about "
        f"{losses[-1]:.3f}.",
    )


def _further_fall(losses: NDArray[np.float64], more: int) -> float:
    """Fit `prospect`'s curve, and give by how much it falls in so many further epochs."""
    steps = np.arange(len(losses))
    found = (np.inf, 0.0)
    for rate in RATES:
        powers = rate**steps
        matrix = np.stack([np.ones(len(losses)), powers], axis=1)
        fit, *_ = np.linalg.lstsq(matrix, losses, rcond=None)
        error = float(((matrix @ fit - losses) ** 2).sum())
        found = min(found, (error, float(fit[1] * powers[-1] * (1 - rate**more))))
    # A loss is never below zero, whatever the fit.
    return float(np.clip(found[1], 0.0, losses[-1]))


@final
class Curves:
    """Two figures on one source.

    While the same model is shown, new epochs are appended to what the browser has.
    """

    def __init__(self) -> None:
        self.source = ColumnDataSource(dict(curve_table(())))
        self._epochs = Range1d(start=0.5, end=1.5)
        self.accuracy = self._figure("accuracy", "accuracy", Range1d(start=0, end=1.03))
        self.loss = self._figure(
            "loss", "loss (cross entropy)", DataRange1d(start=0, range_padding=0.08)
        )
        self._shown: tuple[int | None, tuple[Epoch, ...]] = (None, ())

    def show(self, number: int, epochs: tuple[Epoch, ...], wanted: int) -> None:
        """Show a model's curves.

        Parameters
        ----------
        number
            The model's.
        epochs
            What it has trained so far, in order.
        wanted
            Epochs that it gets: the axis has room for them.
        """
        before, known = self._shown
        self._shown = number, epochs
        self._epochs.end = max(wanted, len(epochs), 1) + 0.5
        # A snapshot shares the records of the one before.
        if number == before and all(a is b for a, b in zip(known, epochs, strict=False)):
            if len(epochs) > len(known):
                self.source.stream(dict(curve_table(epochs[len(known) :])))
            if len(epochs) >= len(known):
                return
        self.source.data = dict(curve_table(epochs))

    def _figure(self, name: str, label: str, y_range: Any) -> figure:
        plot = figure(
            name=f"{name} curves",
            height=245,
            sizing_mode="stretch_width",
            # Side by side where there is room, else one below the other.
            styles={"flex": "1 1 280px", "width": "auto", "min-width": "200px"},
            x_range=self._epochs,
            y_range=y_range,
            x_axis_label="epoch",
            y_axis_label=label,
            tools=[],
            toolbar_location=None,
            background_fill_alpha=0,
            border_fill_alpha=0,
            outline_line_color=None,
            min_border=6,
        )
        plot.xaxis.ticker = BasicTicker(min_interval=1, num_minor_ticks=0, desired_num_ticks=8)
        plot.yaxis.ticker = BasicTicker(num_minor_ticks=0, desired_num_ticks=5)
        plot.xgrid.visible = False
        plot.axis.axis_label_text_font_style = "normal"
        # Line and marker tell the two apart where colours do not.
        validation = self._curve(plot, f"validation_{name}", "validation", "circle", "solid")
        training = self._curve(plot, f"train_{name}", "training", "triangle", "dashed")
        plot.add_tools(
            HoverTool(
                renderers=[validation[1]],
                mode="vline",
                tooltips='<span style="font-size: 13px">epoch @epoch: '
                f"validation @validation_{name}{{0.000}}, "
                f"training @train_{name}{{0.000}}</span>",
            )
        )
        # Above the frame, where no curve ever runs.
        legend: Any = plot.legend[0]
        plot.add_layout(legend, "above")
        legend.update(
            orientation="horizontal",
            margin=0,
            padding=2,
            background_fill_alpha=0,
            border_line_alpha=0,
            # It is no part of the canvas: its ems are those of the page, which are larger.
            styles={"font-size": "13px"},
        )
        paint(plot, *_coats(validation, _validation), *_coats(training, _training))
        return plot

    def _curve(
        self, plot: figure, column: str, words: str, marker: MarkerTypeType, dash: str
    ) -> tuple[GlyphRenderer[Any], GlyphRenderer[Any]]:
        given: dict[str, Any] = {"source": self.source, "legend_label": words}
        line = plot.line("epoch", column, line_width=2, line_dash=dash, **given)
        return line, plot.scatter("epoch", column, marker=marker, size=7, **given)


def _coats(
    curve: tuple[GlyphRenderer[Any], GlyphRenderer[Any]], colour: Callable[[theme.Mode], str]
) -> tuple[Coat, ...]:
    line, dots = (renderer.glyph for renderer in curve)
    return (line, "line_color", colour), (dots, "line_color", colour), (dots, "fill_color", colour)


def _validation(mode: theme.Mode) -> str:
    return mode.validation


def _training(mode: theme.Mode) -> str:
    return mode.training
