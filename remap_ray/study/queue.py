"""What the queue can say: each row's reason, and how long it will take. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from remap_ray.study.records import Heartbeat, Model, Status

__all__ = ["Pace", "duration", "pace_of", "reasons", "seconds_left"]


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
    workers = max(heartbeat.workers, 1)
    ahead, ahead_seconds = 0, 0.0
    said: dict[int, str] = {}
    training = [one for one in models if one.status is Status.TRAINING]
    ahead_seconds = sum(_work(one, pace) for one in training) if pace else 0.0
    for one in sorted(models, key=lambda model: (model.position, model.number)):
        if one.status is not Status.QUEUED:
            said[one.number] = _standing(one, pace, trained=heartbeat.alive)
            continue
        if not heartbeat.alive:
            said[one.number] = "waiting: nobody trains this study now"
        else:
            place = f"{ahead} ahead" if ahead else "next"
            about = f", about {duration(ahead_seconds / workers)}" if pace else ""
            said[one.number] = f"waiting: {place}{about}"
        ahead += 1
        ahead_seconds += _work(one, pace) if pace else 0.0
    return said


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


def _standing(model: Model, pace: Pace | None, *, trained: bool) -> str:
    if model.status is Status.TRAINING:
        if not trained:
            # Its scheduler died: the next one puts it back to the queue, or cancels it.
            return "interrupted: nobody trains this study now"
        if model.stop_wish:
            return "stopping"
        epoch = min(model.epochs + 1, model.wanted_epochs)
        left = f", {duration(_work(model, pace))} left" if pace else ""
        return f"training: epoch {epoch} of {model.wanted_epochs}{left}"
    if model.status is Status.FAILED:
        return f"failed: {model.reason}"
    if model.status is Status.CANCELLED:
        return model.reason
    return model.stopped or f"done in {duration(model.seconds)}"
