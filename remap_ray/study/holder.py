"""Whether the process that holds a study's lease still lives."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import psutil
from sqlalchemy import RowMapping

__all__ = [
    "STALE_SECONDS",
    "Holder",
    "age",
    "beating",
    "is_alive",
    "is_orphan",
    "is_starting",
    "uptime",
]

STALE_SECONDS = 10.0
"""A lease whose heartbeat is older than this is free to take."""

STARTING_SECONDS = 180.0
"""How long the start of Ray may take; after that, whoever announced it is not waited for."""


@final
@dataclass(frozen=True)
class Holder:
    """A process that may hold a lease: a process number can be given again, so its start counts."""

    name: str
    host: str
    pid: int
    process_created: float

    @staticmethod
    def this_process(name: str) -> Holder:
        """Describe the calling process."""
        return Holder.process(name, os.getpid())

    @staticmethod
    def process(name: str, pid: int) -> Holder:
        """Describe a process of this host."""
        return Holder(name, socket.gethostname(), pid, created(pid))

    @property
    def words(self) -> str:
        """Who it is, for people."""
        return f"{self.name} (process {self.pid} on {self.host})"


BOOT = Path("/proc/sys/kernel/random/boot_id")


def created(pid: int) -> float:
    """Say when a process was started: in seconds since the machine's own start where it tells.

    psutil's time of day would move with the clock when that is set.

    Raises
    ------
    psutil.NoSuchProcess
    """
    try:
        told = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        # The name, in brackets, may hold blanks and brackets of its own.
        return int(told.rpartition(")")[2].split()[19]) / os.sysconf("SC_CLK_TCK")
    except (FileNotFoundError, ProcessLookupError):
        return psutil.Process(pid).create_time()


def uptime() -> float:
    """Give the seconds since the machine's start, sleep included; nobody can set them."""
    clock = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)
    return time.clock_gettime(clock)


def boot() -> str:
    """Name this start of the machine; empty where it has no name."""
    try:
        return BOOT.read_text(encoding="ascii").strip()
    except OSError:
        return ""


def beating(now: float, up: float) -> dict[str, Any]:
    """Give the columns of a heartbeat at time of day ``now``, ``up`` seconds after the start."""
    return {"heartbeat": now, "boot": boot(), "beat": up}


def age(row: RowMapping | Mapping[str, Any], now: float, up: float) -> float:
    """Give the seconds since the heartbeat in a row of ``lease``.

    On the machine that left it, and since its last start, the time of day is not asked: it
    may have been set since. Else one from the future counts as it would from the past.
    """
    if row["boot"] and row["boot"] == boot():
        return up - float(row["beat"])
    return abs(now - float(row["heartbeat"]))


def is_alive(row: RowMapping | Mapping[str, Any], now: float, up: float) -> bool:
    """Whether the holder in a row of ``lease`` is to be taken for alive.

    On the study's own host a dead process is seen at once; elsewhere only by
    its heartbeat, which counts as stale after `STALE_SECONDS`.
    """
    if not row["held"] or age(row, now, up) > STALE_SECONDS:
        return False
    return _lives(row)


def is_orphan(row: RowMapping | Mapping[str, Any]) -> bool:
    """Whether the command to which the holder belongs has ended: it will notice, and end too."""
    return row["starting"] is not None and not _lives(row["starting"])


def is_starting(starting: Mapping[str, Any] | None, now: float, up: float) -> bool:
    """Whether the process that announced to take the lease is still about to."""
    if starting is None or age(starting, now, up) > STARTING_SECONDS:
        return False
    return _lives(starting)


def _lives(row: RowMapping | Mapping[str, Any]) -> bool:
    """Whether a process lives, as far as this host can tell."""
    if row["host"] != socket.gethostname():
        return True
    if row["boot"] and row["boot"] != boot():
        # This machine has started anew since: no process of then is left.
        return False
    try:
        process = psutil.Process(row["pid"])
        return (
            process.status() != psutil.STATUS_ZOMBIE
            and abs(created(row["pid"]) - row["process_created"]) < 1.0
        )
    except psutil.NoSuchProcess:
        return False
