"""Fitting many points together, and turning the result to where they were.

The raw stress is brought down by majorization (SMACOF), sped up by quasi-Newton steps: where a
step of L-BFGS lowers the stress it is taken, and where none does, the step of SMACOF, which
always does.

References
----------
Borg and Groenen, "Modern Multidimensional Scaling", 2nd edition, chapters 8 (SMACOF),
12 (classical scaling) and 20 (Procrustes). Nocedal and Wright, "Numerical Optimization",
2nd edition, algorithm 7.4 (L-BFGS).
"""

from __future__ import annotations

from collections import deque

import numpy as np
from numpy.typing import NDArray

__all__ = ["align", "fit", "improve", "leaders", "raw_stress"]

Floats = NDArray[np.float64]

STEPS = 2000
TIGHTNESS = 1e-8
"""Relative gain in stress of a step that is worth no further ones, `PATIENCE` times in a row."""
PATIENCE = 5
PERFECT = 1e-7
"""Root of the share of the squared distances that is left, below which it is as good as none."""
MEMORY = 10
"""Steps that quasi-Newton directions are made of."""

FEW = 30
"""Up to this many points the classical start is not near the optimum surely enough."""
RANDOM_STARTS = 8
"""Further starts for few points; more points cost more and gain under one percent."""
COARSE = 1e-3
"""`TIGHTNESS` that is enough to tell good starts from others."""
WORTHWHILE = 0.98
"""Share of the stress that points must fall to before they leave their places for it."""

NUDGE = 1e-9
"""Share of the mean distance by which start points are moved: SMACOF cannot part equal ones."""

BLOCK = 1 << 15
"""Distances that are worked on at a time: they stay in the cache."""
SMALLEST = 1e-150
"""Added to lengths that divide: of points in one place, none pulls the other anywhere."""


def fit(true: Floats, seed: int) -> Floats:
    """Lay out points by their distances alone, from the classical solution.

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
    places = leaders(true)
    if len(np.unique(places)) < 3:
        # Exact: one place, or two on a line.
        return np.column_stack([true[0, places], np.zeros(len(true))])
    rng = np.random.default_rng(seed)
    found, stress = _descended(true, _classical(true), rng)
    if len(true) <= FEW:
        starts = true.mean() * rng.standard_normal((RANDOM_STARTS, len(true), 2))
        tries = [_descended(true, start, rng, COARSE) for start in starts]
        best, _ = min(tries, key=lambda found: found[1])
        other, other_stress = _descended(true, best, rng)
        found = other if other_stress < stress else found
    return found[places]


def improve(true: Floats, start: Floats, seed: int) -> Floats:
    """Lay out points by their distances from where they are, ``start``, (n, 2).

    Where `fit` gives something much better, that is taken: points that came one after
    another may be caught far above the optimum. What `fit` gave with the same seed stays
    where it is.
    """
    found, stress = _descended(true, start, np.random.default_rng(seed))
    anew = fit(true, seed)
    if raw_stress(anew, true) < WORTHWHILE**2 * stress:
        return anew
    return found[leaders(true)]


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


def leaders(true: NDArray[np.floating]) -> NDArray[np.intp]:
    """Give for each point the first one that it shares its place with, by distances of 0."""
    height = max(1, BLOCK // max(1, len(true)))
    first = np.zeros(len(true), dtype=np.intp)
    for begin in range(0, len(true), height):
        first[begin : begin + height] = (true[begin : begin + height] == 0).argmax(axis=1)
    # Where rounding lets a point be at 0 from two that are not, the first of them leads both.
    while not np.array_equal(first, first[first]):
        first = first[first]
    return first


def raw_stress(points: Floats, true: Floats) -> float:
    """Add up the squared differences between the distances of points (n, 2) and true ones."""
    return _majorized(points, true)[1]


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


def _descended(
    true: Floats, start: Floats, rng: np.random.Generator, tightness: float = TIGHTNESS
) -> tuple[Floats, float]:
    """Bring the raw stress down from ``start`` (n, 2) as far as it goes; gives it too."""
    here = start + NUDGE * true.mean() * rng.standard_normal(start.shape)
    goal, stress = _majorized(here, true)
    least = PERFECT**2 * float(np.vdot(true, true)) / 2
    # Each step with the change in slope along it: what is known of how the slope bends.
    steps: deque[tuple[Floats, Floats]] = deque(maxlen=MEMORY)
    slow = 0
    for _ in range(STEPS):
        slope = len(true) * (here - goal)
        there = here - _newton(slope, steps, len(true))
        new_goal, new_stress = _majorized(there, true)
        if not new_stress < stress:
            there = (here + there) / 2
            new_goal, new_stress = _majorized(there, true)
        if not new_stress < stress:
            steps.clear()
            there = goal
            new_goal, new_stress = _majorized(there, true)
        step, bend = there - here, len(true) * (there - new_goal) - slope
        if (step * bend).sum() > 0:
            steps.append((step, bend))
        slow = slow + 1 if stress - new_stress <= tightness * stress else 0
        here, goal, stress = there, new_goal, new_stress
        if slow >= PATIENCE or stress <= least:
            break
    return goal, _majorized(goal, true)[1]


def _newton(slope: Floats, steps: deque[tuple[Floats, Floats]], count: int) -> Floats:
    """Give the quasi-Newton step down a slope (n, 2); without a past, that of SMACOF."""
    if not steps:
        return slope / count
    direction = slope.copy()
    past = []
    for step, bend in reversed(steps):
        share = (step * direction).sum() / (step * bend).sum()
        past.append(share)
        direction -= share * bend
    step, bend = steps[-1]
    direction *= (step * bend).sum() / (bend * bend).sum()
    for (step, bend), share in zip(steps, reversed(past), strict=True):
        direction += (share - (bend * direction).sum() / (step * bend).sum()) * step
    return direction


def _majorized(points: Floats, true: NDArray[np.floating]) -> tuple[Floats, float]:
    """Give where SMACOF moves points (n, 2), and the raw stress where they are."""
    count = len(points)
    extended = np.column_stack([points, np.ones(count)])
    x, y = np.ascontiguousarray(points.T)
    pulls, stress = np.empty((count, 3)), 0.0
    height = max(1, BLOCK // max(1, count))
    lengths, other = np.empty((2, min(height, count), count))
    for begin in range(0, count, height):
        rows = slice(begin, begin + height)
        wanted = true[rows]
        long, misses = lengths[: len(wanted)], other[: len(wanted)]
        np.subtract(x[rows, None], x, out=long)
        np.subtract(y[rows, None], y, out=misses)
        np.multiply(long, long, out=long)
        np.multiply(misses, misses, out=misses)
        long += misses
        np.sqrt(long, out=long)
        np.subtract(wanted, long, out=misses)
        stress += float(np.vdot(misses, misses))
        long += SMALLEST
        np.divide(wanted, long, out=long)
        pulls[rows] = long @ extended
    goal: Floats = (pulls[:, 2:] * points - pulls[:, :2]) / count
    return goal, stress / 2
