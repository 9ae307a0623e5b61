"""One poller per process and study: it does the waiting, the sessions only read.

The poller is a thread. It asks SQLite cheaply whether anything was committed,
reads the changes, makes the next `Snapshot` and tells the sessions, each on
its own document's turn.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, final

from numpy import float32
from numpy.typing import NDArray

from remap_panel import keeping, recalls
from remap_panel.exporting import Exports
from remap_panel.snapshot import Snapshot, advance
from remap_ray.study import Study, Watch

__all__ = ["Feed"]

POLL_SECONDS = 0.25
"""How often the database is asked; one ask is one pragma."""

READ_SECONDS = 0.005
"""Rest between two portions of predictions, in which the sessions have the processor."""

GAP_SECONDS = 0.02
"""Rest between two sessions' turns, in which the server answers requests."""

SLOT_SECONDS = 0.2
"""Further rest between them where nobody waits for the news: training has gone on."""

ROUND_SECONDS = 1.0
"""What these rests come to at most for all sessions together."""

TOLD_CHUNKS = 20
"""Portions of predictions after which the sessions are told of the class accuracies so far."""

BEAT_SECONDS = 2.0
"""How often the scheduler's heartbeat is looked at when nothing else was written."""

LOG = logging.getLogger(__name__)


@final
class Feed:
    """Follows one study and tells its subscribers of each new snapshot.

    Get it by `Feed.of`, which gives every session of the process the same one.
    """

    _feeds: ClassVar[dict[Path, Feed]] = {}
    _lock: ClassVar[threading.Lock] = threading.Lock()

    def __init__(self, study: Study) -> None:
        self.study = study
        self.problem: str | None = None
        self.exports = Exports(study, self._tell)
        self._subscribers: dict[int, Callable[[], None]] = {}
        self._next = 0
        self._guard = threading.Lock()
        self._poke = threading.Event()
        self._gap = threading.Event()
        self._ended = False
        heartbeat = study.heartbeat()
        change = study.changes()
        first = replace(advance(Snapshot(), change, heartbeat), wished=study.wished())
        self.snapshot = first.work_out()
        # Models whose predictions are still to be read, in that order.
        self._unread: dict[int, None] = dict.fromkeys(change.predictions)
        self._read: dict[int, NDArray[float32]] = {}
        self._thread = threading.Thread(target=self._run, name=f"feed {study.name}", daemon=True)
        self._thread.start()

    @classmethod
    def of(cls, path: Path) -> Feed:
        """Give the process's feed of the study at ``path``, opened at the first call."""
        path = path.absolute()
        with cls._lock:
            if path not in cls._feeds:
                cls._feeds[path] = Feed(Study.open(path))
            return cls._feeds[path]

    @classmethod
    def close_all(cls) -> None:
        """End every feed of the process and close its study."""
        keeping.finish()
        with cls._lock:
            feeds, cls._feeds = list(cls._feeds.values()), {}
        for feed in feeds:
            feed.close()

    def subscribe(self, tell: Callable[[], None]) -> Callable[[], None]:
        """Have ``tell`` called, from the poller's thread, after each new snapshot.

        One is called after the other: who waits in it until its session has taken the snapshot
        lets the server do something else before the next session's turn.

        Returns
        -------
        Callable
            Call it to end the subscription.
        """
        with self._guard:
            key, self._next = self._next, self._next + 1
            self._subscribers[key] = tell

        def end() -> None:
            with self._guard:
                self._subscribers.pop(key, None)

        return end

    def poke(self) -> None:
        """Look at the study now, since the caller has just written to it."""
        self._poke.set()

    def close(self) -> None:
        """End the poller and close the study."""
        self._ended = True
        self._gap.set()
        self._poke.set()
        self.exports.close()
        self._thread.join()
        self.study.close()

    def _run(self) -> None:
        watch = self.study.watch()
        watch.changed()
        idle = 0.0
        while True:
            poked = self._poke.wait(READ_SECONDS if self._unread else POLL_SECONDS)
            self._poke.clear()
            if self._ended:
                watch.close()
                return
            try:
                idle = 0.0 if self._look(watch, idle, poked=poked) else idle + POLL_SECONDS
                self.problem = None
                self._read_predictions()
            except Exception as error:
                # The study may come back (a full disk, a lock): the page says so until then.
                if self.problem is None:
                    LOG.exception("cannot read the study %s", self.study.path)
                    self.problem = str(error)
                    self._tell()

    def _look(self, watch: Watch, idle: float, *, poked: bool) -> bool:
        if not (watch.changed() or poked or idle >= BEAT_SECONDS or self.problem):
            return False
        heartbeat, wished = self.study.heartbeat(), self.study.wished()
        change = self.study.changes(self.snapshot.number)
        before = self.snapshot
        # Its age alone is no news.
        same = replace(heartbeat, seconds=None) == replace(before.heartbeat, seconds=None)
        same = same and wished == before.wished
        self._unread |= dict.fromkeys(change.predictions)
        for one in change.models:
            if one.number not in before.models:
                # Read here, not on a session's turn: hundreds of children come at once.
                one.design  # noqa: B018
        if change or not same or self.problem:
            self.snapshot = replace(advance(before, change, heartbeat), wished=wished).work_out()
            self._tell(0.0 if poked else SLOT_SECONDS)
        return True

    def _read_predictions(self) -> None:
        """Read a portion of what models predicted; class accuracies come after the rest."""
        if not self._unread:
            return
        portion = tuple(self._unread)[: recalls.CHUNK]
        self._read |= recalls.read(self.study, portion)
        for number in portion:
            del self._unread[number]
        if not self._unread or len(self._read) >= TOLD_CHUNKS * recalls.CHUNK:
            found = {**self.snapshot.recalls, **self._read}
            self.snapshot, self._read = replace(self.snapshot, recalls=found).work_out(), {}
            self._tell()

    def _tell(self, slot: float = 0.0) -> None:
        """Tell all sessions; between their turns rests a slot's length, until somebody pokes."""
        with self._guard:
            subscribers = tuple(self._subscribers.values())
        slot = min(slot, ROUND_SECONDS / max(len(subscribers), 1))
        for place, tell in enumerate(subscribers):
            if place:
                # What a session is told, its browser works on, and often on this machine: they
                # do not all do so at once, nor for each of the epochs that come meanwhile.
                self._poke.wait(slot)
                # A request is several steps of the loop: none of them waits for a session's turn.
                self._gap.wait(GAP_SECONDS)
            if self._ended:
                return
            try:
                tell()
            except Exception:
                # One broken session must not silence the others.
                LOG.exception("a session could not be told of a change")
