"""`ExplorerState`: what one browser session sees, and what it may ask for."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import panel as pn
import param
from bokeh.document import Document

from remap_panel.feed import Feed
from remap_panel.snapshot import Snapshot
from remap_ray.errors import RemapError
from remap_ray.study import Model, Study

__all__ = ["PROJECTIONS", "ExplorerState"]

PROJECTIONS = {
    "accuracy": "accuracy × size",
    "predictions": "predictions",
    "structure": "structure",
}
"""The overview's three projections, by name, with what their switch says."""


class ExplorerState(param.Parameterized):
    """The one state that all views of a session follow.

    Views read ``snapshot`` (what the study holds) and the session's own
    choices, and call the wishes below; they never write to the study themselves.
    """

    snapshot = param.ClassSelector(class_=Snapshot, default=Snapshot(), doc="What the study holds.")
    inspected = param.Integer(default=None, allow_None=True, doc="Pinned by a click.")
    hovered = param.Integer(default=None, allow_None=True, doc="Under the mouse: a preview only.")
    selection = param.List(default=[], item_type=int, doc="Chosen model numbers.")
    projection: Any = param.Selector(default="accuracy", objects=list(PROJECTIONS))
    problem = param.String(default="", doc="Why the study cannot be read now, empty where it can.")
    told = param.String(default="", doc="Last thing said to the person, for screen readers too.")

    def __init__(self, feed: Feed, **params: object) -> None:
        super().__init__(snapshot=feed.snapshot, **params)
        self._feed = feed
        self._pending = False

    @property
    def study(self) -> Study:
        """The study, for reading what the snapshot does not carry (predictions, thumbnails)."""
        return self._feed.study

    def follow(self, document: Document | None) -> Callable[[], None]:
        """Follow the study on ``document``'s turns (None: at once); gives how to end it."""

        def tell() -> None:
            if document is None:
                self._take()
            elif not self._pending:
                # Several snapshots in one turn of the session are one update.
                self._pending = True
                document.add_next_tick_callback(self._take)

        return self._feed.subscribe(tell)

    def _take(self) -> None:
        self._pending = False
        self.param.update(snapshot=self._feed.snapshot, problem=self._feed.problem or "")

    def model(self, number: int | None) -> Model | None:
        """Give a model of the snapshot, None where there is none of that number."""
        return None if number is None else self.snapshot.models.get(number)

    # Wishes

    def click(self, number: int) -> None:
        """Put a model into the drawer and inspect it."""
        self.inspect(number)
        self.keep(number)

    def inspect(self, number: int) -> None:
        """Make a model the one that the right side works on."""
        if number in self.snapshot.models:
            self.inspected = number

    def keep(self, number: int) -> None:
        """Put a model into the drawer."""
        if number not in self.snapshot.drawer_numbers:
            self._wish(partial(self.study.keep, number), f"m{number} is in the drawer")

    def let_go(self, number: int) -> None:
        """Take a model out of the drawer."""
        self._wish(partial(self.study.let_go, number), f"m{number} left the drawer")

    def cancel(self, number: int) -> None:
        """Wish that a waiting or training model stops."""
        self._wish(partial(self.study.cancel, number), f"m{number} is being cancelled")

    def _wish(self, write: Callable[[], None], said: str) -> None:
        try:
            write()
        except RemapError as error:
            self.told = str(error)
            if pn.state.notifications is not None:
                pn.state.notifications.warning(str(error))
        else:
            self.told = said
            self._feed.poke()
