"""Landmarks: the points that a large map is measured against, in place of all pairs.

A uniform sample covers the space as the models do, and so keeps the stress of the whole.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from remap_ray.projection import fitting
from remap_ray.projection.placement import best_places, place

__all__ = ["LANDMARKS", "chosen", "laid_out", "priorities"]

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

LANDMARKS = 1000
"""Up to this many points are laid out by all their distances."""

STREAM = 1
"""Tells the choice of landmarks apart from other choices with the same seed."""


def priorities(count: int, seed: int) -> Floats:
    """Give each of ``count`` points a number drawn from [0, 1): the least ones are landmarks.

    The first points have the same numbers whatever the count.
    """
    return np.random.default_rng([STREAM, seed]).random(count)


def chosen(count: int, seed: int) -> Indices:
    """Choose up to `LANDMARKS` of ``count`` points as landmarks, in rising order.

    When points are added, a landmark stays one until a new one takes its place.
    """
    if count <= LANDMARKS:
        return np.arange(count, dtype=np.int64)
    least = np.argpartition(priorities(count, seed), LANDMARKS)[:LANDMARKS]
    return np.sort(least).astype(np.int64)


def laid_out(
    columns: NDArray[np.floating], landmarks: Indices, points: Floats, seed: int
) -> Floats:
    """Lay out points by their distances to landmarks: those together, then the others.

    Parameters
    ----------
    columns
        (m, k): the distances of each point to each landmark.
    landmarks
        int64 (k,): which of the points those are.
    points
        float64 (m, 2): where they are; NaN where a point is nowhere yet.
    seed
        Not negative; decides nothing where points are somewhere.

    Returns
    -------
    numpy.ndarray
        float64 (m, 2). Copies of a landmark have its place exactly.
    """
    among = columns[landmarks].astype(np.float64)
    among = (among + among.T) / 2
    old = points[landmarks]
    known = ~np.isnan(old[:, 0])
    if len(np.unique(old[known], axis=0)) < 3:
        laid = fitting.fit(among, seed)
    else:
        start = old.copy()
        for index in np.flatnonzero(~known):
            start[index] = place(among[index, known], old[known])
        laid = fitting.improve(among, start, seed)
        laid = _turned(laid, old, known)
    if len(landmarks) == len(columns):
        return laid
    placed = best_places(columns, laid, points)
    copied = columns == 0
    copies = np.flatnonzero(copied.any(axis=1))
    placed[copies] = laid[copied[copies].argmax(axis=1)]
    placed[landmarks] = laid
    return placed


def _turned(laid: Floats, old: Floats, known: NDArray[np.bool_]) -> Floats:
    """Turn points back to where those that are known were."""
    order = np.concatenate([np.flatnonzero(known), np.flatnonzero(~known)])
    turned = np.empty_like(laid)
    turned[order] = fitting.align(laid[order], old[known])
    return turned
