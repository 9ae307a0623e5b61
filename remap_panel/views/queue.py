"""The queue: every model that waits, trains or was trained, and what can be wished of them."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import panel as pn
from panel.viewable import Viewable, Viewer

from remap_panel import snac, sparkline, wording
from remap_panel.bell import Bell
from remap_panel.children import WISHES, wishes
from remap_panel.sheet import Sheet, button
from remap_panel.snapshot import Snapshot
from remap_panel.state import ExplorerState
from remap_panel.table import Column, LiveTable, Row
from remap_panel.theme import STATUS_SYMBOLS
from remap_ray.study import Epoch, Model, Origin, Status, Wished, duration

__all__ = ["FILTERS", "Line", "Queue", "head_html", "head_texts", "lines", "target"]

TAB = "queue"

COLUMNS = (
    Column("handle", "", "handle", width=24, sortable=False),
    Column("ticked", "", "check", width=28, sortable=False, hint="Choose for what is done above"),
    Column("name", "Model", width=62),
    Column("snac", "Layers", "drawn", width=104, grow=3, keep=5, sortable=False),
    Column("origin", "Origin", width=130, grow=3, keep=6, hint="How the model came into the study"),
    Column("parameters", "Params", "number", width=74, keep=3, right=True),
    Column("status", "Status", "mark", width=108, grow=6, sortable=False),
    Column("epochs", "Epoch", "number", width=66, keep=2, right=True, descending=True),
    Column(
        "accuracy",
        "Acc",
        "number",
        width=54,
        keep=1,
        right=True,
        descending=True,
        hint="Accuracy on the validation images, after the last epoch",
    ),
    Column(
        "loss",
        "Loss",
        "drawn",
        width=104,
        keep=4,
        sortable=False,
        hint="Mean training loss of each epoch",
    ),
    Column(
        "actions",
        "",
        "actions",
        width=68,
        sortable=False,
        actions=WISHES,
    ),
)

GROUPS = {Status.TRAINING: 0, Status.QUEUED: 1}
"""What stands above what; everything that has ended comes last."""

FILTERS: Mapping[str, tuple[str, Collection[Status]]] = {
    "all": ("All", frozenset(Status)),
    "training": ("Training", {Status.TRAINING}),
    "queued": ("Waiting", {Status.QUEUED}),
    "done": ("Done", {Status.DONE}),
    "failed": ("Failed", {Status.FAILED}),
    "cancelled": ("Cancelled", {Status.CANCELLED}),
}
"""What of the queue can be listed, by name."""

ORIGINS = {"": "any origin", **{one.value: one.value for one in Origin}}

STYLE = """
.line { display: flex; flex-wrap: wrap; gap: 5px 10px; align-items: center; margin-bottom: 6px; }
.line .filters { display: flex; flex-wrap: wrap; gap: 4px; }
.line .right { display: flex; flex-wrap: wrap; gap: 5px 10px; align-items: center; }
.totals { font-weight: 600; }
.muted { color: var(--remap-muted); }
label { display: inline-flex; gap: 6px; align-items: center; white-space: nowrap; }
input, select {
  width: 9em; padding: 3px 6px; color: var(--remap-text); font: inherit;
  background: var(--remap-surface); border: 1px solid var(--remap-border); border-radius: 6px;
}
select { width: auto; }
:is(input, select):focus-visible { outline: 2px solid var(--remap-accent); outline-offset: 1px; }
"""


@final
@dataclass(frozen=True)
class Line:
    """A model's row, and what it was made of: as long as that is the same, so is the row."""

    model: Model
    epochs: tuple[Epoch, ...]
    reason: str
    ticked: bool
    row: Row


def lines(
    snapshot: Snapshot,
    before: Mapping[int, Line],
    ticked: Collection[int] = (),
    shown: str = "all",
    origin: str = "",
) -> dict[int, Line]:
    """Give the line of every model by number; what did not change is taken over from ``before``.

    Parameters
    ----------
    ticked
        Models that are chosen together.
    shown, origin
        One of `FILTERS`, and how models came into the study, empty for any.
    """
    found = {}
    wanted = FILTERS[shown][1]
    for number, model in snapshot.models.items():
        if model.status not in wanted or (origin and model.origin.value != origin):
            continue
        epochs, reason = snapshot.epochs.get(number, ()), snapshot.reasons[number]
        line = before.get(number)
        if (
            line is None
            or line.model is not model
            or line.epochs is not epochs
            or line.reason != reason
            or line.ticked is not (number in ticked)
        ):
            row = _row(model, epochs, reason, number in ticked)
            line = Line(model, epochs, reason, number in ticked, row)
        found[number] = line
    return found


def _row(model: Model, epochs: tuple[Epoch, ...], reason: str, ticked: bool) -> Row:
    return {
        "handle": None if model.status is Status.QUEUED else False,
        "ticked": ticked,
        "name": model.name,
        "snac": model.identity,
        "origin": wording.origin(model),
        "parameters": (model.parameters, wording.compact(model.parameters)),
        "status": (model.status.value, STATUS_SYMBOLS[model.status.value], reason),
        "epochs": (model.epochs, f"{model.epochs}/{model.wanted_epochs}"),
        "accuracy": (model.accuracy, wording.accuracy(model.accuracy)),
        "loss": len(epochs) or None,
        "actions": [one for one in wishes(model) if one not in {"keep", "baseline"}],
        "order": _order(model),
    }


def _order(model: Model) -> tuple[float, float]:
    group = GROUPS.get(model.status, len(GROUPS))
    # Models end about in the order in which they were claimed, which is that of the queue.
    return (group, model.position if group < len(GROUPS) else -model.position)


def target(
    snapshot: Snapshot, moved: Collection[int], before: int | None
) -> tuple[int | None, int | None]:
    """Give where waiting models go that were put above a row: a model, or a place.

    Parameters
    ----------
    moved
        The models that are moved.
    before
        Any row, None for the end of the table.
    """
    model = None if before is None else snapshot.models.get(before)
    if model is None or model.status not in GROUPS:
        # Below all that wait stands what has ended.
        return None, None
    if model.status is Status.TRAINING:
        return None, 1
    waiting = _waiting(snapshot)
    later = waiting[waiting.index(model.number) :]
    return next((one for one in later if one not in moved), None), None


def _waiting(snapshot: Snapshot) -> list[int]:
    found = [one for one in snapshot.models.values() if one.status is Status.QUEUED]
    return [one.number for one in sorted(found, key=lambda one: (one.position, one.number))]


def head_texts(snapshot: Snapshot) -> dict[str, str]:
    """Give what stands in `head_html` and changes with every epoch: totals and times."""
    counts, heartbeat = snapshot.counts, snapshot.heartbeat
    active = counts[Status.TRAINING] + counts[Status.QUEUED]
    total = f"{counts[Status.TRAINING]} training · {counts[Status.QUEUED]} waiting"
    left = "nothing to train"
    if active:
        seconds = snapshot.seconds_left
        left = (
            "time left is not known yet" if seconds is None else f"about {duration(seconds)} left"
        )
    if active and heartbeat.paused:
        left = "paused"
    spent = sum(one.seconds for one in snapshot.models.values())
    trained = f"{duration(spent)} of training so far" if spent else ""
    return {"totals": f"{total} · {left}", "trained": trained}


def head_html(snapshot: Snapshot, wished: Wished, ticked: Sequence[Model], origin: str) -> str:
    """Write what holds for the whole queue, what can be done with several, and where texts stand.

    Parameters
    ----------
    ticked
        Models that are chosen together.
    origin
        Only models that came into the study so are listed; empty for any.
    """
    counts, heartbeat = snapshot.counts, snapshot.heartbeat
    pause = (
        button("Go on", "resume", label="let the queue go on")
        if heartbeat.paused
        else button(
            "Pause", "pause", label="stop what trains within a batch; it goes on from there"
        )
    )
    fit = f"{heartbeat.workers} now" if heartbeat.workers else "as many as fit"
    workers = (
        '<label>at a time <input inputmode="numeric" data-act="workers" data-key="workers" '
        f'value="{wished.workers or ""}" placeholder="{fit}" '
        'aria-label="How many models train at a time; empty for as many as fit"></label>'
    )
    share = ""
    if heartbeat.gpus_each or wished.gpus_per_model:
        value = "" if wished.gpus_per_model is None else f"{wished.gpus_per_model:g}"
        share = (
            '<label>of a GPU each <input inputmode="decimal" data-act="share" data-key="share" '
            f'value="{value}" placeholder="{heartbeat.gpus_each:g}"></label>'
        )
    chosen = "".join(
        button(words, "filter", name, toggle=True)
        for name, words in (
            (name, words if name == "all" else f"{words} {counts[Status(name)]}")
            for name, (words, _) in FILTERS.items()
        )
    )
    options = "".join(
        f'<option value="{name}"{" selected" if name == origin else ""}>{words}</option>'
        for name, words in ORIGINS.items()
    )
    return (
        '<div class="line"><span class="totals" data-text="totals"></span>'
        '<span class="muted" data-text="trained"></span>'
        f'<span class="right">{pause}{workers}{share}</span>'
        f'</div><div class="line"><span class="filters">{chosen}</span>'
        f'<select data-act="origin" data-key="origin" aria-label="Origin">{options}</select>'
        f'<span class="right">{_together(ticked)}</span></div>'
    )


def _together(ticked: Sequence[Model]) -> str:
    """Write what can be done with the ticked models together."""
    if not ticked:
        return '<span class="muted">Tick rows to move or cancel several</span>'
    states = {
        name: sum(one.status in wanted for one in ticked) for name, (_, wanted) in FILTERS.items()
    }
    made = []
    if waiting := states["queued"]:
        made.append(button(f"Train {waiting} next", "next", label="in their order"))
        made.append(button("To the end", "last", label=f"train {waiting} last"))
    if active := states["queued"] + states["training"]:
        made.append(button(f"Cancel {active}", "cancel"))
    if ended := states["failed"] + states["cancelled"]:
        made.append(button(f"Retry {ended}", "retry"))
    if done := states["done"]:
        made.append(button(f"Train {done} longer", "longer"))
    made.append(button("Untick", "untick", label=f"all {len(ticked)}"))
    return "".join(made)


@final
class Queue(Viewer):
    """The queue tab. Hovering a row previews its model, a click keeps and inspects it."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self._state = state
        self._lines: dict[int, Line] = {}
        self._ticked: tuple[int, ...] = ()
        self._filter = "all"
        self._origin = ""
        self._active = 0
        path = shlex.quote(str(state.study.path))
        self.head = Sheet(self._act, stylesheets=[STYLE], css_classes=["remap-queue-head"])
        self.bell = Bell(margin=(0, 0, 0, 6))
        self.table = LiveTable(
            wording.titled(COLUMNS, state.study.data.terms),
            self._rows,
            label="Queue: models that wait, train or were trained",
            empty=f"No models here.\nTo sample and train some, run: remap sample {path}",
            on_hover=self._hover,
            on_click=state.click,
            on_action=state.ask,
            on_check=self._tick,
            on_move=self._move,
            draw=self._draw,
            hovered=state.hovered,
            inspected=state.inspected,
            sizing_mode="stretch_both",
            css_classes=["remap-queue"],
        )
        self._show()
        state.param.watch(lambda _: self._show(), ["snapshot", "tab", "alone"])
        state.param.watch(self._mark, ["hovered", "inspected"])

    def __panel__(self) -> Viewable:
        head = pn.Row(self.head, self.bell, sizing_mode="stretch_width", margin=0)
        return pn.Column(head, self.table, sizing_mode="stretch_both", margin=0)

    def _show(self) -> None:
        snapshot = self._state.snapshot
        active = snapshot.counts[Status.QUEUED] + snapshot.counts[Status.TRAINING]
        if self._active and not active:
            self.bell.said = f"{self._state.study.name}: nothing is left to train"
        elif active:
            self.bell.said = ""
        self._active = active
        self._ticked = tuple(one for one in self._ticked if one in snapshot.models)
        if self._state.shows(TAB):
            ticked = [snapshot.models[number] for number in self._ticked]
            self.head.html = head_html(snapshot, snapshot.wished, ticked, self._origin)
            self.head.texts = head_texts(snapshot)
            self.head.pressed = [f"filter {self._filter}"]
        self.table.update()

    def _rows(self) -> Mapping[int, Row]:
        snapshot, chosen = self._state.snapshot, frozenset(self._ticked)
        # Most sessions list the same of a snapshot; what one has ticked is its own.
        listed = {} if chosen else snapshot.listed
        key = (self._filter, self._origin)
        if key not in listed:
            listed[key] = lines(snapshot, self._lines, chosen, *key)
        self._lines = listed[key]
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
        return snac.svg(line.model.design, "small")

    # What a person does

    def _tick(self, number: int, ticked: bool) -> None:
        rest = tuple(one for one in self._ticked if one != number)
        self._ticked = (*rest, number) if ticked else rest
        self._show()

    def _together(self, number: int, *statuses: Status) -> tuple[int, ...]:
        """Give the ticked models, in the queue's order, where the one is among them; else it."""
        models = self._state.snapshot.models
        wanted = self._ticked if number in self._ticked or number < 0 else (number,)
        found = [models[one] for one in wanted if one in models and models[one].status in statuses]
        return tuple(
            one.number for one in sorted(found, key=lambda one: (one.position, one.number))
        )

    def _move(self, number: int, before: int | None) -> None:
        moved = self._together(number, Status.QUEUED)
        if number not in moved:
            self._state.complain(f"m{number} does not wait: only waiting models have a place")
            self.table.update()
            return
        above, place = target(self._state.snapshot, moved, before)
        self._state.move(*moved, before=above, place=place)

    def _act(self, act: str, value: str) -> None:
        state = self._state
        waiting = self._together(-1, Status.QUEUED)
        if act == "filter" and value in FILTERS:
            self._filter = value
        elif act == "origin" and value in ORIGINS:
            self._origin = value
        elif act in {"pause", "resume"}:
            state.pause(paused=act == "pause")
        elif act in {"workers", "share"}:
            self._set_workers(act, value)
        elif act == "untick":
            self._ticked = ()
        elif act == "next" and waiting:
            state.move(*waiting, place=1)
        elif act == "last" and waiting:
            state.move(*waiting)
        elif act == "cancel":
            state.cancel(*self._together(-1, Status.QUEUED, Status.TRAINING))
        elif act == "retry":
            state.retry(*self._together(-1, Status.FAILED, Status.CANCELLED))
        elif act == "longer":
            done = self._together(-1, Status.DONE)
            state.longer(*done, epochs=state.study.recipe.epochs)
        self._show()

    def _set_workers(self, act: str, value: str) -> None:
        wished = self._state.study.wished()
        text = value.strip()
        try:
            number = None if not text else float(text)
        except ValueError:
            self._state.complain(f"a number is needed here, not {text[:40]!r}")
            return
        if act == "share":
            self._state.set_workers(wished.workers, number)
        elif number is not None and number != int(number):
            self._state.complain(f"a whole number is needed here, not {text[:40]!r}")
        else:
            workers = None if number is None else int(number)
            self._state.set_workers(workers, wished.gpus_per_model)
