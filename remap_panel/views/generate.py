"""Generate models: ablations, variations and handcrafts of the baseline, and its children."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, final

import panel as pn
from panel.viewable import Viewable, Viewer

from remap_panel import draft as drafts
from remap_panel import offer_sheet, sparkline, wording
from remap_panel.answers import aside
from remap_panel.children import (
    WISHES,
    Line,
    changes_from,
    family,
    importance,
    importance_pairs,
    lines,
    marked,
    marks,
    summaries,
)
from remap_panel.deltas import Deltas, pair, runs_by_identity
from remap_panel.draft import Draft
from remap_panel.proposals import (
    Offer,
    draw,
    draw_one,
    known_of,
    limits_of,
    offer,
    price,
    submissions,
)
from remap_panel.settings import CHANGES, COUNTS, MODES, Chosen, Drawn, Settings
from remap_panel.sheet import Sheet
from remap_panel.snac.editor import Editor, everything
from remap_panel.state import ExplorerState
from remap_panel.table import Action, Column, LiveTable, Row
from remap_ray.errors import RemapError
from remap_ray.space import Design
from remap_ray.study import Model, pace_of, space_of

__all__ = ["TAB", "Generate"]

TAB = "generate"
"""Name of the tab in the page's state."""

EDITOR_MODES = {"ablations": "choose", "variations": "vary", "handcrafted": "craft"}

COLUMNS = (
    Column("name", "Model", width=62),
    Column(
        "snac",
        "Layers",
        "drawn",
        width=92,
        grow=3,
        keep=3,
        sortable=False,
        hint="Below the layers: + added, − taken out before, ^ changed",
    ),
    Column("origin", "Type", width=78, grow=1, keep=7),
    Column("changes", "Changes", width=120, grow=4, keep=4, hint="Against the baseline"),
    Column("parameters", "Δ params", "number", width=98, keep=2, right=True),
    Column(
        "accuracy",
        "Δ accuracy",
        "number",
        width=166,
        keep=1,
        right=True,
        descending=True,
        hint="On the validation images, and the interval that holds the true one 19 times of 20",
    ),
    Column(
        "classes",
        "Δ by class",
        width=92,
        grow=2,
        keep=8,
        sortable=False,
        hint="On the chosen classes; with none chosen, on those where the difference is clear",
    ),
    Column("loss", "Loss", "drawn", width=88, keep=6, sortable=False),
    Column("status", "Status", "mark", width=112, grow=3, keep=5, sortable=False),
    Column(
        "actions",
        "",
        "actions",
        width=116,
        sortable=False,
        actions={
            "keep": Action("Keep in the drawer", "☆"),
            "baseline": Action("Make it the baseline", "◎"),
            **WISHES,
        },
    ),
)


@final
class Generate(Viewer):
    """The view of `ExplorerState.inspected` as a baseline, and of `ExplorerState.settings`."""

    def __init__(self, state: ExplorerState) -> None:
        super().__init__()
        self._state = state
        self._space = space_of(state.study)
        self._deltas = Deltas.of(state.study)
        self._lines: dict[int, Line] = {}
        self._family: tuple[int, ...] = ()
        self._offer: Offer | None = None
        self._shown: int | None = None
        self._drawing: tuple[int, ...] | None = None
        self._working = False
        styles = [offer_sheet.STYLE]
        self.head = Sheet(self._act, stylesheets=styles, css_classes=["remap-generate-head"])
        self.controls = Sheet(self._act, stylesheets=styles, css_classes=["remap-controls"])
        self.price = Sheet(self._act, stylesheets=styles, css_classes=["remap-offer"])
        self.preview = Sheet(self._act, stylesheets=styles, css_classes=["remap-preview"])
        self.children_head = Sheet(
            self._act, stylesheets=styles, css_classes=["remap-children-head"]
        )
        data = state.study.data
        self.editor = Editor(
            self._architecture,
            input_shape=data.input_shape,
            classes=len(data.class_names),
            space=self._space.kind,
            grids=self._space.choices,
        )
        self.table = LiveTable(
            wording.titled(COLUMNS, state.study.data.terms),
            self._rows,
            label="Children of the baseline",
            empty="Nothing was made of this model yet.\nWhat you train above appears here.",
            on_hover=self._hover,
            on_click=state.keep,
            on_action=self._wish,
            draw=self._draw,
            hovered=state.hovered,
            sizing_mode="stretch_width",
            min_height=300,
            height=300,
            css_classes=["remap-children"],
        )
        self._editor = pn.Column(self.editor, sizing_mode="stretch_width", margin=(6, 0))
        self._body = pn.Column(
            self._editor,
            self.controls,
            self.price,
            self.preview,
            self.children_head,
            self.table,
            sizing_mode="stretch_width",
            margin=0,
        )
        self._view = pn.Column(self.head, self._body, sizing_mode="stretch_width", margin=0)
        self._show()
        state.param.watch(lambda _: self._show(), ["inspected", "settings", "tab", "alone"])
        state.param.watch(lambda _: self._refresh(), ["snapshot", "classes"])
        state.param.watch(lambda event: self.table.param.update(hovered=event.new), "hovered")
        self.editor.param.watch(self._take_editor, ["chosen", "allowed", "draft"])

    def __panel__(self) -> Viewable:
        return self._view

    @property
    def baseline(self) -> Model | None:
        """The model that children are made of."""
        return self._state.model(self._state.inspected)

    @property
    def _open(self) -> bool:
        return self._state.shows(TAB)

    def _architecture(self, number: int) -> Design | None:
        model = self._state.model(number)
        return None if model is None else model.design

    # What is shown

    def _show(self) -> None:
        """Show the baseline of now with what was set for it, where the tab is open."""
        if not self._open:
            return
        state, model = self._state, self.baseline
        parent = None if model is None else state.model(model.parent)
        self.head.html = offer_sheet.head_html(model, parent)
        self.head.pressed = [f"mode {state.settings.mode}"]
        self._body.visible = model is not None
        if model is None:
            self._shown = None
            return
        settings = state.settings
        chosen = settings.of(model.number, model.design)
        self.controls.html = offer_sheet.controls_html(settings, self._space)
        if self._shown != model.number:
            self._shown = model.number
            self._lines = {}
            self._begin(model, chosen)
        self.editor.param.update(
            mode=EDITOR_MODES[settings.mode], limits=limits_of(settings, self._space)
        )
        if settings.mode == "variations" and chosen.drawn is None:
            self._draw_variations(model, settings, (model.number, chosen.seed))
        self._refresh()

    def _begin(self, model: Model, chosen: Chosen) -> None:
        """Have the editor work on another baseline, as it was left."""
        draft = None
        if chosen.draft is not None:
            try:
                draft = drafts.from_json(chosen.draft)
            except RemapError as error:
                self._state.complain(f"the handcraft that was begun cannot be read: {error}")
        self.editor.work_on(
            model.design,
            model.number,
            chosen=chosen.layers,
            allowed=chosen.allowed,
            draft=draft,
        )

    def _refresh(self) -> None:
        """Show what the study says by now of the offer, the children and the importance."""
        model = self.baseline
        if not self._open or model is None:
            return
        state = self._state
        snapshot, settings = state.snapshot, state.settings
        known = known_of(snapshot.models)
        self.editor.param.update(
            known={identity: one for identity, one in known.items() if one != model.number},
            donors={number: snapshot.models[number].name for number in snapshot.drawer_numbers}
            | ({} if model.parent is None else {model.parent: f"m{model.parent}"}),
        )
        self._offer = offer(
            model,
            settings,
            self._space,
            snapshot.models,
            known,
            pace_of(snapshot.models.values()),
            snapshot.heartbeat.workers,
            self.editor.proposal if settings.mode == "handcrafted" else None,
            snapshot.seconds_left,
        )
        drawing = self._drawing is not None and settings.mode == "variations"
        self.price.html = offer_sheet.price_html(self._offer, drawing=drawing)
        self.preview.html = (
            "" if drawing else offer_sheet.preview_html(self._offer, model.design.parts)
        )
        if settings.mode == "handcrafted":
            # Why it cannot be trained, and what it would be instead, is said by the editor itself.
            self.editor.price = price(self._offer)[1] if self._offer.trained else ""
        self._show_children(model)

    def _show_children(self, model: Model) -> None:
        state = self._state
        snapshot, descendants = state.snapshot, state.settings.descendants
        self._family = family(snapshot, model.number, descendants=descendants)
        runs = runs_by_identity(snapshot)
        wanted = [
            pair(runs, model.identity, snapshot.models[number].identity) for number in self._family
        ]
        wanted += importance_pairs(model, runs).values()
        self._lines = lines(
            snapshot,
            model,
            self._family,
            runs,
            self._deltas,
            state.classes,
            state.study.data.class_names,
            self._lines,
        )
        self.children_head.html = offer_sheet.children_html(
            len(self._family),
            model.name,
            summaries(snapshot, self._family),
            descendants=descendants,
        )
        self.children_head.pressed = ["descendants"] if descendants else []
        self.editor.importance = importance(model, runs, self._deltas)
        self.table.update()
        missing = self._deltas.missing(wanted)
        if missing and not self._working:
            self._working = True
            work = partial(self._deltas.work_out, missing)
            aside(self._state.turns, work, lambda _: self._worked_out())

    def _worked_out(self) -> None:
        self._working = False
        self._refresh()

    def _rows(self) -> Mapping[int, Row]:
        return {number: line.row for number, line in self._lines.items()}

    def _draw(self, field: str, number: int) -> str:
        line, model = self._lines[number], self.baseline
        if field == "loss":
            losses = [epoch.train_loss for epoch in line.epochs]
            return sparkline.curve(losses, slots=line.model.wanted_epochs, label="training loss")
        assert model is not None
        _, edits = changes_from(model, line.model)
        return marked(line.model.design, marks(edits, model.design.parts))

    # What a person does

    def _hover(self, number: int | None) -> None:
        self._state.hovered = number

    def _wish(self, number: int, wish: str) -> None:
        state = self._state
        if wish == "keep":
            state.keep(number)
        elif wish == "baseline":
            state.inspect(number)
        else:
            state.ask(number, wish)

    def _act(self, act: str, value: str) -> None:
        state, model = self._state, self.baseline
        settings = state.settings
        if act == "descendants":
            state.settings = replace(settings, descendants=not settings.descendants)
        elif act == "mode" and value in MODES:
            state.settings = replace(settings, mode=value)
        elif model is None:
            return
        elif act == "parent" and model.parent is not None:
            state.inspect(model.parent)
        elif act == "repeat":
            state.repeat(model.number)
        elif act == "train":
            self._train(model)
        elif act in {"strike", "redraw", "draw"}:
            self._change_preview(model, act, value)
        else:
            self._set(model, act, value)

    def _set(self, model: Model, act: str, value: str) -> None:
        """Set a number, a limit or the kinds of new layers; what is none is told and put back."""
        state, settings = self._state, self._state.settings
        low, high = settings.changes
        if act == "kind":
            name, _, ticked = value.partition(" ")
            known = set(self._space.new_kinds)
            chosen = (set(settings.kinds) or known) - {name}
            chosen |= {name} & known if ticked == "true" else set()
            if not chosen:
                state.complain(f"new {model.terms.parts} must be of some kind: leave one ticked")
            made = settings.setting(
                model.number, kinds=frozenset() if chosen == known else frozenset(chosen)
            )
            state.settings = made if chosen else settings
            self._show_controls()
            return
        number = _whole(value)
        if number is None and not (act == "parameters" and not value.strip()):
            state.complain(f"a whole number is needed here, not {value[:40]!r}")
        elif act == "parameters":
            state.settings = settings.setting(model.number, parameters=number or None)
        elif act == "count" and number is not None:
            state.settings = settings.setting(model.number, count=_within(number, *COUNTS))
        elif act == "fewest" and number is not None:
            fewest = _within(number, CHANGES[0], high)
            state.settings = settings.setting(model.number, changes=(fewest, high))
        elif act == "most" and number is not None:
            most = _within(number, low, CHANGES[1])
            state.settings = settings.setting(model.number, changes=(low, most))
        self._show_controls()

    def _show_controls(self) -> None:
        """Show the settings as they are, where the field still shows what was refused."""
        settings = self._state.settings
        html = offer_sheet.controls_html(settings, self._space)
        if self.controls.html == html:
            self.controls.param.trigger("html")
        self.controls.html = html

    def _take_editor(self, *_: object) -> None:
        """Remember what was chosen, allowed or made in the editor."""
        model, state, editor = self.baseline, self._state, self.editor
        if model is None or editor.number != model.number:
            return
        before = state.settings.of(model.number, model.design)
        allowed: dict[int, frozenset[str]] | None = {
            at: frozenset(types) for at, types in editor.allowed.items()
        }
        most = everything(model.design, self._space.choices)
        if allowed == {at: frozenset(types) for at, types in most.items()}:
            allowed = None
        made = replace(before, layers=frozenset(editor.chosen), draft=_form(editor.draft, model))
        if allowed != before.allowed:
            made = made.redrawn(allowed=allowed)
        if made != before:
            state.settings = state.settings.having(model.number, made)

    def _train(self, model: Model) -> None:
        made = self._offer
        if made is None or not made.trained:
            return
        if made.mode == "variations" and self._drawing is not None:
            return
        self._state.train(submissions(made))
        if made.mode == "variations":
            self._keep_drawn(model, ())

    def _keep_drawn(self, model: Model, drawn: Drawn, struck: frozenset[int] = frozenset()) -> None:
        settings = self._state.settings
        chosen = settings.of(model.number, model.design)
        self._state.settings = settings.having(
            model.number, replace(chosen, drawn=drawn, struck=struck, seed=chosen.seed + 1)
        )

    def _change_preview(self, model: Model, act: str, value: str) -> None:
        state = self._state
        settings = state.settings
        chosen = settings.of(model.number, model.design)
        if act == "draw":
            state.settings = settings.having(model.number, chosen.redrawn())
            return
        place = int(value) if value.isdecimal() else -1
        if not 0 <= place < len(chosen.drawn or ()):
            return
        if act == "strike":
            made = replace(chosen, struck=chosen.struck ^ {place})
            state.settings = settings.having(model.number, made)
            return
        known = known_of(state.snapshot.models)

        def work() -> Drawn | str:
            try:
                return draw_one(model, settings, self._space, known, place)
            except RemapError as error:
                return str(error)

        self._beside(model, work, (model.number, chosen.seed, place), chosen.struck - {place})

    def _draw_variations(self, model: Model, settings: Settings, asked: tuple[int, ...]) -> None:
        if asked == self._drawing:
            return
        known = known_of(self._state.snapshot.models)

        def work() -> Drawn | str:
            try:
                return draw(model, settings, self._space, known)
            except RemapError as error:
                return str(error)

        self._beside(model, work, asked, frozenset())

    def _beside(
        self,
        model: Model,
        work: Callable[[], Drawn | str],
        asked: tuple[int, ...],
        struck: frozenset[int],
    ) -> None:
        """Draw beside the session; only what was asked for last is taken."""
        self._drawing = asked
        settings = self._state.settings

        def work_and_draw() -> Drawn | str:
            drawn = work()
            if not isinstance(drawn, str):
                # The chips of hundreds of cards are drawn here too, not on the session's turn.
                design = model.design
                chosen = replace(settings.of(model.number, design), drawn=drawn)
                shown = settings.having(model.number, chosen)
                made = offer(model, shown, self._space, {}, {}, None, 1)
                offer_sheet.preview_html(made, design.parts)
            return drawn

        def then(drawn: Drawn | str) -> None:
            if asked != self._drawing:
                return
            self._drawing = None
            if isinstance(drawn, str):
                self._state.complain(drawn)
                self._refresh()
            else:
                self._keep_drawn(model, drawn, struck)

        aside(self._state.turns, work_and_draw, then)


def _form(draft: Draft, model: Model) -> dict[str, Any] | None:
    """Give the JSON form of a draft; none where nothing was done yet."""
    if draft.layers == model.design.parts and not draft.past and not draft.future:
        return None
    return drafts.to_json(draft)


def _whole(text: str) -> int | None:
    """Read a whole number as people write it: ``100000``, ``100,000``, ``100k``, ``1.5M``."""
    plain = text.strip().lower().replace(",", "").replace(" ", "")
    scale = {"k": 1_000, "m": 1_000_000}.get(plain[-1:], 1)
    try:
        value = float(plain[:-1] if scale > 1 else plain) * scale
    except ValueError:
        return None
    return int(value) if 0 <= value < 1e15 and value == int(value) else None


def _within(number: int, low: int, high: int) -> int:
    return min(max(number, low), high)
