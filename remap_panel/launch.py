"""Training as a process of its own: `remap train`, started and stopped by those who serve."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import final

from remap_ray.errors import RemapError, StudyBusy
from remap_ray.study import Holder, announce, open_study

__all__ = ["LOG_NAME", "Training", "TrainingEnded", "step_back", "training"]

LOG_NAME = "train.log"
"""File in the study's directory that takes what the training process prints."""

LOG = logging.getLogger(__name__)

COLOURFUL = {"FORCE_COLOR", "CLICOLOR_FORCE", "TTY_COMPATIBLE", "TTY_INTERACTIVE"}
"""What a kernel asks of its commands: in a log nothing is painted, and no bar moves."""

NICENESS = "RAY_worker_niceness"
"""By how much Ray has its workers step back behind other processes; 15 where that is not set."""

SESSION_NICENESS = 10
"""By how much a session of training steps back at most: who takes wishes is in it too."""

STOP_SECONDS = 5.0
"""How long the training process may take to end; then it is killed."""


class TrainingEnded(RemapError, RuntimeError):
    """The training process ended by itself with an error. Raised by `Training.check`."""

    def __init__(self, code: int, log: Path) -> None:
        lines = log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
        said = lines[-1] if lines else "without a word"
        super().__init__(f"remap train ended with code {code}: {said} (all of it: {log})")
        self.code = code
        self.log = log


def step_back(leader: int) -> None:
    """Have a session of training step back behind others, where Linux weighs whole sessions.

    Where it does (``sched_autogroup_enabled``), the niceness of Ray's workers counts only against
    their own session: without this, a trainer takes as much of a processor from the page's server
    and from browsers as if it were not nice at all.

    Parameters
    ----------
    leader
        The process that leads the session, and is ours.
    """
    wanted = os.environ.get(NICENESS, "15")
    nice = min(int(wanted) if wanted.isdecimal() else 0, SESSION_NICENESS)
    try:
        Path(f"/proc/{leader}/autogroup").write_text(f"{nice}", encoding="ascii")
    except OSError as error:
        # Sessions are not weighed here, or the process has ended: training goes on all the same.
        LOG.debug("the session of process %d keeps its weight: %s", leader, error)


@final
class Training:
    """A running ``remap train`` of one study."""

    def __init__(self, path: Path, arguments: tuple[str, ...] = ()) -> None:
        self._log = path / LOG_NAME
        self._told = False
        plain = {name: value for name, value in os.environ.items() if name not in COLOURFUL}
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "remap_panel", "train", str(path), *arguments],
                env=plain,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # Ctrl-C in the terminal is for the server, which then ends this in order.
                start_new_session=True,
            )
        step_back(self._process.pid)
        # Its own word comes only after Python and its modules have loaded.
        with suppress(StudyBusy), open_study(path) as study:
            announce(study, Holder.process("remap train", self._process.pid))

    @property
    def running(self) -> bool:
        """Whether the process has not ended."""
        return self._process.poll() is None

    def check(self) -> None:
        """Raise `TrainingEnded` where the process ended with an error."""
        code = self._process.poll()
        if code:
            raise TrainingEnded(code, self._log)

    def begin_stop(self) -> None:
        """Tell the process to end: what trains stops, is kept, and goes back to the queue."""
        if self._process.poll() is None and not self._told:
            self._told = True
            self._process.send_signal(signal.SIGINT)

    def stop(self) -> None:
        """End the process, and wait until it has."""
        self.begin_stop()
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()


@contextmanager
def training(path: Path, arguments: tuple[str, ...] = ()) -> Iterator[Training]:
    """Have a study trained by a process of its own while the block runs."""
    process = Training(path, arguments)
    try:
        yield process
    finally:
        process.stop()
