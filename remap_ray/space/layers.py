"""The layer kinds: each declared once, as a frozen value, and read by all others.

A declaration holds the kind's name in JSON, its name in words, its letter in a
chip, its parameters (legal range, default, sampling grid), its shape rule, its
parameter and multiply-add counts and where it may stand. JSON, the sampler, the
words, the editor and PyTorch's module builder read it from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from math import prod
from typing import final

from remap_ray.errors import InvalidArchitecture
from remap_ray.space.layer import Layer
from remap_ray.space.part import Parameter, Part, Shape, Value, whole

__all__ = [
    "KINDS",
    "Activation",
    "AvgPool",
    "BatchNorm",
    "Conv",
    "Dense",
    "DepthwiseConv",
    "Dropout",
    "GlobalAvgPool",
    "Layer",
    "MaxPool",
    "Parameter",
    "Shape",
    "Value",
    "from_dict",
    "part_from_dict",
]


def _window(shape: Shape, size: int, stride: int, padding: int = 0) -> tuple[int, int]:
    height, width = shape[1] + 2 * padding, shape[2] + 2 * padding
    if min(height, width) < size:
        room = f"{shape[2]}x{shape[1]}" + (f" plus a padding of {padding}" if padding else "")
        raise ValueError(f"the image is only {room} here")
    return (height - size) // stride + 1, (width - size) // stride + 1


@dataclass(frozen=True)
class _Convolution(Layer):
    needs_image = True

    filters: int = whole(None, (16, 32, 64, 128))
    kernel_size: int = whole(None, (1, 3, 5), symbol="x")
    stride: int = whole(1, symbol="s")
    padding: int = whole(0, low=0, symbol="p")

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


@final
@dataclass(frozen=True)
class Conv(_Convolution):
    """A 2-D convolution with a square kernel and a bias."""

    kind = "conv"
    name = "Conv"
    word = "conv"
    letter = "C"

    def parameter_count(self, shape: Shape) -> int:
        return self.filters * (shape[0] * self.kernel_size**2 + 1)

    def multiply_adds(self, shape: Shape) -> int:
        return prod(self.output(shape)) * shape[0] * self.kernel_size**2


@final
@dataclass(frozen=True)
class DepthwiseConv(_Convolution):
    """A depthwise-separable convolution: a kernel per channel, then a 1x1 convolution.

    Both have a bias, and nothing stands between them; stride and padding are the first's.

    References
    ----------
    Howard et al., 2017, MobileNets, section 3.1.
    """

    kind = "depthwise_conv"
    name = "DepthwiseConv"
    word = "depthwise"
    letter = "W"

    def parameter_count(self, shape: Shape) -> int:
        return shape[0] * (self.kernel_size**2 + 1) + self.filters * (shape[0] + 1)

    def multiply_adds(self, shape: Shape) -> int:
        _, height, width = self.output(shape)
        return height * width * shape[0] * (self.kernel_size**2 + self.filters)

    def activations(self, shape: Shape) -> int:
        _, height, width = self.output(shape)
        return height * width * (shape[0] + self.filters)


@dataclass(frozen=True)
class _Pool(Layer):
    needs_image = True

    size: int = whole(None, (5, 3, 2))
    stride: int = whole(2, (2,), symbol="s")

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
    word = "max"
    letter = "M"


@final
@dataclass(frozen=True)
class AvgPool(_Pool):
    """Average over a square window."""

    kind = "avg_pool"
    name = "AvgPool"
    word = "avg"
    letter = "A"


@final
@dataclass(frozen=True)
class GlobalAvgPool(Layer):
    """Average over the whole image, which leaves one number per channel."""

    kind = "global_avg_pool"
    name = "GlobalAvgPool"
    word = "globalavg"
    letter = "G"
    needs_image = True

    @property
    def arguments(self) -> str:
        return ""

    def output(self, shape: Shape) -> Shape:
        return shape[:1]


@final
@dataclass(frozen=True)
class BatchNorm(Layer):
    """Batch normalization, of each channel of an image or of each unit, scaled and shifted."""

    kind = "batch_norm"
    name = "BatchNorm"
    word = "batchnorm"
    letter = "B"

    @property
    def arguments(self) -> str:
        return ""

    def output(self, shape: Shape) -> Shape:
        return shape

    def parameter_count(self, shape: Shape) -> int:
        return 2 * shape[0]

    def running_bytes(self, shape: Shape) -> int:
        # Mean and variance, float32 each, and the number of batches so far, int64.
        return 8 * shape[0] + 8


@final
@dataclass(frozen=True)
class Dense(Layer):
    """A fully connected layer with a bias; an image is flattened before it."""

    kind = "dense"
    name = "Dense"
    word = "dense"
    letter = "D"

    units: int = whole(None, (16, 64, 128, 256))

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
    word = "drop"
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
    word = ""
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
    one.kind: one
    for one in (
        Conv,
        DepthwiseConv,
        MaxPool,
        AvgPool,
        GlobalAvgPool,
        Dense,
        Dropout,
        BatchNorm,
        Activation,
    )
}
"""Every layer kind by its name in JSON."""


def from_dict(layer: object) -> Layer:
    """Make a layer of its JSON form, as `part_from_dict` makes any part."""
    made = part_from_dict(layer, KINDS, "layer")
    assert isinstance(made, Layer)
    return made


def part_from_dict(part: object, known: Mapping[str, type[Part]], noun: str = "part") -> Part:
    """Make a part of its JSON form, out of the kinds that there may be.

    Raises
    ------
    InvalidArchitecture
        Unknown kind, missing, surplus or illegal parameter; the message names it.
    """
    if not isinstance(part, Mapping):
        raise InvalidArchitecture(f"a {noun} must be an object with a kind, not {part!r}")
    kind = part.get("kind")
    if not isinstance(kind, str) or kind not in known:
        raise InvalidArchitecture(f"unknown kind {kind!r}; known are {', '.join(known)}")
    cls = known[kind]
    given = {name: value for name, value in part.items() if name != "kind"}
    if surplus := given.keys() - cls.parameters().keys():
        raise InvalidArchitecture(f"{cls.name} has no parameter {min(surplus, key=str)!r}")
    try:
        return cls(**given)
    except TypeError:
        needed = (one.name for one in fields(cls) if one.default is MISSING)
        missing = [name for name in needed if name not in given]
        raise InvalidArchitecture(f"{cls.name} needs {' and '.join(missing)}") from None
