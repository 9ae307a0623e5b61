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
    WheelZoomTool,
)
from bokeh.plotting import figure
from panel.viewable import Child, Viewer

from remap_panel import captions, circles, theme
from remap_panel.circles import Looks
from remap_panel.component import Component
from remap_panel.paint import paint
from remap_panel.snapshot import Snapshot
from remap_panel.state import PROJECTIONS, ExplorerState

__all__ = ["Overview"]

HERE = Path(__file__).parent

SHADES = 64
"""Colours between chance level and an accuracy of 1."""

EXAMPLES = {"100": 100, "10k": 10_000, "1M": 1_000_000}
"""Parameter counts whose circles the legend shows."""

SPANS = {
    "predictions": "{} of the images labelled differently",
    "structure": "{} of structural distance (0 is the same)",
}
"""What a length on a map means, for the bar that shows one."""

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
            "stroke": mode.circle_stroke,
            "front": mode.front,
            "text": mode.text,
            "muted": mode.muted,
            "border": mode.border,
            "accent": mode.accent,
            "highlight": theme.HIGHLIGHT,
            "family": mode.text,
        }
        for name, mode in theme.MODES.items()
    }


class OverviewPlot(Component):
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
    darkness = param.Dict(default={}, doc="`title`, `low` and `high`: what darkness shows.")
    front = param.List(default=[], doc="Pareto front, from the smallest model to the largest.")
    kept = param.List(default=[], doc="Models in the drawer.")
    selection = param.List(default=[], doc="Selected models.")
    words = param.Dict(default={}, doc="What sizes, blocks and items are called, by place.")
    family = param.Dict(default={}, doc="`parent` and `children` of the inspected model.")

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
        "chip_legend": captions.chip_legend(),
        "spans": SPANS,
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
        self._looks = Looks()
        self._places: dict[int, int] = {}
        self._over: int | None = None
        self.models = ColumnDataSource(dict(circles.table([])), name="models")
        self._names = state.study.data.class_names
        self._chance, _ = theme.darkness_domain(len(self._names))
        terms = state.study.data.terms
        self.figure = _figure(self.models, len(self._names), terms.size)
        self._plot = OverviewPlot(
            self._told,
            figure=pn.pane.Bokeh(self.figure, sizing_mode="stretch_both"),
            projection=state.projection,
            hovered=state.hovered,
            inspected=state.inspected,
            words=captions.overview_words(terms),
            sizing_mode="stretch_both",
            min_height=240,
            margin=0,
        )
        self._draw()
        self._mark()
        state.param.watch(
            lambda *_: self._draw(),
            ["snapshot", "classes", "hovered_class", "needs", "item", "right"],
        )
        state.param.watch(lambda *_: self._mark(), ["hovered", "inspected", "selection"])
        state.param.watch(lambda _: self._project(), "projection")
        self._plot.param.watch(lambda event: setattr(state, "projection", event.new), "projection")

    def __panel__(self) -> OverviewPlot:
        return self._plot

    def _draw(self) -> None:
        """Send what changed since what was drawn last."""
        before, after = self._drawn, self._state.snapshot
        was, looks = self._looks, self._look()
        self._drawn, self._looks = after, looks
        update = circles.Update.between(before, after, self._places, was, looks)
        if update.patches:
            self.models.patch(update.patches)
        if update.new:
            start = len(self._places)
            for place, number in enumerate(update.new["number"].tolist(), start):
                self._places[number] = place
            self.models.stream(dict(update.new))
        self._describe(moved=bool(update))

    def _look(self) -> Looks:
        state = self._state
        shades: Any = None
        if state.item is not None:
            shades = {one: float(right) for one, right in state.right.items()}
        elif state.weighing:
            shades = state.previewed
        before = self._looks
        if shades is not None and shades == before.shades:
            shades = before.shades
        return Looks(shades, state.judged.short if state.needs else frozenset())

    def _describe(self, *, moved: bool) -> None:
        columns: dict[str, Any] = dict(self.models.data)
        state, projection = self._state, self._state.projection
        any_circle = not np.isnan(columns["accuracy"]).all() if self._places else False
        values: dict[str, Any] = {"notes": captions.notes(self._drawn, any_circle=any_circle)}
        if moved or not self._plot.frames:
            values["frames"] = circles.frames(columns, self._plot.frames)
        note = values["notes"][projection]
        values["summary"] = captions.summary(
            self._drawn, columns, projection, note, state.judged, bool(state.needs)
        )
        values["preview"] = self._preview()
        values["darkness"] = captions.darkness(
            state.weighing, self._names, state.item, self._chance, state.study.data.terms
        )
        values["front"] = list(state.judged.front)
        values["kept"] = list(self._drawn.drawer_numbers)
        values["family"] = self._family()
        self._plot.renew(values)

    def _family(self) -> dict[str, Any]:
        model = self._state.model(self._state.inspected)
        if model is None:
            return {"parent": None, "children": []}
        children = self._drawn.children.get(model.number, ())
        return {"parent": model.parent, "children": list(children)}

    def _preview(self) -> dict[str, Any]:
        state = self._state
        if self._over is None:
            return {}
        html = captions.preview(
            self._drawn,
            self._over,
            state.projection,
            judged=state.judged,
            classes=state.classes,
            needs=state.needs,
            names=self._names,
            right=state.right.get(self._over) if state.item is not None else None,
        )
        return {"number": self._over, "html": html}

    def _mark(self) -> None:
        state = self._state
        self._plot.renew(
            {
                "hovered": state.hovered,
                "inspected": state.inspected,
                "selection": list(state.selection),
                "family": self._family(),
            }
        )

    def _project(self) -> None:
        self._plot.projection = self._state.projection
        self._describe(moved=False)

    def _told(self, message: object) -> None:
        """Hear of the mouse, such as ``{"over": number or None}`` or ``{"click": number}``."""
        if not isinstance(message, dict):
            return
        if "over" in message:
            self._hover(message["over"])
        if (number := self._shown(message.get("click"))) is not None:
            self._state.click(number)
        if isinstance(selected := message.get("select"), list):
            self._state.select(one for one in selected if self._shown(one) is not None)
        if message.get("keep") == "selection":
            self._state.keep_all(self._state.selection)
        if message.get("compare") == "selection":
            self._state.compare(self._state.selection)

    def _shown(self, number: object) -> int | None:
        return number if isinstance(number, int) and number in self._places else None

    def _hover(self, number: object) -> None:
        before, self._over = self._over, self._shown(number)
        # A row that was hovered in another view since keeps its highlight.
        if self._over is not None or self._state.hovered == before:
            self._state.hovered = self._over
        self._plot.preview = self._preview()


def _figure(models: ColumnDataSource, classes: int, size: str) -> figure:
    """Draw the empty figure: axes and tools, and what the browser reads and derives."""
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
        y_axis_label=f"{size} (log scale)",
        min_border=EDGE,
        # What lies behind the figure shows through.
        background_fill_alpha=0,
        border_fill_alpha=0,
        outline_line_color=None,
    )
    low, high = theme.darkness_domain(classes)
    shade = LinearColorMapper(palette=_shades(theme.LIGHT), low=low, high=high, name="darkness")
    drawn: dict[str, Any] = {name: [] for name in ("number", "x", "y", "size")}
    # What the script paints by itself is no glyph's, so the figure carries it.
    plot.tags = [models, ColumnDataSource(drawn, name="circles"), shade]
    plot.yaxis.ticker = FixedTicker(ticks=[2, 3, 4, 5, 6])
    plot.yaxis.formatter = CustomJSTickFormatter(code=TICKS)
    plot.xaxis.ticker = BasicTicker(desired_num_ticks=5)
    plot.axis.minor_tick_line_alpha = 0
    plot.axis.axis_label_standoff = 4
    plot.axis.major_label_standoff = 3
    plot.axis.axis_label_text_font_style = "normal"
    # Bokeh warns of a figure without any glyph.
    plot.scatter([], [])
    paint(plot, (shade, "palette", _shades))
    return plot
