"""`Snapshot`: one consistent state of a study, as the page reads it. Pure values.

A new snapshot shares every unchanged record with the one before, so a view
finds what changed by comparing identities.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType
from typing import final

from remap_ray.study import (
    MAPS,
    Change,
    DrawerEntry,
    Epoch,
    Heartbeat,
    Model,
    Status,
    pace_of,
    reasons,
    seconds_left,
)

__all__ = ["NOBODY", "Point", "Snapshot", "advance"]

NOBODY = Heartbeat(0, "", alive=False, seconds=None, workers=0, said="")


@final
@dataclass(frozen=True)
class Point:
    """A model's place on a map, and its share of the map's raw stress (0 to 1)."""

    x: float
    y: float
    share: float


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
    """

    number: int = 0
    models: Mapping[int, Model] = field(default_factory=dict)
    epochs: Mapping[int, tuple[Epoch, ...]] = field(default_factory=dict)
    points: Mapping[str, Mapping[int, Point]] = field(default_factory=_empty_maps)
    versions: Mapping[str, int] = field(default_factory=dict)
    drawer: tuple[DrawerEntry, ...] = ()
    heartbeat: Heartbeat = NOBODY

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
    def drawer_numbers(self) -> tuple[int, ...]:
        """Model numbers in the drawer, from top to bottom."""
        return tuple(entry.model for entry in self.drawer)


def advance(before: Snapshot, change: Change, heartbeat: Heartbeat) -> Snapshot:
    """Give the snapshot after a change; the one before stays as it is."""
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
    for placed in change.placements:
        if placed.version == versions.get(placed.map):
            at = Point(placed.x, placed.y, placed.share)
            points[placed.map] = {**points[placed.map], placed.model: at}
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
    )
