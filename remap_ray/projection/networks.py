"""Networks as the structural distance reads them: chains of nodes with labels and masses."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache, cached_property
from math import inf
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from remap_ray.errors import InvalidRequest
from remap_ray.projection.costs import (
    DEFAULT,
    GROUPS,
    CostSet,
    Kind,
    Label,
    Listed,
    Root,
    Value,
)
from remap_ray.projection.transport import LENGTHS, NEVER
from remap_ray.space import Architecture, Dense, Layer, Shape

__all__ = ["Features", "Networks", "Table", "features"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]

INPUT, SOFTMAX, OUTPUT = ("ip", None), ("softmax", None), ("op", None)


@final
@dataclass(frozen=True)
class Features:
    """All that the distance reads of one architecture under one cost set.

    Nodes are the input, the layers that do something, the output layer, softmax and the
    output, in this order. Equal for two architectures that are the same to the cost set.

    Parameters
    ----------
    costs
        The cost set that the features belong to.
    labels
        One per node.
    masses
        One per node, in channels and products of channels.
    """

    costs: CostSet
    labels: tuple[Label, ...]
    masses: tuple[float, ...]


def features(architecture: Architecture, costs: CostSet = DEFAULT) -> Features:
    """Prepare an architecture for `otmann.distances`.

    Raises
    ------
    InvalidRequest
        The cost set does not know one of the layers.
    """
    labels, weights = [], []
    # The first layer sees one channel whatever the image has, as in both published codes.
    channels = 1
    layers = (*architecture.layers, Dense(architecture.classes))
    entering = (architecture.input_shape, *architecture.shapes)
    for layer, shape in zip(layers, entering, strict=True):
        if layer.does_nothing():
            continue
        kind = costs.kind_of(layer)
        leaving = getattr(layer, kind.channels) if kind.channels else channels
        weights.append(kind.factor * _mass(kind, layer, channels, leaving))
        labels.append((kind.label, _value(kind, layer, shape)))
        channels = leaving
    end = max(costs.end_share * sum(weights), costs.end_least)
    return Features(costs, (INPUT, *labels, SOFTMAX, OUTPUT), (end, *weights, end, end))


def _mass(kind: Kind, layer: Layer, entering: int, leaving: int) -> float:
    if kind.mass == "in * out":
        return entering * leaving
    if kind.mass == "separable":
        return entering * (layer.window**2 / 9 + leaving)
    return entering


def _value(kind: Kind, layer: Layer, shape: Shape) -> Value:
    if kind.value == "image":
        return max(shape[1:])
    value: Value = getattr(layer, kind.value) if kind.value else None
    return value


@final
class Table:
    """The label costs of a cost set as arrays over classes of labels. Made by `Table.of`.

    Labels of one class differ in a number at most; labels whose costs are listed value by
    value have a class for each value.

    Attributes
    ----------
    arrays
        Three of float64 (classes, classes): the cost between two classes, what it grows by
        with the root of the difference of the values, and the most that it grows by.
    blocks
        int64 (classes,): labels of different blocks can never be matched.
    members
        bool (classes, groups): in which groups a class counts.
    """

    def __init__(self, costs: CostSet) -> None:
        names = dict.fromkeys(one.label for one in costs.kinds)
        rules = {one.label: one.rule for one in costs.kinds}
        groups = {one.label: one.group for one in costs.kinds}
        classes: list[Label] = []
        for name in names:
            rule = rules[name]
            values = rule.values if isinstance(rule, Listed) else (None,)
            classes += [(name, value) for value in values]
        classes += [INPUT, SOFTMAX, OUTPUT]

        shape = (len(classes), len(classes))
        base, factor, cap = np.full(shape, 2 * NEVER), np.zeros(shape), np.full(shape, inf)
        for x, (name, value) in enumerate(classes):
            for y, (other, other_value) in enumerate(classes):
                cost = costs.between(name, other)
                if isinstance(cost, Root):
                    base[x, y], factor[x, y] = cost.more, cost.factor
                    cap[x, y] = cost.most - cost.more
                elif isinstance(cost, Listed):
                    base[x, y] = 0.0 if x == y else cost.between(value, other_value)
                elif cost < inf:
                    base[x, y] = cost
        self.arrays = tuple(map(_read_only, (base, factor, cap)))
        self.blocks = _read_only(_connected(base < NEVER))
        member = [[groups.get(name) == group for group in GROUPS] for name, _ in classes]
        self.members = _read_only(np.array(member))
        self._codes = {label: code for code, label in enumerate(classes)}
        self._by_number = {name for name in names if isinstance(rules[name], Root)}

    @staticmethod
    @cache
    def of(costs: CostSet) -> Table:
        """Give the table of a cost set, always the same one."""
        return Table(costs)

    def code(self, label: Label) -> tuple[int, float]:
        """Give the class of a label, and the number by which it differs from others there."""
        name, value = label
        if name in self._by_number:
            assert isinstance(value, int | float)
            return self._codes[name, None], float(value)
        found = self._codes.get(label)
        return (self._codes[name, None] if found is None else found), 0.0


def _connected(near: NDArray[np.bool_]) -> Integers:
    """Give the number of the connected part of each member of a symmetric relation (n, n)."""
    reached = near | np.eye(len(near), dtype=np.bool_)
    for _ in range(len(near)):
        reached = reached @ reached
    _, parts = np.unique(reached.argmax(axis=1), return_inverse=True)
    return parts.astype(np.int64)


@final
@dataclass(frozen=True, eq=False)
class Networks:
    """Networks under one cost set, end to end in flat arrays, all read-only.

    The nodes of each network are sorted by the blocks in which they can be matched, and
    within a block stand in the order of the chain.

    Parameters
    ----------
    costs
        The cost set that they were prepared under.
    starts
        int64 (networks + 1,): the nodes of network k are those from ``starts[k]`` to
        ``starts[k + 1]``.
    blocks
        int64 (networks, blocks + 1): likewise the nodes of each block.
    masses
        float64 (nodes,).
    classes
        int64 (nodes,): the class of each node's label in the `Table`.
    values
        float64 (nodes,): the number in its label, 0 where there is none.
    paths
        int32 (nodes, `LENGTHS`): path lengths to the output and to the input in turn, over
        all nodes and over each group.
    totals
        float64 (networks,): the mass of each network.
    """

    costs: CostSet
    starts: Integers
    blocks: Integers
    masses: Floats
    classes: Integers
    values: Floats
    paths: NDArray[np.int32]
    totals: Floats

    def __post_init__(self) -> None:
        for array in self.arrays:
            array.flags.writeable = False

    def __reduce__(self) -> tuple[Any, ...]:
        # Read-only arrays come back from a pickle as writable ones.
        return Networks, (self.costs, *self.arrays)

    def __len__(self) -> int:
        return len(self.totals)

    @property
    def arrays(self) -> tuple[NDArray[Any], ...]:
        """All arrays, in the order of the parameters."""
        return (
            self.starts,
            self.blocks,
            self.masses,
            self.classes,
            self.values,
            self.paths,
            self.totals,
        )

    @cached_property
    def widest(self) -> int:
        """Most nodes of one network in one block."""
        return int(np.diff(self.blocks).max(initial=0))

    @staticmethod
    def of(given: Iterable[Architecture | Features], costs: CostSet = DEFAULT) -> Networks:
        """Prepare networks together.

        Raises
        ------
        InvalidRequest
            The cost set does not know one of the layers, or features belong to another set.
        """
        prepared = [_prepared(one, costs) for one in given]
        table = Table.of(costs)
        sizes = np.array([len(one.labels) for one in prepared], dtype=np.int64)
        starts = np.concatenate([np.zeros(1, np.int64), sizes.cumsum()])
        codes = [table.code(label) for one in prepared for label in one.labels]
        classes = np.array([code for code, _ in codes], dtype=np.int64)
        values = np.array([value for _, value in codes], dtype=np.float64)
        masses = np.array([mass for one in prepared for mass in one.masses], dtype=np.float64)
        totals = np.array([sum(one.masses) for one in prepared], dtype=np.float64)

        network = np.repeat(np.arange(len(sizes)), sizes)
        node_blocks = table.blocks[classes]
        order = np.lexsort((node_blocks, network))
        count = int(table.blocks.max()) + 1
        kinds = network * count + node_blocks
        counts = np.bincount(kinds, minlength=len(sizes) * count).reshape(-1, count)
        blocks = np.concatenate([starts[:-1, None], starts[:-1, None] + counts.cumsum(axis=1)], 1)
        paths = _paths(table.members[classes], starts, network)[order]
        return Networks(
            costs, starts, blocks, masses[order], classes[order], values[order], paths, totals
        )

    def plus(self, more: Networks) -> Networks:
        """Give these networks with others after them, prepared under the same cost set."""
        if more.costs != self.costs:
            raise _other_costs(more.costs, self.costs)
        last = self.starts[-1]
        mine, theirs = self.arrays[2:], more.arrays[2:]
        return Networks(
            self.costs,
            np.concatenate([self.starts, more.starts[1:] + last]),
            np.concatenate([self.blocks, more.blocks + last]),
            *(np.concatenate(both) for both in zip(mine, theirs, strict=True)),
        )


def prepare(given: Networks | Sequence[Architecture | Features], costs: CostSet) -> Networks:
    """Give networks as they are, or prepare them.

    Raises
    ------
    InvalidRequest
        The cost set does not know one of the layers, or they belong to another set.
    """
    if not isinstance(given, Networks):
        return Networks.of(given, costs)
    if given.costs != costs:
        raise _other_costs(given.costs, costs)
    return given


def _prepared(one: Architecture | Features, costs: CostSet) -> Features:
    if isinstance(one, Architecture):
        return features(one, costs)
    if one.costs is not costs and one.costs != costs:
        raise _other_costs(one.costs, costs)
    return one


def _other_costs(theirs: CostSet, ours: CostSet) -> InvalidRequest:
    return InvalidRequest(
        f"these were prepared under the cost set {theirs.name}, not {ours.name}; "
        "prepare them again or pass the architectures"
    )


def _paths(members: NDArray[np.bool_], starts: Integers, network: Integers) -> NDArray[np.int32]:
    """Count for each node the nodes of each group after and before it, itself included.

    The first group is that of all nodes, and does not count the node itself.
    """
    counted = np.column_stack([np.ones(len(members), np.bool_), members]).astype(np.int32)
    so_far = np.concatenate(
        [np.zeros((1, counted.shape[1]), np.int32), counted.cumsum(axis=0, dtype=np.int32)]
    )
    before, whole = so_far[starts[:-1]], so_far[starts[1:]]
    to_input = so_far[1:] - before[network]
    to_output = whole[network] - so_far[:-1]
    to_input[:, 0] -= 1
    to_output[:, 0] -= 1
    paths: NDArray[np.int32] = np.stack([to_output, to_input], axis=2).reshape(-1, LENGTHS)
    return paths


def _read_only(array: NDArray[Any]) -> NDArray[Any]:
    array.flags.writeable = False
    return array
