"""The drawer: the models that were kept, shared by all who look at the study."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import panel as pn
from panel.viewable import Viewable, Viewer

from remap_panel import snac, wording
from remap_panel.needs import Needs, shortfalls
from remap_panel.sheet import Sheet, button
from remap_panel.snapshot import Snapshot
from remap_panel.state import COMPARED, ExplorerState
from remap_panel.table import Action, Column, LiveTable, Row

__all__ = ["Drawer", "Judgement", "head_html", "rows"]

COLUMNS = (
    Column("handle", "", "handle", width=24, sortable=False),
    Column("ticked", "", "check", width=28, sortable=False, hint="Compare"),
    Column("name", "Model", width=62, sortable=False),
    Column("snac", "Layers", "drawn", width=64, grow=3, keep=3, sortable=False),
    Column(
        "accuracy",
        "Acc",
        "number",
        width=54,
        right=True,
        descending=True,
        hint="Accuracy on the validation images, after the last epoch",
    ),
    Column("parameters", "Params", "number", width=76, keep=1, right=True),
    Column("needs", "Needs", "sign", width=62, keep=4, hint="Whether it meets what you need"),
    Column("note", "Note", "note", width=60, grow=2, keep=2),
    Column(
        "actions",
        "",
        "actions",
        width=34,
        sortable=False,
        actions={"remove": Action("Remove from the drawer", "×")},
    ),
)

EMPTY = """The drawer is empty.
Click a circle in the overview to keep a model here."""

STYLE = """
:host { padding: 4px 6px; box-sizing: border-box; }
.head { display: flex; flex-wrap: wrap; gap: 4px 8px; align-items: center; }
.head .count { flex: 1 0 auto; margin: 0; color: var(--remap-muted); font-size: 12px; }
.head .button { padding: 1px 8px; font-size: 12px; }
"""


@final
@dataclass(frozen=True)
class Judgement:
    """By what the models of the drawer are judged: chosen classes, needs, and who meets them."""

    classes: Mapping[int, float]
    needs: Needs
    meets: Collection[int]
    names: Sequence[str]


def rows(
    snapshot: Snapshot, judgement: Judgement | None = None, ticked: Collection[int] = ()
) -> dict[int, Row]:
    """Give the row of each kept model by number, in the drawer's order.

    Parameters
    ----------
    judgement
        None where nothing is needed.
    ticked
        Models that are ticked to be compared.
    """
    found: dict[int, Row] = {}
    for entry in snapshot.drawer:
        model = snapshot.models.get(entry.model)
        if model is None:
            continue
        found[entry.model] = {
            "handle": None,
            "ticked": entry.model in ticked,
            "name": model.name,
            "snac": model.identity,
            "accuracy": (model.accuracy, wording.accuracy(model.accuracy)),
            "parameters": (model.parameters, wording.compact(model.parameters)),
            "needs": _needs_met(snapshot, entry.model, judgement),
            "note": entry.note,
            "actions": ["remove"],
            "order": (entry.position,),
        }
    return found


def _needs_met(
    snapshot: Snapshot, number: int, judgement: Judgement | None
) -> tuple[str, str, str]:
    """Give name, symbol and words of the sign that says whether a model meets the needs."""
    if judgement is None or not judgement.needs:
        return "none", "", "No limits are set: state them above the overview"
    if number in judgement.meets:
        return "met", "✓", "Meets all limits"
    given = (snapshot, number, judgement.classes, judgement.needs, judgement.names)
    found = shortfalls(*given)
    return "short", "✗", "; ".join(found) or "Not trained yet"


def head_html(kept: int, ticked: int, front: int, selected: int, undoable: str) -> str:
    """Write how much the drawer holds and what can be done with the whole of it.

    Parameters
    ----------
    kept, ticked
        Models in the drawer, and those of them that are ticked.
    front, selected
        Models of the Pareto front and of the selection that are not in the drawer.
    undoable
        What could be taken back, in words; empty where nothing could.
    """
    said = [
        button(
            f"Compare {ticked}" if ticked else "Compare",
            "compare",
            label=f"side by side the ticked models, two to {COMPARED}",
            enabled=2 <= ticked <= COMPARED,
        )
    ]
    if front:
        words = "1 model" if front == 1 else f"{front} models"
        said.append(button("+ front", "front", label=f"keep the Pareto front: {words} more"))
    if selected:
        said.append(
            button(f"+ selection ({selected})", "selection", label="keep the selected models")
        )
    if undoable:
        said.append(button("Undo", "undo", label=f"take back: {undoable}"))
    count = "1 model kept" if kept == 1 else f"{kept} models kept"
    return f'<div class="head"><p class="count">{count}</p>{"".join(said)}</div>'


@final
class Drawer(Viewer):
    """The drawer's table. Hovering a row previews its model, a click inspects it."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self._state = state
        self._ticked: list[int] = []
        self.head = Sheet(self._act, stylesheets=[STYLE], css_classes=["remap-drawer-head"])
        self.table = LiveTable(
            wording.titled(COLUMNS, state.study.data.terms),
            self._rows,
            label="Model drawer: the models that were kept",
            empty=EMPTY,
            on_hover=self._hover,
            on_click=state.inspect,
            on_action=lambda number, _: state.let_go(number),
            on_edit=state.annotate,
            on_check=self._tick,
            on_move=state.arrange,
            draw=self._draw,
            # As many rows as fit under the overview.
            row_height=32,
            hovered=state.hovered,
            inspected=state.inspected,
            sizing_mode="stretch_both",
            css_classes=["remap-drawer"],
        )
        self._show_head()
        state.param.watch(
            lambda _: self._show(), ["snapshot", "classes", "needs", "selection", "undoable"]
        )
        state.param.watch(self._mark, ["hovered", "inspected"])

    def __panel__(self) -> Viewable:
        return pn.Column(self.head, self.table, sizing_mode="stretch_both", margin=0)

    def _rows(self) -> Mapping[int, Row]:
        state = self._state
        names = state.study.data.class_names
        judgement = (
            Judgement(state.classes, state.needs, state.judged.meets, names)
            if state.needs
            else None
        )
        return rows(state.snapshot, judgement, self._ticked)

    def _show(self) -> None:
        kept = self._state.snapshot.drawer_numbers
        self._ticked = [one for one in self._ticked if one in kept]
        self._show_head()
        self.table.update()

    def _show_head(self) -> None:
        state = self._state
        kept = set(state.snapshot.drawer_numbers)
        self.head.html = head_html(
            len(kept),
            len(self._ticked),
            len(set(state.judged.front) - kept),
            len(set(state.selection) - kept),
            state.undoable,
        )

    def _act(self, act: str, _: str) -> None:
        state = self._state
        if act == "compare":
            # In the drawer's order, whatever the order of ticking.
            order = state.snapshot.drawer_numbers
            state.compare([one for one in order if one in self._ticked])
            state.tab = "compare"
        elif act == "front":
            state.keep_all(state.judged.front)
        elif act == "selection":
            state.keep_all(state.selection)
        elif act == "undo":
            state.undo()

    def _tick(self, number: int, ticked: bool) -> None:
        rest = [one for one in self._ticked if one != number]
        if ticked and len(rest) >= COMPARED:
            self._state.told = f"At most {COMPARED} models can be compared"
        self._ticked = [*rest, number] if ticked and len(rest) < COMPARED else rest
        self._show()

    def _hover(self, number: int | None) -> None:
        self._state.hovered = number

    def _mark(self, *_: object) -> None:
        self.table.param.update(hovered=self._state.hovered, inspected=self._state.inspected)

    def _draw(self, _: str, number: int) -> str:
        return snac.svg(self._state.snapshot.models[number].design, "small")
