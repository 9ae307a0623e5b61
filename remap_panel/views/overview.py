"""The overview: one circle per model, in three projections.

What is on the screen is derived in the browser (``overview.js``) from one table that holds the
coordinates of all three projections. The server only appends rows to it and patches cells, so
what travels is what changed, and switching or zooming needs nothing from the server at all.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar, final

import numpy as np
import panel as pn
import param
from bokeh.models import (
    BasicTicker,
    ColumnDataSource,
    CustomJSTickFormatter,
    FixedTicker,
    LinearColorMapper,
    PanTool,
    Range1d,
    ResetTool,
    Scatter,
    WheelZoomTool,
)
from bokeh.plotting import figure
from panel.custom import JSComponent
from panel.viewable import Child, Viewer

from remap_panel import circles, theme
from remap_panel.paint import paint
from remap_panel.snapshot import Snapshot
from remap_panel.state import PROJECTIONS, ExplorerState

__all__ = ["Overview"]

HERE = Path(__file__).parent

SHADES = 64
"""Colours between chance level and an accuracy of 1."""

EXAMPLES = {"100": 100, "10k": 10_000, "1M": 1_000_000}
"""Parameter counts whose circles the legend shows."""

EDGE = 6
"""Room in px around the frame, where no axis needs more."""

TICKS = """
const n = 10 ** tick
return n < 1e3 ? `${Math.round(n)}` : n < 1e6 ? `${+(n / 1e3).toPrecision(4)}k`
    : `${+(n / 1e6).toPrecision(4)}M`
"""


def _shades(mode: theme.Mode) -> list[str]:
    return theme.ramp(mode.greys, SHADES)


def _modes() -> dict[str, dict[str, Any]]:
    """Give what the browser draws with, by mode."""
    return {
        name: {
            "css": theme.css_variables(mode),
            "palette": _shades(mode),
            "better": mode.better,
        }
        for name, mode in theme.MODES.items()
    }


class OverviewPlot(JSComponent):
    """The figure with what lies on and around it: switch, tooltip, legend, notes."""

    figure = Child()
    title = param.String(default="Model overview")
    projection: Any = param.Selector(default="accuracy", objects=list(PROJECTIONS))
    hovered = param.Integer(default=None, allow_None=True)
    inspected = param.Integer(default=None, allow_None=True)
    preview = param.Dict(default={}, doc="`number` and `html` of the circle under the mouse.")
    frames = param.Dict(default={}, doc="What each projection shows, by name.")
    notes = param.Dict(default={}, doc="Why each projection shows nothing, by name.")
    summary = param.String(default="")
    chance = param.Number(default=0.1, doc="Accuracy of guessing.")

    # Not "overview.css": Panel gives a style of that name to the whole document.
    _stylesheets: ClassVar[list[str]] = [(HERE / "overview_style.css").read_text(encoding="utf-8")]
    _bundle = "overview.js"
    _constants: ClassVar[dict[str, Any]] = {
        "modes": _modes(),
        "projections": PROJECTIONS,
        "axes": {name: list(axes) for name, axes in circles.AXES.items()},
        "examples": [[words, theme.radius(count)] for words, count in EXAMPLES.items()],
        "hover_radius": theme.RADIUS_HOVER,
        "edge": EDGE,
    }

    def __init__(self, on_message: Callable[[object], None], **params: Any) -> None:
        super().__init__(**params)
        self.on_msg(lambda event: on_message(event.data))


@final
class Overview(Viewer):
    """The view of all models that have figures, with its own heading.

    A hover previews (`ExplorerState.hovered`), a click wishes (`ExplorerState.click`).
    """

    def __init__(self, state: ExplorerState, **params: Any) -> None:
        super().__init__(**params)
        self._state = state
        self._drawn = Snapshot()
        self._places: dict[int, int] = {}
        self._over: int | None = None
        self.models = ColumnDataSource(dict(circles.table([])), name="models")
        low, high = theme.darkness_domain(len(state.study.data.class_names))
        self.figure = _figure(self.models, low, high)
        self._plot = OverviewPlot(
            self._told,
            figure=pn.pane.Bokeh(self.figure, sizing_mode="stretch_both"),
            projection=state.projection,
            hovered=state.hovered,
            inspected=state.inspected,
            chance=low,
            sizing_mode="stretch_both",
            min_height=240,
            margin=0,
        )
        self._draw()
        state.param.watch(lambda _: self._draw(), "snapshot")
        state.param.watch(lambda _: self._mark(), ["hovered", "inspected"])
        state.param.watch(lambda _: self._project(), "projection")
        self._plot.param.watch(lambda event: setattr(state, "projection", event.new), "projection")

    def __panel__(self) -> OverviewPlot:
        return self._plot

    def _draw(self) -> None:
        """Send what changed since the last snapshot that was drawn."""
        before, after = self._drawn, self._state.snapshot
        self._drawn = after
        update = circles.Update.between(before, after, self._places)
        if update.patches:
            self.models.patch(update.patches)
        if update.new:
            start = len(self._places)
            for place, number in enumerate(update.new["number"].tolist(), start):
                self._places[number] = place
            self.models.stream(dict(update.new))
        self._describe(moved=bool(update))

    def _describe(self, *, moved: bool) -> None:
        columns: dict[str, Any] = dict(self.models.data)
        projection = self._state.projection
        any_circle = not np.isnan(columns["accuracy"]).all() if self._places else False
        values: dict[str, Any] = {"notes": circles.notes(self._drawn, any_circle=any_circle)}
        if moved or not self._plot.frames:
            values["frames"] = circles.frames(columns, self._plot.frames)
        note = values["notes"][projection]
        values["summary"] = circles.summary(self._drawn, columns, projection, note)
        values["preview"] = self._preview()
        # Only what differs travels.
        self._plot.param.update(
            {name: value for name, value in values.items() if getattr(self._plot, name) != value}
        )

    def _preview(self) -> dict[str, Any]:
        if self._over is None:
            return {}
        html = circles.preview(self._drawn, self._over, self._state.projection)
        return {"number": self._over, "html": html}

    def _mark(self) -> None:
        self._plot.param.update(hovered=self._state.hovered, inspected=self._state.inspected)

    def _project(self) -> None:
        self._plot.projection = self._state.projection
        self._describe(moved=False)

    def _told(self, message: object) -> None:
        """Hear of the mouse: ``{"over": number or None}`` or ``{"click": number}``."""
        if not isinstance(message, dict):
            return
        if "over" in message:
            self._hover(message["over"])
        if (number := self._shown(message.get("click"))) is not None:
            self._state.click(number)

    def _shown(self, number: object) -> int | None:
        return number if isinstance(number, int) and number in self._places else None

    def _hover(self, number: object) -> None:
        before, self._over = self._over, self._shown(number)
        # A row that was hovered in another view since keeps its highlight.
        if self._over is not None or self._state.hovered == before:
            self._state.hovered = self._over
        self._plot.preview = self._preview()


def _figure(models: ColumnDataSource, low: float, high: float) -> figure:
    """Draw the empty figure: axes, tools, and two layers of circles that the browser fills."""
    wheel = WheelZoomTool(modifiers={"ctrl": True})
    pan = PanTool()
    plot = figure(
        name="overview figure",
        sizing_mode="stretch_both",
        x_range=Range1d(start=0, end=1),
        y_range=Range1d(start=2, end=6),
        tools=[pan, wheel, ResetTool()],
        active_drag=pan,
        active_scroll=wheel,
        # Its buttons stand in the row below, where they take no room from the circles.
        toolbar_location=None,
        x_axis_label="validation accuracy (0 to 1)",
        y_axis_label="parameters (log scale)",
        min_border=EDGE,
        # What lies behind the figure shows through.
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_color=None,
    )
    # The table is no glyph's own source, so the figure carries it.
    plot.tags = [models]
    plot.yaxis.ticker = FixedTicker(ticks=[2, 3, 4, 5, 6])
    plot.yaxis.formatter = CustomJSTickFormatter(code=TICKS)
    plot.xaxis.ticker = BasicTicker(desired_num_ticks=5)
    plot.axis.minor_tick_line_alpha = 0
    plot.axis.axis_label_text_font_style = "normal"
    shade = LinearColorMapper(palette=_shades(theme.LIGHT), low=low, high=high, name="darkness")
    drawn = ("number", "x", "y", "size", "accuracy", "fill_alpha", "line_width")
    marks = plot.add_glyph(
        ColumnDataSource({name: [] for name in drawn}, name="circles"),
        Scatter(
            x="x",
            y="y",
            size="size",
            fill_color={"field": "accuracy", "transform": shade},
            fill_alpha="fill_alpha",
            line_width="line_width",
        ),
        name="circles",
        selection_glyph=None,
        nonselection_glyph=None,
        hover_glyph=None,
        muted_glyph=None,
    )
    marked = plot.add_glyph(
        ColumnDataSource({name: [] for name in ("number", "x", "y", "size")}, name="lit"),
        Scatter(
            x="x",
            y="y",
            size="size",
            fill_color=theme.HIGHLIGHT,
            line_width=2,
        ),
        name="lit",
        # A layer of its own: a hover repaints two circles, not all.
        level="overlay",
        selection_glyph=None,
        nonselection_glyph=None,
        hover_glyph=None,
        muted_glyph=None,
    )
    paint(
        plot,
        (shade, "palette", _shades),
        (marks.glyph, "line_color", lambda mode: mode.circle_stroke),
        (marked.glyph, "line_color", lambda mode: mode.circle_stroke),
    )
    return plot
