"""Whether the process that holds a study's lease still lives."""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, final

import psutil
from sqlalchemy import RowMapping

__all__ = ["STALE_SECONDS", "Holder", "is_alive", "is_starting"]

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
        return Holder(name, socket.gethostname(), pid, psutil.Process(pid).create_time())

    @property
    def words(self) -> str:
        """Who it is, for people."""
        return f"{self.name} (process {self.pid} on {self.host})"


def is_alive(row: RowMapping | Mapping[str, Any], now: float) -> bool:
    """Whether the holder in a row of ``lease`` is to be taken for alive at time ``now``.

    On the study's own host a dead process is seen at once; elsewhere only by
    its heartbeat, which counts as stale after `STALE_SECONDS`.
    """
    if not row["held"] or now - row["heartbeat"] > STALE_SECONDS:
        return False
    return _lives(row)


def is_starting(starting: Mapping[str, Any] | None, now: float) -> bool:
    """Whether the process that announced to take the lease is still about to."""
    if starting is None or now - starting["since"] > STARTING_SECONDS:
        return False
    return _lives(starting)


def _lives(row: RowMapping | Mapping[str, Any]) -> bool:
    """Whether a process lives, as far as this host can tell."""
    if row["host"] != socket.gethostname():
        return True
    try:
        process = psutil.Process(row["pid"])
        return (
            process.status() != psutil.STATUS_ZOMBIE
            and abs(process.create_time() - row["process_created"]) < 1.0
        )
    except psutil.NoSuchProcess:
        return False
