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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from math import fsum
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from remap_ray.errors import InvalidRequest, RemapError
from remap_ray.projection import transport
from remap_ray.projection.costs import DEFAULT, OTMANN_2018, REMAP_2019, CostSet
from remap_ray.projection.networks import Features, Networks, Table, features, prepare
from remap_ray.space import Architecture

__all__ = [
    "DEFAULT",
    "OTMANN_2018",
    "REMAP_2019",
    "CostSet",
    "Features",
    "Match",
    "Matching",
    "Networks",
    "Unsolved",
    "distances",
    "features",
    "masses",
    "matching",
]

Floats = NDArray[np.float64]
Given: TypeAlias = Networks | Sequence[Architecture | Features]

FEW = 256
"""Up to this many pairs are solved as Python where the compiled solver is not loaded yet."""

ROUNDING = 1e-12
"""Share of a node's mass that is taken for rounding."""

SLICES = 8
"""Parts of the rows that each thread takes one after another."""


class Unsolved(RemapError, ArithmeticError):
    """The solver gave up on a pair of networks. A defect of ours, never a person's.

    Raised by `distances` and `matching`; caught by nobody.
    """

    def __init__(self) -> None:
        super().__init__(
            "the structural distance of two architectures could not be found; please report them"
        )


@final
@dataclass(frozen=True)
class Match:
    """Mass of a node of one network that goes to a node of another.

    Parameters
    ----------
    first, second
        The nodes. Layers are counted from 0; the input is -1, and after the layers follow
        the output layer, softmax and the output.
    mass
        How much, in the unit of `masses`.
    """

    first: int
    second: int
    mass: float


@final
@dataclass(frozen=True)
class Matching:
    """The best way to turn one network into another: what goes where.

    Parameters
    ----------
    matches
        In the order of the first network's nodes, then of the second's.
    first_left, second_left
        Mass of each network's nodes that is matched with nothing, as pairs of a node and its
        mass, in order.
    cost
        Of the whole: the distance that is not normalized.
    mass
        Of both networks together: the cost divided by it is the normalized distance.
    """

    matches: tuple[Match, ...]
    first_left: tuple[tuple[int, float], ...]
    second_left: tuple[tuple[int, float], ...]
    cost: float
    mass: float


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
    found = np.array(features(architecture, costs).masses)
    found.flags.writeable = False
    return found


def distances(
    rows: Given,
    columns: Given | None = None,
    costs: CostSet = DEFAULT,
    normalized: bool = True,
    threads: int = 1,
) -> Floats:
    """Measure how far apart architectures are in structure, exactly.

    The distance of a pair is the same to the last bit whichever of the two comes first
    and whatever else is measured with it. Architectures that are the same to the cost
    set have distance 0.0.

    Parameters
    ----------
    rows, columns
        Architectures, what `features` made of them, or what `Networks.of` made of them
        together, under the same ``costs``; without columns all rows are measured against
        each other.
    costs
        Masses and label costs.
    normalized
        Divide by the mass of both networks, which gives a number in [0, 1].
    threads
        How many share the work. More than one takes processors from training.

    Returns
    -------
    numpy.ndarray
        float64 (len(rows), len(columns)); in the unit of `masses` unless normalized.

    Raises
    ------
    InvalidRequest
        The cost set does not know one of the layers, something was prepared under another
        set, or less than one thread.
    """
    if threads < 1:
        raise InvalidRequest(f"threads must be at least 1, not {threads}")
    of_rows = prepare(rows, costs)
    of_columns = of_rows if columns is None else prepare(columns, costs)
    found = np.zeros((len(of_rows), len(of_columns)))
    few = found.size <= FEW and not transport.is_compiled()
    fill = transport.fill if few else transport.compiled()
    size = max(of_rows.widest, of_columns.widest)

    def measure(begin: int, end: int) -> int:
        return fill(
            found,
            of_rows.arrays,
            of_columns.arrays,
            Table.of(costs).arrays,
            begin,
            end,
            columns is None,
            normalized,
            size,
            transport.MOST_PATHS,
            np.zeros((0, 0)),
        )

    if threads == 1:
        failed = measure(0, len(of_rows))
    else:
        bounds = np.linspace(0, len(of_rows), threads * SLICES + 1).astype(int).tolist()
        with ThreadPoolExecutor(threads) as pool:
            failed = sum(pool.map(measure, bounds[:-1], bounds[1:]))
    if failed:
        raise Unsolved
    return found


def matching(first: Architecture, second: Architecture, costs: CostSet = DEFAULT) -> Matching:
    """Find which layers of one architecture go to which of another, and with what mass.

    The same pair always has the same matching, turned round where it is asked for the other
    way round. Where several are equally cheap, it is one of them.

    Parameters
    ----------
    first, second
        The architectures.
    costs
        Masses and label costs.

    Raises
    ------
    InvalidRequest
        The cost set does not know one of the layers.
    """
    one, other = Networks.of([first], costs), Networks.of([second], costs)
    found, plan = np.zeros((1, 1)), np.zeros((len(one.masses), len(other.masses)))
    failed = transport.fill(
        found,
        one.arrays,
        other.arrays,
        Table.of(costs).arrays,
        0,
        1,
        False,
        False,
        max(one.widest, other.widest),
        transport.MOST_PATHS,
        plan,
    )
    if failed:
        raise Unsolved
    # From the order of the blocks to that of the chain.
    rows, columns = np.argsort(one.paths[:, 1]), np.argsort(other.paths[:, 1])
    plan, sent, received = plan[rows][:, columns], one.masses[rows], other.masses[columns]
    plan[plan <= ROUNDING * np.minimum(sent[:, None], received)] = 0.0
    left_nodes, right_nodes = _nodes(first), _nodes(second)
    return Matching(
        tuple(
            Match(left_nodes[i], right_nodes[j], float(plan[i, j]))
            for i, j in np.argwhere(plan > 0).tolist()
        ),
        _left(left_nodes, sent, plan),
        _left(right_nodes, received, plan.T),
        float(found[0, 0]),
        float(one.totals[0] + other.totals[0]),
    )


def _nodes(architecture: Architecture) -> list[int]:
    """Give the number of each node as `Match` counts them."""
    layers = architecture.layers
    kept = [index for index, layer in enumerate(layers) if not layer.does_nothing()]
    return [-1, *kept, *(len(layers) + more for more in range(3))]


def _left(nodes: Sequence[int], masses: Floats, plan: Floats) -> tuple[tuple[int, float], ...]:
    """Give what the rows of a plan leave of the masses, but for rounding."""
    left = [mass - fsum(row) for mass, row in zip(masses.tolist(), plan.tolist(), strict=True)]
    return tuple(
        (node, rest)
        for node, mass, rest in zip(nodes, masses.tolist(), left, strict=True)
        if rest > ROUNDING * mass
    )
