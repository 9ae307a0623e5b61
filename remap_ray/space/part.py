"""What a design is made of: `Part`, its declared parameters and their legal values.

A layer of a network is a part; so is a setting of gradient boosting, or a column that it sees.
Whatever a person does to a design, they do to its parts: remove one, add one, give one another
value. Shapes are tuples without the batch dimension.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from functools import cache
from types import MappingProxyType
from typing import Any, ClassVar, final

from remap_ray.errors import InvalidArchitecture

__all__ = ["EVERY_EDIT", "LARGEST", "Parameter", "Part", "Shape", "Value", "number", "whole"]

Shape = tuple[int, ...]
Value = int | float | str

LARGEST = 65_536
"""Upper end of every whole-number parameter: far above use, far below overflow."""

EVERY_EDIT = frozenset({"remove", "replace", "prepend", "reparameterize"})
"""The four types of edits, by their names in JSON and on the page."""


@final
@dataclass(frozen=True)
class Parameter:
    """What one parameter of a kind of part may be.

    Either ``choices`` is given (a word out of a list), or ``low`` and ``high``
    (a number, both ends legal); a ``str`` without choices is any printable name.
    ``symbol`` stands before its value in the text form.
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
        if self.type is str:
            named = isinstance(value, str) and value.strip() == value != ""
            legal = named and str(value).isprintable() and "'" not in str(value)
            return None if legal else "must be a name without quotes"
        kinds = (int, float) if self.type is float else (int,)
        if isinstance(value, bool) or not isinstance(value, kinds):
            wanted = "a number" if self.type is float else "a whole number"
            return f"must be {wanted}"
        if not self.low <= value <= self.high:
            return f"must lie between {self.low:g} and {self.high:g}"
        return None


def whole(
    default: int | None,
    grid: tuple[int, ...] = (),
    low: int = 1,
    symbol: str = "",
    high: int = LARGEST,
) -> Any:
    """Declare a whole-number field; it must be given where ``default`` is None."""
    declared = {"parameter": Parameter(int, grid, low, high, symbol=symbol)}
    return field(default=MISSING if default is None else default, metadata=declared)


def number(
    default: float | None, grid: tuple[float, ...], low: float, high: float, symbol: str = ""
) -> Any:
    """Declare a field that is any number; it must be given where ``default`` is None."""
    declared = {"parameter": Parameter(float, grid, low, high, symbol=symbol)}
    return field(default=MISSING if default is None else default, metadata=declared)


@dataclass(frozen=True)
class Part(ABC):
    """One part of a design.

    The class attributes are its kind's declaration; the fields, whose metadata
    hold a `Parameter` each, are its values. Illegal values raise
    `InvalidArchitecture` when the part is made.
    """

    kind: ClassVar[str]
    """Name in JSON."""
    name: ClassVar[str]
    """Name in words."""
    word: ClassVar[str]
    """Name in the text form; empty where its choices are words themselves, or it is quoted."""
    letter: ClassVar[str]
    """Symbol in a chip; empty where the chip draws something else."""
    needs_image: ClassVar[bool] = False
    """Whether it may stand only where the data is still an image."""
    edits: ClassVar[frozenset[str]] = EVERY_EDIT
    """Types of edits that variations may make at such a part."""
    placed: ClassVar[bool] = True
    """Whether its place among the parts means anything."""
    quoted: ClassVar[bool] = False
    """Whether its text form is its one parameter in quotes."""

    @abstractmethod
    def output(self, shape: Shape) -> Shape:
        """Give the size that follows it; raise `ValueError` with the reason if none can."""

    @property
    @abstractmethod
    def arguments(self) -> str:
        """What stands in the parentheses of its words, such as ``16, 3x3``; empty for none."""

    def parameter_count(self, shape: Shape) -> int:
        """Count the trainable parameters for an input of ``shape``."""
        return 0

    @property
    def called(self) -> str:
        """What the words of an edit call it."""
        return self.name

    @property
    def words(self) -> str:
        """The part in words, such as ``Conv(16, 3x3)``."""
        return f"{self.name}({self.arguments})" if self.arguments else self.name

    @property
    def text(self) -> str:
        """The part in the text form, such as ``conv16x3p1``; defaults are left out."""
        written = (
            one.metadata["parameter"].symbol + _written(getattr(self, one.name))
            for one in fields(self)
            if one.default is MISSING or getattr(self, one.name) != one.default
        )
        return f"'{''.join(written)}'" if self.quoted else self.word + "".join(written)

    @classmethod
    def parameters(cls) -> Mapping[str, Parameter]:
        """Give the declared parameters by name, in order."""
        return _declared(cls)

    def to_dict(self) -> dict[str, Value]:
        """Give the JSON form, every default filled in."""
        return {"kind": self.kind} | {name: getattr(self, name) for name in self.parameters()}

    def does_nothing(self) -> bool:
        """Whether the canonical form drops this part."""
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
def _declared(kind: type[Part]) -> Mapping[str, Parameter]:
    # Kept, since every part that is made asks for it.
    return MappingProxyType({one.name: one.metadata["parameter"] for one in fields(kind)})


def _written(value: Value) -> str:
    return repr(value).removesuffix(".0") if isinstance(value, float) else str(value)
