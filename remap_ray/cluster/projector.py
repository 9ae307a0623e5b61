"""`Projector`: keeps both maps as models finish. Pure of ray: its actor wraps it.

A model's distances to all others are measured once. The first layout is made
when there are enough models; later ones are placed among the fixed points, and
a map that has grown by half is laid out anew, aligned to what it was.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from remap_ray.projection import mds, otmann, predictions
from remap_ray.space import Architecture
from remap_ray.study import MAPS, Layout, Placement, Study

__all__ = ["ENOUGH", "Finished", "Point", "Projector"]

Finished: TypeAlias = tuple[int, Architecture, NDArray[np.uint8]]
"""A model that is done: number, architecture, predicted labels (n,)."""

Point: TypeAlias = Layout | Placement

ENOUGH = 4
"""Models that the first layout waits for: three points fit any distances, and say nothing."""

GROWTH = 1.5
"""A map is laid out anew when it has this many times the models of its last layout."""


@final
class Projector:
    """The two maps of one study.

    Parameters
    ----------
    seed
        The study's.
    models
        All models that are done, in the order of numbers.
    layouts
        For each map that has one: its last layout and what was placed since, in order.
    """

    def __init__(
        self,
        seed: int,
        models: Sequence[Finished] = (),
        layouts: Sequence[tuple[Layout, Sequence[Placement]]] = (),
    ) -> None:
        known = {layout.map: (layout, placed) for layout, placed in layouts}
        done = {number: (number, one, labels) for number, one, labels in models}
        self._maps = (
            _Map("structure", _structure, seed, done, known.get("structure")),
            _Map("predictions", _predictions, seed, done, known.get("predictions")),
        )

    @staticmethod
    def state_of(study: Study) -> dict[str, Any]:
        """Read what a projector needs to go on where another ended, as keyword arguments."""
        models = []
        for model in study.models():
            labels = study.predictions(model.number)
            if labels is not None:
                models.append((model.number, model.architecture, labels))
        layouts = []
        for name in MAPS:
            layout = study.layout(name)
            if layout is not None:
                layouts.append((layout, study.placements(name)))
        return {"seed": study.seed, "models": models, "layouts": layouts}

    def add(self, finished: Sequence[Finished]) -> list[Point]:
        """Take models that are done; gives the points that follow, in order.

        One that is known already gives none.
        """
        return [point for one in self._maps for point in one.add(finished, enough=ENOUGH)]

    def settle(self) -> list[Point]:
        """Lay out what still waits for company, however few they are."""
        return [point for one in self._maps for point in one.add((), enough=1)]


Measure: TypeAlias = Callable[[Sequence[Finished], Sequence[Finished]], NDArray[np.float64]]


def _structure(rows: Sequence[Finished], columns: Sequence[Finished]) -> NDArray[np.float64]:
    return otmann.distances([one[1] for one in rows], [one[1] for one in columns])


def _predictions(rows: Sequence[Finished], columns: Sequence[Finished]) -> NDArray[np.float64]:
    return predictions.distances(
        np.stack([one[2] for one in rows]), np.stack([one[2] for one in columns])
    )


@final
class _Map:
    """One map: its models in the order of the layout's points, and those that wait."""

    def __init__(
        self,
        name: str,
        measure: Measure,
        seed: int,
        done: dict[int, Finished],
        known: tuple[Layout, Sequence[Placement]] | None,
    ) -> None:
        self._name = name
        self._measure = measure
        self._seed = seed
        self._models: list[Finished] = []
        self._distances = np.zeros((0, 0))
        self._layout: mds.Layout | None = None
        if known is not None:
            layout, placed = known
            numbers = [*layout.models.tolist(), *(one.model for one in placed)]
            self._measure_all([done[number] for number in numbers])
            points = np.array([*layout.points.tolist(), *((one.x, one.y) for one in placed)])
            self._layout = mds.Layout.restore(
                points, self._distances, len(layout.models), layout.version, seed
            )
        mapped = {one[0] for one in self._models}
        self._waiting = [one for number, one in done.items() if number not in mapped]

    def add(self, finished: Iterable[Finished], enough: int) -> list[Point]:
        known = {one[0] for one in (*self._models, *self._waiting)}
        self._waiting += [one for one in finished if one[0] not in known]
        if self._layout is None:
            if len(self._waiting) < enough:
                return []
            self._measure_all(self._take_waiting())
            self._layout = mds.Layout.fit(self._distances, self._seed)
            return [self._whole(self._layout)]
        points: list[Point] = []
        for one in self._take_waiting():
            points.append(self._place(one, self._layout))
            if len(self._layout) >= GROWTH * self._layout.fitted:
                self._layout = self._layout.refit(self._distances)
                points.append(self._whole(self._layout))
        return points

    def _take_waiting(self) -> list[Finished]:
        taken, self._waiting = self._waiting, []
        return taken

    def _measure_all(self, models: list[Finished]) -> None:
        self._models = list(models)
        if models:
            self._distances = self._measure(models, models)

    def _place(self, one: Finished, layout: mds.Layout) -> Placement:
        row = self._measure([one], self._models)
        count = len(self._models)
        grown = np.zeros((count + 1, count + 1))
        grown[:count, :count] = self._distances
        grown[count, :count] = grown[:count, count] = row[0]
        self._distances = grown
        self._models.append(one)
        self._layout = layout.place(row)
        x, y = self._layout.points[-1].tolist()
        share = float(self._layout.shares[-1])
        return Placement(self._name, self._layout.version, one[0], x, y, share)

    def _whole(self, layout: mds.Layout) -> Layout:
        numbers = np.array([one[0] for one in self._models], dtype=np.int64)
        return Layout(
            self._name, layout.version, numbers, layout.points, layout.shares, layout.stress
        )


@final
class InlineMapper:
    """The scheduler's port to a projector in the same process."""

    def __init__(self, projector: Projector) -> None:
        self._projector = projector
        self._points: list[Point] = []

    def add(self, number: int, architecture: Architecture, labels: NDArray[np.uint8]) -> None:
        """Map a model that is done."""
        self._points += self._projector.add([(number, architecture, labels)])

    def settle(self) -> None:
        """Lay out what waits for company."""
        self._points += self._projector.settle()

    def poll(self) -> list[Point]:
        """Take the points that are ready."""
        points, self._points = self._points, []
        return points

    def busy(self) -> bool:
        """Whether points are ready that nobody has taken."""
        return bool(self._points)
