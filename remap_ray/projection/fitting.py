"""Fitting many points together, and turning the result to where they were.

References
----------
Borg and Groenen, "Modern Multidimensional Scaling", 2nd edition, chapters 8 (SMACOF),
12 (classical scaling) and 20 (Procrustes).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import smacof

__all__ = ["align", "fit", "improve"]

Floats = NDArray[np.float64]

ITERATIONS = 3000
TIGHTNESS = 1e-9
"""Relative gain in stress below which SMACOF stops."""

FEW = 30
"""Up to this many points the classical start is not near the optimum surely enough."""
RANDOM_STARTS = 8
"""Further starts for few points; more points cost more and gain under one percent."""
COARSE = 1e-6
"""`TIGHTNESS` that is enough to tell good starts from others."""
WORTHWHILE = 0.98
"""Share of the stress that few points must fall to before they leave their places for it."""

NUDGE = 1e-9
"""Share of the mean distance by which start points are moved: SMACOF cannot part equal ones."""


def fit(true: Floats, seed: int) -> Floats:
    """Lay out points by their distances alone: SMACOF from the classical solution.

    Parameters
    ----------
    true
        float64 (n, n): distances, symmetric, finite, not negative, with a zero diagonal.
    seed
        Not negative; the same distances and seed give the same points.

    Returns
    -------
    numpy.ndarray
        float64 (n, 2); points at distance 0 have the same place.
    """
    if len(true) == 0:
        return np.zeros((0, 2))
    leaders = _leaders(true)
    if len(np.unique(leaders)) < 3:
        # Exact: one place, or two on a line.
        return np.column_stack([true[0, leaders], np.zeros(len(true))])
    rng = np.random.default_rng(seed)
    found = _majorized(true, _classical(true), rng)
    if len(true) <= FEW:
        other, raw = smacof(
            true,
            n_init=RANDOM_STARTS,
            n_jobs=1,
            max_iter=ITERATIONS,
            eps=COARSE,
            random_state=int(rng.integers(2**31)),
            normalized_stress=False,
        )
        if raw < _raw_stress(found, true):
            found = _majorized(true, other, rng)
    return found[leaders]


def improve(true: Floats, start: Floats, seed: int) -> Floats:
    """Lay out points by their distances from where they are: SMACOF from ``start``, (n, 2).

    Few points may be caught far above the optimum; then they are laid out anew by `fit`.
    What `fit` gave with the same seed stays where it is.
    """
    found = _majorized(true, start, np.random.default_rng(seed))[_leaders(true)]
    if len(true) <= FEW:
        anew = fit(true, seed)
        if _raw_stress(anew, true) < WORTHWHILE**2 * _raw_stress(found, true):
            return anew
    return found


def align(points: Floats, old: Floats) -> Floats:
    """Move, turn and mirror points, so that the first ones are nearest to the old ones.

    The orthogonal Procrustes solution without scaling.

    Parameters
    ----------
    points
        float64 (m, 2).
    old
        float64 (n, 2), n <= m: where the first n of them shall be.
    """
    if len(old) == 0:
        return points
    first = points[: len(old)]
    here, there = first.mean(axis=0), old.mean(axis=0)
    left, _, right = np.linalg.svd((first - here).T @ (old - there))
    aligned: Floats = (points - here) @ (left @ right) + there
    return aligned


def _leaders(true: Floats) -> NDArray[np.intp]:
    """Give for each point the first one that it shares its place with, by distances of 0."""
    leaders = np.arange(len(true))
    for index in range(len(true)):
        leaders[index] = leaders[np.argmax(true[index, : index + 1] == 0)]
    return leaders


def _raw_stress(points: Floats, true: Floats) -> float:
    across = points[:, None] - points
    misses = np.hypot(across[..., 0], across[..., 1]) - true
    return float((misses**2).sum() / 2)


def _classical(true: Floats) -> Floats:
    """Give the classical solution, also where the distances fit on a line.

    There `sklearn.manifold.ClassicalMDS` takes the root of a negative eigenvalue.
    """
    squares = true**2
    inner = (squares.mean(axis=0) + squares.mean(axis=1)[:, None] - squares - squares.mean()) / 2
    values, vectors = np.linalg.eigh(inner)
    points: Floats = vectors[:, :-3:-1] * np.sqrt(np.maximum(values[:-3:-1], 0.0))
    # An eigenvector's sign is arbitrary: the largest coordinate is made positive.
    largest = np.take_along_axis(points, np.abs(points).argmax(axis=0)[None], axis=0)
    return points * np.where(largest < 0, -1.0, 1.0)


def _majorized(true: Floats, start: Floats, rng: np.random.Generator) -> Floats:
    nudged = start + NUDGE * true.mean() * rng.standard_normal(start.shape)
    points, _ = smacof(
        true,
        init=nudged,
        n_init=1,
        max_iter=ITERATIONS,
        eps=TIGHTNESS,
        normalized_stress=False,
    )
    return np.asarray(points, dtype=np.float64)
