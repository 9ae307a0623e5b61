"""Whether the process that holds a study's lease still lives."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import final

import psutil
from sqlalchemy import RowMapping

__all__ = ["STALE_SECONDS", "Holder", "is_alive"]

STALE_SECONDS = 10.0
"""A lease whose heartbeat is older than this is free to take."""


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
        pid = os.getpid()
        return Holder(name, socket.gethostname(), pid, psutil.Process(pid).create_time())


def is_alive(row: RowMapping, now: float) -> bool:
    """Whether the holder in a row of ``lease`` is to be taken for alive at time ``now``.

    On the study's own host a dead process is seen at once; elsewhere only by
    its heartbeat, which counts as stale after `STALE_SECONDS`.
    """
    if not row["held"] or now - row["heartbeat"] > STALE_SECONDS:
        return False
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
