"""The page's server with a record of its event loop: how late it is, and what kept it.

``python -m tests.benchmarks.loop STUDY PORT RECORD`` serves a study's page as `remap serve` does.
A timer on its loop writes down how late it rings, and every step of the loop that took long is
written down too. What a step costs on a machine whose processors are taken by others is told by
its clock; what is the server's own, by processor time.
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

__all__ = [
    "RING_SECONDS",
    "Loop",
    "Step",
    "Stretch",
    "record_lags",
    "record_steps",
    "recorded",
]

LONG_SECONDS = 0.002
"""Steps that take less keep nobody waiting, and are not written down."""

RING_SECONDS = 0.02
"""Between two rings of the timer."""

FLUSHED_RINGS = 25
"""Rings after which the record is written to its file: a write now and then is no step itself."""

LOOK_SECONDS = 0.05

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
@dataclass(frozen=True)
class Stretch:
    """What happened in the loop from one moment to another.

    Parameters
    ----------
    lags
        By how many seconds the timer rang too late, each time.
    steps
        The long ones.
    """

    lags: tuple[float, ...]
    steps: tuple[Step, ...]

    @property
    def longest(self) -> tuple[float, float]:
        """The most seconds of processor time, and of the clock, of one step."""
        return (
            max((one.processor for one in self.steps), default=0.0),
            max((one.clock for one in self.steps), default=0.0),
        )


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

    def between(self, begin: float, end: float) -> Stretch:
        """Give what happened in the loop from one moment to another, which is over."""
        patience = end + WAIT_SECONDS
        while True:
            # Whole lines only: the last one may be on its way.
            text = self._record.read_text(encoding="utf-8").rpartition("\n")[0]
            lines = [line.split() for line in text.splitlines()]
            rings = [(float(due), float(late)) for name, due, late, *_ in lines if name == "ring"]
            if rings and rings[-1][0] >= end:
                break
            if time.monotonic() > patience:
                raise RuntimeError(f"the loop of {self.url} rings no more")
            time.sleep(LOOK_SECONDS)
        steps = [Step(*map(float, rest)) for name, *rest in lines if name == "step"]
        return Stretch(
            tuple(late for due, late in rings if begin <= due < end),
            tuple(one for one in steps if begin <= one.end < end),
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


def record_steps(out: TextIO) -> None:
    """Have every long step of any asyncio loop of this process written down."""
    run = asyncio.Handle._run

    def timed(self: asyncio.Handle) -> None:
        clock, processor = time.monotonic(), time.thread_time()
        run(self)
        end = time.monotonic()
        if end - clock >= LONG_SECONDS:
            took = time.thread_time() - processor
            out.write(f"step {end:.6f} {end - clock:.6f} {took:.6f}\n")

    asyncio.Handle._run = timed  # type: ignore[method-assign]


def record_lags(loop: asyncio.AbstractEventLoop, out: TextIO) -> None:
    """Have a timer ring on a loop, and write down when it was due and how late it came.

    It is due at fixed moments: all that fall into a long step are late, not only the first.
    """
    begin = loop.time()

    def ring(count: int) -> None:
        late = loop.time() - (due := begin + count * RING_SECONDS)
        out.write(f"ring {due:.6f} {late:.6f}\n")
        if count % FLUSHED_RINGS == 0:
            out.flush()
        loop.call_at(begin + (count + 1) * RING_SECONDS, ring, count + 1)

    loop.call_at(begin, ring, 0)


if __name__ == "__main__":
    study, wanted, record = sys.argv[1:]
    with Path(record).open("w", encoding="utf-8") as lines:
        record_steps(lines)
        # The loop's clock is the monotonic one.
        serve(
            Path(study),
            int(wanted),
            ready=lambda _: record_lags(asyncio.get_event_loop(), lines),
        )
