"""Maps: points in the plane whose distances are as close as can be to given ones.

A layout is fitted once, grows by placing new points among the fixed ones, and is
refitted when that pays. Old points move at a refit only.

References
----------
Kruskal, "Multidimensional scaling by optimizing goodness of fit to a nonmetric
hypothesis", Psychometrika 29, 1964 (stress-1). Borg and Groenen, "Modern Multidimensional
Scaling", 2nd edition, chapter 11 (shares of stress).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from math import inf, sqrt
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from remap_ray.errors import InvalidRequest
from remap_ray.projection import fitting
from remap_ray.projection.placement import best_place

__all__ = ["Layout"]

Floats = NDArray[np.float64]

ASYMMETRY = 1e-9
"""Difference between the two halves of a distance matrix that is taken for rounding."""


@final
@dataclass(frozen=True, eq=False)
class Layout:
    """The points of a map, and how well each of them keeps its true distances.

    Make one by `fit` or `restore`. Stress counts the pairs whose distance the layout was
    given: all of the fitted points, and those of each placed point to the points before
    its placing.

    Parameters
    ----------
    points
        float64 (n, 2), read-only, in the unit of the distances.
    misfits
        float64 (n,), read-only: for each point the sum over its pairs of the squared
        difference between the distance in the layout and the true one.
    spreads
        float64 (n,), read-only: the sum over the same pairs of the squared distance in
        the layout.
    fitted
        How many of the points, the first ones, were fitted together; the rest was placed.
    fit_stress
        Stress-1 of the fitted points among themselves.
    version
        Raised by a refit, and by nothing else.
    seed
        What every random choice follows from.
    """

    points: Floats
    misfits: Floats
    spreads: Floats
    fitted: int
    fit_stress: float
    version: int
    seed: int

    def __post_init__(self) -> None:
        for name in ("points", "misfits", "spreads"):
            array = np.array(getattr(self, name), dtype=np.float64)
            array.flags.writeable = False
            object.__setattr__(self, name, array)

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
        return _measured(fitting.fit(true, seed), true, len(true), 1, seed)

    @staticmethod
    def restore(
        points: ArrayLike, rows: Iterable[ArrayLike], fitted: int, version: int, seed: int
    ) -> Layout:
        """Make the layout again of its points.

        Parameters
        ----------
        points
            (n, 2).
        rows
            n rows of n distances, as a matrix or one after another; read once.
        fitted, version, seed
            As the layout had them.

        Raises
        ------
        InvalidRequest
            Points and rows do not fit together.
        """
        given = np.asarray(points, dtype=np.float64).reshape(-1, 2)
        if not 0 <= fitted <= len(given):
            raise InvalidRequest(f"fitted must lie between 0 and {len(given)}, not {fitted}")
        return _measured(given, rows, fitted, version, seed)

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
        new = np.array([_place(row, self.points) for row in true]).reshape(-1, 2)
        inside = _lengths(new[:, None] - self.points)
        misses, squares = (inside - true) ** 2, inside**2
        return replace(
            self,
            points=np.concatenate([self.points, new]),
            misfits=np.concatenate([self.misfits + misses.sum(axis=0), misses.sum(axis=1)]),
            spreads=np.concatenate([self.spreads + squares.sum(axis=0), squares.sum(axis=1)]),
        )

    def refit(self, distances: ArrayLike) -> Layout:
        """Lay all points out together, from where they are, and turn the result back to that.

        Parameters
        ----------
        distances
            (m, m), m >= n: first the n points of the layout in order, then new ones.

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
        true = _checked(distances)
        if len(true) < len(self):
            raise InvalidRequest(
                f"a refit needs the distances of all {len(self)} points, not of {len(true)}"
            )
        if len(np.unique(self.points, axis=0)) < 3:
            # There is no picture to keep yet, and points in one place could not part.
            new = fitting.fit(true, self.seed)
        else:
            start = self.place(true[len(self) :, : len(self)]).points
            new = fitting.improve(true, start, self.seed)
        return _measured(
            fitting.align(new, self.points), true, len(true), self.version + 1, self.seed
        )


def _stress(misfits: Floats, spreads: Floats) -> float:
    misfit, spread = misfits.sum(), spreads.sum()
    if misfit == 0:
        return 0.0
    return sqrt(misfit / spread) if spread > 0 else inf


def _lengths(vectors: Floats) -> Floats:
    lengths: Floats = np.hypot(vectors[..., 0], vectors[..., 1])
    return lengths


def _measured(
    points: Floats, rows: Iterable[ArrayLike], fitted: int, version: int, seed: int
) -> Layout:
    """Add up the misfits row by row, so that rows need not be in memory together."""
    misfits, spreads = np.zeros(len(points)), np.zeros(len(points))
    of_fit = np.zeros((2, fitted))
    seen = 0
    for index, row in enumerate(rows):
        true = _checked_rows(np.asarray(row, dtype=np.float64)[None], len(points))[0]
        if index >= len(points):
            raise InvalidRequest(f"there are more rows of distances than {len(points)} points")
        inside = _lengths(points - points[index])
        misses, squares = (inside - true) ** 2, inside**2
        misfits[index], spreads[index] = misses.sum(), squares.sum()
        if index < fitted:
            of_fit[:, index] = misses[:fitted].sum(), squares[:fitted].sum()
        seen += 1
    if seen < len(points):
        raise InvalidRequest(f"there are only {seen} rows of distances for {len(points)} points")
    return Layout(points, misfits, spreads, fitted, _stress(*of_fit), version, seed)


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


def _checked(distances: ArrayLike) -> Floats:
    true = np.asarray(distances, dtype=np.float64)
    if true.shape == (0,):
        return np.zeros((0, 0))
    if true.ndim != 2 or true.shape[0] != true.shape[1]:
        raise InvalidRequest(f"distances must be a square matrix, not of shape {true.shape}")
    true = _checked_rows(true, len(true))
    if np.diagonal(true).any():
        raise InvalidRequest("the distance of a point to itself must be 0")
    if np.abs(true - true.T).max(initial=0) > ASYMMETRY * true.max(initial=0):
        raise InvalidRequest("distances must be symmetric")
    return (true + true.T) / 2


def _place(row: Floats, points: Floats) -> Floats:
    copied = np.flatnonzero(row == 0)
    return points[copied[0]] if len(copied) else best_place(row, points)
