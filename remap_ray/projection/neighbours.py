"""The nearest models by a distance itself: the truth that a map only suggests."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from remap_ray.errors import InvalidRequest
from remap_ray.projection import otmann, predictions
from remap_ray.projection.costs import DEFAULT, CostSet
from remap_ray.projection.networks import Features, Networks
from remap_ray.space import Architecture

__all__ = ["Neighbour", "by_predictions", "by_structure", "nearest"]


@final
@dataclass(frozen=True)
class Neighbour:
    """One of the nearest: its place among those that were asked about, and its distance."""

    index: int
    distance: float


def nearest(row: ArrayLike, k: int, without: Collection[int] = ()) -> tuple[Neighbour, ...]:
    """Give the k nearest of a row of distances, nearest first, equal ones in their order.

    Parameters
    ----------
    row
        (n,): distances.
    k
        How many to give; fewer where there are not so many.
    without
        Indices to leave out, such as that of the model itself.

    Raises
    ------
    InvalidRequest
        A negative k, or distances that are not a row.
    """
    distances = np.asarray(row, dtype=np.float64)
    if distances.ndim != 1:
        raise InvalidRequest(f"distances must be one row, not of shape {distances.shape}")
    if k < 0:
        raise InvalidRequest(f"the number of neighbours must not be negative, not {k}")
    left_out = set(without)
    order = np.argsort(distances, kind="stable")[: k + len(left_out)].tolist()
    found = [index for index in order if index not in left_out][:k]
    return tuple(Neighbour(index, float(distances[index])) for index in found)


def by_structure(
    one: Architecture | Features,
    others: Networks | Sequence[Architecture | Features],
    k: int,
    without: Collection[int] = (),
    costs: CostSet = DEFAULT,
) -> tuple[Neighbour, ...]:
    """Give the k nearest of some architectures by the structural distance, exactly.

    Of 10,000 that are prepared (`Networks.of`), in some 10 ms.
    """
    return nearest(otmann.distances([one], others, costs)[0], k, without)


def by_predictions(
    one: NDArray[np.uint8],
    others: NDArray[np.uint8],
    k: int,
    without: Collection[int] = (),
    labels: ArrayLike | None = None,
    classes: Collection[int] | None = None,
) -> tuple[Neighbour, ...]:
    """Give the k nearest of some models by the prediction distance, exactly.

    Parameters
    ----------
    one
        uint8 (m,): what the model predicts.
    others
        uint8 (n, m): what the others predict for the same items.
    k, without
        As for `nearest`.
    labels, classes
        As for `predictions.distances`.
    """
    return nearest(predictions.distances(one[None], others, labels, classes)[0], k, without)
