"""The structural distance between architectures: an optimal transport of layer masses.

Both networks are chains of nodes with masses. Mass of a node of one is matched with mass
of nodes of the other at the label cost plus the structural cost, or left unmatched at
`costs.UNMATCHED`; the distance is the least total.

References
----------
Kandasamy et al., "Neural Architecture Search with Bayesian Optimisation and Optimal
Transport", NeurIPS 2018; used by Cashman et al., 2019, section 5.2.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from remap_ray.errors import InvalidRequest
from remap_ray.projection import transport
from remap_ray.projection.costs import (
    DEFAULT,
    GROUPS,
    OTMANN_2018,
    REMAP_2019,
    UNMATCHED,
    CostSet,
    Kind,
    Label,
)
from remap_ray.space import Architecture, Dense, Layer, Shape

__all__ = [
    "DEFAULT",
    "OTMANN_2018",
    "REMAP_2019",
    "CostSet",
    "Features",
    "distances",
    "features",
    "masses",
]

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]
Key = tuple[tuple[Label, ...], bytes]

FORBIDDEN = 4 * UNMATCHED
"""Stands for an infinite cost: leaving both ends unmatched costs half, so it is never paid."""

INPUT, SOFTMAX, OUTPUT = ("ip", None), ("softmax", None), ("op", None)


@final
@dataclass(frozen=True, eq=False)
class Features:
    """All that the distance reads of one architecture: its nodes under one cost set.

    Nodes are the input, the layers that do something, the output layer, softmax and the
    output, in this order.

    Parameters
    ----------
    costs
        The cost set that the features belong to.
    labels
        One per node.
    masses
        float64 (n,), read-only.
    paths
        float64 (n, 2 * (1 + groups)), read-only: path lengths to the output and to the
        input, over all nodes and over each group, divided by their number, so that the
        sum of the absolute differences of two rows is the structural cost.
    """

    costs: CostSet
    labels: tuple[Label, ...]
    masses: Floats
    paths: Floats

    @cached_property
    def key(self) -> Key:
        """Equal for two architectures that are the same to the cost set.

        The paths follow from the labels.
        """
        return self.labels, self.masses.tobytes()


def features(architecture: Architecture, costs: CostSet = DEFAULT) -> Features:
    """Prepare an architecture for `distances`.

    Raises
    ------
    InvalidRequest
        The cost set does not know one of the layers.
    """
    entering = (architecture.input_shape, *architecture.shapes)
    nodes = [*zip(architecture.layers, entering, strict=False)]
    nodes = [(layer, shape) for layer, shape in nodes if not layer.does_nothing()]
    nodes.append((Dense(architecture.classes), entering[-1]))
    kinds = [costs.kind_of(layer) for layer, _ in nodes]
    labels, weights = [], []
    # The first layer sees one channel whatever the image has, as in both published codes.
    channels = 1
    for (layer, shape), kind in zip(nodes, kinds, strict=True):
        leaving = getattr(layer, kind.channels) if kind.channels else channels
        weights.append(kind.factor * _mass(kind, layer, channels, leaving))
        labels.append((kind.label, _value(kind, layer, shape)))
        channels = leaving
    end = max(costs.end_share * sum(weights), costs.end_least)
    groups = [None, *(kind.group for kind in kinds), None, None]
    counted = np.array([[True] * len(groups), *([g == group for g in groups] for group in GROUPS)])
    to_input = counted.cumsum(axis=1)
    to_output = counted[:, ::-1].cumsum(axis=1)[:, ::-1]
    paths = np.concatenate([to_output, to_input]).T
    return Features(
        costs,
        (INPUT, *labels, SOFTMAX, OUTPUT),
        _read_only(np.array([end, *weights, end, end])),
        _read_only(paths / paths.shape[1]),
    )


def _mass(kind: Kind, layer: Layer, entering: int, leaving: int) -> float:
    if kind.mass == "in * out":
        return entering * leaving
    if kind.mass == "separable":
        return entering * (layer.window**2 / 9 + leaving)
    return entering


def _value(kind: Kind, layer: Layer, shape: Shape) -> int | float | str | None:
    if kind.value == "image":
        return max(shape[1:])
    return getattr(layer, kind.value) if kind.value else None


def masses(architecture: Architecture, costs: CostSet = DEFAULT) -> Floats:
    """Give the mass of each node: input first, then the layers, output layer, softmax, output.

    A layer that does nothing (`Layer.does_nothing`) is no node.

    Returns
    -------
    numpy.ndarray
        float64 (nodes,), read-only, in channels and products of channels.

    Raises
    ------
    InvalidRequest
        The cost set does not know one of the layers.
    """
    return features(architecture, costs).masses


def distances(
    rows: Sequence[Architecture | Features],
    columns: Sequence[Architecture | Features] | None = None,
    costs: CostSet = DEFAULT,
    normalized: bool = True,
) -> Floats:
    """Measure how far apart architectures are in structure, exactly.

    The distance of a pair is the same to the last bit whichever of the two comes first
    and whatever else is measured with it. Architectures that are the same to the cost
    set have distance 0.0.

    Parameters
    ----------
    rows, columns
        Architectures, or what `features` made of them under the same ``costs``; without
        columns all rows are measured against each other.
    costs
        Masses and label costs.
    normalized
        Divide by the mass of both networks, which gives a number in [0, 1].

    Returns
    -------
    numpy.ndarray
        float64 (len(rows), len(columns)); in the unit of `masses` unless normalized.

    Raises
    ------
    InvalidRequest
        The cost set does not know one of the layers, or features belong to another set.
    """
    of_rows = [_prepared(one, costs) for one in rows]
    of_columns = of_rows if columns is None else [_prepared(one, costs) for one in columns]
    different = dict(sorted({one.key: one for one in (*of_rows, *of_columns)}.items()))
    rank = {key: index for index, key in enumerate(different)}
    networks = list(different.values())
    labels = _LabelCosts.between(networks, costs)
    row_ranks, row_of = _ranks(of_rows, rank)
    column_ranks, column_of = _ranks(of_columns, rank)
    against = _Chains.of([networks[one] for one in column_ranks], column_ranks, labels)
    solved = np.zeros((len(row_ranks), len(column_ranks)))
    for y, one in enumerate(row_ranks):
        row = _Chains.of([networks[one]], row_ranks[y : y + 1], labels)
        first = y + 1 if columns is None else 0
        solved[y, first:] = _row(row, against, first, labels, normalized)
    if columns is None:
        solved += solved.T
    return solved[np.ix_(row_of, column_of)]


def _read_only(array: Floats) -> Floats:
    array.flags.writeable = False
    return array


def _prepared(one: Architecture | Features, costs: CostSet) -> Features:
    if isinstance(one, Architecture):
        return features(one, costs)
    if one.costs != costs:
        raise InvalidRequest(
            f"these features were made under the cost set {one.costs.name}, not {costs.name}; "
            "prepare them again or pass the architectures"
        )
    return one


def _ranks(given: Sequence[Features], rank: dict[Key, int]) -> tuple[Indices, Indices]:
    """Give the different ranks in order, and for each of the given its place among them."""
    ranks = np.array([rank[one.key] for one in given], dtype=np.intp)
    different, place = np.unique(ranks, return_inverse=True)
    return different, place


@final
@dataclass(frozen=True, eq=False)
class _LabelCosts:
    """The label costs between all labels that occur, infinite ones as `FORBIDDEN`."""

    code: dict[Label, int]
    table: Floats

    @staticmethod
    def between(networks: Sequence[Features], costs: CostSet) -> _LabelCosts:
        labels = dict.fromkeys(label for one in networks for label in one.labels)
        table = np.array([[costs.label_cost(a, b) for b in labels] for a in labels])
        table[np.isinf(table)] = FORBIDDEN
        return _LabelCosts({label: index for index, label in enumerate(labels)}, table)


@final
@dataclass(frozen=True, eq=False)
class _Chains:
    """Networks end to end in flat arrays, each followed by its dummy node.

    The nodes of network k are those from ``starts[k]`` up to but not including its
    dummy node at ``starts[k + 1] - 1``.
    """

    ranks: Indices
    """Place of each network in an order that all calls share."""
    starts: Indices
    masses: Floats
    """Of each node; 0 at the dummy nodes, whose mass is the other network's total."""
    totals: Floats
    codes: Indices
    paths: Floats
    """(lengths, nodes): the path lengths of `Features`, transposed."""

    @staticmethod
    def of(networks: Sequence[Features], ranks: Indices, labels: _LabelCosts) -> _Chains:
        """Lay networks end to end."""
        lengths = 2 * (1 + len(GROUPS))
        starts = np.cumsum([0, *(len(one.labels) + 1 for one in networks)])
        weights, codes = np.zeros(starts[-1]), np.zeros(starts[-1], dtype=np.intp)
        paths = np.zeros((lengths, starts[-1]))
        for one, start, end in zip(networks, starts, starts[1:] - 1, strict=False):
            weights[start:end] = one.masses
            codes[start:end] = [labels.code[label] for label in one.labels]
            paths[:, start:end] = one.paths.T
        totals = np.array([one.masses.sum() for one in networks])
        return _Chains(ranks, starts, weights, totals, codes, paths)


def _row(
    one: _Chains, others: _Chains, first: int, labels: _LabelCosts, normalized: bool
) -> Floats:
    """Solve the only network of ``one`` against those of ``others`` from ``first`` on."""
    begin = others.starts[first]
    dummies = others.starts[first + 1 :] - 1 - begin
    costs = np.empty((len(one.codes), others.starts[-1] - begin))
    costs[:] = labels.table[one.codes][:, others.codes[begin:]]
    for mine, theirs in zip(one.paths, others.paths[:, begin:], strict=True):
        costs += np.abs(mine[:, None] - theirs)
    costs[:, dummies] = UNMATCHED
    costs[-1] = UNMATCHED
    costs[-1, dummies] = 0.0

    found = np.zeros(len(others.totals) - first)
    for index, k in enumerate(range(first, len(others.totals))):
        if one.ranks[0] == others.ranks[k]:
            continue
        nodes = slice(others.starts[k], others.starts[k + 1])
        total = one.totals[0] + others.totals[k]
        # Shares of the whole: the solver's tolerances are absolute.
        supply, demand = one.masses / total, others.masses[nodes] / total
        supply[-1], demand[-1] = others.totals[k] / total, one.totals[0] / total
        matrix = costs[:, nodes.start - begin : nodes.stop - begin]
        # Always in the order of the ranks, so that the rounding does not depend on who asks.
        if one.ranks[0] < others.ranks[k]:
            share = transport.least_cost(supply, demand, matrix)
        else:
            share = transport.least_cost(demand, supply, matrix.T)
        share = min(share, UNMATCHED)
        found[index] = share if normalized else share * total
    return found
