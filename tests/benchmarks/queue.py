"""Models per minute of the queue, against other ways to train the same networks."""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from statistics import fmean, median
from typing import final

import numpy as np
from numpy.typing import NDArray

from remap_ray.study import Epoch, Status, open_study
from remap_ray.study.directory import DATABASE
from remap_ray.training import datasets
from tests.benchmarks.launched import LOOK_SECONDS, Launched, launched
from tests.benchmarks.report import Table, quantity
from tests.benchmarks.timing import ratio

__all__ = ["Plain", "Queue", "Seen", "compared", "follow", "measure", "sampled"]

ENOUGH_SECONDS = 540.0
"""No further round begins that would, if it takes as long as the last, end after so long."""

MOST_PARAMETERS, MOST_FLOPS = 100_000, 5_000_000
"""What the networks may have at most: small ones, as people look for with REMAP."""

IMAGES = 10_000
"""Images in training, of the size of Fashion-MNIST's: a fifth of what it has for that."""

MIB = 2**20


def _has_tune() -> bool:
    """Whether what ``ray[tune]`` brings is installed; parts of it come with other packages."""
    return all(find_spec(one) for one in ("pyarrow", "pydantic", "tensorboardX"))


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
    memory, processor
        Peak in bytes, and seconds of processor time; 0 where it was not looked at.
    """

    launched: float
    ended: float
    epochs: tuple[Seen, ...]
    done: float
    accuracy: float
    trainers: int
    memory: int
    processor: float = 0.0

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
    """One run of another way; times in monotonic seconds, memory in bytes.

    ``memory`` and ``processor`` (seconds) are 0 where they were not looked at.
    """

    launched: float
    ended: float
    began: float
    done: float
    seconds: Mapping[int, float]
    accuracy: float
    memory: int
    processor: float


@final
@dataclass(frozen=True)
class Way:
    """Another way of training the study's networks: its name, its module and its argument.

    Parameters
    ----------
    always
        Measured in every round; else only where it was the quickest loop of the first.
    """

    name: str
    module: str
    count: int
    always: bool


def ways(cores: int) -> tuple[Way, ...]:
    """Give what the queue is measured against on a machine of so many cores."""
    loops = [
        Way(f"(b) plain loop, {threads} thread{'s' if threads > 1 else ''}", ONE, threads, False)
        for threads in sorted({1, cores})
    ]
    each = f"(d) one process per core ({cores}), no Ray"
    tune = "(c) Ray Tune, actors reused"
    return (*loops, Way(each, PER_CORE, cores, True), Way(tune, TUNE, cores, True))


ONE, PER_CORE, TUNE = "one_by_one", "one_per_core", "with_tune"


def measure(quick: bool) -> Table:
    """Let ``remap sample`` and the others train the same networks in turn, several times."""
    models, epochs, most = (3, 1, 0) if quick else (20, 2, 3)
    with tempfile.TemporaryDirectory(prefix="remap-") as name:
        data = Path(name) / "images.npz"
        write_images(data, 500 if quick else IMAGES)
        what = f"digits enlarged to 28 x 28 and repeated ({IMAGES:,} in training)"
        return compared(Path(name), str(data), what, models, epochs, most)


def write_images(path: Path, count: int) -> None:
    """Write digits as a ``.npz`` of images of Fashion-MNIST's size, ``count`` in training."""
    digits = datasets.load("digits")

    def enlarged(images: NDArray[np.uint8]) -> NDArray[np.uint8]:
        large = images.repeat(3, axis=-1).repeat(3, axis=-2)
        return np.pad(large, ((0, 0), (0, 0), (2, 2), (2, 2)))

    taken = np.arange(count) % len(digits.train.labels)
    np.savez(
        path,
        x_train=enlarged(digits.train.images)[taken],
        y_train=digits.train.labels[taken],
        x_val=enlarged(digits.validation.images),
        y_val=digits.validation.labels,
        x_test=enlarged(digits.test.images),
        y_test=digits.test.labels,
    )


def compared(folder: Path, data: str, what: str, models: int, epochs: int, most: int) -> Table:
    """Train the same networks in all ways in turn.

    Parameters
    ----------
    data, what
        The data's source, and what it is in words.
    most
        Rounds at most, after the one in which memory is looked at; with 0 that one counts.
    """
    started = time.monotonic()
    # Ray's workers step back behind all other processes, which the loops do not.
    os.environ.setdefault("RAY_worker_niceness", "0")
    cores = len(os.sched_getaffinity(0))
    there = [one for one in ways(cores) if one.module != TUNE or _has_tune()]
    path = folder / "study"
    first = _queue(path, data, models, epochs, looks=True)
    tried = {way: _plain(path, way, looks=True) for way in there}
    loop = min((way for way in there if way.module == ONE), key=lambda way: _busy(tried[way]))
    queues: list[Queue] = []
    runs: dict[Way, list[Plain]] = {way: [] for way in there if way.always or way == loop}
    for number in range(most):
        began = time.monotonic()
        path = folder / f"study{number}"
        queues.append(_queue(path, data, models, epochs, looks=False))
        for way, found in runs.items():
            found.append(_plain(path, way, looks=False))
        now = time.monotonic()
        if now + (now - began) > started + ENOUGH_SECONDS:
            break
    if not queues:
        queues, runs = [first], {way: [tried[way]] for way in runs}
    # Each round's speeds, in seconds of that round's plain loop done in a second.
    ours = [
        queue.speed({model: seconds / epochs for model, seconds in plain.seconds.items()})
        for queue, plain in zip(queues, runs[loop], strict=True)
    ]
    others = {
        way: [_busy(plain) / _busy(one) for plain, one in zip(runs[loop], found, strict=True)]
        for way, found in runs.items()
    }
    per_minute = 60 * models / median(_busy(one) for one in runs[loop])
    rows = [
        (
            f"(a) `remap sample`, {first.trainers} trainers",
            quantity(median(ours) * per_minute),
            "",
            quantity(median(one.began - one.launched for one in queues)),
            quantity(median(one.all_began - one.launched for one in queues)),
            quantity(median(one.ended - one.launched for one in queues)),
            quantity(first.memory / MIB),
            _share(first.processor, first.ended - first.launched, cores),
            f"{fmean(one.accuracy for one in queues):.3f}",
        )
    ]
    for way in there:
        found = runs.get(way, [tried[way]])
        quicker = [mine / theirs for mine, theirs in zip(ours, others.get(way, ()), strict=False)]
        rows.append(_plain_row(way, found, tried[way], quicker, cores))
    better = [
        mine / max(others[way][at] for way in runs if way.module != TUNE)
        for at, mine in enumerate(ours)
    ]
    without = "" if _has_tune() else " Ray Tune is not installed here (`ray[tune]`)."
    return Table(
        f"`remap sample --models {models} --epochs {epochs} --max-parameters {MOST_PARAMETERS} "
        f"--max-flops {MOST_FLOPS}` on {what}, against other ways to train the same networks, "
        f"{len(queues)} times in turn; each of them keeps nothing. Models per minute count from "
        "the moment when every trainer is at work to the end of the last training; for the queue "
        "each model counts as much as the plain loop needs for it. The ratio is how much quicker "
        f"`remap sample` is than the row's way; to the better of (b) and (d) it is {ratio(better)}."
        " The loop with the other number of threads is tried in the first round only. Memory is "
        "the peak of all processes together (PSS), and the processor time is that of the whole "
        "command as a share of all cores, both looked at in that round, whose times do not count."
        " Ray's workers have the niceness of all others (`RAY_worker_niceness=0`)."
        f"{without}",
        (
            "what",
            "models/min",
            "ratio",
            "first training after, s",
            "all trainers after, s",
            "whole command, s",
            "memory, MiB",
            "processors, %",
            "mean accuracy",
        ),
        tuple(rows),
    )


def _share(processor: float, seconds: float, cores: int) -> str:
    return quantity(100 * processor / (seconds * cores))


def _plain_row(
    way: Way, runs: Sequence[Plain], looked: Plain, quicker: Sequence[float], cores: int
) -> tuple[str, ...]:
    began = quantity(median(one.began - one.launched for one in runs))
    return (
        way.name,
        quantity(60 * median(len(one.seconds) / _busy(one) for one in runs)),
        ratio(quicker) if quicker else "",
        began,
        began,
        quantity(median(one.ended - one.launched for one in runs)),
        quantity(looked.memory / MIB),
        _share(looked.processor, looked.ended - looked.launched, cores),
        f"{fmean(one.accuracy for one in runs):.3f}",
    )


def _busy(one: Plain) -> float:
    return one.done - one.began


def _queue(path: Path, data: str, models: int, epochs: int, *, looks: bool) -> Queue:
    arguments = {
        "--data": data,
        "--models": models,
        "--epochs": epochs,
        "--max-parameters": MOST_PARAMETERS,
        "--max-flops": MOST_FLOPS,
    }
    options = [str(one) for pair in arguments.items() for one in pair]
    with sampled(path, options, looks=looks) as one:
        seen, done, trainers = follow(path, one)
        ended = one.ended()
    with open_study(path) as study:
        accuracies = [model.accuracy for model in study.models() if model.accuracy is not None]
    if len(accuracies) != models:
        raise RuntimeError(f"{models - len(accuracies)} of {models} models were not trained")
    return Queue(one.began, ended, seen, done, fmean(accuracies), trainers, one.peak, one.processor)


@contextmanager
def sampled(path: Path, options: Sequence[str], *, looks: bool = False) -> Iterator[Launched]:
    """Run ``remap sample`` with a new study at ``path``; the block begins once that is there."""
    command = [sys.executable, "-m", "remap_panel", "sample", str(path), *options]
    with launched(command, path.with_suffix(".log"), looks=looks) as one:
        while one.runs() and not (path / DATABASE).exists():
            one.pause(LOOK_SECONDS)
        yield one


def follow(path: Path, one: Launched) -> tuple[tuple[Seen, ...], float, int]:
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


def _plain(path: Path, way: Way, *, looks: bool) -> Plain:
    command = [sys.executable, "-m", f"tests.benchmarks.{way.module}", str(path), str(way.count)]
    with launched(command, path.with_suffix(f".{way.module}.log"), looks=looks) as one:
        ended = one.ended()
    lines = one.log.read_text(encoding="utf-8").splitlines()
    # Ray says this and that besides.
    told = [json.loads(line) for line in lines if line.startswith("{")]
    return Plain(
        one.began,
        ended,
        min(line["began"] for line in told),
        max(line["ended"] for line in told),
        {line["model"]: line["ended"] - line["began"] for line in told},
        fmean(line["accuracy"] for line in told),
        one.peak,
        one.processor,
    )
