"""What the overview shows, as numbers and words: one circle per model that has figures.

Pure: the browser places the circles, `remap_panel.views.overview` sends what changed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape
from math import ceil, floor, isfinite, isnan, log10, nan
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from remap_panel import theme, wording
from remap_panel.snac import svg
from remap_panel.snapshot import Snapshot
from remap_panel.state import PROJECTIONS
from remap_ray.study import MAPS, Model, Status

__all__ = [
    "AXES",
    "COLUMNS",
    "EMPTY",
    "MAP_NEEDS",
    "Update",
    "frames",
    "notes",
    "preview",
    "row",
    "summary",
    "table",
]

COLUMNS: Mapping[str, type[np.generic]] = {
    "number": np.int32,
    "solid": np.uint8,
    "radius": np.float32,
    "accuracy": np.float32,
    "size": np.float32,
    **{f"{name}_{axis}": np.float32 for name in MAPS for axis in "xy"},
}
"""Columns of the table of circles: the model's number, whether it is filled (done) or hollow (in
training), its radius in px, its validation accuracy, log10 of its parameters, and its place on
both maps. What a projection cannot show is NaN."""

Frame: TypeAlias = list[float]
"""Edges of what is shown: left, right, low, high."""

AXES: Mapping[str, tuple[str, str]] = {
    "accuracy": ("accuracy", "size"),
    **{name: (f"{name}_x", f"{name}_y") for name in MAPS},
}
"""The columns that are x and y in each projection."""

MAP_NEEDS = 4
"""Trained models that the first layout of a map needs."""

EMPTY: Mapping[str, Frame] = {
    "accuracy": [0.0, 1.0, 2.0, 6.0],
    **{name: [-1.0, 1.0, -1.0, 1.0] for name in MAPS},
}
"""What is shown where no circle is."""

ROOMY = 0.6
"""Share of a frame that circles must fill in either direction, lest it shrinks."""

Row = tuple[float, ...]
Patches = dict[str, list[tuple[int | slice, Any]]]


def row(snapshot: Snapshot, number: int) -> Row | None:
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
    return number, solid, theme.radius(model.parameters), model.accuracy, size, *places


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
    def between(before: Snapshot, after: Snapshot, places: Mapping[int, int]) -> Update:
        """Find what changed, at the price of what changed.

        Parameters
        ----------
        before, after
            Successive snapshots, which share what did not change.
        places
            Row of each model that is in the table already.
        """
        fresh: list[Row] = []
        changes: dict[str, list[tuple[int, float]]] = {}
        for number in sorted(_touched(before, after)):
            now = row(after, number)
            place = places.get(number)
            if place is None:
                if now is not None:
                    fresh.append(now)
                continue
            # A circle that goes keeps its row, since rows are never renumbered: it has no place.
            now = now or (number, *(nan if name != "solid" else 0 for name in list(COLUMNS)[1:]))
            then = row(before, number) or (nan,) * len(COLUMNS)
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


def notes(snapshot: Snapshot, *, any_circle: bool) -> dict[str, str]:
    """Say for each projection why nothing is seen; empty where circles are.

    Parameters
    ----------
    any_circle
        Whether any model has a circle at all.
    """
    done = snapshot.counts[Status.DONE]
    said = {"accuracy": "" if any_circle else _nothing(snapshot)}
    for name in MAPS:
        if snapshot.points[name]:
            said[name] = ""
        elif done < MAP_NEEDS:
            said[name] = f"The map appears once {MAP_NEEDS} models are trained: {done} so far"
        elif snapshot.heartbeat.alive:
            said[name] = "The map is being laid out"
        else:
            said[name] = "The map is laid out as soon as someone trains this study again"
    return said


def _nothing(snapshot: Snapshot) -> str:
    failed = snapshot.counts[Status.FAILED]
    if failed and failed == len(snapshot.models):
        each = "The model" if failed == 1 else f"All {failed} models"
        return f"{each} failed in training: the queue says why"
    return "Models appear here as soon as they have trained their first epoch"


def summary(
    snapshot: Snapshot, columns: Mapping[str, NDArray[Any]], projection: str, note: str
) -> str:
    """Tell a screen reader what the overview shows.

    Parameters
    ----------
    columns
        The table of circles.
    note
        Why nothing is seen, where nothing is.
    """
    if note:
        return f"{note}."
    accuracy, size = columns["accuracy"], columns["size"]
    there = ~np.isnan(accuracy)
    done = np.flatnonzero(there & (columns["solid"] == 1))
    hollow = int(there.sum()) - len(done)
    axes = (
        "from left to right by validation accuracy, from bottom to top by parameters"
        if projection == "accuracy"
        else f"on a map: models with similar {projection} are near each other"
    )
    words = [
        f"Overview, {PROJECTIONS[projection]}: {_models(len(done))} trained"
        + (f", {_models(hollow)} in training" if hollow else "")
        + f", {axes}."
    ]
    for said, order in (("Best", (size, -accuracy)), ("Smallest", (-accuracy, size))):
        if len(done):
            first = done[np.lexsort([key[done] for key in order])[0]]
            words.append(f"{said}: {_figures(snapshot.models[int(columns['number'][first])])}.")
    return " ".join(words)


def preview(snapshot: Snapshot, number: int, projection: str) -> str:
    """Give the HTML that is shown beside the circle under the mouse, every name escaped."""
    model = snapshot.models[number]
    done = model.status is Status.DONE
    epochs = (
        f"{model.epochs} {'epoch' if model.epochs == 1 else 'epochs'}"
        if done
        else f"epoch {model.epochs} of {model.wanted_epochs}, {model.status.value}"
    )
    reached = f"<strong>{wording.accuracy(model.accuracy)}</strong>"
    cost = f"{wording.compact(model.parameters)} parameters · {wording.flops(model.flops)}"
    lines = [
        f"<strong>{model.name}</strong> {escape(wording.origin(model))}",
        f"accuracy {reached} (training {wording.accuracy(model.train_accuracy)})",
        f"{cost} · {epochs}",
    ]
    if trust := _trust(snapshot, number, projection):
        lines.append(trust)
    return svg(model.architecture, "small") + "".join(f"<p>{line}</p>" for line in lines)


def _trust(snapshot: Snapshot, number: int, projection: str) -> str:
    points = snapshot.points.get(projection, {})
    point = points.get(number)
    if point is None or not isfinite(point.share):
        return ""
    # A place that is as wrong as the average one has a share of 1 / n.
    times = point.share * len(points)
    if times < 0.5:
        words = "can be trusted"
    elif times < 1.5:
        words = "about right"
    elif times < 3:
        words = "rough: look at its nearest models too"
    else:
        words = "misleading: its nearest models may lie elsewhere"
    return f"place: {words} ({times:.1f}× the map's average error)"


def _models(count: int) -> str:
    return f"{count} {'model' if count == 1 else 'models'}"


def _figures(model: Model) -> str:
    return (
        f"{model.name} with accuracy {wording.accuracy(model.accuracy)} "
        f"and {wording.compact(model.parameters)} parameters"
    )
