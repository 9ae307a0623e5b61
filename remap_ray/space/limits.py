"""What a design may cost, and what it must or must not be made of."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import final

from remap_ray.errors import InvalidRequest
from remap_ray.space.design import Design
from remap_ray.space.layers import KINDS

__all__ = ["Limits"]


@final
@dataclass(frozen=True)
class Limits:
    """What a design may cost at most, None being no limit, and what it is made of.

    Parameters
    ----------
    parameters, multiply_adds, layers
        The most of each; what they count in another space than that of layers, its `Terms` say.
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
            if isinstance(wanted, str) or not all(kind in list(KINDS) for kind in wanted):
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

    def problem(self, architecture: Design) -> str | None:
        """Say which limit ``architecture`` passes, and by how much, or None where it keeps all."""
        terms = architecture.terms
        costs: tuple[tuple[str, int, int | None], ...] = (
            (terms.size, architecture.parameter_count, self.parameters),
            (terms.steps, architecture.multiply_adds, self.multiply_adds),
            (terms.parts, architecture.countable, self.layers),
        )
        for what, cost, limit in costs:
            if limit is not None and cost > limit:
                return f"{cost - limit:,} {what} over the limit of {limit:,}"
        for index, layer in enumerate(architecture.parts):
            if layer.kind in self.forbidden:
                return f"{layer.words} at {index} is of a kind that must not occur"
        occurring = {layer.kind for layer in architecture.parts}
        missing = [KINDS[kind].name for kind in KINDS if kind in set(self.required) - occurring]
        return f"{' and '.join(missing)} must occur" if missing else None
