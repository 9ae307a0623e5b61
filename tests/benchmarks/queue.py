"""Models per minute of the queue, against a plain loop over the same networks."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean, median
from typing import final

from remap_ray.study import Epoch, Status, open_study
from remap_ray.study.directory import DATABASE
from tests.benchmarks.launched import Launched, launched
from tests.benchmarks.report import Table, quantity
from tests.benchmarks.timing import ratio

__all__ = ["Plain", "Queue", "Seen", "measure"]

LOOK_SECONDS = 0.01
"""Time between two looks at the study while it trains."""

MOST_PARAMETERS = 100_000
MIB = 2**20


@final
@dataclass(frozen=True)
class Seen:
    """An epoch, and the monotonic second at which it stood in the study."""

    epoch: Epoch
    at: float

    @property
    def began(self) -> float:
        """When its training began."""
        return self.at - self.epoch.seconds


@final
@dataclass(frozen=True)
class Queue:
    """One run of ``remap sample``; times in monotonic seconds.

    Parameters
    ----------
    launched, ended
        The command's first and last moment.
    epochs
        In the order in which they were seen.
    done
        When the last model was done.
    accuracy
        The mean over the models.
    trainers
        How many trained at the same time.
    memory
        Peak in bytes; 0 where it was not looked at.
    """

    launched: float
    ended: float
    epochs: tuple[Seen, ...]
    done: float
    accuracy: float
    trainers: int
    memory: int

    @property
    def began(self) -> float:
        """When the first training began."""
        return min(one.began for one in self.epochs)

    @property
    def all_began(self) -> float:
        """When every trainer was at work: each takes one of the first models of the queue."""
        first = sorted({one.epoch.model for one in self.epochs})[: self.trainers]
        return max(
            one.began for one in self.epochs if one.epoch.epoch == 1 and one.epoch.model in first
        )

    def speed(self, cost: Mapping[int, float]) -> float:
        """Say how fast it trained once all trainers were at work.

        Parameters
        ----------
        cost
            Seconds that the plain loop takes for an epoch of each model.

        Returns
        -------
        float
            Seconds of the plain loop's work done in a second.
        """
        work = 0.0
        for one in self.epochs:
            inside = min(max(one.at - self.all_began, 0.0), one.epoch.seconds)
            work += cost[one.epoch.model] * inside / one.epoch.seconds
        return work / (self.done - self.all_began)


@final
@dataclass(frozen=True)
class Plain:
    """One run of the plain loop; times in monotonic seconds, memory in bytes, 0 if not seen."""

    launched: float
    ended: float
    began: float
    done: float
    seconds: Mapping[int, float]
    accuracy: float
    memory: int


def measure(quick: bool) -> Table:
    """Let ``remap sample`` and the plain loop train the same networks in turn, several times."""
    models, epochs, rounds = (3, 1, 0) if quick else (20, 3, 5)
    threads = sorted({1, len(os.sched_getaffinity(0))})
    with tempfile.TemporaryDirectory(prefix="remap-") as name:
        paths = [Path(name) / f"study{number}" for number in range(rounds + 1)]
        first = _queue(paths[0], models, epochs, looks=True)
        tries = {count: _plain(paths[0], count, looks=True) for count in threads}
        best = min(threads, key=lambda count: _busy(tries[count]))
        pairs = [
            (_queue(path, models, epochs, looks=False), _plain(path, best, looks=False))
            for path in paths[1:]
        ] or [(first, tries[best])]
    queues, loops = [queue for queue, _ in pairs], [loop for _, loop in pairs]
    speeds = [
        queue.speed({model: seconds / epochs for model, seconds in loop.seconds.items()})
        for queue, loop in pairs
    ]
    per_minute = 60 * models / median(_busy(one) for one in loops)
    rows = [
        (
            f"`remap sample`, {first.trainers} trainers",
            quantity(median(speeds) * per_minute),
            ratio(speeds),
            quantity(median(one.began - one.launched for one in queues)),
            quantity(median(one.all_began - one.launched for one in queues)),
            quantity(median(one.ended - one.launched for one in queues)),
            quantity(first.memory / MIB),
            f"{fmean(one.accuracy for one in queues):.3f}",
        ),
        *(
            _plain_row(count, loops if count == best else [one], one.memory)
            for count, one in tries.items()
        ),
    ]
    return Table(
        f"`remap sample --data digits --models {models} --epochs {epochs} --max-parameters "
        f"{MOST_PARAMETERS}` against a plain PyTorch loop over the same networks, one after "
        f"another in one process that keeps nothing, {max(rounds, 1)} times in turn. Models per "
        "minute count from the moment when every trainer is at work to the end of the last "
        "training, each model as much as the plain loop needs for it. The ratio is to the plain "
        "loop with the better number of threads; the other is tried in the first round only. "
        "Memory is the peak of all processes together (PSS), looked at in that round, whose times "
        "do not count.",
        (
            "what",
            "models/min",
            "ratio",
            "first training after, s",
            "all trainers after, s",
            "whole command, s",
            "memory, MiB",
            "mean accuracy",
        ),
        tuple(rows),
    )


def _plain_row(threads: int, runs: Sequence[Plain], memory: int) -> tuple[str, ...]:
    began = quantity(median(one.began - one.launched for one in runs))
    return (
        f"plain loop, {threads} thread{'s' if threads > 1 else ''}",
        quantity(60 * median(len(one.seconds) / _busy(one) for one in runs)),
        "",
        began,
        began,
        quantity(median(one.ended - one.launched for one in runs)),
        quantity(memory / MIB),
        f"{fmean(one.accuracy for one in runs):.3f}",
    )


def _busy(one: Plain) -> float:
    return one.done - one.began


def _queue(path: Path, models: int, epochs: int, *, looks: bool) -> Queue:
    arguments = {
        "--data": "digits",
        "--models": models,
        "--epochs": epochs,
        "--max-parameters": MOST_PARAMETERS,
    }
    options = [str(one) for pair in arguments.items() for one in pair]
    command = [sys.executable, "-m", "remap_panel", "sample", str(path), *options]
    with launched(command, path.with_suffix(".log"), looks=looks) as one:
        while one.runs() and not (path / DATABASE).exists():
            one.pause(LOOK_SECONDS)
        seen, done, trainers = _follow(path, one)
        while one.runs():
            one.pause(LOOK_SECONDS)
        ended = time.monotonic()
    with open_study(path) as study:
        accuracies = [model.accuracy for model in study.models() if model.accuracy is not None]
    if len(accuracies) != models:
        raise RuntimeError(f"{models - len(accuracies)} of {models} models were not trained")
    return Queue(one.began, ended, seen, done, fmean(accuracies), trainers, one.peak)


def _follow(path: Path, one: Launched) -> tuple[tuple[Seen, ...], float, int]:
    """Watch a study until all its models are done."""
    seen: list[Seen] = []
    with open_study(path) as study:
        watch, number = study.watch(), 0
        try:
            while one.runs():
                if watch.changed():
                    change, now = study.changes(number), time.monotonic()
                    if change.epochs and not seen:
                        # Once, to know what to clean up: all that it starts is there now.
                        one.family()
                    seen += [Seen(epoch, now) for epoch in change.epochs]
                    number = change.number
                    counts = study.counts()
                    if seen and not counts[Status.QUEUED] + counts[Status.TRAINING]:
                        return tuple(seen), now, study.heartbeat().workers
                one.pause(LOOK_SECONDS)
        finally:
            watch.close()
    raise RuntimeError(f"{one.log.read_text(encoding='utf-8')}\nended before all was trained")


def _plain(path: Path, threads: int, *, looks: bool) -> Plain:
    module = "tests.benchmarks.one_by_one"
    command = [sys.executable, "-m", module, str(path), str(threads)]
    with launched(command, path.with_suffix(".plain.log"), looks=looks) as one:
        while one.runs():
            one.pause(LOOK_SECONDS)
        ended = time.monotonic()
    told = [json.loads(line) for line in one.log.read_text(encoding="utf-8").splitlines()]
    return Plain(
        one.began,
        ended,
        told[0]["began"],
        told[-1]["ended"],
        {line["model"]: line["ended"] - line["began"] for line in told},
        fmean(line["accuracy"] for line in told),
        one.peak,
    )
