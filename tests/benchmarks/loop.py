"""The page's server with a record of its event loop: how long each step kept others waiting.

``python -m tests.benchmarks.loop STUDY PORT RECORD`` serves a study's page as `remap serve` does,
and writes down every step of the loop that took long. What a wait costs on a machine whose
processors are taken by others is told by its clock; what is the server's own, by processor time.
"""

from __future__ import annotations

import asyncio
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TextIO, final

from remap_panel.serving import serve, wait_until_served
from tests.benchmarks.big_study import big_study
from tests.benchmarks.launched import launched

__all__ = ["Loop", "Step", "recorded"]

LONG_SECONDS = 0.002
"""Steps that take less keep nobody waiting, and are not written down."""

WAIT_SECONDS = 60.0


@final
@dataclass(frozen=True)
class Step:
    """A step of the loop that nothing could interrupt: when it ended, and what it took.

    Parameters
    ----------
    end
        In monotonic seconds, which all processes of a machine share.
    clock, processor
        Seconds.
    """

    end: float
    clock: float
    processor: float


@final
class Loop:
    """The record of a served page's event loop.

    Attributes
    ----------
    url
        The page's address.
    """

    def __init__(self, url: str, record: Path) -> None:
        self.url = url
        self._record = record

    def since(self, begin: float) -> list[Step]:
        """Give the long steps that ended after a moment."""
        found = []
        for line in self._record.read_text(encoding="utf-8").splitlines():
            step = Step(*map(float, line.split()))
            if step.end >= begin:
                found.append(step)
        return found

    def longest(self, begin: float) -> tuple[float, float]:
        """Give the most seconds of processor time, and of the clock, of one step since then."""
        steps = self.since(begin)
        return (
            max((one.processor for one in steps), default=0.0),
            max((one.clock for one in steps), default=0.0),
        )


@contextmanager
def recorded(path: Path, models: int) -> Iterator[Loop]:
    """Serve a new study with so many models, and record its loop."""
    big_study(path, models).close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    record = path.with_suffix(".steps")
    command = [sys.executable, "-m", "tests.benchmarks.loop", str(path), str(port), str(record)]
    with launched(command, path.with_suffix(".log")):
        url = f"http://127.0.0.1:{port}/"
        wait_until_served(url, WAIT_SECONDS)
        yield Loop(url, record)


def _record_steps(out: TextIO) -> None:
    """Have every long step of any asyncio loop of this process written down."""
    run = asyncio.Handle._run

    def timed(self: asyncio.Handle) -> None:
        clock, processor = time.monotonic(), time.thread_time()
        run(self)
        end = time.monotonic()
        if end - clock >= LONG_SECONDS:
            out.write(f"{end:.6f} {end - clock:.6f} {time.thread_time() - processor:.6f}\n")

    asyncio.Handle._run = timed  # type: ignore[method-assign]


if __name__ == "__main__":
    study, wanted, record = sys.argv[1:]
    with Path(record).open("w", encoding="utf-8", buffering=1) as steps:
        _record_steps(steps)
        serve(Path(study), int(wanted))
