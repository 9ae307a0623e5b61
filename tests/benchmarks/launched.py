"""A command in processes of its own: its memory while it runs, and nothing left behind."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import final

import psutil

__all__ = ["LOOK_SECONDS", "Launched", "launched"]

LOOK_SECONDS = 0.01
"""Time between two looks at what a command does."""

MEMORY_SECONDS = 0.5
"""Time between two looks at the memory, which take the processors from what is measured."""

END_SECONDS = 20.0
"""Seconds in which a command, and then what it started, ends when asked to, with room to spare."""


@final
class Launched:
    """A running command. Made by `launched`.

    Attributes
    ----------
    began
        When it was launched, in monotonic seconds.
    log
        Takes what it prints.
    peak
        Most memory that `pause` has seen, in bytes; 0 where it did not look.
    processor
        Seconds of processor time of all processes together, as `pause` saw them last.
    """

    def __init__(self, command: Sequence[str], log: Path, *, looks: bool, patience: float) -> None:
        self.log = log
        self.peak = 0
        self._used: dict[int, float] = {}
        self._looks = looks
        self._patience = patience
        self._looked = 0.0
        self._pause = threading.Event()
        self.began = time.monotonic()
        with log.open("wb") as out:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        self._seen: set[psutil.Process] = set()

    def runs(self) -> bool:
        """Whether the command has not ended; one that ended badly raises `RuntimeError`."""
        code = self._process.poll()
        if code:
            said = self.log.read_text(encoding="utf-8", errors="replace")[-2_000:]
            raise RuntimeError(f"{self._process.args} ended with code {code}:\n{said}")
        return code is None

    def ended(self) -> float:
        """Wait until the command has ended; gives when that was seen, in monotonic seconds."""
        while self.runs():
            self.pause(LOOK_SECONDS)
        return time.monotonic()

    def family(self) -> set[psutil.Process]:
        """Give the process and all that it has started and that still runs."""
        try:
            first = psutil.Process(self._process.pid)
            found = {first, *first.children(recursive=True)}
        except psutil.NoSuchProcess:
            found = set()
        self._seen |= found
        return found

    def pause(self, seconds: float) -> None:
        """Wait, and look at the memory now and then if that is wanted."""
        if self._looks and time.monotonic() - self._looked > MEMORY_SECONDS:
            self.peak = max(self.peak, self._memory())
            self._looked = time.monotonic()
        self._pause.wait(seconds)

    @property
    def processor(self) -> float:
        """Give the seconds of processor time that were seen."""
        return sum(self._used.values())

    def _memory(self) -> int:
        """Add up the family's memory in bytes, shared memory by shares (PSS)."""
        total = 0
        for one in self.family():
            try:
                total += one.memory_full_info().pss
                times = one.cpu_times()
                self._used[one.pid] = times.user + times.system
            except (psutil.NoSuchProcess, psutil.ZombieProcess):
                # Ended between the two looks: it has no memory any more.
                continue
        return total

    def end(self) -> None:
        """Ask the command to end, and kill what remains of it and of all it started."""
        self.family()
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        try:
            self._process.wait(self._patience)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        _, alive = psutil.wait_procs(self._seen, self._patience)
        for one in alive:
            sys.stderr.write(f"{one.name()} did not end by itself and is killed\n")
            one.kill()
        psutil.wait_procs(alive, self._patience)


@contextmanager
def launched(
    command: Sequence[str], log: Path, *, looks: bool = False, patience: float = END_SECONDS
) -> Iterator[Launched]:
    """Run a command, with what it prints in ``log``, and end it with the block.

    Parameters
    ----------
    looks
        Whether `Launched.pause` looks at the memory.
    patience
        Seconds that it, and then all that it started, may take to end before they are killed.
    """
    one = Launched(command, log, looks=looks, patience=patience)
    try:
        yield one
    finally:
        one.end()
