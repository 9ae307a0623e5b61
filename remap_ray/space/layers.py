"""The layer kinds: each declared once, as a frozen value, and read by all others.

A declaration holds the kind's name in JSON, its name in words, its letter in a
chip, its parameters (legal range, default, sampling grid), its shape rule, its
parameter and multiply-add counts and where it may stand. JSON, the sampler, the
words, the editor and PyTorch's module builder read it from here.

Shapes are tuples without the batch dimension: ``(channels, height, width)`` for
an image and ``(units,)`` once a network is flat.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from math import prod
from typing import Any, ClassVar, final

from remap_ray.errors import InvalidArchitecture

__all__ = [
    "KINDS",
    "Activation",
    "AvgPool",
    "Conv",
    "Dense",
    "Dropout",
    "Layer",
    "MaxPool",
    "Parameter",
    "Shape",
    "from_dict",
]

Shape = tuple[int, ...]
Value = int | float | str

LARGEST = 65_536
"""Upper end of every whole-number parameter: far above use, far below overflow."""


@final
@dataclass(frozen=True)
class Parameter:
    """What one parameter of a layer kind may be.

    Either ``choices`` is given (a word out of a list), or ``low`` and ``high``
    (a number, both ends legal).
    """

    type: type[int | float | str]
    grid: tuple[Value, ...] = ()
    low: float = 0
    high: float = 0
    choices: tuple[str, ...] = ()

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


def _whole(default: int | None, grid: tuple[int, ...] = (), low: int = 1) -> Any:
    declared = {"parameter": Parameter(int, grid, low, LARGEST)}
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
        """What stands in the parentheses of its words, such as ``16, 3x3``."""

    def parameter_count(self, shape: Shape) -> int:
        """Count the trainable parameters for an input of ``shape``."""
        return 0

    def multiply_adds(self, shape: Shape) -> int:
        """Count the multiply-adds for one item of ``shape``: convolutions and dense layers only."""
        return 0

    @property
    def window(self) -> int:
        """Width of the square window over the image, 0 where the layer has none."""
        return 0

    @property
    def words(self) -> str:
        """The layer in words, such as ``Conv(16, 3x3)``."""
        return f"{self.name}({self.arguments})"

    @classmethod
    def parameters(cls) -> dict[str, Parameter]:
        """Give the declared parameters by name, in order."""
        return {one.name: one.metadata["parameter"] for one in fields(cls)}

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


def _window(shape: Shape, size: int, stride: int, padding: int = 0) -> tuple[int, int]:
    height, width = shape[1] + 2 * padding, shape[2] + 2 * padding
    if min(height, width) < size:
        room = f"{shape[2]}x{shape[1]}" + (f" plus a padding of {padding}" if padding else "")
        raise ValueError(f"the image is only {room} here")
    return (height - size) // stride + 1, (width - size) // stride + 1


@final
@dataclass(frozen=True)
class Conv(Layer):
    """A 2-D convolution with a square kernel and a bias."""

    kind = "conv"
    name = "Conv"
    letter = "C"
    needs_image = True

    filters: int = _whole(None, (16, 32, 64, 128))
    kernel_size: int = _whole(None, (1, 3, 5))
    stride: int = _whole(1)
    padding: int = _whole(0, low=0)

    @property
    def window(self) -> int:
        return self.kernel_size

    @property
    def arguments(self) -> str:
        text = f"{self.filters}, {self.kernel_size}x{self.kernel_size}"
        text += f", stride {self.stride}" if self.stride != 1 else ""
        return text + (f", padding {self.padding}" if self.padding else "")

    def output(self, shape: Shape) -> Shape:
        return (self.filters, *_window(shape, self.kernel_size, self.stride, self.padding))

    def parameter_count(self, shape: Shape) -> int:
        return self.filters * (shape[0] * self.kernel_size**2 + 1)

    def multiply_adds(self, shape: Shape) -> int:
        return prod(self.output(shape)) * shape[0] * self.kernel_size**2


@dataclass(frozen=True)
class _Pool(Layer):
    needs_image = True

    size: int = _whole(None, (5, 3, 2))
    stride: int = _whole(2, (2,))

    @property
    def window(self) -> int:
        return self.size

    @property
    def arguments(self) -> str:
        return f"{self.size}" + (f", stride {self.stride}" if self.stride != 2 else "")

    def output(self, shape: Shape) -> Shape:
        return (shape[0], *_window(shape, self.size, self.stride))

    def does_nothing(self) -> bool:
        return self.size == 1 and self.stride == 1


@final
@dataclass(frozen=True)
class MaxPool(_Pool):
    """Maximum over a square window."""

    kind = "max_pool"
    name = "MaxPool"
    letter = "M"


@final
@dataclass(frozen=True)
class AvgPool(_Pool):
    """Average over a square window."""

    kind = "avg_pool"
    name = "AvgPool"
    letter = "A"


@final
@dataclass(frozen=True)
class Dense(Layer):
    """A fully connected layer with a bias; an image is flattened before it."""

    kind = "dense"
    name = "Dense"
    letter = "D"

    units: int = _whole(None, (16, 64, 128, 256))

    @property
    def arguments(self) -> str:
        return f"{self.units}"

    def output(self, shape: Shape) -> Shape:
        return (self.units,)

    def parameter_count(self, shape: Shape) -> int:
        return self.units * (prod(shape) + 1)

    def multiply_adds(self, shape: Shape) -> int:
        return self.units * prod(shape)


@final
@dataclass(frozen=True)
class Dropout(Layer):
    """Elementwise dropout while training."""

    kind = "dropout"
    name = "Dropout"
    letter = ""

    rate: float = field(
        metadata={
            "parameter": Parameter(
                float, (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875), low=0.0, high=0.999
            )
        }
    )

    @property
    def arguments(self) -> str:
        return f"{self.rate:g}"

    def output(self, shape: Shape) -> Shape:
        return shape

    def does_nothing(self) -> bool:
        return self.rate == 0


@final
@dataclass(frozen=True)
class Activation(Layer):
    """An elementwise non-linearity."""

    kind = "activation"
    name = "Activation"
    letter = ""

    function: str = field(
        metadata={
            "parameter": Parameter(
                str, ("tanh", "relu", "sigmoid"), choices=("relu", "tanh", "sigmoid")
            )
        }
    )

    @property
    def arguments(self) -> str:
        return self.function

    def output(self, shape: Shape) -> Shape:
        return shape


KINDS: Mapping[str, type[Layer]] = {
    one.kind: one for one in (Conv, MaxPool, AvgPool, Dense, Dropout, Activation)
}
"""Every layer kind by its name in JSON."""


def from_dict(layer: object) -> Layer:
    """Make a layer of its JSON form.

    Raises
    ------
    InvalidArchitecture
        Unknown kind, missing, surplus or illegal parameter; the message names it.
    """
    if not isinstance(layer, Mapping):
        raise InvalidArchitecture(f"a layer must be an object with a kind, not {layer!r}")
    kind = layer.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        raise InvalidArchitecture(f"unknown kind {kind!r}; known are {', '.join(KINDS)}")
    cls = KINDS[kind]
    given = {name: value for name, value in layer.items() if name != "kind"}
    if surplus := given.keys() - cls.parameters().keys():
        raise InvalidArchitecture(f"{cls.name} has no parameter {min(surplus, key=str)!r}")
    try:
        return cls(**given)
    except TypeError:
        needed = (one.name for one in fields(cls) if one.default is MISSING)
        missing = [name for name in needed if name not in given]
        raise InvalidArchitecture(f"{cls.name} needs {' and '.join(missing)}") from None
