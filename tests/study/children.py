"""Processes of their own, for tests of what several processes do to one study."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


def names(path: Path) -> list[str]:
    """Name what lies in a directory."""
    return sorted(one.name for one in path.iterdir())


class Child:
    """A Python process that is spoken with in lines, and killed at the end where it still runs."""

    def __init__(self, code: str, *arguments: object) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-W", "error", "-c", code, *map(str, arguments)],
            cwd=ROOT,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            bufsize=1,
        )

    @property
    def pid(self) -> int:
        return self.process.pid

    def say(self, line: object) -> None:
        """Send one line."""
        self.process.stdin.write(f"{line}\n")
        self.process.stdin.flush()

    def hear(self) -> str:
        """Wait for its next line."""
        line = self.process.stdout.readline()
        assert line, f"the child ended with {self.process.wait()}"
        return line.strip()

    def rest(self) -> list[str]:
        """Give all it says until its end, which must be a good one."""
        lines = self.process.stdout.read().splitlines()
        assert self.process.wait() == 0
        return lines

    def kill(self, *, reap: bool = True) -> None:
        """Kill it as `kill -9` does, and wait until it is dead; unreaped it stays a zombie."""
        self.process.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        if reap:
            self.process.wait()

    def end(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()


@contextmanager
def children(count: int, code: str, *arguments: object) -> Iterator[list[Child]]:
    """Run ``count`` processes of the same code; each gets its place as first argument."""
    started: list[Child] = []
    try:
        started.extend(Child(code, place, *arguments) for place in range(count))
        yield started
    finally:
        for one in started:
            one.end()


@contextmanager
def child(code: str, *arguments: object) -> Iterator[Child]:
    """Run one process."""
    one = Child(code, *arguments)
    try:
        yield one
    finally:
        one.end()
