"""A space of networks as a Markov chain over layer kinds, and samples of it under limits."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Container, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import resources
from random import Random
from typing import final

from remap_ray.errors import InvalidArchitecture, InvalidRequest
from remap_ray.space import shapes
from remap_ray.space.architecture import Architecture
from remap_ray.space.layers import KINDS, Dense, Layer, Shape, Value

__all__ = ["STOP", "Limits", "Space", "sample"]

START = "start"
STOP = "stop"
Row = Mapping[str, int]
Table = Mapping[str, Row]

PATIENCE = 20_000
"""Draws in a row without a new architecture within the limits before `sample` gives up."""


@final
@dataclass(frozen=True)
class Limits:
    """What an architecture may cost at most, None being no limit, and what it is made of.

    Parameters
    ----------
    parameters, multiply_adds, layers
        The most of each.
    required, forbidden
        Layer kinds, by their names in JSON, that must and that must not occur.
    """

    parameters: int | None = 1_000_000
    multiply_adds: int | None = None
    layers: int | None = None
    required: Collection[str] = frozenset()
    forbidden: Collection[str] = frozenset()

    def __post_init__(self) -> None:
        for name in ("required", "forbidden"):
            wanted = getattr(self, name)
            if isinstance(wanted, str) or not all(kind in KINDS for kind in wanted):
                raise InvalidRequest(
                    f"{name} must be layer kinds, not {wanted!r}; known are {', '.join(KINDS)}"
                )
            object.__setattr__(self, name, frozenset(wanted))
        if both := sorted(set(self.required) & set(self.forbidden)):
            raise InvalidRequest(f"{both[0]} cannot be both required and forbidden")
        for name in ("parameters", "multiply_adds", "layers"):
            limit = getattr(self, name)
            if limit is not None and limit < 0:
                raise InvalidRequest(f"the limit on {name} must not be negative, not {limit}")

    def problem(self, architecture: Architecture) -> str | None:
        """Say which limit ``architecture`` passes, and by how much, or None where it keeps all."""
        costs: tuple[tuple[str, int, int | None], ...] = (
            ("parameters", architecture.parameter_count, self.parameters),
            ("multiply-adds", architecture.multiply_adds, self.multiply_adds),
            ("layers", len(architecture.layers), self.layers),
        )
        for what, cost, limit in costs:
            if limit is not None and cost > limit:
                return f"{cost - limit:,} {what} over the limit of {limit:,}"
        for index, layer in enumerate(architecture.layers):
            if layer.kind in self.forbidden:
                return f"{layer.words} at {index} is of a kind that must not occur"
        occurring = {layer.kind for layer in architecture.layers}
        missing = [KINDS[kind].name for kind in KINDS if kind in set(self.required) - occurring]
        return f"{' and '.join(missing)} must occur" if missing else None


@final
@dataclass(frozen=True)
class Space:
    """A Markov chain over layer kinds with a grid of values for each kind's parameters."""

    name: str
    strictly_larger: bool
    grids: Mapping[str, Mapping[str, tuple[Value, ...]]]
    transitions: Table
    transitions_after_dense: Table

    @staticmethod
    @cache
    def named(name: str) -> Space:
        """Load a space that comes with REMAP."""
        text = (resources.files("remap_ray.space") / f"{name}.toml").read_text(encoding="utf-8")
        form = tomllib.loads(text)
        grids = {
            kind: {parameter: tuple(values) for parameter, values in grid.items()}
            for kind, grid in form["grids"].items()
        }
        return Space(
            form["name"],
            form["strictly_larger"],
            grids,
            form["transitions"],
            form["transitions_after_dense"],
        )

    def row(self, previous: Layer | None, after_dense: bool) -> Row:
        """Give the successors of a layer (None: of the input) with their weights.

        A kind that the space does not know, as a person may have put it into a network,
        is followed by what the input is followed by.
        """
        table = self.transitions_after_dense if after_dense else self.transitions
        return table.get(START if previous is None else previous.kind, table[START])

    def draw(self, rng: Random, row: Row) -> Layer | None:
        """Draw one successor, its parameters uniform over the grid; None is the end."""
        (kind,) = rng.choices(tuple(row), tuple(row.values()))
        if kind == STOP:
            return None
        grid = self.grids[kind]
        return KINDS[kind](**{name: rng.choice(values) for name, values in grid.items()})

    def fits(self, layer: Layer, shape: Shape) -> bool:
        """Whether the sampler may put ``layer`` where the data has ``shape``."""
        try:
            shapes.after(layer, shape, 0)
        except InvalidArchitecture:
            return False
        if not (layer.needs_image and self.strictly_larger):
            return True
        return min(shape[1:]) > layer.window

    def walk(self, rng: Random, input_shape: Shape, classes: int) -> Architecture:
        """Draw one architecture: successors until the end, each redrawn until it fits."""
        shape, layers, after_dense = input_shape, list[Layer](), False
        while True:
            row = self.row(layers[-1] if layers else None, after_dense)
            layer = self.draw(rng, row)
            while layer is not None and not self.fits(layer, shape):
                layer = self.draw(rng, row)
            if layer is None:
                return Architecture(input_shape, classes, tuple(layers))
            shape = shapes.after(layer, shape, len(layers))
            after_dense = after_dense or isinstance(layer, Dense)
            layers.append(layer)


def sample(
    space: Space,
    rng: Random,
    input_shape: Shape,
    classes: int,
    limits: Limits | None = None,
    known: Container[str] = (),
) -> Iterator[Architecture]:
    """Draw different architectures of ``space`` within ``limits``, without end.

    The same ``rng`` gives the same architectures, and what is ``known`` only leaves
    gaps: the first n of a longer run are the n of a shorter one.

    Parameters
    ----------
    known
        Identities that are not wanted again.

    Raises
    ------
    InvalidRequest
        After `PATIENCE` draws in a row without a new architecture within the limits.

    References
    ----------
    Cashman et al., 2019, section 5.3.
    """
    limits = limits or Limits()
    seen: set[str] = set()
    failures = 0
    while failures < PATIENCE:
        drawn = space.walk(rng, input_shape, classes)
        if drawn.identity in seen or limits.problem(drawn):
            failures += 1
            continue
        # One that is known is still new here: a run that goes on gives up where one at once does.
        failures = 0
        seen.add(drawn.identity)
        if drawn.identity not in known:
            yield drawn
    raise InvalidRequest(
        f"space {space.name} gave no further architecture within the limits in {PATIENCE:,} "
        f"draws ({len(seen)} found); allow more parameters, multiply-adds, layers or kinds, or ask "
        "for fewer models"
    )
