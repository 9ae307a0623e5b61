"""Placing points among fixed ones, each on its own.

References
----------
Single-point majorization: the SMACOF step of Borg and Groenen, "Modern Multidimensional
Scaling", 2nd edition, chapter 8, for one free point.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_place", "best_places", "place"]

Floats = NDArray[np.float64]

ANCHORS = 500
"""Fixed points, evenly chosen, that are enough to tell the good starts from the others."""

GRID = 32
"""Points along either side of the grid that is searched for starts."""
STARTS = 4
"""Best local minima of the grid that are followed down."""

STEPS = 100
COARSE = 1e-6
"""Step, as a share of the mean distance, below which a place is found roughly."""
NEWTON_STEPS = 20
TIGHTNESS = 1e-9
"""Step, as a share of the mean distance, below which a place is found exactly."""

FLAT = 1e-9
"""Bend of the stress, as a determinant per fixed point, below which Newton's steps are none."""
NEAR = 0.125
"""First length of Newton's steps, as a share of the mean distance."""
SMALLEST = 1e-150
"""Added to lengths that divide: a point right under another is not pulled by it."""
BLOCK = 1 << 16
"""Distances that are worked on at a time: they stay in the cache."""


def place(row: Floats, points: Floats) -> Floats:
    """Give `best_place`, or exactly the first fixed point at distance 0."""
    copied = np.flatnonzero(row == 0)
    return points[copied[0]] if len(copied) else best_place(row, points)


def best_place(row: Floats, points: Floats) -> Floats:
    """Find where the raw stress of one free point's distances to fixed points is least.

    Parameters
    ----------
    row
        float64 (n,): the true distances, finite and not negative.
    points
        float64 (n, 2): the fixed points.

    Returns
    -------
    numpy.ndarray
        float64 (2,); the origin where there is no fixed point.
    """
    if len(points) == 0:
        return np.zeros(2)
    fixed = np.ascontiguousarray(points.T)
    some = slice(None, None, -(-len(row) // ANCHORS))
    starts = _starts(row[some], fixed[:, some])
    rows = np.broadcast_to(row[some], (starts.shape[1], len(row[some])))
    places = _descended_each(starts, rows, fixed[:, some])
    best = _raw_stress(places, row, fixed).argmin()
    return _finished(places[:, best], row, fixed)


def best_places(rows: NDArray[np.floating], points: Floats, starts: Floats) -> Floats:
    """Find places for many points at once, more coarsely than `best_place` does.

    Parameters
    ----------
    rows
        (m, n): the true distances of each to the fixed points, finite and not negative.
    points
        float64 (n, 2): the fixed points, at least one.
    starts
        float64 (m, 2): where each is now; NaN where it is nowhere yet.

    Returns
    -------
    numpy.ndarray
        float64 (m, 2): of each, what is lower of where it is and of the grid, followed down.
    """
    fixed = np.ascontiguousarray(points.T)
    some = slice(None, None, -(-len(points) // ANCHORS))
    places = np.empty((len(rows), 2))
    height = max(1, BLOCK // len(points))
    reaches = rows.mean(axis=1, dtype=np.float64)
    # Points that reach equally far share a grid; the least step of reach is a factor of 2.
    scales = np.exp2(np.ceil(np.log2(np.maximum(reaches, np.finfo(float).tiny))))
    for scale in np.unique(scales):
        grid, squares, lengths = _grid(scale, fixed[:, some])
        mine = np.flatnonzero(scales == scale)
        for part in np.split(mine, range(height, len(mine), height)):
            wanted = rows[part].astype(np.float64)
            stress = squares - 2 * wanted[:, some] @ lengths.T
            here = _across(starts[part].T, fixed[:, some])[1]
            at_start = (here**2 - 2 * here * wanted[:, some]).sum(axis=1)
            keep = at_start <= stress.min(axis=1)
            begin = np.where(keep, starts[part].T, grid[:, stress.argmin(axis=1)])
            places[part] = _descended_each(begin, wanted, fixed).T
    return places


def _descended_each(starts: Floats, rows: Floats, fixed: Floats) -> Floats:
    """Follow places (2, m) down, each by its own row (m, n), until all have arrived.

    Newton's steps, as long as has shown to lead down, or those of majorization, which always do.
    """
    centre, reach = fixed.mean(axis=1)[:, None], rows.mean(axis=1)
    places, last, moving = starts.copy(), starts.copy(), np.arange(len(rows))
    lowest, longest = np.full(len(rows), np.inf), NEAR * reach
    for _ in range(STEPS):
        here, wanted = places[:, moving], rows[moving]
        (x, y), lengths = _across(here, fixed)
        stress = ((lengths - wanted) ** 2).mean(axis=1)
        up = stress > lowest[moving]
        longest[moving] = np.where(up, longest[moving] / 4, 2 * longest[moving])
        lowest[moving] = np.where(up, lowest[moving], stress)
        last[:, moving] = np.where(up, last[:, moving], here)

        lengths += SMALLEST
        ratio = wanted / lengths
        slope = here - centre - np.stack([(ratio * one).mean(axis=1) for one in (x, y)])
        level = 1 - ratio.mean(axis=1)
        # The bend of the stress, a symmetric matrix: [[xx, xy], [xy, yy]].
        ratio /= lengths**2
        xx, xy = level + (ratio * x * x).mean(axis=1), (ratio * x * y).mean(axis=1)
        yy = level + (ratio * y * y).mean(axis=1)
        determinant = xx * yy - xy**2
        bowl = (determinant > FLAT) & (xx + yy > 0)
        newton = np.stack([yy * slope[0] - xy * slope[1], xx * slope[1] - xy * slope[0]])
        newton /= np.where(bowl, determinant, 1.0)
        newton *= np.minimum(1.0, longest[moving] / (np.hypot(*newton) + SMALLEST))
        step = np.where(bowl, newton, slope)
        places[:, moving] = np.where(up, last[:, moving], here - step)
        far = np.where(up, longest[moving], np.abs(step).max(axis=0)) > COARSE * reach[moving]
        moving = moving[far]
        if not len(moving):
            break
    # The last step of those that still move has not been looked at.
    places[:, moving] = last[:, moving]
    return places


def _starts(row: Floats, fixed: Floats) -> Floats:
    """Give the best local minima of a grid over all places where a minimum can be.

    Where the stress is least, the point is the centre of the fixed ones plus a mean of
    vectors as long as its distances: no farther from the centre than their mean.
    """
    grid, squares, lengths = _grid(row.mean(), fixed)
    stress = squares - 2 * lengths @ row
    around = np.pad(stress.reshape(GRID, GRID), 1, constant_values=np.inf)
    lowest = np.lib.stride_tricks.sliding_window_view(around, (3, 3)).min(axis=(2, 3))
    minima = np.flatnonzero(stress <= lowest.ravel())
    chosen = minima[np.argsort(stress[minima], kind="stable")][:STARTS]
    starts: Floats = grid[:, chosen]
    return starts


def _grid(reach: float, fixed: Floats) -> tuple[Floats, Floats, Floats]:
    """Give the places of a grid around the centre of fixed points, (2, places).

    Then the sum of the squared distances of each to the fixed points, (places,), and the
    distances, (places, n). Twice the sum of these times the true ones, taken from the former,
    is the raw stress, but for what is the same everywhere.
    """
    side = np.linspace(-reach, reach, GRID)
    across, up = side + fixed.mean(axis=1)[:, None]
    x, y = (across[:, None] - fixed[0]) ** 2, (up[:, None] - fixed[1]) ** 2
    grid = np.stack(np.meshgrid(across, up)).reshape(2, -1)
    squares = x.sum(axis=1) + y.sum(axis=1)[:, None]
    lengths = y[:, None] + x
    np.sqrt(lengths, out=lengths)
    return grid, squares.ravel(), lengths.reshape(GRID * GRID, -1)


def _finished(place: Floats, row: Floats, fixed: Floats) -> Floats:
    """Take Newton's steps from a place (2,), as far as they lead down."""
    reach = TIGHTNESS * row.mean()
    here = _raw_stress(place[:, None], row, fixed)[0]
    for _ in range(NEWTON_STEPS):
        step = _newton_step(place, row, fixed)
        while (there := _raw_stress((place + step)[:, None], row, fixed)[0]) >= here:
            step /= 2
            if np.abs(step).max() <= reach:
                return place
        place, here = place + step, there
    return place


def _newton_step(place: Floats, row: Floats, fixed: Floats) -> Floats:
    across, lengths = _across(place[:, None], fixed)
    ratio = np.divide(row, lengths[0], out=np.ones_like(row), where=lengths[0] > 0)
    ways = np.divide(across[:, 0], lengths, out=np.zeros_like(across[:, 0]), where=lengths > 0)
    slope = ((lengths[0] - row) * ways).sum(axis=1)
    bend = (1 - ratio).sum() * np.eye(2) + (ratio * ways) @ ways.T
    values, axes = np.linalg.eigh(bend)
    # A direction that bends down is walked down, one that hardly bends not without end.
    step: Floats = -axes @ (axes.T @ slope / np.maximum(np.abs(values), TIGHTNESS * len(row)))
    return step


def _across(places: Floats, fixed: Floats) -> tuple[Floats, Floats]:
    """Give the vectors from fixed points to places, (2, places, n), and their lengths."""
    across = places[:, :, None] - fixed[:, None]
    return across, np.sqrt(across[0] ** 2 + across[1] ** 2)


def _raw_stress(places: Floats, row: Floats, fixed: Floats) -> Floats:
    stress: Floats = ((_across(places, fixed)[1] - row) ** 2).sum(axis=1)
    return stress
