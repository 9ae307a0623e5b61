"""Seeded moments at which a process is killed, while at least two models are inside an epoch."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import TypeAlias, final

import psutil

from tests.faults.log import Inside, Log
from tests.faults.victims import titled
from tests.processes import wait_for

__all__ = ["NEAR_SECONDS", "Moment", "Struck", "checkpoints_often", "is_near"]

NEAR_SECONDS = 0.05
"""How close to a commit or a rename the kills are that shall be near one."""

LOOK_SECONDS = 0.002
"""Between two looks at the files that a commit or a rename changes."""

LATEST_SECONDS = 5.5
"""Latest moment after two models have begun: in their second epoch, the first one recorded."""

PATIENCE_SECONDS = 240.0

FAMILY_SECONDS = 0.5
"""Age at which a list of processes is made anew: that takes longer than a commit."""

TRAINER = "ray::Trainer"

Family: TypeAlias = tuple[psutil.Process, ...]

Kill: TypeAlias = Callable[[Family, tuple[Inside, ...]], None]
"""Given the processes that there are and what they train: kills, without looking long."""


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
    """The moment of one seed in one study.

    Parameters
    ----------
    path
        The study.
    log
        What its trainers tell.
    long
        Identities of the models whose epochs are long.
    family
        Gives the processes among which the trainers are; this may take long.
    """

    seed: int
    path: Path
    log: Log
    long: frozenset[str]
    family: Callable[[], Family]

    def strike(self, kill: Kill, ready: Callable[[Family], bool]) -> Struck:
        """Wait for the moment, then kill; ``ready`` is asked right before."""
        rng = Random(self.seed)
        pause = threading.Event()
        end = time.monotonic() + PATIENCE_SECONDS
        wait_for(lambda: len(self._inside(self.family())) >= 2, "two models inside an epoch", 240)
        renamed = self._written("weights")
        pause.wait(rng.uniform(0.1, LATEST_SECONDS))
        since_any = rng.uniform(0.0, 0.4 * NEAR_SECONDS)
        there, looked = self.family(), time.monotonic()
        while time.monotonic() < end:
            if time.monotonic() - looked > FAMILY_SECONDS:
                there, looked = self.family(), time.monotonic()
            if is_near(self.seed):
                # The rename that is waited for may pass unused: then any write will do.
                missed = self._written("weights") not in {renamed, self._last()}
                watched = "weights" if checkpoints_often(self.seed) and not missed else ""
                age = time.time() - (self._written(watched) if watched else self._last())
                if age > 0.5 * NEAR_SECONDS:
                    pause.wait(LOOK_SECONDS)
                    continue
                pause.wait(max(0.0, since_any - age))
            inside = self._inside(there)
            if len(inside) >= 2 and ready(there):
                since = time.time() - self._last()
                if not is_near(self.seed) or since < 0.8 * NEAR_SECONDS:
                    kill(there, inside)
                    return Struck(time.monotonic(), inside, since)
            elif not is_near(self.seed):
                pause.wait(rng.uniform(0.01, 0.1))
        raise AssertionError("the moment to kill did not come")

    def _inside(self, there: Family) -> tuple[Inside, ...]:
        pids = [one.pid for one in titled(there, TRAINER)]
        return tuple(one for one in self.log.inside(pids) if one.model in self.long)

    def _last(self) -> float:
        """Give when the study's log or a file of weights was written last, as `time.time` does."""
        return max(self._written("study.db-wal"), self._written("weights"))

    def _written(self, name: str) -> float:
        try:
            return (self.path / name).stat().st_mtime
        except FileNotFoundError:
            return 0.0
