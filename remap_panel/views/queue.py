"""The queue: every model that waits, trains or was trained, with its epochs as they come."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from panel.viewable import Viewable, Viewer

from remap_panel import snac, sparkline, wording
from remap_panel.snapshot import Snapshot
from remap_panel.state import ExplorerState
from remap_panel.table import Action, Column, LiveTable, Row
from remap_panel.theme import STATUS_SYMBOLS
from remap_ray.study import Epoch, Model, Status

__all__ = ["Line", "Queue", "lines"]

COLUMNS = (
    Column("name", "Model", width=62),
    Column("snac", "Layers", "drawn", width=130, grow=3, keep=5, sortable=False),
    Column("origin", "Origin", width=160, grow=3, keep=6, hint="How the model came into the study"),
    Column("parameters", "Params", "number", width=78, keep=3, right=True),
    Column("status", "Status", "mark", width=150, grow=6, sortable=False),
    Column("epochs", "Epoch", "number", width=70, keep=2, right=True, descending=True),
    Column(
        "accuracy",
        "Accuracy",
        "number",
        width=86,
        keep=1,
        right=True,
        descending=True,
        hint="On the validation images, after the last epoch",
    ),
    Column(
        "loss",
        "Loss",
        "drawn",
        width=106,
        keep=4,
        sortable=False,
        hint="Mean training loss of each epoch",
    ),
    Column(
        "actions",
        "",
        "actions",
        width=42,
        sortable=False,
        actions={"cancel": Action("Cancel", "×")},
    ),
)

GROUPS = {Status.TRAINING: 0, Status.QUEUED: 1}
"""What stands above what; everything that has ended comes last."""


@final
@dataclass(frozen=True)
class Line:
    """A model's row, and what it was made of: as long as that is the same, so is the row."""

    model: Model
    epochs: tuple[Epoch, ...]
    reason: str
    row: Row


def lines(snapshot: Snapshot, before: Mapping[int, Line]) -> dict[int, Line]:
    """Give every model's line by number; what did not change is taken over from ``before``."""
    found = {}
    for number, model in snapshot.models.items():
        epochs, reason = snapshot.epochs.get(number, ()), snapshot.reasons[number]
        line = before.get(number)
        if (
            line is None
            or line.model is not model
            or line.epochs is not epochs
            or line.reason != reason
        ):
            line = Line(model, epochs, reason, _row(model, epochs, reason))
        found[number] = line
    return found


def _row(model: Model, epochs: tuple[Epoch, ...], reason: str) -> Row:
    cancellable = model.status in GROUPS and not model.stop_wish
    return {
        "name": model.name,
        "snac": model.identity,
        "origin": wording.origin(model),
        "parameters": (model.parameters, wording.compact(model.parameters)),
        "status": (model.status.value, STATUS_SYMBOLS[model.status.value], reason),
        "epochs": (model.epochs, f"{model.epochs}/{model.wanted_epochs}"),
        "accuracy": (model.accuracy, wording.accuracy(model.accuracy)),
        "loss": len(epochs) or None,
        "actions": ["cancel"] if cancellable else [],
        "order": _order(model),
    }


def _order(model: Model) -> tuple[float, float]:
    group = GROUPS.get(model.status, len(GROUPS))
    # Models end about in the order in which they were claimed, which is that of the queue.
    return (group, model.position if group < len(GROUPS) else -model.position)


class Queue(Viewer):
    """The queue tab's table. Hovering a row previews its model, a click keeps and inspects it."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self._state = state
        self._lines: dict[int, Line] = {}
        path = shlex.quote(str(state.study.path))
        self.table = LiveTable(
            COLUMNS,
            self._rows,
            label="Queue: models that wait, train or were trained",
            empty=f"No models yet.\nTo sample and train some, run: remap sample {path}",
            on_hover=self._hover,
            on_click=state.click,
            on_action=lambda number, _: state.cancel(number),
            draw=self._draw,
            hovered=state.hovered,
            inspected=state.inspected,
            sizing_mode="stretch_both",
            css_classes=["remap-queue"],
        )
        state.param.watch(lambda _: self.table.update(), "snapshot")
        state.param.watch(self._mark, ["hovered", "inspected"])

    def __panel__(self) -> Viewable:
        return self.table

    def _rows(self) -> Mapping[int, Row]:
        self._lines = lines(self._state.snapshot, self._lines)
        return {number: line.row for number, line in self._lines.items()}

    def _hover(self, number: int | None) -> None:
        self._state.hovered = number

    def _mark(self, *_: object) -> None:
        self.table.param.update(hovered=self._state.hovered, inspected=self._state.inspected)

    def _draw(self, field: str, number: int) -> str:
        line = self._lines[number]
        if field == "loss":
            losses = [epoch.train_loss for epoch in line.epochs]
            return sparkline.curve(losses, slots=line.model.wanted_epochs, label="training loss")
        return snac.svg(line.model.architecture, "small")
