"""Placing one new point among fixed ones.

References
----------
Single-point majorization: the SMACOF step of Borg and Groenen, "Modern Multidimensional
Scaling", 2nd edition, chapter 8, for one free point.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["best_place"]

Floats = NDArray[np.float64]

ANCHORS = 500
"""Fixed points, evenly chosen, that are enough to tell the good starts from the others."""

GRID = 32
"""Points along either side of the grid that is searched for starts."""
STARTS = 4
"""Best local minima of the grid that are followed down."""

STEPS = 100
STRIDE = 1.8
"""Length of a step in majorization steps; below 2 it still converges, in half as many."""
NEWTON_STEPS = 20
TIGHTNESS = 1e-9
"""Step, as a share of the mean distance, below which a place is found."""


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
    places = _descended(_starts(row[some], fixed[:, some]), row[some], fixed[:, some])
    best = _raw_stress(places, row, fixed).argmin()
    return _finished(_descended(places[:, best : best + 1], row, fixed)[:, 0], row, fixed)


def _starts(row: Floats, fixed: Floats) -> Floats:
    """Give the best local minima of a grid over all places where a minimum can be.

    Where the stress is least, the point is the centre of the fixed ones plus a mean of
    vectors as long as its distances: no farther from the centre than their mean.
    """
    side = np.linspace(-1.0, 1.0, GRID) * row.mean()
    grid = np.stack(np.meshgrid(side, side)).reshape(2, -1) + fixed.mean(axis=1)[:, None]
    stress = _raw_stress(grid, row, fixed)
    around = np.pad(stress.reshape(GRID, GRID), 1, constant_values=np.inf)
    lowest = np.lib.stride_tricks.sliding_window_view(around, (3, 3)).min(axis=(2, 3))
    minima = np.flatnonzero(stress <= lowest.ravel())
    chosen = minima[np.argsort(stress[minima], kind="stable")][:STARTS]
    starts: Floats = grid[:, chosen]
    return starts


def _descended(places: Floats, row: Floats, fixed: Floats) -> Floats:
    """Follow places (2, starts) down by majorization until all have arrived."""
    centre, reach = fixed.mean(axis=1)[:, None], row.mean()
    for _ in range(STEPS):
        across, lengths = _across(places, fixed)
        # A fixed point right under the free one pulls in no direction.
        ratio = np.divide(row, lengths, out=np.zeros_like(lengths), where=lengths > 0)
        goal = centre + (ratio * across).mean(axis=2)
        step = STRIDE * (goal - places)
        places = places + step
        if np.abs(step).max() <= TIGHTNESS * reach:
            break
    return places


def _finished(place: Floats, row: Floats, fixed: Floats) -> Floats:
    """Take Newton's steps from a place (2,), as far as they lead down.

    Where the fixed points lie far off in one direction, majorization nears the minimum
    too slowly to reach it.
    """
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
