"""The cost sets of the structural distance: what a layer weighs, what a match costs.

Every number of the structural distance stands in this file. A further layer kind is
one more `Kind` in a set.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf, sqrt
from typing import Literal, final

from remap_ray.errors import InvalidRequest
from remap_ray.space import Layer

__all__ = [
    "DEFAULT",
    "GROUPS",
    "OTMANN_2018",
    "REMAP_2019",
    "UNMATCHED",
    "CostSet",
    "Group",
    "Kind",
    "Label",
    "Listed",
    "Root",
    "Value",
]

Group = Literal["conv", "pool", "dense"]
GROUPS: tuple[Group, ...] = ("conv", "pool", "dense")
"""The groups that have path lengths of their own, beside those over all nodes."""

UNMATCHED = 1.0
"""Cost of leaving one unit of mass of either network unmatched."""

Value = int | float | str | None
Label = tuple[str, Value]
"""What a node is to the label cost: a name, and the value that tells apart nodes of that name."""


@final
@dataclass(frozen=True)
class Root:
    """A cost that grows with the root of the difference: ``factor * sqrt(abs(a - b)) + more``.

    It never passes ``most``.
    """

    factor: float
    more: float = 0.0
    most: float = inf

    def between(self, a: Value, b: Value) -> float:
        """Give the cost between two numbers."""
        if not isinstance(a, int | float) or not isinstance(b, int | float):
            raise TypeError(f"only numbers have a difference, not {a!r} and {b!r}")
        return min(self.factor * sqrt(abs(a - b)) + self.more, self.most)


@final
@dataclass(frozen=True)
class Listed:
    """A cost given value by value, for the values that its source knows."""

    costs: tuple[tuple[Value, Value, float], ...]

    @property
    def values(self) -> tuple[Value, ...]:
        """The values that have costs, in the order in which they are listed."""
        return tuple(dict.fromkeys(value for a, b, _ in self.costs for value in (a, b)))

    def between(self, a: Value, b: Value) -> float:
        """Give the cost between two listed values."""
        return next(cost for first, second, cost in self.costs if {first, second} == {a, b})


@final
@dataclass(frozen=True)
class Kind:
    """How the layers of one kind take part.

    Parameters
    ----------
    kind
        The layer kind's name in JSON.
    label
        Name under which its layers are matched; kinds that share it are one kind here.
    mass
        ``channels in`` or ``channels in * out``; for a flat network, units. ``separable``
        is ``channels in * (kernel_size**2 / 9 + channels out)``.
    factor
        What that mass is multiplied with.
    group
        The path lengths in which its layers count, beside those over all nodes.
    channels
        The parameter that says how many channels or units leave a layer; empty where
        as many leave as enter.
    value
        The parameter by which two layers of the label differ; empty where none does.
        ``image`` is the larger side of the image that enters.
    rule
        What that difference costs.
    """

    kind: str
    label: str
    mass: Literal["in", "in * out", "separable"]
    factor: float = 1.0
    group: Group | None = None
    channels: str = ""
    value: str = ""
    rule: Root | Listed | None = None


@final
@dataclass(frozen=True)
class CostSet:
    """One published or own choice of masses and label costs.

    Parameters
    ----------
    name
        As errors name it.
    kinds
        The layer kinds that the set knows.
    across
        Costs between different labels: a number whatever their values, or a rule for
        both values; labels that are not listed together can never be matched.
    end_share, end_least
        Each of input, output and softmax weighs ``end_share`` of all layers together,
        but at least ``end_least``.
    """

    name: str
    kinds: tuple[Kind, ...]
    across: tuple[tuple[str, str, float | Root], ...] = ()
    end_share: float = 0.1
    end_least: float = 100.0

    def kind_of(self, layer: Layer) -> Kind:
        """Give the rules for a layer.

        Raises
        ------
        InvalidRequest
            The set does not know the layer's kind, or lists no cost for its value.
        """
        found = next((one for one in self.kinds if one.kind == layer.kind), None)
        if found is None:
            raise InvalidRequest(
                f"the cost set {self.name} knows no {layer.kind}, only "
                f"{', '.join(one.kind for one in self.kinds)}; use otmann.DEFAULT"
            )
        if isinstance(found.rule, Listed):
            value = getattr(layer, found.value)
            if value not in found.rule.values:
                raise InvalidRequest(
                    f"the cost set {self.name} has no costs for {layer.words}, only for "
                    f"{found.value} {', '.join(map(str, found.rule.values))}; "
                    f"use otmann.DEFAULT"
                )
        return found

    def between(self, name: str, other: str) -> float | Root | Listed:
        """Give what two labels cost, or the rule for their values.

        Infinite where the labels can never be matched.
        """
        if name == other:
            rule = next((one.rule for one in self.kinds if one.label == name), None)
            return 0.0 if rule is None else rule
        pair = {name, other}
        return next((cost for one, two, cost in self.across if {one, two} == pair), inf)

    def label_cost(self, a: Label, b: Label) -> float:
        """Give the cost of calling one label the other; infinite where they cannot match."""
        (name, value), (other_name, other_value) = a, b
        if a == b:
            return 0.0
        cost = self.between(name, other_name)
        return cost if isinstance(cost, float) else cost.between(value, other_value)


_ROOT_OF_SIZES = Root(0.1 * sqrt(2))
_SIZE_OF_IMAGE = Root(0.1 * sqrt(2), most=0.5)
_ACTIVATIONS = Listed((("tanh", "relu", 0.25), ("relu", "sigmoid", 0.25), ("tanh", "sigmoid", 0.1)))
_POOL_SIZES_2019 = Listed(((2, 3, 0.2), (3, 5, 0.2), (2, 5, 0.3)))

OTMANN_2018 = CostSet(
    name="otmann-2018",
    kinds=(
        Kind(
            "conv",
            "conv",
            "in * out",
            group="conv",
            channels="filters",
            value="kernel_size",
            rule=_ROOT_OF_SIZES,
        ),
        Kind("max_pool", "max_pool", "in", group="pool"),
        Kind("avg_pool", "avg_pool", "in", group="pool"),
        Kind("dense", "dense", "in * out", factor=0.1, group="dense", channels="units"),
    ),
    across=(("max_pool", "avg_pool", 0.5),),
)
"""The costs of the distance's own authors (Kandasamy et al., NeurIPS 2018, and their code)."""

REMAP_2019 = CostSet(
    name="remap-2019",
    kinds=(
        Kind(
            "conv",
            "conv",
            "in * out",
            group="conv",
            channels="filters",
            value="kernel_size",
            rule=Listed(((1, 3, 0.2), (3, 5, 0.2), (1, 5, 0.3))),
        ),
        Kind("max_pool", "pool", "in", value="size", rule=_POOL_SIZES_2019),
        Kind("avg_pool", "pool", "in", value="size", rule=_POOL_SIZES_2019),
        Kind("dense", "dense", "in * out", channels="units"),
        Kind("activation", "activation", "in * out", value="function", rule=_ACTIVATIONS),
        Kind("dropout", "dropout", "in * out"),
    ),
)
"""The costs behind the figures of Cashman et al., 2019 (section 5.2, and their code)."""

DEFAULT = CostSet(
    name="remap",
    kinds=(
        Kind(
            "conv",
            "conv",
            "in * out",
            group="conv",
            channels="filters",
            value="kernel_size",
            rule=_ROOT_OF_SIZES,
        ),
        Kind(
            "depthwise_conv",
            "depthwise_conv",
            "separable",
            group="conv",
            channels="filters",
            value="kernel_size",
            rule=_ROOT_OF_SIZES,
        ),
        Kind("max_pool", "max_pool", "in", group="pool", value="size", rule=_ROOT_OF_SIZES),
        Kind("avg_pool", "avg_pool", "in", group="pool", value="size", rule=_ROOT_OF_SIZES),
        Kind(
            "global_avg_pool",
            "global_avg_pool",
            "in",
            group="pool",
            value="image",
            rule=_SIZE_OF_IMAGE,
        ),
        Kind("dense", "dense", "in * out", factor=0.1, group="dense", channels="units"),
        Kind("activation", "activation", "in", value="function", rule=_ACTIVATIONS),
        Kind("dropout", "dropout", "in", value="rate", rule=Root(0.1)),
        Kind("batch_norm", "batch_norm", "in"),
    ),
    across=(
        ("max_pool", "avg_pool", 0.5),
        ("max_pool", "global_avg_pool", 0.5),
        ("avg_pool", "global_avg_pool", _SIZE_OF_IMAGE),
        ("conv", "depthwise_conv", Root(0.1 * sqrt(2), more=0.25)),
    ),
)
"""REMAP's own costs: those of 2018, with every layer kind taking part."""
