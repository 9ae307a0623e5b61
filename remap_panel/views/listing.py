"""The models as a list beside the drawer: ranking, Pareto front, selection, nearest ones.

The table twin of the overview: all that the figure shows of a model stands here as text, and rows
are hovered, walked through by keyboard and clicked as circles are.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping
from functools import partial
from math import isnan
from typing import final

from panel.viewable import Viewable, Viewer

from remap_panel import captions, snac, wording
from remap_panel.alike import Alike, alike
from remap_panel.fragment import Choice
from remap_panel.needs import shortfalls
from remap_panel.state import ExplorerState
from remap_panel.table import Column, LiveTable, Row
from remap_ray.study import Model

__all__ = ["LISTS", "Listing", "empty_words", "rows"]

LISTS = {
    "drawer": "drawer",
    "ranking": "ranking",
    "front": "front",
    "selected": "selected",
    "nearest": "nearest",
}
"""What the card under the overview shows, with what its switch says."""

COLUMNS = (
    Column("rank", "#", "number", width=36, right=True),
    Column("name", "Model", width=62),
    Column("snac", "Layers", "drawn", width=70, grow=1, keep=3, sortable=False),
    Column("score", "Acc", "number", width=62, right=True, descending=True, hint=(
        "On the chosen classes, or on all validation images where none is chosen")),
    Column("parameters", "Params", "number", width=76, keep=1, right=True),
    Column("apart", "Apart", "number", width=86, keep=2, right=True, hint=(
        "Distance to the inspected model by structure, and by predictions")),
    Column("words", "", width=90, keep=4, hint="Falls short of, how it came, place on the map"),
)  # fmt: skip


def rows(
    state: ExplorerState, kind: str, near: Mapping[int, Alike], before: Mapping[int, Row]
) -> dict[int, Row]:
    """Give the rows of a list by model; a row that did not change is the identical object.

    Parameters
    ----------
    kind
        One of `LISTS`, but not the drawer.
    near
        The nearest models of the inspected one.
    before
        The rows until now.
    """
    judged, snapshot = state.judged, state.snapshot
    numbers: list[int] = []
    if kind == "ranking":
        # What falls short comes after what fits, the best first again.
        short = (one for one in judged.scores if one not in judged.meets)
        numbers = [*judged.ranking, *sorted(short, key=lambda one: -judged.scores[one])]
    elif kind == "front":
        numbers = list(reversed(judged.front))
    elif kind == "selected":
        numbers = sorted(state.selection, key=lambda one: (-judged.scores.get(one, -1.0), one))
    elif kind == "nearest":
        by = "structure" if state.projection == "structure" else "predictions"
        numbers = sorted(near, key=lambda one: (_far(getattr(near[one], by)), one))
    found = {}
    for place, number in enumerate(numbers):
        model = snapshot.models.get(number)
        if model is None:
            continue
        row = _row(state, model, place, near.get(number) if kind == "nearest" else None)
        found[number] = before[number] if before.get(number) == row else row
    return found


def _row(state: ExplorerState, model: Model, place: int, apart: Alike | None) -> Row:
    judged = state.judged
    score = judged.scores.get(model.number)
    ranked = model.number in judged.meets
    short = shortfalls(
        state.snapshot, model.number, state.classes, state.needs, state.study.data.class_names
    )
    trusted = captions.trust(state.snapshot, model.number, state.projection)
    words = [*(f"short: {one}" for one in short), wording.origin(model)]
    if trusted:
        words.append(f"place {trusted}")
    return {
        "name": model.name,
        "snac": model.identity,
        "rank": (judged.rank(model.number), str(judged.rank(model.number)))
        if ranked
        else (None, "–"),
        "score": (score, wording.accuracy(score)),
        "parameters": (model.parameters, wording.compact(model.parameters)),
        "apart": _apart(apart, state.projection),
        "words": "; ".join(words),
        "order": (place,),
    }


def _apart(found: Alike | None, projection: str) -> tuple[float | None, str]:
    if found is None:
        return None, ""
    one = f"{found.structure:.2f}"
    other = "–" if isnan(found.predictions) else f"{found.predictions:.2f}"
    value = found.structure if projection == "structure" else found.predictions
    return (None if isnan(value) else value), f"{one} · {other}"


def _far(distance: float) -> float:
    return 2.0 if isnan(distance) else distance


def empty_words(state: ExplorerState, kind: str) -> str:
    """Say why a list is empty, and what to do."""
    if kind == "selected":
        return "Nothing is selected.\nDrag a box or a lasso around circles of the overview."
    if kind == "nearest":
        if state.inspected is None:
            return "No model is inspected.\nClick a circle to see which models are most like it."
        return "There is no other trained model to compare with yet."
    if not state.judged.scores:
        return "No model has trained its first epoch yet."
    if state.needs:
        return "No model meets these needs.\nLoosen one of them to see what comes closest."
    return "No model is trained yet."


@final
class Listing(Viewer):
    """The switch of lists and the table; which list is shown is this session's own."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self._state = state
        self._near: Mapping[int, Alike] = {}
        self._asked: tuple[object, ...] = ()
        self._shown: Mapping[int, Row] = {}
        self.choice = Choice(label="List", options=LISTS, value="drawer", marks="list", margin=0)
        self.table = LiveTable(
            wording.titled(COLUMNS, state.study.data.terms),
            self._rows,
            label="Models as a list",
            empty=empty_words(state, "ranking"),
            on_hover=self._hover,
            on_click=state.click,
            draw=self._draw,
            hovered=state.hovered,
            inspected=state.inspected,
            sizing_mode="stretch_both",
            css_classes=["remap-listing"],
        )
        self.choice.param.watch(lambda _: self._update(), "value")
        state.param.watch(
            lambda *_: self._update(),
            ["snapshot", "classes", "needs", "selection", "inspected", "projection"],
        )
        state.param.watch(self._mark, ["hovered", "inspected"])

    def __panel__(self) -> Viewable:
        return self.table

    def _update(self) -> None:
        kind = self.choice.value
        if kind == "drawer":
            return
        if kind == "nearest":
            self._ask()
        self.table.empty = empty_words(self._state, kind)
        self.table.update()

    def _rows(self) -> Mapping[int, Row]:
        kind = self.choice.value
        if kind != "drawer":
            self._shown = rows(self._state, kind, self._near, self._shown)
        return self._shown

    def _ask(self) -> None:
        """Have the nearest models found, unless that was asked already."""
        state = self._state
        number, snapshot = state.inspected, state.snapshot
        asked = (number, tuple(sorted(state.classes)), len(state.judged.scores))
        if asked == self._asked:
            return
        if self._asked[:1] != (number,):
            self._near = {}
        self._asked = asked
        if number is None:
            return
        document = state.turns

        def find() -> None:
            found = alike(state.study, snapshot, number, sorted(state.classes))
            if document is None:
                self._found(asked, found)
            else:
                document.add_next_tick_callback(partial(self._found, asked, found))

        if document is None:
            find()
        else:
            threading.Thread(target=find, name=f"nearest of m{number}", daemon=True).start()

    def _found(self, asked: tuple[object, ...], found: Mapping[int, Alike]) -> None:
        if asked == self._asked:
            self._near = found
            self.table.update()

    def _hover(self, number: int | None) -> None:
        self._state.hovered = number

    def _mark(self, *_: object) -> None:
        self.table.param.update(hovered=self._state.hovered, inspected=self._state.inspected)

    def _draw(self, _: str, number: int) -> str:
        return snac.svg(self._state.snapshot.models[number].design, "small")
