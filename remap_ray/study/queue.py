"""What the queue can say: each row's reason, and how long it will take. Pure."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from remap_ray.study.records import Heartbeat, Model, Status

__all__ = ["Pace", "duration", "pace_of", "reasons", "seconds_left"]


PARTS: Mapping[int, str] = {2: "half", 3: "third", 4: "quarter", 5: "fifth", 8: "eighth"}


@final
@dataclass(frozen=True)
class Pace:
    """How long an epoch takes on this study's machine: a base and a rate.

    Parameters
    ----------
    base
        Seconds of an epoch whatever the network.
    rate
        Further seconds for each multiply-add of one image.
    """

    base: float
    rate: float

    def epoch(self, multiply_adds: int) -> float:
        """Expect the seconds of one epoch."""
        return self.base + self.rate * multiply_adds


def pace_of(models: Iterable[Model]) -> Pace | None:
    """Measure the pace from the models that have trained; None where none has.

    Least squares on relative errors, so that large networks do not outvote the
    small ones; neither figure may be negative. A single size gives a level pace.
    """
    trained = [one for one in models if one.epochs and one.seconds > 0]
    if not trained:
        return None
    seconds = np.array([one.seconds / one.epochs for one in trained])
    costs = np.array([float(one.multiply_adds) for one in trained])
    design = np.column_stack([np.ones_like(costs), costs]) / seconds[:, None]
    if np.ptp(costs) == 0:
        # One size says nothing of others; a slope would make hours of what takes seconds.
        return Pace(_alone(design[:, 0]), 0.0)
    (base, rate), *_ = np.linalg.lstsq(design, np.ones_like(costs))
    if base <= 0:
        return Pace(0.0, _alone(design[:, 1]))
    if rate <= 0:
        return Pace(_alone(design[:, 0]), 0.0)
    return Pace(float(base), float(rate))


def _alone(column: NDArray[np.float64]) -> float:
    """Fit one figure, the other being nought."""
    return float(column.sum() / (column @ column))


def seconds_left(models: Sequence[Model], pace: Pace | None, workers: int) -> float | None:
    """Expect the seconds until the queue is empty; None before there is a pace."""
    if pace is None:
        return None
    work = [_work(one, pace) for one in models if one.status in {Status.QUEUED, Status.TRAINING}]
    if not work:
        return 0.0
    return max(sum(work) / max(workers, 1), max(work))


def reasons(models: Sequence[Model], heartbeat: Heartbeat) -> Mapping[int, str]:
    """Say of every model, in words, why it stands where it stands."""
    pace = pace_of(models)
    training = [one for one in models if one.status is Status.TRAINING]
    waiting = [one for one in models if one.status is Status.QUEUED]
    waiting.sort(key=lambda one: (one.position, one.number))
    said = {one.number: _standing(one, pace, heartbeat) for one in models}
    kept = _kept_waiting(heartbeat)
    begins = _begins(training, waiting, pace, heartbeat.workers) if pace and not kept else ()
    for ahead, one in enumerate(waiting):
        if kept:
            said[one.number] = f"waiting: {kept}"
            continue
        place = f"{ahead} ahead" if ahead else "next"
        if not ahead and heartbeat.gpus_each and len(training) >= heartbeat.workers:
            place = f"no free {_share(heartbeat.gpus_each)}"
        soon = not begins or begins[ahead] < 0.5
        about = "" if soon else f", about {duration(begins[ahead])}"
        said[one.number] = f"waiting: {place}{about}{_after(one)}"
    return said


def _kept_waiting(heartbeat: Heartbeat) -> str:
    """Say what keeps the whole queue from going on; empty where nothing does."""
    if heartbeat.paused:
        return "the queue is paused"
    if not heartbeat.alive:
        return "nobody trains this study now"
    return "the trainers are starting" if heartbeat.starting else ""


def _begins(
    training: Sequence[Model], waiting: Sequence[Model], pace: Pace, workers: int
) -> tuple[float, ...]:
    """Expect in how many seconds each waiting model begins, by the order of the queue."""
    free = sorted(_work(one, pace) for one in training)
    free = [0.0] * (max(workers, 1) - len(free)) + free
    # More may train than there are workers now: the first to end make no room.
    free = free[len(free) - max(workers, 1) :]
    begins = []
    for one in waiting:
        begins.append(free[0])
        heapq.heapreplace(free, free[0] + _work(one, pace))
    return tuple(begins)


def _share(gpus: float) -> str:
    """Say how much of a GPU something is: ``quarter of a GPU``."""
    if gpus >= 1:
        return "GPU" if gpus == 1 else f"{gpus:g} GPUs"
    parts = round(1 / gpus)
    return f"{PARTS.get(parts, f'1/{parts}')} of a GPU"


def duration(seconds: float) -> str:
    """Write a length of time as people say it: ``12 s``, ``3 min``, ``2 h 10 min``."""
    whole = round(seconds)
    if whole < 90:
        return f"{whole} s"
    minutes = round(whole / 60)
    if minutes < 90:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min"


def _work(model: Model, pace: Pace) -> float:
    return max(model.wanted_epochs - model.epochs, 0) * _epoch_seconds(model, pace)


def _epoch_seconds(model: Model, pace: Pace) -> float:
    # A model's own epochs say more of it than the others' do.
    return model.seconds / model.epochs if model.epochs else pace.epoch(model.multiply_adds)


def _after(model: Model) -> str:
    """Say what its trainer was lost by, where it is tried again."""
    return f" ({model.reason})" if model.losses and model.reason else ""


def _standing(model: Model, pace: Pace | None, heartbeat: Heartbeat) -> str:
    if model.status is Status.TRAINING:
        return _training(model, pace, heartbeat)
    if model.status is Status.FAILED:
        # Who was killed did nothing wrong itself.
        return model.reason if model.reason.startswith("killed") else f"failed: {model.reason}"
    if model.status is Status.CANCELLED:
        return model.reason
    return model.stopped or f"done in {duration(model.seconds)}"


def _training(model: Model, pace: Pace | None, heartbeat: Heartbeat) -> str:
    if heartbeat.starting:
        return "interrupted: goes on once the trainers have started"
    if not heartbeat.alive:
        # Its scheduler died: the next one puts it back to the queue, or cancels it.
        return "interrupted: nobody trains this study now"
    if model.stop_wish or heartbeat.paused:
        return "stopping"
    epoch = min(model.epochs + 1, model.wanted_epochs)
    left = f", {duration(_work(model, pace))} left" if pace else ""
    return f"training: epoch {epoch} of {model.wanted_epochs}{left}{_after(model)}"
