"""What died of what `remap train` started, and when to give up. Pure of ray."""

from __future__ import annotations

from collections.abc import Sequence
from typing import final

import psutil

from remap_ray.errors import RayLost, SchedulerLost

__all__ = ["Deaths", "Process", "all_alive", "end_all", "ensure_alive", "own_processes"]

Process = psutil.Process

VITAL = ("gcs_server", "raylet")
"""The processes without which a Ray is none."""

MOST_DEATHS = 3
"""Schedulers that may die in a row without an epoch recorded between them."""

END_SECONDS = 5.0


@final
class Deaths:
    """Counts schedulers that died, and gives up where they die without getting anything done."""

    def __init__(self) -> None:
        self._epochs: int | None = None
        self._in_a_row = 0

    def count(self, epochs: int) -> None:
        """Take one more death.

        Parameters
        ----------
        epochs
            How many epochs the study's models have by now.

        Raises
        ------
        SchedulerLost
            It was one too many.
        """
        self._in_a_row = 1 if self._epochs != epochs else self._in_a_row + 1
        self._epochs = epochs
        if self._in_a_row >= MOST_DEATHS:
            raise SchedulerLost(self._in_a_row)


def own_processes() -> tuple[Process, ...]:
    """Give the processes of the Ray that this process has started, without its workers.

    What is left of a first start that a busy machine did not manage in time is dead, and none of
    them.
    """
    children = psutil.Process().children()
    return tuple(one for one in children if _name(one) in VITAL and _alive(one))


def ensure_alive(own: Sequence[Process]) -> None:
    """Raise `RayLost` where one of Ray's own processes has died."""
    for one in own:
        if not _alive(one):
            raise RayLost(one.pid)


def all_alive(own: Sequence[Process]) -> bool:
    """Whether every one of Ray's own processes runs."""
    return all(_alive(one) for one in own)


def end_all() -> None:
    """Kill all that this process has started: a Ray that lost a part cannot end in order."""
    family = psutil.Process().children(recursive=True)
    for one in family:
        try:
            one.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=END_SECONDS)


def _alive(one: Process) -> bool:
    try:
        return one.is_running() and one.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _name(one: Process) -> str:
    try:
        return one.name()
    except psutil.NoSuchProcess:
        return ""
