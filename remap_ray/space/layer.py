"""What a layer kind declares: `Layer`, its parameters, and the shapes that pass through it.

Shapes are tuples without the batch dimension: ``(channels, height, width)`` for
an image and ``(units,)`` once a network is flat.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from math import prod
from types import MappingProxyType
from typing import Any, ClassVar, final

from remap_ray.errors import InvalidArchitecture

__all__ = ["LARGEST", "Layer", "Parameter", "Shape", "Value", "whole"]

Shape = tuple[int, ...]
Value = int | float | str

LARGEST = 65_536
"""Upper end of every whole-number parameter: far above use, far below overflow."""


@final
@dataclass(frozen=True)
class Parameter:
    """What one parameter of a layer kind may be.

    Either ``choices`` is given (a word out of a list), or ``low`` and ``high``
    (a number, both ends legal). ``symbol`` stands before its value in the text form.
    """

    type: type[int | float | str]
    grid: tuple[Value, ...] = ()
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()
    symbol: str = ""

    def problem(self, value: object) -> str | None:
        """Say why ``value`` is not legal, or None where it is."""
        if self.choices:
            return None if value in self.choices else f"must be one of {', '.join(self.choices)}"
        kinds = (int, float) if self.type is float else (int,)
        if isinstance(value, bool) or not isinstance(value, kinds):
            wanted = "a number" if self.type is float else "a whole number"
            return f"must be {wanted}"
        if not self.low <= value <= self.high:
            return f"must lie between {self.low:g} and {self.high:g}"
        return None


def whole(default: int | None, grid: tuple[int, ...] = (), low: int = 1, symbol: str = "") -> Any:
    """Declare a whole-number field; it must be given where ``default`` is None."""
    declared = {"parameter": Parameter(int, grid, low, LARGEST, symbol=symbol)}
    return field(default=MISSING if default is None else default, metadata=declared)


@dataclass(frozen=True)
class Layer(ABC):
    """One layer of a network.

    The class attributes are its kind's declaration; the fields, whose metadata
    hold a `Parameter` each, are its values. Illegal values raise
    `InvalidArchitecture` when the layer is made.
    """

    kind: ClassVar[str]
    """Name in JSON."""
    name: ClassVar[str]
    """Name in words."""
    word: ClassVar[str]
    """Name in the text form; empty where its choices are words themselves."""
    letter: ClassVar[str]
    """Symbol in a chip; empty where the chip draws something else."""
    needs_image: ClassVar[bool] = False
    """Whether it may stand only where the data is still an image."""

    @abstractmethod
    def output(self, shape: Shape) -> Shape:
        """Give the shape that leaves the layer; raise `ValueError` with the reason if none can."""

    @property
    @abstractmethod
    def arguments(self) -> str:
        """What stands in the parentheses of its words, such as ``16, 3x3``; empty for none."""

    def parameter_count(self, shape: Shape) -> int:
        """Count the trainable parameters for an input of ``shape``."""
        return 0

    def multiply_adds(self, shape: Shape) -> int:
        """Count the multiply-adds for one item of ``shape``: convolutions and dense layers only."""
        return 0

    def activations(self, shape: Shape) -> int:
        """Count the numbers that leave its modules for one item of ``shape``."""
        return prod(self.output(shape))

    def running_bytes(self, shape: Shape) -> int:
        """Count the bytes that are saved with its parameters, but are not trained."""
        return 0

    @property
    def window(self) -> int:
        """Width of the square window over the image, 0 where the layer has none."""
        return 0

    @property
    def words(self) -> str:
        """The layer in words, such as ``Conv(16, 3x3)``."""
        return f"{self.name}({self.arguments})" if self.arguments else self.name

    @property
    def text(self) -> str:
        """The layer in the text form, such as ``conv16x3p1``; defaults are left out."""
        written = (
            one.metadata["parameter"].symbol + _written(getattr(self, one.name))
            for one in fields(self)
            if one.default is MISSING or getattr(self, one.name) != one.default
        )
        return self.word + "".join(written)

    @classmethod
    def parameters(cls) -> Mapping[str, Parameter]:
        """Give the declared parameters by name, in order."""
        return _declared(cls)

    def to_dict(self) -> dict[str, Value]:
        """Give the JSON form, every default filled in."""
        return {"kind": self.kind} | {name: getattr(self, name) for name in self.parameters()}

    def does_nothing(self) -> bool:
        """Whether the canonical form drops this layer."""
        return False

    def __post_init__(self) -> None:
        for name, parameter in self.parameters().items():
            value = getattr(self, name)
            if (problem := parameter.problem(value)) is not None:
                raise InvalidArchitecture(f"{self.name}: {name} {problem}, not {value!r}")
            if parameter.type is float:
                # One number has one JSON form: 0 and 0.0 must share an identity.
                object.__setattr__(self, name, float(value))


@cache
def _declared(kind: type[Layer]) -> Mapping[str, Parameter]:
    # Kept, since every layer that is made asks for it.
    return MappingProxyType({one.name: one.metadata["parameter"] for one in fields(kind)})


def _written(value: Value) -> str:
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
