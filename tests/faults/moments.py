"""Seeded moments at which a process is killed, while at least two models are inside an epoch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import final

from tests.faults.log import Inside, Log
from tests.processes import wait_for

__all__ = ["NEAR_SECONDS", "Moment", "Struck", "checkpoints_often", "is_near", "strike"]

NEAR_SECONDS = 0.05
"""How close to a commit or a rename the kills are that shall be near one."""

LOOK_SECONDS = 0.002
"""Between two looks at the files that a commit or a rename changes."""

LATEST_SECONDS = 5.5
"""Latest moment after two models have begun: in their second epoch, the first one recorded."""

PATIENCE_SECONDS = 240.0

Pids = Callable[[], Sequence[int]]


def is_near(seed: int) -> bool:
    """Whether the kill of a seed falls right after a commit or a rename: a third of them do."""
    return seed % 3 == 0


def checkpoints_often(seed: int) -> bool:
    """Whether trainers give a checkpoint after each epoch; else after 10 s, as always."""
    return seed % 2 == 0


@final
@dataclass(frozen=True)
class Struck:
    """A kill: when it was (monotonic), what trained then, seconds since the last write."""

    at: float
    inside: tuple[Inside, ...]
    since_write: float


@final
@dataclass(frozen=True)
class Moment:
    """Finds the moment of one seed in one study.

    Parameters
    ----------
    path
        The study.
    log
        What its trainers tell.
    long
        Identities of the models whose epochs are long.
    """

    seed: int
    path: Path
    log: Log
    long: frozenset[str]

    def come(self, pids: Pids, ready: Callable[[], bool] = lambda: True) -> tuple[Inside, ...]:
        """Wait for it; gives the epochs inside which the processes ``pids()`` are."""
        rng = Random(self.seed)
        pause = threading.Event()
        end = time.monotonic() + PATIENCE_SECONDS
        wait_for(lambda: len(self._inside(pids)) >= 2, "two models inside an epoch", 240)
        pause.wait(rng.uniform(0.1, LATEST_SECONDS))
        while time.monotonic() < end:
            if is_near(self.seed):
                if not self._just_written():
                    pause.wait(LOOK_SECONDS)
                    continue
                pause.wait(rng.uniform(0.0, 0.4 * NEAR_SECONDS))
            inside = self._inside(pids)
            if len(inside) >= 2 and ready():
                if not is_near(self.seed) or self.since_write() < 0.8 * NEAR_SECONDS:
                    return inside
            elif not is_near(self.seed):
                pause.wait(rng.uniform(0.01, 0.1))
        raise AssertionError("the moment to kill did not come")

    def since_write(self) -> float:
        """Give the seconds since the study's log or a file of weights was written."""
        return time.time() - max(self._written("study.db-wal"), self._written("weights"))

    def _inside(self, pids: Pids) -> tuple[Inside, ...]:
        return tuple(one for one in self.log.inside(pids()) if one.model in self.long)

    def _just_written(self) -> bool:
        watched = "weights" if checkpoints_often(self.seed) else "study.db-wal"
        return time.time() - self._written(watched) < 2 * LOOK_SECONDS + 0.005

    def _written(self, name: str) -> float:
        try:
            return (self.path / name).stat().st_mtime
        except FileNotFoundError:
            return 0.0


def strike(moment: Moment, pids: Pids, kill: Callable[[], None], **more: Callable[[], bool]):
    """Kill at the seed's moment."""
    inside = moment.come(pids, **more)
    since = moment.since_write()
    kill()
    return Struck(time.monotonic(), inside, since)
