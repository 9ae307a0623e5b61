"""`ExplorerState`: what one browser session sees, and what it may ask for."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

import panel as pn
import param
from bokeh.document import Document

from remap_panel import address, keeping
from remap_panel.answers import Turns, aside
from remap_panel.exporting import Export
from remap_panel.feed import Feed
from remap_panel.needs import Judged, Needs, judge, weights_of
from remap_panel.settings import Settings
from remap_panel.snapshot import Snapshot
from remap_panel.telling import tell
from remap_ray.errors import RemapError
from remap_ray.study import DrawerEntry, Model, Study, Submission

__all__ = ["COMPARED", "LINKED", "PROJECTIONS", "ExplorerState"]

PROJECTIONS = {
    "accuracy": "accuracy × size",
    "predictions": "predictions",
    "structure": "structure",
}
"""The overview's three projections, by name, with what their switch says."""

COMPARED = 6
"""Models that can be compared side by side at most."""

TURN_SECONDS = 0.2
"""How long the other sessions wait at most until one has taken a new snapshot."""

LOG = logging.getLogger(__name__)

LINKED = (
    "inspected", "projection", "classes", "needs", "selection", "comparison", "item", "tab",
)  # fmt: skip
"""What the page's address carries."""


class ExplorerState(param.Parameterized):
    """The one state that all views of a session follow.

    Views read ``snapshot`` (what the study holds: the drawer and its notes too)
    and the session's own choices, and call the wishes below; they never write
    to the study themselves. Choices of a session's own travel in the page's
    address; needs and classes are kept in the study for its browser besides.
    """

    snapshot = param.ClassSelector(class_=Snapshot, default=Snapshot(), doc="What the study holds.")
    inspected = param.Integer(default=None, allow_None=True, doc="Pinned by a click.")
    hovered = param.Integer(default=None, allow_None=True, doc="Under the mouse: a preview only.")
    selection = param.List(default=[], item_type=int, doc="Chosen model numbers.")
    comparison = param.List(default=[], item_type=int, doc="Two to six models side by side.")
    projection: Any = param.Selector(default="accuracy", objects=list(PROJECTIONS))
    classes = param.Dict(default={}, doc="Weight of each chosen class, by label.")
    hovered_class = param.Integer(default=None, allow_None=True, doc="A class's preview.")
    needs = param.ClassSelector(class_=Needs, default=Needs(), doc="What a model may cost.")
    item = param.Integer(
        default=None, allow_None=True, doc="Validation image by which models are coloured."
    )
    right = param.Dict(default={}, doc="Whether each model gets `item` right, by number.")
    tab = param.String(default="data", doc="Name of the open tab.")
    settings = param.ClassSelector(
        class_=Settings, default=Settings(), doc="What is set in the Generate tab."
    )
    problem = param.String(default="", doc="Why the study cannot be read now, empty where it can.")
    told = param.String(default="", doc="Last thing said to the person, for screen readers too.")
    exports = param.Dict(default={}, doc="Where the last export of each model stands, by number.")
    undoable = param.String(default="", doc="What `undo` would take back, empty where nothing.")
    alone = param.List(
        default=[], item_type=str, doc="Names of tabs that are shown by themselves besides."
    )

    def __init__(self, feed: Feed, **params: object) -> None:
        known = dict(feed.exports.known)
        super().__init__(**{"snapshot": feed.snapshot, "exports": known, **params})
        self._feed = feed
        self._pending = False
        self._untold = False
        self.turns: Turns | None = pn.state.curdoc
        self._taken = threading.Event()
        self._browser = ""
        self._exporting: set[int] = set()
        self._undo: list[tuple[str, Callable[[], object]]] = []
        self._judged: tuple[tuple[object, ...], Judged] | None = None
        self.param.watch(lambda *_: self._look_at_item(), "item")
        self.param.watch(lambda *_: self._keep_needs(), ["needs", "classes"])
        self.param.watch(lambda *_: self._keep_settings(), "settings")

    @property
    def study(self) -> Study:
        """The study, for reading what the snapshot does not carry (predictions, thumbnails)."""
        return self._feed.study

    def shows(self, tab: str) -> bool:
        """Whether somebody looks at what stands in a tab."""
        return tab == self.tab or tab in self.alone

    def follow(self, document: Turns | None) -> Callable[[], None]:
        """Follow the study on ``document``'s turns (None: at once); gives how to end it."""
        self.turns = document

        def tell() -> None:
            if document is None:
                self._take()
            elif not self._pending:
                # Several snapshots in one turn of the session are one update.
                self._pending = True
                self._taken.clear()
                document.add_next_tick_callback(self._take)
                # Sessions take turns, so that the server answers others in between.
                self._taken.wait(TURN_SECONDS)

        return self._feed.subscribe(tell)

    def _take(self) -> None:
        self._pending = False
        known = dict(self._feed.exports.known)
        changed: dict[str, Any] = {}
        if (problem := self._feed.problem or "") != self.problem:
            changed["problem"] = problem
        if known != self.exports:
            changed["exports"] = known
        # Views are not drawn anew for the same: an export tells of each of its steps.
        if self._untold or self._feed.snapshot is not self.snapshot:
            changed["snapshot"] = self._feed.snapshot
        again = self._untold
        try:
            # What all views have to say of a snapshot travels in one message.
            with pn.io.hold(self.turns if isinstance(self.turns, Document) else None):
                errors = tell(self, changed)
        finally:
            self._taken.set()
        self._untold = bool(errors)
        if errors and not again:
            self.complain(f"A part of what is shown is not up to date: {errors[0]}")
            if self.turns is not None:
                # Once more at once; what fails again is told of the next snapshot.
                self.turns.add_next_tick_callback(self._take)
        for number, export in changed.get("exports", {}).items():
            if number in self._exporting and not export.running:
                self._exporting.discard(number)
                self._tell_export(number, export)

    def model(self, number: int | None) -> Model | None:
        """Give a model of the snapshot, None where there is none of that number."""
        return None if number is None else self.snapshot.models.get(number)

    # What models are judged by

    @property
    def weighing(self) -> Mapping[int, float]:
        """Weight by label of the classes that colours show: a hovered one before chosen ones."""
        return self.classes if self.hovered_class is None else {self.hovered_class: 1.0}

    @property
    def judged(self) -> Judged:
        """How the models measure up to the chosen classes and needs; a hover changes nothing."""
        return self._judge(self.classes)

    @property
    def previewed(self) -> Mapping[int, float]:
        """By model, the accuracy (0 to 1) that colours show now."""
        return self._judge(self.weighing).scores

    def _judge(self, classes: Mapping[int, float]) -> Judged:
        if classes is not self.classes:
            return judge(self.snapshot, classes, self.needs)
        key = (self.snapshot.models, self.snapshot.recalls, classes, self.needs)
        if self._judged is None or any(
            a is not b for a, b in zip(self._judged[0], key, strict=True)
        ):
            self._judged = (key, judge(self.snapshot, classes, self.needs))
        return self._judged[1]

    def _look_at_item(self) -> None:
        """Find who gets the image right; thousands of predictions are read beside the session."""
        item = self.item
        if item is None:
            self.right = {}
            return

        def read() -> None:
            truth = int(self.study.validation_labels[item])
            found = {one: label == truth for one, label in self.study.labels_of_item(item).items()}
            if self.turns is None:
                self._see(item, found)
            else:
                self.turns.add_next_tick_callback(partial(self._see, item, found))

        if self.turns is None:
            read()
        else:
            threading.Thread(target=read, name=f"image {item}", daemon=True).start()

    def _see(self, item: int, found: dict[int, bool]) -> None:
        if item == self.item:
            self.right = found

    # Choices of this session

    def inspect(self, number: int) -> None:
        """Make a model the one that the right side works on."""
        if number in self.snapshot.models:
            self.inspected = number

    def select(self, numbers: Iterable[int]) -> None:
        """Choose models, such as those inside a lasso; unknown ones are left out."""
        self.selection = sorted({one for one in numbers if one in self.snapshot.models})

    def choose_class(self, label: int) -> None:
        """Have a class count, or no more where it does already: what a click on its card means."""
        self.weigh_class(label, None if label in self.classes else 1.0)

    def weigh_class(self, label: int, weight: float | None) -> None:
        """Weigh a class against the other chosen ones; None lets it go."""
        rest = {one: weighs for one, weighs in self.classes.items() if one != label}
        if weight is not None:
            rest[label] = weight
        self.classes = weights_of(rest, self._class_count)

    def compare(self, numbers: Iterable[int]) -> None:
        """Compare up to `COMPARED` models, in this order."""
        known = dict.fromkeys(one for one in numbers if one in self.snapshot.models)
        self.comparison = list(known)[:COMPARED]

    def show_item(self, item: int | None) -> None:
        """Colour models by whether they get a validation image right; the same again ends it."""
        there = item is not None and 0 <= item < len(self.study.validation_labels)
        self.item = item if there and item != self.item else None

    # Address and browser

    @property
    def query(self) -> str:
        """What this session looks at, as the query of a link."""
        return address.query_of({name: getattr(self, name) for name in LINKED})

    def open_link(self, query: str) -> None:
        """Look at what a link's query says, as far as the study has it."""
        found = address.view_of(query)
        models = self.snapshot.models
        if found.get("inspected") not in models:
            found.pop("inspected", None)
            # There is nothing to inspect.
            found["tab"] = found["tab"].replace("inspector", "data")
        if found.get("projection") not in PROJECTIONS:
            found.pop("projection", None)
        if found.get("item", -1) not in range(len(self.study.validation_labels)):
            found.pop("item", None)
        if "classes" in found:
            found["classes"] = weights_of(found["classes"], self._class_count)
        for name, most in (("selection", len(models)), ("comparison", COMPARED)):
            if name in found:
                known = dict.fromkeys(one for one in found[name] if one in models)
                found[name] = list(known)[:most]
        self.param.update(**found)

    def recognize(self, browser: str) -> None:
        """Go on with the needs and settings kept for a browser, and keep those to come."""
        form = self.study.needs(browser) or {}
        classes = form.get("classes", {})
        if isinstance(classes, dict):
            given = {int(label): float(weight) for label, weight in classes.items()}
            found = weights_of(given, self._class_count)
            self.param.update(needs=Needs.from_dict(form), classes=found)
        if (begun := keeping.begun(self.study, browser)) is not None:
            self.settings = Settings.from_dict(begun)
        self._browser = browser

    def _keep_needs(self) -> None:
        if not self._browser:
            return
        classes = {str(label): weight for label, weight in self.classes.items()}
        form = {**self.needs.to_dict(), "classes": classes}
        try:
            self.study.keep_needs(self._browser, form)
        except RemapError as error:
            # A study that cannot be written is looked at all the same: the address has the needs.
            LOG.debug("needs are not kept: %s", error)

    def _keep_settings(self) -> None:
        if self._browser:
            keeping.keep(self.study, self._browser, self.settings.to_dict())

    @property
    def _class_count(self) -> int:
        return len(self.study.data.class_names)

    # Wishes

    def click(self, number: int) -> None:
        """Put a model into the drawer, where that can be written, and inspect it."""
        self.inspect(number)
        if not self.study.read_only:
            self.keep(number)

    def keep(self, number: int) -> None:
        """Put a model into the drawer."""
        if number in self.snapshot.models and number not in self.snapshot.drawer_numbers:
            self._wish(
                partial(self.study.keep, number),
                f"m{number} is in the drawer",
                partial(self.study.let_go, number),
            )

    def keep_all(self, numbers: Sequence[int]) -> None:
        """Put several models into the drawer, such as the Pareto front or a selection."""
        known = set(self.snapshot.drawer_numbers)
        fresh = [one for one in numbers if one in self.snapshot.models and one not in known]
        if not fresh:
            self.told = "All of these are in the drawer already"
            return
        said = f"m{fresh[0]} is" if len(fresh) == 1 else f"{len(fresh)} models are"
        self._wish(
            partial(self.study.keep_all, fresh),
            f"{said} in the drawer",
            partial(self.study.let_go, *fresh),
        )

    def let_go(self, number: int) -> None:
        """Take a model out of the drawer."""
        entry = self._entry(number)
        back = None if entry is None else partial(self.study.put_back, [entry])
        self._wish(partial(self.study.let_go, number), f"m{number} left the drawer", back)

    def arrange(self, number: int, before: int | None = None) -> None:
        """Move a model in the drawer to just above another, or to its end."""
        entries = list(self.snapshot.drawer)
        self._wish(
            partial(self.study.arrange, number, before),
            f"m{number} was moved" + ("" if before is None else f" above m{before}"),
            partial(self.study.put_back, entries),
        )

    def annotate(self, number: int, note: str) -> None:
        """Note something about a model in the drawer."""
        entry = self._entry(number)
        if entry is None or entry.note != note:
            back = None if entry is None else partial(self.study.annotate, number, entry.note)
            self._wish(partial(self.study.annotate, number, note), f"noted of m{number}", back)

    def undo(self) -> None:
        """Take back the last change that this session made to the drawer."""
        if self._undo:
            words, back = self._undo.pop()
            self._show_undoable()
            self._wish(back, f"taken back: {words}")

    def train(self, wanted: Sequence[Submission]) -> None:
        """Wish that models are trained; hundreds are written in one step beside the session."""

        def write() -> tuple[tuple[int, ...], str]:
            try:
                return self.study.submit(wanted), ""
            except RemapError as error:
                return (), str(error)

        def then(made: tuple[tuple[int, ...], str]) -> None:
            numbers, problem = made
            if problem:
                self.complain(problem)
                return
            names = f"m{numbers[0]}" if len(numbers) == 1 else f"{len(numbers)} models"
            self.told = f"{names} {'waits' if len(numbers) == 1 else 'wait'} in the queue"
            self._feed.poke()

        aside(self.turns, write, then)

    def cancel(self, *numbers: int) -> None:
        """Wish that waiting or training models stop."""
        self._wish(partial(self.study.cancel, *numbers), f"{_names(numbers)} being cancelled")

    def move(self, *numbers: int, before: int | None = None, place: int | None = None) -> None:
        """Wish that waiting models are trained earlier or later, in this order."""
        where = "to the end" if before is None else f"above m{before}"
        where = where if place is None else f"to place {place}"
        write = partial(self.study.move, *numbers, before=before, place=place)
        self._wish(write, f"{_names(numbers)} moved {where}")

    def longer(self, *numbers: int, epochs: int) -> None:
        """Wish that models are trained so many epochs longer."""
        more = "1 epoch" if epochs == 1 else f"{epochs} epochs"
        who = f"m{numbers[0]} waits" if len(numbers) == 1 else f"{len(numbers)} models wait"
        write = partial(self.study.longer, *numbers, epochs=epochs)
        self._wish(write, f"{who} for {more} more")

    def export(self, number: int) -> None:
        """Have a model written as code, weights, ONNX and a card, by a process of its own."""
        self._exporting.add(number)
        if self._feed.exports.begin(number):
            self.told = f"m{number} is being exported"

    def _tell_export(self, number: int, export: Export) -> None:
        if export.folder is None:
            self.complain(f"m{number} was not exported: {export.words}")
        else:
            self.told = f"m{number} is exported to {export.folder}"

    def retry(self, *numbers: int) -> None:
        """Wish that models that failed or were cancelled are trained after all."""
        self._wish(partial(self.study.retry, *numbers), f"{_names(numbers)} waiting again")

    def ask(self, number: int, wish: str) -> None:
        """Wish what a row's button stands for, one of `remap_panel.children.WISHES`."""
        if wish == "up":
            self.move(number, place=1)
        elif wish == "longer":
            self.longer(number, epochs=self.study.recipe.epochs)
        elif wish == "repeat":
            self.repeat(number)
        elif wish == "retry":
            self.retry(number)
        elif wish == "cancel":
            self.cancel(number)

    def repeat(self, number: int, count: int = 1) -> None:
        """Wish that an architecture is trained again with another seed."""
        times = "once more" if count == 1 else f"{count} times more"
        write = partial(self.study.repeat, number, count)
        self._wish(write, f"m{number} is trained {times}, with another seed")

    def pause(self, *, paused: bool) -> None:
        """Wish that the queue stops, or goes on."""
        write = self.study.pause if paused else self.study.resume
        self._wish(write, "the queue is paused" if paused else "the queue goes on")

    def set_workers(self, workers: int | None, gpus_per_model: float | None) -> None:
        """Wish how many models train at a time, and what each has of a GPU."""
        write = partial(self.study.set_workers, workers, gpus_per_model)
        self._wish(write, f"{workers or 'as many as fit'} at a time")

    def complain(self, problem: str) -> None:
        """Tell the person, where they act, what could not be done and what to do."""
        self.told = problem
        if pn.state.notifications is not None:
            pn.state.notifications.warning(problem)

    def _entry(self, number: int) -> DrawerEntry | None:
        return next((one for one in self.snapshot.drawer if one.model == number), None)

    def _wish(
        self,
        write: Callable[[], object],
        said: str,
        back: Callable[[], object] | None = None,
    ) -> None:
        if self._write(write):
            self.told = said
            if back is not None:
                self._undo.append((said, back))
                self._show_undoable()
            self._feed.poke()

    def _write(self, write: Callable[[], object]) -> bool:
        """Write to the study, or say why not."""
        try:
            write()
        except RemapError as error:
            self.complain(str(error))
            return False
        return True

    def _show_undoable(self) -> None:
        self.undoable = self._undo[-1][0] if self._undo else ""


def _names(numbers: Sequence[int]) -> str:
    """Give the subject of a sentence: ``m3 is``, ``4 models are``."""
    return f"m{numbers[0]} is" if len(numbers) == 1 else f"{len(numbers)} models are"
