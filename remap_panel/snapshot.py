"""`Snapshot`: one consistent state of a study, as the page reads it. Pure values.

A new snapshot shares every unchanged record with the one before, so a view
finds what changed by comparing identities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite
from types import MappingProxyType
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from remap_ray.study import (
    MAPS,
    Change,
    DrawerEntry,
    Epoch,
    Heartbeat,
    Model,
    Status,
    Wished,
    pace_of,
    reasons,
    seconds_left,
)

__all__ = ["NOBODY", "Figures", "Point", "Snapshot", "advance"]

NOBODY = Heartbeat(0, "", alive=False, seconds=None, workers=0, said="")
NOTHING = Wished(paused=False, workers=None, gpus_per_model=None)


@final
@dataclass(frozen=True)
class Point:
    """A model's place on a map, and its share of the map's raw stress (0 to 1)."""

    x: float
    y: float
    share: float


@final
@dataclass(frozen=True)
class Figures:
    """The figures of all models that have trained an epoch, as arrays of one length.

    Parameters
    ----------
    number
        Model numbers, int64 (n,), in rising order.
    done
        Whether the model is trained and stands as it is, bool (n,).
    accuracy
        On the validation images, float64 (n,).
    parameters, flops
        float64 (n,); FLOPs of one image's forward pass.
    seconds
        Of an epoch's training, float64 (n,).
    recalls
        Accuracy on each class, float32 (n, classes), NaN where it is not known; (n, 0) while no
        model's is.
    """

    number: NDArray[np.int64]
    done: NDArray[np.bool_]
    accuracy: NDArray[np.float64]
    parameters: NDArray[np.float64]
    flops: NDArray[np.float64]
    seconds: NDArray[np.float64]
    recalls: NDArray[np.float32]


def _empty_maps() -> Mapping[str, Mapping[int, Point]]:
    return {name: {} for name in MAPS}


@final
@dataclass(frozen=True)
class Snapshot:
    """What the study held at one change number.

    Parameters
    ----------
    models
        By number, in the order of numbers.
    epochs
        Each model's recorded epochs in order.
    points
        By map (``structure``, ``predictions``) and model.
    versions
        Layout version of each map that has one.
    drawer
        From top to bottom.
    heartbeat
        Who trains the study.
    wished
        What is wished of the queue as a whole.
    recalls
        Accuracy on each class, float32 (classes,), of each model that has predicted: read a moment
        after the rest where a study is large.
    """

    number: int = 0
    models: Mapping[int, Model] = field(default_factory=dict)
    epochs: Mapping[int, tuple[Epoch, ...]] = field(default_factory=dict)
    points: Mapping[str, Mapping[int, Point]] = field(default_factory=_empty_maps)
    versions: Mapping[str, int] = field(default_factory=dict)
    drawer: tuple[DrawerEntry, ...] = ()
    heartbeat: Heartbeat = NOBODY
    wished: Wished = NOTHING
    recalls: Mapping[int, NDArray[np.float32]] = field(default_factory=dict, compare=False)

    @cached_property
    def figures(self) -> Figures:
        """The figures of all models that have any, as arrays; failed and cancelled have none."""
        found = [
            one
            for _, one in sorted(self.models.items())
            if one.accuracy is not None
            and isfinite(one.accuracy)
            and one.status not in {Status.FAILED, Status.CANCELLED}
        ]
        numbers = np.array([one.number for one in found], np.int64)
        width = max((len(row) for row in self.recalls.values()), default=0)
        recalls = np.full((len(found), width), np.nan, np.float32)
        for place, number in enumerate(numbers.tolist()):
            if (row := self.recalls.get(number)) is not None:
                recalls[place] = row
        return Figures(
            numbers,
            np.array([one.status is Status.DONE for one in found], bool),
            np.array([one.accuracy for one in found], np.float64),
            np.array([one.parameters for one in found], np.float64),
            np.array([one.flops for one in found], np.float64),
            np.array([one.seconds / max(one.epochs, 1) for one in found], np.float64),
            recalls,
        )

    @cached_property
    def children(self) -> Mapping[int, tuple[int, ...]]:
        """Numbers of each model's children; one without any is not there."""
        found: dict[int, list[int]] = {}
        for number, model in self.models.items():
            if model.parent is not None:
                found.setdefault(model.parent, []).append(number)
        return {number: tuple(each) for number, each in found.items()}

    @cached_property
    def counts(self) -> Mapping[Status, int]:
        """Number of models in each status; every status is there."""
        found = dict.fromkeys(Status, 0)
        for model in self.models.values():
            found[model.status] += 1
        return MappingProxyType(found)

    @cached_property
    def reasons(self) -> Mapping[int, str]:
        """Why each model stands where it stands, in words."""
        return reasons(tuple(self.models.values()), self.heartbeat)

    @cached_property
    def seconds_left(self) -> float | None:
        """Expected seconds until the queue is empty; None before anything was measured."""
        models = tuple(self.models.values())
        return seconds_left(models, pace_of(models), self.heartbeat.workers)

    @cached_property
    def judged(self) -> dict[Any, Any]:
        """What `remap_panel.needs.judge` has found already, for all sessions of the process."""
        return {}

    @cached_property
    def listed(self) -> dict[Any, Any]:
        """What the queue lists of this snapshot where no row is ticked, for all sessions."""
        return {}

    def work_out(self) -> Self:
        """Work out what every session will ask for, in the thread that has the time."""
        for one in (self.figures, self.children, self.counts, self.reasons, self.seconds_left):
            del one
        return self

    @cached_property
    def drawer_numbers(self) -> tuple[int, ...]:
        """Model numbers in the drawer, from top to bottom."""
        return tuple(entry.model for entry in self.drawer)


def advance(before: Snapshot, change: Change, heartbeat: Heartbeat) -> Snapshot:
    """Give the snapshot after a change; the one before stays as it is.

    Class accuracies of models that have predicted anew stay as they were until they are read.
    """
    if not change:
        return replace(before, number=change.number, heartbeat=heartbeat)
    epochs = dict(before.epochs)
    for one in change.epochs:
        epochs[one.model] = (*(e for e in epochs.get(one.model, ()) if e.epoch != one.epoch), one)
    points, versions = dict(before.points), dict(before.versions)
    for layout in change.layouts:
        rows = zip(layout.models.tolist(), layout.points.tolist(), layout.shares, strict=True)
        points[layout.map] = {number: Point(x, y, float(share)) for number, (x, y), share in rows}
        versions[layout.map] = layout.version
    placed: dict[str, dict[int, Point]] = {}
    for place in change.placements:
        if place.version == versions.get(place.map):
            at = Point(place.x, place.y, place.share)
            placed.setdefault(place.map, {})[place.model] = at
    points |= {name: {**points[name], **found} for name, found in placed.items()}
    deleted = set(change.deleted.get("models", ()))
    for number in deleted:
        epochs.pop(number, None)
    if deleted:
        points = {
            name: {number: point for number, point in places.items() if number not in deleted}
            for name, places in points.items()
        }
    gone = set(change.deleted.get("drawer", ())) | deleted
    drawer = {entry.model: entry for entry in before.drawer if entry.model not in gone}
    drawer |= {entry.model: entry for entry in change.drawer}
    models = {**before.models, **{model.number: model for model in change.models}}
    # One that was restored comes back to its place.
    models = {number: models[number] for number in sorted(models) if number not in deleted}
    return Snapshot(
        change.number,
        models,
        epochs,
        points,
        versions,
        tuple(sorted(drawer.values(), key=lambda entry: entry.position)),
        heartbeat,
        before.wished,
        before.recalls,
    )
