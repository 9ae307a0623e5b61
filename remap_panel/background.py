"""Training started from a notebook: a process of its own, so that the kernel stays free."""

from __future__ import annotations

import atexit
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Self, final

from remap_panel.launch import Training
from remap_panel.status import unmapped
from remap_ray.errors import InvalidRequest, RemapError, StudyReadOnly
from remap_ray.study import Status, Study, open_study

__all__ = ["BackgroundTraining", "NobodyTrains", "train"]

LOOK_SECONDS = 0.25
"""Between two looks at a study that is waited for."""


class NobodyTrains(RemapError, RuntimeError):
    """Models wait, and whoever trained them has ended. Raised by `BackgroundTraining.wait`.

    Parameters
    ----------
    path
        The study's directory.
    waiting
        How many models wait.
    """

    def __init__(self, path: Path, waiting: int) -> None:
        wait = "1 model waits" if waiting == 1 else f"{waiting} models wait"
        super().__init__(
            f"{wait} in {path}, and nobody trains it any more; "
            f"go on with: training.go_on(), or remap_panel.train({str(path)!r})"
        )
        self.path = path
        self.waiting = waiting


@final
class BackgroundTraining:
    """Whoever trains a study: the process that was started here, or who did it already.

    A kernel that dies leaves the process running; one that is shut down ends it where nothing
    waits any more. As a context manager it is ended by the end of the block.

    Parameters
    ----------
    path
        The study's directory.
    arguments
        Of ``remap train``, where it is to be started here.
    """

    def __init__(self, path: Path, arguments: tuple[str, ...] = ()) -> None:
        self.path = path
        self._arguments = arguments
        self._process: Training | None = None

    @property
    def started(self) -> bool:
        """Whether the process was started here, and `stop` ends it."""
        return self._process is not None

    def go_on(self) -> None:
        """Start a process where nobody trains the study any more."""
        if self._runs:
            return
        with open_study(self.path) as study:
            alive = study.heartbeat().alive
        if not alive:
            self._process = Training(self.path, self._arguments)
            atexit.register(self._leave)

    def wait(self, seconds: float | None = None) -> bool:
        """Wait until nothing is left to train and to map.

        The views of a notebook stand still meanwhile; interrupting the kernel ends the waiting,
        not the training.

        Parameters
        ----------
        seconds
            How long to wait at most; None waits to the end.

        Returns
        -------
        bool
            Whether all is done.

        Raises
        ------
        TrainingEnded
            The process ended with an error; the message says which.
        NobodyTrains
            Models wait, and nobody trains them.
        InvalidRequest
            The queue is paused.
        """
        end = None if seconds is None else time.monotonic() + seconds
        pause = threading.Event()
        with open_study(self.path) as study:
            while waiting := _left(study):
                if self._process is not None:
                    self._process.check()
                heartbeat = study.heartbeat()
                if heartbeat.paused and not study.counts()[Status.TRAINING]:
                    raise InvalidRequest(
                        f"the queue of {self.path} is paused; let it go on with study.resume()"
                    )
                if not heartbeat.alive and not self._runs:
                    raise NobodyTrains(self.path, waiting)
                if end is not None and time.monotonic() >= end:
                    return False
                pause.wait(LOOK_SECONDS)
        return True

    def stop(self) -> None:
        """End the process that was started here: what trains is kept, and waits again."""
        if self._process is not None:
            self._process.stop()
            self._process = None
            atexit.unregister(self._leave)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.stop()

    def __repr__(self) -> str:
        who = "a process of this notebook" if self.started else "somebody else"
        return f"<training of {self.path} by {who}>"

    @property
    def _runs(self) -> bool:
        return self._process is not None and self._process.running

    def _leave(self) -> None:
        """End an idle process with the kernel; one that has models to train goes on."""
        try:
            with open_study(self.path) as study:
                waiting = _left(study)
        except RemapError:
            # There is no study to train any more.
            waiting = 0
        if not waiting:
            self.stop()


def train(
    study: str | Path | Study,
    *,
    until_done: bool = False,
    workers: int | None = None,
    gpus_per_model: float | None = None,
    address: str | None = None,
) -> BackgroundTraining:
    """Have a study's queue trained by a process of its own, and return at once.

    Where somebody trains it already, nothing is started.

    Parameters
    ----------
    study
        The study or its directory.
    until_done
        Whether the process ends when nothing waits any more; otherwise it waits for wishes.
    workers, gpus_per_model, address
        What to train on, as ``remap train`` takes it.

    Raises
    ------
    NotAStudy, StudyTooNew, StudyReadOnly
        There is no study that can be trained.
    """
    path = (study.path if isinstance(study, Study) else Path(study)).absolute()
    with open_study(path) as found:
        if found.read_only:
            raise StudyReadOnly(path)
        nothing_to_do = until_done and not _left(found)
    options = {"--workers": workers, "--gpus-per-model": gpus_per_model, "--address": address}
    arguments = [one for pair in options.items() if pair[1] is not None for one in map(str, pair)]
    if until_done:
        arguments.append("--until-done")
    made = BackgroundTraining(path, tuple(arguments))
    if not nothing_to_do:
        made.go_on()
    return made


def _left(study: Study) -> int:
    """Count what is left to do: models that wait, train, or are not on the maps yet."""
    counts = study.counts()
    waiting = counts[Status.QUEUED] + counts[Status.TRAINING]
    return waiting or len(unmapped(study))
