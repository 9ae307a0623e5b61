"""The drawer: the models that were kept, shared by all who look at the study."""

from __future__ import annotations

from collections.abc import Mapping

from panel.viewable import Viewable, Viewer

from remap_panel import snac, wording
from remap_panel.snapshot import Snapshot
from remap_panel.state import ExplorerState
from remap_panel.table import Action, Column, LiveTable, Row
from remap_ray.study import Model

__all__ = ["Drawer", "rows"]

COLUMNS = (
    Column("name", "Model", width=66),
    Column("snac", "Layers", "drawn", width=90, grow=1, keep=2, sortable=False),
    Column(
        "accuracy",
        "Accuracy",
        "number",
        width=84,
        right=True,
        descending=True,
        hint="On the validation images, after the last epoch",
    ),
    Column("parameters", "Params", "number", width=76, keep=1, right=True),
    Column(
        "actions",
        "",
        "actions",
        width=40,
        sortable=False,
        actions={"remove": Action("Remove from the drawer", "×")},
    ),
)

EMPTY = """The drawer is empty.
Click a circle in the overview to keep a model here."""


def rows(snapshot: Snapshot) -> dict[int, Row]:
    """Give the row of each kept model by number, in the drawer's order."""
    return {
        entry.model: _row(snapshot.models[entry.model], entry.position)
        for entry in snapshot.drawer
        if entry.model in snapshot.models
    }


def _row(model: Model, position: float) -> Row:
    return {
        "name": model.name,
        "snac": model.identity,
        "accuracy": (model.accuracy, wording.accuracy(model.accuracy)),
        "parameters": (model.parameters, wording.compact(model.parameters)),
        "actions": ["remove"],
        "order": (position,),
    }


class Drawer(Viewer):
    """The drawer's table. Hovering a row previews its model, a click inspects it."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self._state = state
        self.table = LiveTable(
            COLUMNS,
            self._rows,
            label="Model drawer: the models that were kept",
            empty=EMPTY,
            on_hover=self._hover,
            on_click=state.inspect,
            on_action=lambda number, _: state.let_go(number),
            draw=self._draw,
            hovered=state.hovered,
            inspected=state.inspected,
            sizing_mode="stretch_both",
            css_classes=["remap-drawer"],
        )
        state.param.watch(lambda _: self.table.update(), "snapshot")
        state.param.watch(self._mark, ["hovered", "inspected"])

    def __panel__(self) -> Viewable:
        return self.table

    def _rows(self) -> Mapping[int, Row]:
        return rows(self._state.snapshot)

    def _hover(self, number: int | None) -> None:
        self._state.hovered = number

    def _mark(self, *_: object) -> None:
        self.table.param.update(hovered=self._state.hovered, inspected=self._state.inspected)

    def _draw(self, _: str, number: int) -> str:
        return snac.svg(self._state.snapshot.models[number].architecture, "small")
