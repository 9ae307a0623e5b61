"""`Projector`: keeps both maps as models finish. Pure of ray: its actor wraps it.

A model's distances to all others are measured once, when it is placed. The first layout
is made when there are enough models; later ones are placed among the fixed points. A map
is laid out anew, aligned to what it was, when that makes it better: whether it would is
weighed when the stress has risen, or the map has grown, since it was weighed last. A model
that was trained longer predicts something else: on that map it is placed anew, alone.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Any, Protocol, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from remap_ray.projection import mds, predictions
from remap_ray.projection.columns import Columns
from remap_ray.projection.landmarks import LANDMARKS
from remap_ray.projection.structures import Structure, structure_of
from remap_ray.space import Design
from remap_ray.study import MAPS, Layout, Placement, Study

__all__ = ["ENOUGH", "Finished", "InlineMapper", "Point", "Projector"]

Finished: TypeAlias = tuple[int, Design, NDArray[np.uint8]]
"""A model that is done: number, design, predicted labels (n,)."""

Point: TypeAlias = Layout | Placement

ENOUGH = 4
"""Models that the first layout waits for: three points fit any distances, and say nothing."""

CHUNK = 256
"""Models whose predictions are kept in one array: none is copied when others come."""


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
        For each map that has one: its last layout and what was placed since, in order. What was
        placed counts where a model is in both.
    stale
        Numbers of models that have predicted anew since they got their places.
    """

    def __init__(
        self,
        seed: int,
        models: Sequence[Finished] = (),
        layouts: Sequence[tuple[Layout, Sequence[Placement]]] = (),
        stale: Collection[int] = (),
    ) -> None:
        known = {layout.map: (layout, placed) for layout, placed in layouts}
        done = {number: (number, one, labels) for number, one, labels in models}
        self._maps = (
            _Map("structure", _Structures, seed, done, known.get("structure"), ()),
            _Map("predictions", _Predictions, seed, done, known.get("predictions"), stale),
        )

    @staticmethod
    def state_of(study: Study) -> dict[str, Any]:
        """Read what a projector needs to go on where another ended, as keyword arguments."""
        models = []
        for model in study.models():
            labels = study.predictions(model.number)
            if labels is not None:
                models.append((model.number, model.design, labels))
        layouts = []
        for name in MAPS:
            layout = study.layout(name)
            if layout is not None:
                layouts.append((layout, study.placements(name)))
        stale = study.predicted_since_placed("predictions")
        return {"seed": study.seed, "models": models, "layouts": layouts, "stale": stale}

    def add(self, finished: Sequence[Finished]) -> list[Point]:
        """Take models that are done; gives the points that follow, in order.

        One that is known already gives none, unless it predicts something else than it did.
        """
        return [point for one in self._maps for point in one.add(finished, enough=ENOUGH)]

    def settle(self) -> list[Point]:
        """Lay out what still waits for company, however few they are."""
        return [point for one in self._maps for point in one.add((), enough=1)]


class _Measured(Protocol):
    """The models of a map, ready to be measured against each other."""

    def extend(self, models: Sequence[Finished]) -> None: ...

    def change(self, index: int, one: Finished, /) -> bool:
        """Take a model as it is now; gives whether that changes its distances."""
        ...

    def row(self, one: Finished) -> NDArray[np.float64]:
        """Give the distances of another model to all of them, (n,)."""
        ...

    def rows(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        """Give the distances of some of them to all of them, (k, n)."""
        ...


@final
class _Structures:
    def __init__(self) -> None:
        self._features: list[Any] = []
        self._known: tuple[Structure, Any] | None = None

    def extend(self, models: Sequence[Finished]) -> None:
        if not models:
            return
        # All designs of a study are of one space: the first says which distance it is.
        known, pack = self._known or (structure := structure_of(models[0][1]), structure.pack(()))
        features = [known.features(one[1]) for one in models]
        self._features += features
        self._known = known, known.join(pack, features)

    def change(self, _index: int, _one: Finished, /) -> bool:
        # A model's architecture never changes.
        return False

    def row(self, one: Finished) -> NDArray[np.float64]:
        known, pack = self._measured()
        found: NDArray[np.float64] = known.distances([known.features(one[1])], pack)[0]
        return found

    def rows(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        known, pack = self._measured()
        return known.distances([self._features[index] for index in indices], pack)

    def _measured(self) -> tuple[Structure, Any]:
        assert self._known is not None, "models are measured against those that were added"
        return self._known


@final
class _Predictions:
    def __init__(self) -> None:
        self._chunks: list[NDArray[np.uint8]] = []
        self._last = 0

    def extend(self, models: Sequence[Finished]) -> None:
        for _, _, labels in models:
            if self._last in {0, CHUNK}:
                self._chunks.append(np.empty((CHUNK, len(labels)), dtype=np.uint8))
                self._last = 0
            self._chunks[-1][self._last] = labels
            self._last += 1

    def change(self, index: int, one: Finished, /) -> bool:
        before = self._chunks[index // CHUNK][index % CHUNK]
        if np.array_equal(before, one[2]):
            return False
        before[:] = one[2]
        return True

    def row(self, one: Finished) -> NDArray[np.float64]:
        found: NDArray[np.float64] = self._against(one[2][None])[0]
        return found

    def rows(self, indices: NDArray[np.int64]) -> NDArray[np.float64]:
        return self._against(np.stack([self._chunks[k // CHUNK][k % CHUNK] for k in indices]))

    def _against(self, labels: NDArray[np.uint8]) -> NDArray[np.float64]:
        filled = [*self._chunks[:-1], *(one[: self._last] for one in self._chunks[-1:])]
        return np.concatenate([predictions.distances(labels, one) for one in filled], axis=1)


@final
class _Map:
    """One map: its models in the order of the layout's points, and those that wait."""

    def __init__(
        self,
        name: str,
        measured: Callable[[], _Measured],
        seed: int,
        done: dict[int, Finished],
        known: tuple[Layout, Sequence[Placement]] | None,
        stale: Collection[int],
    ) -> None:
        self._name = name
        self._seed = seed
        self._measured = measured()
        self._columns = Columns(seed)
        self._layout: mds.Layout | None = None
        self._restore: Callable[[], None] | None = None
        self._models: list[int] = []
        if known is not None:
            layout, placed = known
            numbers = [*layout.models.tolist(), *(one.model for one in placed)]
            points = [*layout.points.tolist(), *((one.x, one.y) for one in placed)]
            last = {number: index for index, number in enumerate(numbers)}
            there = done.keys() - set(stale)
            kept = [
                index
                for index, number in enumerate(numbers)
                if number in there and last[number] == index
            ]
            fitted = sum(index < len(layout.models) for index in kept)
            self._models = [numbers[index] for index in kept]
            mapped = [done[number] for number in self._models]

            def restore() -> None:
                self._measure(mapped)
                self._layout = mds.Layout.restore(
                    [points[index] for index in kept],
                    self._columns.array,
                    fitted,
                    layout.version,
                    seed,
                    self._columns.landmarks,
                )

            # Only when it is needed: thousands of models take a while.
            self._restore = restore
        self._known = set(self._models)
        self._waiting = [one for number, one in done.items() if number not in self._known]
        self._changed: list[Finished] = []
        self._known |= done.keys()

    def add(self, finished: Iterable[Finished], enough: int) -> list[Point]:
        for one in finished:
            if one[0] not in self._known:
                self._known.add(one[0])
                self._waiting.append(one)
            elif not self._replace_waiting(one):
                self._changed.append(one)
        if not self._waiting and not self._changed:
            return []
        if self._restore is not None:
            self._restore()
            self._restore = None
        points: list[Point] = []
        if self._layout is None:
            if len(self._waiting) < enough:
                return []
            first, self._waiting = self._waiting[:LANDMARKS], self._waiting[LANDMARKS:]
            self._models = [one[0] for one in first]
            self._measure(first)
            self._layout = mds.Layout.fit(self._columns.array, self._seed)
            points.append(self._whole(self._layout))
        while self._changed:
            points += self._move(self._changed.pop(0), self._layout)
        while self._waiting:
            points += self._place(self._waiting.pop(0), self._layout)
        return points

    def _replace_waiting(self, one: Finished) -> bool:
        for index, waits in enumerate(self._waiting):
            if waits[0] == one[0]:
                self._waiting[index] = one
                return True
        return False

    def _move(self, one: Finished, layout: mds.Layout) -> list[Point]:
        index = self._models.index(one[0])
        if not self._measured.change(index, one):
            return []
        row = self._measured.row(one)
        self._columns.change(index, row)
        self._layout = layout.moved(index, row, self._columns.array, self._columns.landmarks)
        return self._told(index, self._layout)

    def _measure(self, models: Sequence[Finished]) -> None:
        self._measured.extend(models)
        self._columns = Columns.measured(len(models), self._seed, self._measured.rows)

    def _place(self, one: Finished, layout: mds.Layout) -> list[Point]:
        row = self._measured.row(one)
        self._measured.extend([one])
        self._columns.add(row)
        self._models.append(one[0])
        self._layout = layout.place(row[None])
        return self._told(len(self._models) - 1, self._layout)

    def _told(self, index: int, layout: mds.Layout) -> list[Point]:
        """Give the place of a model, and the whole map where it is laid out anew for it."""
        x, y = layout.points[index].tolist()
        share = float(layout.shares[index])
        placed = Placement(self._name, layout.version, self._models[index], x, y, share)
        if not layout.due:
            return [placed]
        self._layout = layout.weigh(self._columns.array, self._columns.landmarks)
        if self._layout.version == layout.version:
            return [placed]
        return [placed, self._whole(self._layout)]

    def _whole(self, layout: mds.Layout) -> Layout:
        numbers = np.array(self._models, dtype=np.int64)
        return Layout(
            self._name, layout.version, numbers, layout.points, layout.shares, layout.stress
        )


@final
class InlineMapper:
    """The scheduler's port to a projector in the same process."""

    def __init__(self, projector: Projector) -> None:
        self._projector = projector
        self._points: list[Point] = []

    def add(self, number: int, architecture: Design, labels: NDArray[np.uint8]) -> None:
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
