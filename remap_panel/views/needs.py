"""What a person needs, stated in one row under the overview: classes, costs, and the best model.

Several classes are chosen on the cards of the data selector or in this row's own menu; costs are
typed as people write them (``100k``, ``1.5M``). The best model under these needs is one press away.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, final

import param
from panel.viewable import Viewable, Viewer

from remap_panel import wording
from remap_panel.component import Component
from remap_panel.needs import Needs
from remap_panel.state import ExplorerState
from remap_ray.space.terms import Terms

__all__ = ["FIELDS", "NeedsView", "amount", "best_words", "standing", "written"]

HERE = Path(__file__).parent

FIELDS: Mapping[str, tuple[str, str]] = {
    "parameters": ("parameters ≤", "any"),
    "flops": ("FLOP ≤", "any"),
    "seconds": ("s per epoch ≤", "any"),
    "least": ("accuracy on each class ≥", "any"),
}
"""What a person may bound: its words, and what stands in an empty field."""

UNITS = {"": 1.0, "k": 1e3, "m": 1e6, "g": 1e9}


def amount(text: str) -> float | None:
    """Read a number as people write it: ``100000``, ``100,000``, ``100k``, ``1.5M``, ``80%``.

    None where it is empty.

    Raises
    ------
    ValueError
        It is no positive number; the message says how one is written.
    """
    plain = text.strip().replace(",", "").replace(" ", "").replace("_", "").lower()
    if not plain:
        return None
    unit = plain[-1] if plain[-1] in UNITS else ""
    share = 0.01 if plain.endswith("%") else 1.0
    try:
        found = float(plain.removesuffix("%").removesuffix(unit)) * UNITS[unit] * share
    except ValueError:
        found = -1.0
    if not 0 < found < 1e15:
        raise ValueError(f"“{text.strip()}” is no number: write 100000, 100k or 1.5M")
    # Of two exact decimals the product of floats is not: 16.1 times 1,000 would exceed 16,100.
    return float(f"{found:.12g}")


def written(name: str, value: float | None) -> str:
    """Write a bound as its field shows it."""
    if value is None:
        return ""
    if name in {"parameters", "flops"}:
        for unit, size in reversed(UNITS.items()):
            if size > 1 and value >= size and value % (size / 10) == 0:
                return f"{value / size:.12g}{unit if unit == 'k' else unit.upper()}"
        return f"{value:,.0f}"
    return f"{value:g}"


def standing(state: ExplorerState) -> str:
    """Say how many models fall short of nothing."""
    judged = state.judged
    count = len(judged.ranking)
    if not state.snapshot.models:
        return ""
    if not state.needs:
        return f"{count} trained"
    return f"{count} of {count + len(judged.short)} fit"


def best_words(state: ExplorerState) -> str:
    """Name the best model under the needs, with its figures; empty where there is none."""
    model = state.model(state.judged.best)
    if model is None:
        return ""
    score = wording.accuracy(state.judged.scores[model.number])
    return f"m{model.number}: {score}, {wording.compact(model.parameters)}"


class NeedsRow(Component):
    """The row in the browser."""

    classes = param.List(default=[], doc="Chosen classes: label, name and weight each.")
    names = param.List(default=[], doc="All class names, by label.")
    bounds = param.Dict(default={}, doc="What each field shows.")
    best = param.String(default="", doc="The best model in words, empty where there is none.")
    standing = param.String(default="", doc="How many models fit.")
    problem = param.String(default="", doc="What is wrong with what was typed last.")

    _bundle = "needs.js"
    _stylesheets: ClassVar[list[str]] = [(HERE / "needs_style.css").read_text(encoding="utf-8")]
    fields = param.Dict(default={}, doc="The words of each field, and what stands in an empty one.")

    def __init__(self, on_message: Callable[[object], None], **params: Any) -> None:
        super().__init__(**params)
        self.on_msg(lambda event: on_message(event.data))


@final
class NeedsView(Viewer):
    """The row that states needs and offers the best model under them."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self._state = state
        self.row = NeedsRow(
            self._told,
            names=list(state.study.data.class_names),
            fields=_fields(state.study.data.terms),
            sizing_mode="stretch_width",
            margin=0,
        )
        self._update()
        state.param.watch(lambda *_: self._update(), ["snapshot", "classes", "needs"])

    def __panel__(self) -> Viewable:
        return self.row

    def _update(self, problem: str = "") -> None:
        state, names = self._state, self._state.study.data.class_names
        values: dict[str, Any] = {
            "classes": _chosen(state.classes, names),
            "bounds": {name: written(name, getattr(state.needs, name)) for name in FIELDS},
            "best": best_words(state),
            "standing": standing(state),
            "problem": problem,
        }
        self.row.renew(values)

    def _told(self, message: object) -> None:
        """Hear of a press or an entry, such as ``{"bound": "parameters", "text": "100k"}``."""
        state = self._state
        if not isinstance(message, dict):
            return
        if message.get("bound") in FIELDS:
            self._bound(str(message["bound"]), str(message.get("text", "")))
        label, weight = message.get("label"), message.get("weight")
        if isinstance(label, int) and "weight" in message:
            if isinstance(weight, int | float):
                state.weigh_class(label, float(weight))
            else:
                state.weigh_class(label, None)
        if message.get("press") == "best" and (best := state.judged.best) is not None:
            state.click(best)
        if message.get("press") == "front":
            state.keep_all(state.judged.front)
        if message.get("press") == "clear":
            state.param.update(needs=Needs(), classes={})

    def _bound(self, name: str, text: str) -> None:
        try:
            value = amount(text)
            if name == "least" and value is not None and value > 1:
                # Who writes 80 means a share of a hundred.
                value = value / 100 if value <= 100 else None
        except ValueError as error:
            self._update(str(error))
            self._state.told = str(error)
            return
        self._state.needs = self._state.needs.with_bound(name, value)
        self._update()


def _fields(terms: Terms) -> dict[str, list[str]]:
    words = {"parameters": f"{terms.size} ≤", "flops": f"{terms.unit} ≤"}
    return {name: [words.get(name, said), empty] for name, (said, empty) in FIELDS.items()}


def _chosen(classes: Mapping[int, float], names: Sequence[str]) -> list[list[Any]]:
    return [[label, names[label], weight] for label, weight in sorted(classes.items())]
