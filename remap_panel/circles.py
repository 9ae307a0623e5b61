"""What the overview shows, as numbers: one circle per model that has figures.

Pure: the browser places the circles, `remap_panel.views.overview` sends what changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import ceil, floor, isfinite, isnan, log10, nan
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from remap_panel import theme
from remap_panel.snapshot import Snapshot
from remap_ray.study import MAPS, Origin, Status

__all__ = [
    "AXES",
    "COLUMNS",
    "EMPTY",
    "Looks",
    "Update",
    "frames",
    "row",
    "table",
]

COLUMNS: Mapping[str, type[np.generic]] = {
    "number": np.int32,
    "solid": np.uint8,
    "radius": np.float32,
    "accuracy": np.float32,
    "size": np.float32,
    "shade": np.float32,
    "dim": np.uint8,
    "spawned": np.uint8,
    **{f"{name}_{axis}": np.float32 for name in MAPS for axis in "xy"},
}
"""Columns of the table of circles: the model's number, whether it is filled (done) or hollow (in
training), its radius in px, its validation accuracy, log10 of its parameters, what its darkness
shows where that is not its accuracy (`UNKNOWN` where it is not known), whether it is dimmed,
whether it was made from a parent or by hand, and its place on both maps. What a projection cannot
show is NaN."""

WHOLE = ("solid", "dim", "spawned")
"""Columns of whole numbers, which know no NaN."""

UNKNOWN = -1.0
"""What darkness shows of a model without that figure: the ramp's first colour."""

Frame: TypeAlias = list[float]
"""Edges of what is shown: left, right, low, high."""

AXES: Mapping[str, tuple[str, str]] = {
    "accuracy": ("accuracy", "size"),
    **{name: (f"{name}_x", f"{name}_y") for name in MAPS},
}
"""The columns that are x and y in each projection."""

EMPTY: Mapping[str, Frame] = {
    "accuracy": [0.0, 1.0, 2.0, 6.0],
    **{name: [-1.0, 1.0, -1.0, 1.0] for name in MAPS},
}
"""What is shown where no circle is."""

ROOMY = 0.6
"""Share of a frame that circles must fill in either direction, lest it shrinks."""

Row = tuple[float, ...]


@final
@dataclass(frozen=True)
class Looks:
    """What a session has its circles show besides the study's own figures.

    Parameters
    ----------
    shades
        By model, what darkness shows (0 to 1); None for the accuracy.
    dimmed
        Models that fall short of what the person needs.
    """

    shades: Mapping[int, float] | None = None
    dimmed: frozenset[int] = frozenset()

    def differ(self, other: Looks) -> set[int]:
        """Give the models that look different by themselves."""
        found = set(self.dimmed ^ other.dimmed)
        if self.shades is not other.shades:
            mine, theirs = self.shades or {}, other.shades or {}
            found |= {one for one, shade in mine.items() if theirs.get(one) != shade}
            found |= theirs.keys() - mine.keys()
        return found


PLAIN = Looks()
"""Darkness is accuracy, and nothing is dimmed."""
Patches = dict[str, list[tuple[int | slice, Any]]]


def row(snapshot: Snapshot, number: int, looks: Looks = PLAIN) -> Row | None:
    """Give a model's values in the order of `COLUMNS`, None where it has no circle.

    A model has one when it is done, and from its first epoch on while it is trained or waits to
    be trained further.
    """
    model = snapshot.models.get(number)
    if model is None or model.accuracy is None or not isfinite(model.accuracy):
        return None
    if model.status in {Status.FAILED, Status.CANCELLED}:
        return None
    places: list[float] = []
    for name in MAPS:
        point = snapshot.points[name].get(number)
        places += (nan, nan) if point is None else (point.x, point.y)
    size = log10(max(model.parameters, 1))
    solid = float(model.status is Status.DONE)
    shade = nan if looks.shades is None else looks.shades.get(number, UNKNOWN)
    spawned = float(model.origin is not Origin.SAMPLED)
    dim = float(number in looks.dimmed)
    radius = theme.radius(model.parameters)
    return number, solid, radius, model.accuracy, size, shade, dim, spawned, *places


@final
@dataclass(frozen=True)
class Update:
    """What changes in the table of circles from one snapshot to the next.

    Parameters
    ----------
    new
        Rows to append, by column; empty where none is new.
    patches
        By column, places in the table and their new values.
    """

    new: Mapping[str, NDArray[Any]] = field(default_factory=dict)
    patches: Patches = field(default_factory=dict)

    @staticmethod
    def between(
        before: Snapshot,
        after: Snapshot,
        places: Mapping[int, int],
        was: Looks = PLAIN,
        looks: Looks = PLAIN,
    ) -> Update:
        """Find what changed, at the price of what changed.

        Parameters
        ----------
        before, after
            Successive snapshots, which share what did not change.
        places
            Row of each model that is in the table already.
        was, looks
            How circles looked before, and how they look now.
        """
        fresh: list[Row] = []
        changes: dict[str, list[tuple[int, float]]] = {}
        touched = _touched(before, after) | looks.differ(was)
        if (was.shades is None) is not (looks.shades is None):
            touched |= places.keys()
        for number in sorted(touched):
            now = row(after, number, looks)
            place = places.get(number)
            if place is None:
                if now is not None:
                    fresh.append(now)
                continue
            # A circle that goes keeps its row, since rows are never renumbered: it has no place.
            now = now or (number, *(nan if name not in WHOLE else 0 for name in list(COLUMNS)[1:]))
            then = row(before, number, was) or (nan,) * len(COLUMNS)
            for name, old, value in zip(COLUMNS, then, now, strict=True):
                if old != value and not (isnan(old) and isnan(value)):
                    changes.setdefault(name, []).append((place, value))
        return Update(
            table(fresh) if fresh else {},
            {name: _runs(found, COLUMNS[name]) for name, found in changes.items()},
        )

    def __bool__(self) -> bool:
        return bool(self.new or self.patches)


def table(rows: Sequence[Row]) -> dict[str, NDArray[Any]]:
    """Give rows as one array per column, in the types of `COLUMNS`."""
    return {
        name: np.array([one[index] for one in rows], kind)
        for index, (name, kind) in enumerate(COLUMNS.items())
    }


def _touched(before: Snapshot, after: Snapshot) -> set[int]:
    touched = {
        number for number, model in after.models.items() if before.models.get(number) is not model
    }
    for name in MAPS:
        old, new = before.points[name], after.points[name]
        if old is not new:
            touched |= {number for number, point in new.items() if old.get(number) is not point}
            touched |= old.keys() - new.keys()
    return touched


def _runs(found: list[tuple[int, float]], kind: type[np.generic]) -> list[tuple[int | slice, Any]]:
    """Write changed cells as runs of neighbours: a refit touches whole columns."""
    found = sorted(found)
    runs: list[list[tuple[int, float]]] = []
    for place, value in found:
        if runs and runs[-1][-1][0] == place - 1:
            runs[-1].append((place, value))
        else:
            runs.append([(place, value)])
    return [
        run[0]
        if len(run) == 1
        else (slice(run[0][0], run[-1][0] + 1), np.array([value for _, value in run], kind))
        for run in runs
    ]


def frames(
    columns: Mapping[str, NDArray[Any]], before: Mapping[str, Frame] | None = None
) -> dict[str, Frame]:
    """Give what each projection shows unless someone has zoomed.

    A frame moves as seldom as it can: its edges lie on a grid, it grows when a circle would fall
    outside, and it shrinks only when it has become far too large. Maps have equal spans on both
    axes.

    Parameters
    ----------
    columns
        The table of circles.
    before
        The frames until now.
    """
    found = {}
    for name, axes in AXES.items():
        x, y = (np.asarray(columns[axis], np.float64) for axis in axes)
        there = ~(np.isnan(x) | np.isnan(y))
        if not there.any():
            found[name] = EMPTY[name]
            continue
        if name == "accuracy":
            edges = (*_edges(x[there], 0.05, 0.2), *_edges(y[there], 0.5, 2.0))
            fitting = [round(edge, 6) for edge in edges]
        else:
            fitting = _square(x[there], y[there])
        old = (before or {}).get(name, EMPTY[name])
        found[name] = old if old != EMPTY[name] and _holds(old, fitting) else fitting
    return found


def _holds(old: Frame, fitting: Frame) -> bool:
    inside, filled = [], []
    for axis in (0, 2):
        low, high = old[axis : axis + 2]
        least, most = fitting[axis : axis + 2]
        inside.append(low <= least and most <= high)
        filled.append((most - least) / (high - low))
    return all(inside) and max(filled) > ROOMY


def _edges(values: NDArray[np.float64], step: float, least: float) -> tuple[float, float]:
    low, high = float(values.min()), float(values.max())
    # A large circle at the edge must not be cut in half, and a few models need no magnifier.
    room = max((high - low) * 0.05, (least - (high - low)) / 2)
    return floor((low - room) / step) * step, ceil((high + room) / step) * step


def _square(x: NDArray[np.float64], y: NDArray[np.float64]) -> Frame:
    spans = [float(np.ptp(x)), float(np.ptp(y))]
    middles = [(float(each.min()) + float(each.max())) / 2 for each in (x, y)]
    wanted = max(*spans, 1e-6) * 1.12
    # Small steps next to what is seen, and one more, since the middle is on the grid too.
    step = 2.0 ** ceil(np.log2(wanted)) / 16
    span = (ceil(wanted / step) + 1) * step
    corners = [round(middle / step) * step - span / 2 for middle in middles]
    return [corners[0], corners[0] + span, corners[1], corners[1] + span]
