"""How far apart two designs of gradient boosting are: their settings, and the columns they see.

Half of it is the Jaccard distance of the two sets of columns, half the mean over the settings of
``min(1, |f(a) - f(b)|)``, where f is the logarithm of the setting in units of what its grid
spans. Both are metrics, so their sum is one; it lies between 0 and 1, and is 0 for equal designs
only, since every f is one to one.

References
----------
Kosub, 2019, A note on the triangle inequality for the Jaccard distance.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import log, log1p
from typing import final

import numpy as np
from numpy.typing import NDArray

from remap_ray.errors import InvalidRequest
from remap_ray.space.boosting import BoostedTrees
from remap_ray.space.design import Design

__all__ = ["Features", "Packed", "distances", "features"]

ANY_DEPTH = 128
"""What a tree without a limit on its depth counts as: beyond every limit that there can be."""

SETTINGS = 8
"""Settings that are compared."""


@final
@dataclass(frozen=True)
class Features:
    """What the distance reads of a design: its settings on their scales, and its columns."""

    settings: tuple[float, ...]
    columns: frozenset[str]


def features(design: Design) -> Features:
    """Prepare a design for `distances`.

    Raises
    ------
    InvalidRequest
        It is none of gradient boosting.
    """
    if not isinstance(design, BoostedTrees):
        raise InvalidRequest(f"a design of space {design.space} has no distance to boosted trees")
    boost, tree = design.boost, design.tree
    return Features(
        (
            log(boost.trees) / log(4),
            log(boost.rate) / log(10),
            log1p(boost.penalty) / log1p(10),
            log(tree.leaves) / log(16),
            log(tree.depth or ANY_DEPTH) / log(3),
            log(tree.rows) / log(10),
            log(tree.share) / log(4),
            log(design.bins.bins) / log(17),
        ),
        frozenset(design.columns),
    )


@final
class Packed:
    """Designs side by side, ready to be measured; `plus` gives more of them."""

    def __init__(
        self,
        settings: NDArray[np.float64],
        columns: NDArray[np.float64],
        places: dict[str, int],
    ) -> None:
        self.settings = settings
        self.columns = columns
        self.places = places

    @staticmethod
    def of(given: Sequence[Features]) -> Packed:
        """Pack designs; none are few enough too."""
        empty = Packed(np.zeros((0, SETTINGS)), np.zeros((0, 0)), {})
        return empty.plus(given)

    def plus(self, given: Sequence[Features]) -> Packed:
        """Give these and others after them; this one stays as it is."""
        places = dict(self.places)
        for one in given:
            for name in sorted(one.columns):
                places.setdefault(name, len(places))
        columns = np.zeros((len(self.columns) + len(given), len(places)))
        columns[: len(self.columns), : self.columns.shape[1]] = self.columns
        for row, one in enumerate(given, len(self.columns)):
            columns[row, [places[name] for name in one.columns]] = 1
        settings = np.array([one.settings for one in given]).reshape(-1, SETTINGS)
        return Packed(np.concatenate([self.settings, settings]), columns, places)


def distances(first: Sequence[Features], others: Packed) -> NDArray[np.float64]:
    """Measure designs against others, float64 (len(first), n), from 0 to 1."""
    places = others.places
    mine = np.zeros((len(first), len(places)))
    for row, one in enumerate(first):
        mine[row, [places[name] for name in one.columns if name in places]] = 1
    sizes = np.array([len(one.columns) for one in first], np.float64)
    both = mine @ others.columns.T
    either = sizes[:, None] + others.columns.sum(axis=1)[None, :] - both
    jaccard = 1 - both / either
    settings = np.array([one.settings for one in first]).reshape(-1, SETTINGS)
    apart = np.abs(settings[:, None, :] - others.settings[None, :, :])
    found: NDArray[np.float64] = 0.5 * jaccard + 0.5 * np.minimum(apart, 1).mean(axis=2)
    return found
