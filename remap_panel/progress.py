"""Progress of a queue on a terminal: a bar where there is one, else a line a model."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from remap_ray.study import Change, Model, Status, Study, duration, pace_of, seconds_left

__all__ = ["QueueProgress", "downloading", "follow"]

ENDED = {Status.DONE, Status.FAILED, Status.CANCELLED}


MEBIBYTE = 1 << 20


def downloading(name: str, received: int, total: int | None) -> None:
    """Say on standard error how far a download is: in place on a terminal, else once."""
    done = received == total
    size = "" if total is None else f" of {total / MEBIBYTE:.1f}"
    text = f"downloading {name}: {received / MEBIBYTE:.1f}{size} MiB"
    if sys.stderr.isatty():
        sys.stderr.write(f"\r{text}" + ("\n" if done else ""))
        sys.stderr.flush()
    elif done:
        sys.stderr.write(f"{text}\n")


@final
class QueueProgress:
    """Follows a study and says what is new. Call `tick` now and then."""

    def __init__(self, study: Study, console: Console, progress: Progress) -> None:
        self._study = study
        self._console = console
        self._progress = progress
        self._seen = 0
        self._models: dict[int, Model] = {}
        self._paused = False
        self._task = progress.add_task("models", epochs="", left="")
        self._take(self._study.changes(epochs=False), tell=False)

    def tick(self) -> None:
        """Say what has happened since the last call."""
        self._take(self._study.changes(self._seen, epochs=False), tell=True)

    def _take(self, change: Change, *, tell: bool) -> None:
        if change.number == self._seen and self._seen:
            return
        self._seen = change.number
        for model in change.models:
            before = self._models.get(model.number)
            self._models[model.number] = model
            if tell and model.status in ENDED and (before is None or before.status not in ENDED):
                self._say(model)
        for number in change.deleted.get("models", ()):
            self._models.pop(number, None)
        self._say_pause()
        models = tuple(self._models.values())
        ended = sum(one.status in ENDED for one in models)
        training = [one for one in models if one.status is Status.TRAINING]
        left = seconds_left(models, pace_of(models), max(len(training), 1))
        self._progress.update(
            self._task,
            completed=ended,
            total=len(models),
            epochs=f"{sum(one.epochs for one in models)} epochs",
            left="" if left is None else f"about {duration(left)} left",
        )

    def _say_pause(self) -> None:
        before, self._paused = self._paused, self._study.wished().paused
        if self._paused == before:
            return
        way_out = f"go on with: remap queue {shlex.quote(str(self._study.path))} resume"
        line = f"the queue is paused; {way_out}" if self._paused else "the queue goes on"
        self._progress.console.print(line, markup=False, highlight=False, soft_wrap=True)

    def _say(self, model: Model) -> None:
        if self._console.is_terminal and model.status is Status.DONE:
            return
        figures = f"{model.parameters:,} {model.terms.size}"
        if model.status is Status.DONE:
            figures = f"accuracy {model.accuracy:.3f}, {figures}, {duration(model.seconds)}"
        else:
            figures = model.reason
        line = f"{model.name} {model.status}: {figures}"
        self._progress.console.print(line, markup=False, highlight=False)


@contextmanager
def follow(study: Study, console: Console) -> Iterator[QueueProgress]:
    """Show a study's queue on ``console`` while the block runs."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[epochs]}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[left]}"),
    )
    with Progress(*columns, console=console, disable=not console.is_terminal) as progress:
        yield QueueProgress(study, console, progress)
