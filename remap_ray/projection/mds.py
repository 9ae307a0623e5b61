"""Maps: points in the plane whose distances are as close as can be to given ones.

A layout is fitted once, grows by placing new points among the fixed ones, and is
refitted when that pays. Old points move at a refit only.

Up to `landmarks.LANDMARKS` points all pairs count. Of more, each point counts by its distances
to that many landmarks: those are laid out together, the others placed among them.

References
----------
Kruskal, "Multidimensional scaling by optimizing goodness of fit to a nonmetric
hypothesis", Psychometrika 29, 1964 (stress-1). Borg and Groenen, "Modern Multidimensional
Scaling", 2nd edition, chapter 11 (shares of stress).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from functools import cached_property
from math import inf, sqrt
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from remap_ray.errors import InvalidRequest
from remap_ray.projection import fitting
from remap_ray.projection.landmarks import LANDMARKS, chosen, laid_out
from remap_ray.projection.placement import place

__all__ = ["Layout"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]
Rows = NDArray[np.floating]

ASYMMETRY = 1e-9
"""Difference between the two halves of a distance matrix that is taken for rounding."""

PAYS = 0.98
"""Share of the stress that a refit must bring it down to, or the points stay where they are."""
RISE = 1.02
"""Rise of the stress over what a refit could reach when it was weighed last, to weigh it again."""
GROWTH = 1.15
"""Growth since a refit was weighed last, after which it is weighed again whatever the stress."""
PAUSE = 1.02
"""Growth since a refit was weighed last, before which it is not weighed again."""
SLIGHT = 0.01
"""Stress-1 below which a map is as good as perfect, and no refit is worth its while."""

BLOCK = 1 << 20
"""Distances of a large matrix that are looked at together."""


@final
@dataclass(frozen=True, eq=False)
class Layout:
    """The points of a map, and how well each of them keeps its true distances.

    Make one by `fit` or `restore`. Stress counts the pairs of which one is a landmark and
    whose distance the layout was given: among fitted points, and from each placed point to
    the points before its placing. Up to `LANDMARKS` points, all are landmarks.

    Parameters
    ----------
    points
        float64 (n, 2), read-only, in the unit of the distances.
    misfits
        float64 (n,), read-only: for each point the sum over its pairs with landmarks of the
        squared difference between the distance in the layout and the true one.
    spreads
        float64 (n,), read-only: the sum over the same pairs of the squared distance in
        the layout.
    landmarks
        int64 (up to `LANDMARKS`,), read-only: which points are landmarks.
    fitted
        How many of the points, the first ones, were fitted together; the rest was placed.
    fit_stress
        Stress-1 of the fitted points among themselves.
    weighed
        How many points there were when the layout was fitted or last weighed a refit.
    attainable
        The stress-1 that it had then, or that a refit would have brought.
    version
        Raised by a refit, and by nothing else.
    seed
        What every random choice follows from.
    """

    points: Floats
    misfits: Floats
    spreads: Floats
    landmarks: Indices
    fitted: int
    fit_stress: float
    weighed: int
    attainable: float
    version: int
    seed: int

    def __post_init__(self) -> None:
        for name in ("points", "misfits", "spreads", "landmarks"):
            array = np.array(getattr(self, name), np.int64 if name == "landmarks" else np.float64)
            array.flags.writeable = False
            object.__setattr__(self, name, array)

    def __reduce__(self) -> tuple[Any, ...]:
        # Made anew from its parts, since arrays come back from a pickle writable.
        return Layout, tuple(getattr(self, one.name) for one in fields(self))

    def __len__(self) -> int:
        return len(self.points)

    @cached_property
    def stress(self) -> float:
        """Kruskal's stress-1 of the whole: 0 is a perfect map."""
        return _stress(self.misfits, self.spreads)

    @property
    def placed_stress(self) -> float:
        """Stress-1 of the points placed since the fit; compare it with `fit_stress`."""
        return _stress(self.misfits[self.fitted :], self.spreads[self.fitted :])

    @cached_property
    def shares(self) -> Floats:
        """Each point's share of the raw stress, (n,): they add up to 1, or are 0 in a perfect map.

        A pair counts half for either of its points.
        """
        total = self.misfits.sum()
        shares = self.misfits / total if total > 0 else np.zeros(len(self))
        shares.flags.writeable = False
        return shares

    @property
    def due(self) -> bool:
        """Whether it is time to weigh a refit (`weigh`): the stress has risen, or the map grown.

        Decided from running sums, at no cost.
        """
        if len(self) < PAUSE * self.weighed or self.stress <= SLIGHT:
            return False
        return self.stress > RISE * self.attainable or len(self) >= GROWTH * self.weighed

    @staticmethod
    def fit(distances: ArrayLike, seed: int) -> Layout:
        """Lay out points by their distances: metric MDS from the classical solution.

        Parameters
        ----------
        distances
            (n, n), symmetric with a zero diagonal; n may be 0. Points at distance 0
            get the same place.
        seed
            The same distances and seed give the same layout.

        Raises
        ------
        InvalidRequest
            The distances are none: not square, not symmetric, negative, not finite, or
            not zero from a point to itself.
        """
        true = _checked(distances)
        landmarks = chosen(len(true), seed)
        nowhere = np.full((len(true), 2), np.nan)
        points = laid_out(true[:, landmarks], landmarks, nowhere, seed)
        if len(true) > LANDMARKS:
            points = points[fitting.leaders(true)]
        return _measured(points, true[:, landmarks], landmarks, len(true), 1, seed)

    @staticmethod
    def restore(
        points: ArrayLike,
        rows: Iterable[ArrayLike],
        fitted: int,
        version: int,
        seed: int,
        landmarks: ArrayLike | None = None,
    ) -> Layout:
        """Make the layout again of its points.

        Parameters
        ----------
        points
            (n, 2).
        rows
            n rows of distances to the landmarks, as a matrix or one after another; read once.
        fitted, version, seed
            As the layout had them.
        landmarks
            Which points are landmarks; all of them by default.

        Raises
        ------
        InvalidRequest
            Points and rows do not fit together.
        """
        given = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        if not 0 <= fitted <= len(given):
            raise InvalidRequest(f"fitted must lie between 0 and {len(given)}, not {fitted}")
        those = np.arange(len(given)) if landmarks is None else np.asarray(landmarks, np.int64)
        return _measured(given, rows, those, fitted, version, seed)

    def place(self, rows: ArrayLike) -> Layout:
        """Give the layout with new points appended; all others stay where they are.

        Each new point goes where the raw stress of its own distances is least, or
        exactly onto the first point from which its distance is 0. Distances among the
        new points of one call are not known to the layout: place them one by one to
        have them counted.

        Parameters
        ----------
        rows
            (k, n): the distances of each new point to the n points of the layout.

        Raises
        ------
        InvalidRequest
            Another number of columns, or numbers that are no distances.
        """
        true = _checked_rows(rows, len(self))
        new = np.array([place(row, self.points) for row in true]).reshape(-1, 2)
        inside = _lengths(new[:, None] - self.points[self.landmarks])
        misses, squares = (inside - true[:, self.landmarks]) ** 2, inside**2
        misfits, spreads, landmarks = self.misfits, self.spreads, self.landmarks
        if len(landmarks) == len(self):
            # All are landmarks, and so are new ones as long as there is room.
            more = min(len(new), max(0, LANDMARKS - len(self)))
            misfits = misfits + misses[:more].sum(axis=0)
            spreads = spreads + squares[:more].sum(axis=0)
            landmarks = np.append(landmarks, np.arange(len(self), len(self) + more))
        return replace(
            self,
            points=np.concatenate([self.points, new]),
            misfits=np.concatenate([misfits, misses.sum(axis=1)]),
            spreads=np.concatenate([spreads, squares.sum(axis=1)]),
            landmarks=landmarks,
        )

    def moved(
        self, index: int, row: ArrayLike, distances: ArrayLike, landmarks: ArrayLike
    ) -> Layout:
        """Give the layout with one point placed anew, its distances having changed.

        All others stay where they are. It is not weighed by this: it may be `due`.

        Parameters
        ----------
        index
            Which point.
        row
            (n,): its distances to all points of the layout; that to itself is not read.
        distances, landmarks
            As for `weigh`, with the changed distances.

        Raises
        ------
        InvalidRequest
            Another number of distances, or numbers that are none.
        """
        columns, those = self._columns(distances, landmarks)
        true = _checked_rows(np.asarray(row)[None], len(self))[0]
        others = np.arange(len(self)) != index
        points = self.points.copy()
        if others.any():
            points[index] = place(true[others], self.points[others])
        now = _measured(points, columns, those, self.fitted, self.version, self.seed)
        return replace(now, weighed=self.weighed, attainable=self.attainable)

    def refit(self, distances: ArrayLike, landmarks: ArrayLike | None = None) -> Layout:
        """Lay all points out together, from where they are, and turn the result back to that.

        Parameters
        ----------
        distances
            (m, m), m >= n: first the n points of the layout in order, then new ones. With
            ``landmarks``, (m, k): the distances to those alone.
        landmarks
            (k,): which points are the landmarks of the new layout. Without, all are, or a
            choice of them where there are more than `LANDMARKS`.

        Returns
        -------
        Layout
            The next version, moved, turned and mirrored, but not scaled, so that the n
            points are as near as can be to their old places (Procrustes).

        Raises
        ------
        InvalidRequest
            The distances are none, or of fewer points than the layout has.
        """
        columns, those = self._columns(distances, landmarks)
        points = np.full((len(columns), 2), np.nan)
        points[: len(self)] = self.points
        # Points of one place are kept together: what tells that they are copies is not here.
        _, leaders, place = np.unique(self.points, axis=0, return_index=True, return_inverse=True)
        if len(leaders) < 3:
            # There is no picture to keep yet, and points in one place could not part.
            points[:] = np.nan
        points = laid_out(columns, those, points, self.seed)
        if len(columns) > len(those) and len(leaders) >= 3:
            points[: len(self)] = points[leaders[place.ravel()]]
        points = fitting.align(points, self.points)
        return _measured(points, columns, those, len(columns), self.version + 1, self.seed)

    def weigh(self, distances: ArrayLike, landmarks: ArrayLike | None = None) -> Layout:
        """Refit if that pays; where it does not, note what it would have brought.

        Parameters
        ----------
        distances, landmarks
            As for `refit`, of the points of the layout alone.

        Returns
        -------
        Layout
            The next version, or this one with all points where they are, and not `due`.
        """
        columns, those = self._columns(distances, landmarks)
        anew = self.refit(columns, those)
        now = _measured(self.points, columns, those, self.fitted, self.version, self.seed)
        if anew.stress < PAYS * now.stress:
            return anew
        return replace(now, weighed=len(self), attainable=min(anew.stress, now.stress))

    def _columns(self, distances: ArrayLike, landmarks: ArrayLike | None) -> tuple[Rows, Indices]:
        """Give the distances to the landmarks of the next layout, and which these are."""
        if landmarks is None:
            true = _checked(distances)
            those = chosen(len(true), self.seed)
            # A copy, where not all of them are needed, is much smaller than what it is of.
            columns = true if len(those) == len(true) else true[:, those]
        else:
            those = np.asarray(landmarks, np.int64)
            columns = _checked_rows(distances, len(those))
        if len(columns) < len(self):
            raise InvalidRequest(
                f"a refit needs the distances of all {len(self)} points, not of {len(columns)}"
            )
        return columns, those


def _stress(misfits: Floats, spreads: Floats) -> float:
    misfit, spread = misfits.sum(), spreads.sum()
    if misfit == 0:
        return 0.0
    return sqrt(misfit / spread) if spread > 0 else inf


def _lengths(vectors: Floats) -> Floats:
    lengths: Floats = np.hypot(vectors[..., 0], vectors[..., 1])
    return lengths


def _measured(
    points: Floats,
    rows: Iterable[ArrayLike],
    landmarks: Indices,
    fitted: int,
    version: int,
    seed: int,
) -> Layout:
    """Add up the misfits row by row, so that rows need not be in memory together."""
    misfits, spreads = np.zeros(len(points)), np.zeros(len(points))
    of_fit = np.zeros((2, fitted))
    among, seen = landmarks < fitted, 0
    places = points[landmarks]
    for index, row in enumerate(rows):
        true = _checked_rows(np.asarray(row, dtype=np.float64)[None], len(landmarks))[0]
        if index >= len(points):
            raise InvalidRequest(f"there are more rows of distances than {len(points)} points")
        inside = _lengths(places - points[index])
        misses, squares = (inside - true) ** 2, inside**2
        misfits[index], spreads[index] = misses.sum(), squares.sum()
        if index < fitted:
            of_fit[:, index] = misses[among].sum(), squares[among].sum()
        seen += 1
    if seen < len(points):
        raise InvalidRequest(f"there are only {seen} rows of distances for {len(points)} points")
    stress = _stress(*of_fit)
    return Layout(
        points, misfits, spreads, landmarks, fitted, stress, fitted, stress, version, seed
    )


def _checked_rows(rows: ArrayLike, width: int) -> Floats:
    true = np.asarray(rows, dtype=np.float64)
    if true.ndim != 2 or true.shape[1] != width:
        raise InvalidRequest(
            f"each row must hold the distances to the {width} points; got an array of shape "
            f"{true.shape}"
        )
    if not np.isfinite(true).all() or (true < 0).any():
        raise InvalidRequest("distances must be finite and not negative")
    return true


def _checked(distances: ArrayLike) -> Rows:
    """Look at a matrix part by part, so that a large one is never copied."""
    true = np.asarray(distances)
    if not np.issubdtype(true.dtype, np.floating):
        true = true.astype(np.float64)
    if true.shape == (0,):
        return np.zeros((0, 0))
    if true.ndim != 2 or true.shape[0] != true.shape[1]:
        raise InvalidRequest(f"distances must be a square matrix, not of shape {true.shape}")
    height = max(1, BLOCK // max(1, len(true)))
    for begin in range(0, len(true), height):
        _checked_rows(true[begin : begin + height], len(true))
    if np.diagonal(true).any():
        raise InvalidRequest("the distance of a point to itself must be 0")
    slack = ASYMMETRY * true.max(initial=0)
    for begin in range(0, len(true), height):
        part = slice(begin, begin + height)
        if np.abs(true[part] - true[:, part].T).max(initial=0) > slack:
            raise InvalidRequest("distances must be symmetric")
    return true
