"""The structural distance as a plain loop: what the speed of `otmann.distances` is held against.

Of REMAP it reads the tables of the cost sets alone, so it is also a second opinion.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from ot.lp.emd_wrap import emd_c

from remap_ray.projection.costs import CostSet
from remap_ray.space import Architecture, Dense

__all__ = ["plain_distances"]

GROUPS = ("conv", "pool", "dense")
UNMATCHED = 1.0
FORBIDDEN = 3 * UNMATCHED
"""Above what it costs to leave both ends unmatched, so it is never paid."""

PIVOTS = 1_000_000
OPTIMAL = 1


def plain_distances(
    architectures: Sequence[Architecture], costs: CostSet, normalized: bool = True
) -> NDArray[np.float64]:
    """Measure architectures against each other with a cost matrix and an ``emd_c`` per pair.

    What a network brings to its pairs (masses, labels, path lengths) and the table of label
    costs are prepared once.

    Returns
    -------
    numpy.ndarray
        float64 (n, n).
    """
    networks, code_of = [], {("ip", None): 0, ("softmax", None): 1, ("op", None): 2}
    for architecture in architectures:
        channels, weights, codes, groups = 1, [], [0], [None]
        for layer in (*architecture.layers, Dense(architecture.classes)):
            if layer.does_nothing():
                continue
            kind = costs.kind_of(layer)
            leaving = getattr(layer, kind.channels) if kind.channels else channels
            weights.append(kind.factor * channels * (leaving if kind.mass == "in * out" else 1))
            label = kind.label, getattr(layer, kind.value) if kind.value else None
            codes.append(code_of.setdefault(label, len(code_of)))
            groups.append(kind.group)
            channels = leaving
        end = max(costs.end_share * sum(weights), costs.end_least)
        masses = np.array([end, *weights, end, end])
        codes, groups = np.array([*codes, 1, 2]), [*groups, None, None]
        member = np.array([[one == group for one in groups] for group in GROUPS])
        to_input = np.cumsum(member, axis=1)
        to_output = np.cumsum(member[:, ::-1], axis=1)[:, ::-1]
        place = np.arange(len(masses))
        # The mean over four lengths, then that of both directions: an eighth of the sum.
        lengths = np.vstack([place, place[::-1], to_input, to_output]) / 8
        networks.append((masses, masses.sum(), codes, lengths))
    labels = list(code_of)
    table = np.array([[min(costs.label_cost(a, b), FORBIDDEN) for b in labels] for a in labels])

    found = np.zeros((len(networks), len(networks)))
    for i, (masses, total, codes, lengths) in enumerate(networks):
        n, rows = len(masses), table[codes]
        for j, (other_masses, other_total, other_codes, other_lengths) in enumerate(networks[:i]):
            m, whole = len(other_masses), total + other_total
            matrix = np.full((n + 1, m + 1), UNMATCHED)
            matrix[n, m] = 0.0
            structure = np.abs(lengths[:, :, None] - other_lengths[:, None, :]).sum(axis=0)
            np.add(structure, rows[:, other_codes], out=matrix[:n, :m])
            # Shares of the whole: the solver's tolerances are absolute.
            supply, demand = np.empty(n + 1), np.empty(m + 1)
            supply[:n], supply[n] = masses, other_total
            demand[:m], demand[m] = other_masses, total
            supply /= whole
            demand /= whole
            _, cost, _, _, code = emd_c(supply, demand, matrix, PIVOTS, 1)
            assert code == OPTIMAL
            found[i, j] = cost if normalized else cost * whole
    return found + found.T
