"""`Editor`: the SNAC as a control, to choose layers, to say what may vary, and to handcraft.

The drawing comes from `remap_panel.snac.svg`, block by block. The browser marks and moves blocks;
what they are is decided here, and every step of a handcraft is a step of a `Draft`.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, final

import param
from panel.viewable import Viewer

from remap_panel import draft as drafts
from remap_panel import theme
from remap_panel.check import Check, check
from remap_panel.component import Component
from remap_panel.draft import Draft
from remap_panel.snac import cells
from remap_ray.errors import RemapError
from remap_ray.space import Design, Limits, Part, spaces
from remap_ray.space.edit import Proposal, words_of
from remap_ray.space.edits import NAMES
from remap_ray.space.script import between
from remap_ray.space.terms import LAYERS
from remap_ray.version import VERSION

__all__ = ["MODES", "Editor", "everything"]

MODES = {"choose": "Choose layers", "vary": "Say what may vary", "craft": "Handcraft"}
"""What the editor is used for, by name."""

HERE = Path(__file__).parent

PARTS = {"face": "editor_face.js", "gestures": "editor_gestures.js"}
"""Scripts that ``editor.js`` is made of besides, each before those that need it."""

IMPORTING = re.compile(r"^const \{.*\} = await import\(.*\)\n", re.MULTILINE)
EXPORTED = re.compile(r"^export ", re.MULTILINE)

Allowed = dict[int, tuple[str, ...]]


def everything(architecture: Design, grids: cells.Grids | None = None) -> Allowed:
    """Allow each type of edit wherever it can happen."""
    places = (*architecture.parts, None)
    return {at: tuple(cells.possible(layer, grids)) for at, layer in enumerate(places)}


class EditorPane(Component):
    """What the browser draws and tells; `Editor` says what it means."""

    mode = param.String(default="choose")
    label = param.String(default="", doc="What the layers are of, for screen readers.")
    cells = param.List(default=[])
    chosen = param.List(default=[], doc="Indices of the chosen layers.")
    allowed = param.List(default=[], doc="Names of the edits allowed at each position.")
    bars = param.Dict(default={}, doc="Importance by layer, as text.")
    kinds = param.List(default=[], doc="The palette.")
    summary = param.Dict(default={}, doc="What the draft is, in words.")
    steps = param.List(default=[False, False], doc="Whether undo and redo have a step.")
    answered = param.Integer(default=0, doc="The last step that was made, or could not be.")
    complaint = param.Dict(default={}, doc="What was wrong with the last wish, and where.")
    donors = param.List(default=[], doc="Numbers and names of models to take layers from.")
    donor = param.Dict(default={}, doc="The model that layers are taken from.")
    part = param.String(default="layer", doc="What one part is called.")
    parts = param.String(default="layers", doc="What several are called.")
    told = param.String(default="", doc="The last step in words, for screen readers.")

    # Not "editor.css": Panel gives a style of that name to the whole document.
    _stylesheets: ClassVar[list[str]] = [(HERE / "editor_style.css").read_text(encoding="utf-8")]
    _bundle = "editor.js"
    # Panel serves what is listed here; the scripts import each other from there.
    _resources: ClassVar[dict[str, dict[str, str]]] = {"modules": PARTS}
    _constants: ClassVar[dict[str, Any]] = {
        "edits": list(NAMES),
        "modes": {name: theme.css_variables(mode) for name, mode in theme.MODES.items()},
    }

    def __init__(self, on_message: Callable[[object], None], **params: Any) -> None:
        super().__init__(**params)
        self.on_msg(lambda event: on_message(event.data))

    @classmethod
    def _render_esm(cls, compiled: bool | Literal["compiling"] = True, server: bool = False) -> str:
        """Give the script's address where a server has one, else its text, all parts included."""
        text: str = super()._render_esm(compiled, server)
        if "\n" not in text:
            # A browser must not run an older release's script from its cache.
            return f"{text}?{VERSION}"
        parts = [(HERE / one).read_text(encoding="utf-8") for one in PARTS.values()]
        own = [EXPORTED.sub("", IMPORTING.sub("", part)) for part in parts]
        return "\n".join([*own, IMPORTING.sub("", text)])


@final
class Editor(Viewer):
    """A chip whose layers can be chosen, allowed to vary, or made into another network.

    Parameters
    ----------
    lookup
        Gives the architecture of a model by its number, None where there is none: layers can
        be taken from these.
    params
        Values of the parameters below. `work_on` sets those that belong together.
    """

    mode: Any = param.Selector(default="choose", objects=list(MODES), doc="What it is used for.")
    baseline = param.ClassSelector(class_=Design, default=None, doc="What is worked on.")
    number = param.Integer(default=None, allow_None=True, doc="The baseline's model number.")
    input_shape = param.Tuple(default=(1, 28, 28), doc="Of the data: channels, height, width.")
    classes = param.Integer(default=10, bounds=(2, None), doc="Of the data.")
    chosen = param.List(default=[], item_type=int, doc="Layers chosen to be removed each.")
    brushed = param.List(default=[], item_type=int, doc="Layers whose toggles are set together.")
    allowed: Any = param.Dict(default={}, doc="Types of edits allowed, by position.")
    draft = param.ClassSelector(class_=Draft, default=Draft(), doc="The handcraft as it is now.")
    limits = param.ClassSelector(class_=Limits, default=None, doc="What a child must keep.")
    known: Any = param.Dict(default={}, doc="Numbers of the models there are, by identity.")
    space = param.String(default=spaces.LAYERS, doc="Name of the space of what is made.")
    grids: Any = param.Dict(default=None, allow_None=True, doc="The space's grids, by kind.")
    importance: Any = param.Dict(default={}, doc="By layer: delta, low, high, words, clear.")
    notes: Any = param.Dict(default={}, doc="By layer, why it cannot be removed, or the like.")
    price = param.String(default="", doc="What else the draft costs, such as its training time.")
    donors: Any = param.Dict(default={}, doc="Names of the models to take layers from, by number.")
    checked: Any = param.ClassSelector(class_=Check, default=None, doc="What the draft is.")

    def __init__(self, lookup: Callable[[int], Design | None] | None = None, **params: Any) -> None:
        if (baseline := params.get("baseline")) is not None:
            params.setdefault("input_shape", baseline.input_shape)
            params.setdefault("classes", baseline.classes)
            params.setdefault("allowed", everything(baseline, params.get("grids")))
            params.setdefault(
                "draft", drafts.begin(baseline.parts, params.get("number"), baseline.space)
            )
        super().__init__(**params)
        self._lookup = lookup or (lambda _: None)
        self._donor: tuple[Part, ...] = ()
        self._checked_on: tuple[object, ...] = ()
        self._known: object = None
        kinds = cells.kinds(self.space, self.grids)
        self._terms = spaces.entry(self.space).design.terms
        called = {} if self._terms is LAYERS else {"part": "part", "parts": "parts"}
        self._pane = EditorPane(self._hear, kinds=kinds, sizing_mode="stretch_width", **called)
        self._check()
        self._draw()
        self._mark()
        self.param.watch(
            lambda *_: self._check(),
            ["draft", "limits", "known", "baseline", "input_shape", "classes"],
        )
        self.param.watch(
            lambda *_: self._draw(),
            ["mode", "baseline", "number", "checked", "notes", "importance", "grids", "price",
             "donors"],
        )  # fmt: skip
        self.param.watch(
            lambda *_: self._mark(), ["mode", "chosen", "brushed", "allowed", "draft", "baseline"]
        )
        self._pane.param.watch(self._take, ["chosen", "allowed"])

    def __panel__(self) -> EditorPane:
        return self._pane

    def work_on(
        self,
        baseline: Design | None,
        number: int | None = None,
        *,
        chosen: Iterable[int] = (),
        allowed: Mapping[int, Iterable[str]] | None = None,
        draft: Draft | None = None,
        **params: Any,
    ) -> None:
        """Work on another baseline, or on none; what is not given begins afresh.

        Parameters
        ----------
        baseline, number
            What is worked on, and its number.
        chosen, allowed, draft
            As they were left; by default nothing is chosen, everything allowed, and the draft
            is the baseline.
        params
            Other parameters to set in the same step.
        """
        if baseline is not None:
            params |= {"input_shape": baseline.input_shape, "classes": baseline.classes}
        some = {} if baseline is None else everything(baseline, params.get("grids", self.grids))
        if allowed is not None:
            some |= {at: tuple(names) for at, names in allowed.items() if at in some}
        count = len(baseline.parts) if baseline else 0
        self.param.update(
            baseline=baseline,
            number=number,
            chosen=sorted({one for one in chosen if 0 <= one < count}),
            brushed=[],
            allowed=some,
            draft=draft or self._afresh(baseline, number),
            importance=params.pop("importance", {}),
            notes=params.pop("notes", {}),
            price=params.pop("price", ""),
            **params,
        )

    def _afresh(self, baseline: Design | None, number: int | None) -> Draft:
        if baseline is None:
            return drafts.begin((), number, self.space)
        return drafts.begin(baseline.parts, number, baseline.space)

    @property
    def proposal(self) -> Proposal:
        """The handcrafted child, with its problem where it cannot, or need not, be trained."""
        found: Check = self.checked
        return Proposal(
            found.architecture,
            found.edits,
            found.words,
            found.problem,
            found.fault,
            self.draft.layers,
        )

    @property
    def _output(self) -> Part | None:
        return None if self.baseline is None else self.baseline.output

    # What is drawn

    def _check(self) -> None:
        on = (self.draft.layers, self.input_shape, self.classes, self.limits, self.baseline)
        if on != self._checked_on or self.known is not self._known:
            # What is chosen changes often, and changes nothing here.
            self._checked_on, self._known = on, self.known
            self.checked = check(
                self.draft, self.input_shape, self.classes, self.limits, self.known, self.baseline
            )

    def _draw(self) -> None:
        crafting = self.mode == "craft"
        name = "the draft" if self.number is None else f"m{self.number}"
        # A space whose models are no sequences has settings besides what its terms count.
        parts = "Layers" if self._terms is LAYERS else "Settings and columns"
        params: dict[str, Any] = {
            "mode": self.mode,
            "label": f"{parts} of the handcraft from {name}" if crafting else f"{parts} of {name}",
            "bars": {},
            "donors": [[number, words] for number, words in self.donors.items()],
        }
        found: Check = self.checked
        if crafting:
            fault = {} if found.fault is None else {found.fault: found.problem or ""}
            params["cells"] = cells.cells(
                self.draft.layers, self.input_shape, found.shapes, self.classes,
                faults=fault, changed=found.changed, gaps=found.gaps, grids=self.grids,
                terms=self._terms, output=self._output,
            )  # fmt: skip
        elif self.baseline is not None:
            base = self.baseline
            params["cells"] = cells.cells(
                base.parts, base.input_shape, base.sizes[1:-1], base.classes,
                notes=self.notes, grids=self.grids, terms=self._terms, output=base.output,
            )  # fmt: skip
            made = cells.bars(self.importance) if self.mode == "choose" else {}
            params["bars"] = {str(layer): bar for layer, bar in made.items()}
        else:
            params["cells"] = []
        params["summary"] = self._summary() if crafting else {}
        self._pane.param.update(**params)

    def _summary(self) -> dict[str, Any]:
        found, base = self.checked, self.baseline
        facts = []
        for name, now, then in (
            (self._terms.size, found.parameters, base and base.parameter_count),
            (self._terms.steps, found.multiply_adds, base and base.multiply_adds),
        ):
            if now is not None:
                apart = "" if then is None or now == then else f"{now - then:+,}"
                facts.append([name, f"{now:,}", apart.replace("-", "−")])
        return {
            "problem": found.problem or "",
            "facts": facts,
            "price": self.price,
            "words": found.words,
            "text": " ".join(layer.text for layer in self.draft.layers),
            "baseline": "" if base is None else "the baseline" if self.number is None
            else f"m{self.number}",
        }  # fmt: skip

    def _mark(self) -> None:
        chosen = {"choose": self.chosen, "vary": self.brushed, "craft": list(self.draft.chosen)}
        places = 0 if self.baseline is None else len(self.baseline.parts) + 1
        self._pane.param.update(
            chosen=chosen[self.mode],
            allowed=[list(self.allowed.get(at, ())) for at in range(places)],
            steps=[bool(self.draft.past), bool(self.draft.future)],
        )

    # What the browser says

    def _take(self, *events: param.parameterized.Event) -> None:
        # Both may come together. Taken one by one, what the first sets here would be told with the
        # second as it was, and the browser, which is not told of what it said itself, keep that.
        with param.parameterized.batch_call_watchers(self):
            for event in events:
                take = self._choose if event.name == "chosen" else self._allow
                take(event.new)

    def _choose(self, given: list[Any]) -> None:
        count = len(self.baseline.parts) if self.baseline else 0
        if self.mode == "craft":
            made = drafts.choose(self.draft, filter(_is_index, given))
            if made != self.draft:
                self.draft = made
        elif self.mode == "vary":
            self.brushed = sorted({one for one in given if _is_index(one) and one <= count})
        else:
            self.chosen = sorted({one for one in given if _is_index(one) and one < count})

    def _allow(self, given: list[Any]) -> None:
        if self.baseline is None:
            return
        most = everything(self.baseline, self.grids)
        self.allowed = {
            at: tuple(name for name in most[at] if at < len(given) and name in given[at])
            for at in most
        }

    def _hear(self, data: object) -> None:
        if not isinstance(data, dict):
            return
        # All that a step changes is one message.
        with param.parameterized.batch_call_watchers(self._pane):
            self._do(data)
            if isinstance(step := data.get("step"), int):
                self._pane.answered = step

    def _do(self, data: dict[str, Any]) -> None:
        place = "text" if "text" in data else "layer" if "set" in data else "step"
        try:
            if "donor" in data:
                self._show_donor(data["donor"])
                return
            made = _step(self.draft, data, self._donor, self.baseline, self.grids)
        except (RemapError, TypeError, ValueError, LookupError) as error:
            # What does not have the form of a wish cannot come from our own script.
            words = str(error) if isinstance(error, RemapError) else "this cannot be done"
            self._pane.complaint = {"place": place, "words": words}
            return
        self._pane.complaint = {}
        if made is not None and self.mode == "craft":
            before, self.draft = self.draft, made
            self._pane.told = self._told(before, made)

    def _told(self, before: Draft, made: Draft) -> str:
        if before.layers == made.layers:
            return ""
        words = words_of(before.layers, between(before.layers, made.layers))
        return f"{words}. {self.checked.problem}" if self.checked.problem else words

    def _show_donor(self, number: object) -> None:
        found = self._lookup(number) if isinstance(number, int) else None
        self._donor = () if found is None else found.parts
        if found is None:
            self._pane.donor = {}
            return
        shapes = found.sizes[1:-1]
        made = cells.cells(
            found.parts, found.input_shape, shapes, found.classes,
            terms=self._terms, output=found.output,
        )  # fmt: skip
        # The output layer is everyone's own.
        self._pane.donor = {"number": number, "cells": made[:-1]}


def _step(
    now: Draft,
    wish: dict[str, Any],
    lent: tuple[Part, ...],
    baseline: Design | None,
    grids: cells.Grids | None = None,
) -> Draft | None:
    """Make the step of a draft that a message wishes; None where it wishes none."""
    made = None
    match wish:
        case {"insert": [at, kind]}:
            made = drafts.insert(now, at, [drafts.layer_of(kind, now.space, grids, now.layers)])
        case {"move": [list(indices), to]}:
            made = drafts.move(now, indices, to)
        case {"remove": list(indices)}:
            made = drafts.remove(now, indices)
        case {"set": [list(indices), str(name), value]}:
            made = drafts.change(now, indices, name, value)
        case {"paste": [at, str(text)]}:
            made = drafts.paste(now, at, text)
        case {"run": [list(indices), at]}:
            made = drafts.from_run(now, at, lent, indices)
        case {"text": str(text)}:
            made = drafts.from_text(now, text)
        case {"do": "undo"}:
            made = drafts.undo(now)
        case {"do": "redo"}:
            made = drafts.redo(now)
        case {"do": "nothing"}:
            made = drafts.from_nothing(now)
        case {"do": "restore"}:
            made = drafts.restore(now, baseline.parts if baseline else ())
    return made


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
