"""Which processes are which: those of a Ray that a command has started."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterable, Sequence

import psutil

__all__ = ["RAY", "busy", "family_of", "kill", "titled"]

RAY = ("gcs_server", "raylet")


def family_of(pid: int) -> tuple[psutil.Process, ...]:
    """Give all that a process has started, itself not; those that ended are left out."""
    try:
        return tuple(psutil.Process(pid).children(recursive=True))
    except psutil.NoSuchProcess:
        return ()


def titled(family: Iterable[psutil.Process], *titles: str) -> list[psutil.Process]:
    """Give the processes whose title, as Ray sets it to what an actor does, begins so."""
    found = []
    for one in family:
        try:
            said = (one.cmdline() or [one.name()])[0]
        except psutil.Error:
            continue
        if said.startswith(titles):
            found.append(one)
    return found


def busy(one: psutil.Process, before: float) -> bool:
    """Whether a process has used processor time since it had used ``before`` seconds."""
    times = one.cpu_times()
    return times.user + times.system > before


def kill(victims: Sequence[psutil.Process]) -> None:
    """Kill processes as ``kill -9`` does, all at once; who has ended meanwhile is left out."""
    for one in victims:
        try:
            os.kill(one.pid, signal.SIGKILL)
        except ProcessLookupError:
            continue
