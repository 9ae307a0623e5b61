"""A process that does nothing but ask a server, and tells how long each answer took.

``python -m tests.benchmarks.asking URL SECONDS`` prints the seconds of each answer. Whoever else
works in the process that asks (a writer, Playwright) would lengthen what it measures.
"""

from __future__ import annotations

import sys
import time
import urllib.request
from collections.abc import Iterator

__all__ = ["ASK_SECONDS"]

ASK_SECONDS = 0.02
"""Rest between an answer and the next request."""


def _waits(url: str, seconds: float) -> Iterator[float]:
    """Ask again and again, each time on a connection of its own; gives how long it took."""

    def ask() -> float:
        start = time.perf_counter()
        with urllib.request.urlopen(url, timeout=60) as answer:
            answer.read()
        return time.perf_counter() - start

    # The first answer is not counted: what it needs is loaded then.
    ask()
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        yield ask()
        time.sleep(ASK_SECONDS)


if __name__ == "__main__":
    found = list(_waits(sys.argv[1], float(sys.argv[2])))
    sys.stdout.write("".join(f"{one:.6f}\n" for one in found))
