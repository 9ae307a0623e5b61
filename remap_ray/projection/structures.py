"""The structural distance of each space of models, by the space's name in JSON.

A space brings one entry: how a design is prepared, how many are packed side by side, and how far
some are from all of these. Distances lie between 0 and 1, are symmetric, 0 for equal designs,
and none is longer than a detour.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from remap_ray.projection import boosting, otmann
from remap_ray.space.architecture import SPACE as LAYERS
from remap_ray.space.boosting import SPACE as BOOSTING
from remap_ray.space.design import Design

__all__ = ["STRUCTURES", "Structure", "distances", "structure_of"]


@final
@dataclass(frozen=True)
class Structure:
    """The structural distance of a space.

    Parameters
    ----------
    features
        Prepares a design: what is computed once.
    pack
        Puts prepared designs side by side.
    join
        Gives a pack with further prepared designs after those that it has.
    distances
        Measures k prepared designs against the n of a pack: float64 (k, n).
    """

    features: Callable[[Any], Any]
    pack: Callable[[Sequence[Any]], Any]
    join: Callable[[Any, Sequence[Any]], Any]
    distances: Callable[[Sequence[Any], Any], NDArray[np.float64]]


STRUCTURES: Mapping[str, Structure] = {
    LAYERS: Structure(
        otmann.features,
        otmann.Networks.of,
        lambda pack, more: pack.plus(otmann.Networks.of(more)),
        otmann.distances,
    ),
    BOOSTING: Structure(
        boosting.features,
        boosting.Packed.of,
        boosting.Packed.plus,
        boosting.distances,
    ),
}
"""By the space's name in JSON."""


def structure_of(design: Design) -> Structure:
    """Give the structural distance of a design's space."""
    return STRUCTURES[design.space]


def distances(one: Design, others: Sequence[Design]) -> NDArray[np.float64]:
    """Measure a design against others of its space, float64 (n,)."""
    known = structure_of(one)
    pack = known.pack([known.features(other) for other in others])
    row: NDArray[np.float64] = known.distances([known.features(one)], pack)[0]
    return row
