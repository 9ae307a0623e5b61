"""Networks of the literature as architectures: what an ``nn.Sequential`` is made of.

Modules are known by the names of their classes and attributes, so that nothing here
imports PyTorch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from math import prod
from typing import Any, NoReturn

from remap_ray.errors import InvalidArchitecture
from remap_ray.space import shapes
from remap_ray.space.layers import (
    Activation,
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    GlobalAvgPool,
    Layer,
    MaxPool,
    Shape,
)

__all__ = ["read"]

Module = Any


class _Unsupported(ValueError):
    """What REMAP has no layer for; caught where the module's place is known."""


def read(network: Module, input_shape: Shape) -> tuple[tuple[Layer, ...], int]:
    """Give the hidden layers of a network and the number of its classes.

    The last module, an ``nn.Linear``, is the output layer.

    Raises
    ------
    InvalidArchitecture
        Naming the first module or setting that no layer stands for, by its place as
        PyTorch names it (``2.0`` is the first in the third).
    """
    if type(network).__name__ != "Sequential":
        raise InvalidArchitecture(
            f"only an nn.Sequential is read, not {type(network).__name__}; put its modules, "
            "in the order in which they are called, into one"
        )
    reader = _Reader(input_shape)
    for place, module in _leaves(network):
        try:
            reader.add(module)
        except _Unsupported as reason:
            said = f"module {place}, {type(module).__name__}: {reason}"
            raise InvalidArchitecture(said) from None
    return reader.end()


def _leaves(network: Module) -> Iterator[tuple[str, Module]]:
    # A module that stands in several places is called in each.
    for place, module in network.named_modules(remove_duplicate=False):
        if type(module).__name__ != "Sequential":
            yield place, module


class _Reader:
    """Takes modules in order and keeps what PyTorch's data and ours would be by then."""

    def __init__(self, input_shape: Shape) -> None:
        self.layers: list[Layer] = []
        self.shape = input_shape
        self.flat = False
        """Whether PyTorch's data is flat: ours is not before the first dense layer."""
        self.ended = False
        self.depthwise: Module | None = None
        """A depthwise convolution that waits for its pointwise one."""
        self.seen: list[Module] = []

    def add(self, module: Module) -> None:
        name = type(module).__name__
        if name not in _READERS:
            _no(f"not supported; supported are {', '.join(_READERS)}")
        if any(one is module for one in self.seen):
            _no("its weights are used in two places")
        if self.depthwise is not None and name != "Conv2d":
            _no("a depthwise convolution (groups) is supported only before a 1x1 convolution")
        if name in _WITH_WEIGHTS:
            self.seen.append(module)
        layer = _READERS[name](self, module)
        if layer is not None:
            self._append(layer)

    def end(self) -> tuple[tuple[Layer, ...], int]:
        last = self.layers.pop() if self.layers else None
        if not isinstance(last, Dense) or self.depthwise is not None:
            raise InvalidArchitecture(
                "the last module must be the output layer, an nn.Linear that gives logits; "
                "a softmax belongs to the loss"
            )
        return tuple(self.layers), last.units

    def _append(self, layer: Layer) -> None:
        if layer.needs_image and self.flat:
            _no("an image is needed, but the data is flat here")
        self.shape = shapes.after(layer, self.shape, len(self.layers))
        self.layers.append(layer)

    def conv(self, module: Module) -> Layer | None:
        _only(module, dilation=(1, 1), padding_mode="zeros")
        self._enters(module.in_channels, "in_channels")
        _with_bias(module)
        kernel, stride = _square(module, "kernel_size"), _square(module, "stride")
        padding = _padding(module, kernel, stride)
        if self.depthwise is not None:
            first, self.depthwise = self.depthwise, None
            if (kernel, stride, padding, module.groups) != (1, 1, 0, 1):
                _no("a depthwise convolution (groups) is supported only before a 1x1 convolution")
            size, step = _square(first, "kernel_size"), _square(first, "stride")
            return DepthwiseConv(module.out_channels, size, step, _padding(first, size, step))
        if module.groups == 1:
            return Conv(module.out_channels, kernel, stride, padding)
        if not module.groups == module.in_channels == module.out_channels:
            _no(f"groups={module.groups} is not supported, only 1 or one for each channel")
        self.depthwise = module
        return None

    def max_pool(self, module: Module) -> Layer:
        _only(module, padding=0, dilation=1, ceil_mode=False, return_indices=False)
        return MaxPool(_square(module, "kernel_size"), _square(module, "stride"))

    def avg_pool(self, module: Module) -> Layer:
        _only(module, padding=0, ceil_mode=False, divisor_override=None)
        return AvgPool(_square(module, "kernel_size"), _square(module, "stride"))

    def adaptive_pool(self, module: Module) -> Layer | None:
        size = _square(module, "output_size")
        if self.flat or not shapes.is_image(self.shape):
            _no("an image is needed, but the data is flat here")
        if size == 1:
            return GlobalAvgPool()
        height, width = self.shape[1:]
        if (height, width) == (size, size):
            return None
        if height != width or height % size:
            _no(f"output_size={size} of an image of {width}x{height} is not supported")
        return AvgPool(height // size, height // size)

    def batch_norm(self, module: Module) -> Layer:
        _only(module, affine=True, track_running_stats=True, eps=1e-5, momentum=0.1)
        is_image = type(module).__name__ == "BatchNorm2d"
        if is_image != shapes.is_image(self.shape) or is_image == self.flat:
            _no(
                "supported are BatchNorm2d of images and BatchNorm1d after a Linear or a "
                "global pool"
            )
        self._enters(module.num_features, "num_features")
        return BatchNorm()

    def linear(self, module: Module) -> Layer:
        if not self.flat:
            _no("a Flatten is needed before it")
        _with_bias(module)
        if module.in_features != prod(self.shape):
            _no(f"in_features is {module.in_features}, but {prod(self.shape)} values come here")
        return Dense(module.out_features)

    def flatten(self, module: Module) -> None:
        _only(module, start_dim=1, end_dim=-1)
        self.flat = True

    def _enters(self, channels: int, name: str) -> None:
        given = self.depthwise.out_channels if self.depthwise is not None else self.shape[0]
        if channels != given:
            _no(f"{name} is {channels}, but {given} channels come here")


_READERS: Mapping[str, Callable[[_Reader, Module], Layer | None]] = {
    "Conv2d": _Reader.conv,
    "MaxPool2d": _Reader.max_pool,
    "AvgPool2d": _Reader.avg_pool,
    "AdaptiveAvgPool2d": _Reader.adaptive_pool,
    "BatchNorm1d": _Reader.batch_norm,
    "BatchNorm2d": _Reader.batch_norm,
    "Linear": _Reader.linear,
    "Flatten": _Reader.flatten,
    "Dropout": lambda _, module: Dropout(module.p),
    "ReLU": lambda _, __: Activation("relu"),
    "Tanh": lambda _, __: Activation("tanh"),
    "Sigmoid": lambda _, __: Activation("sigmoid"),
    "Identity": lambda _, __: None,
}

_WITH_WEIGHTS = ("Conv2d", "BatchNorm1d", "BatchNorm2d", "Linear")


def _no(reason: str) -> NoReturn:
    raise _Unsupported(reason)


def _only(module: Module, **settings: object) -> None:
    for name, wanted in settings.items():
        given = getattr(module, name)
        both = (wanted, wanted)
        if given not in (wanted, both):
            _no(f"{name}={given!r} is not supported, only {wanted!r}")


def _with_bias(module: Module) -> None:
    if module.bias is None:
        _no("bias=False is not supported")


def _square(module: Module, name: str) -> int:
    given = getattr(module, name)
    sides = given if isinstance(given, tuple | list) else (given, given)
    if len(set(sides)) != 1 or not isinstance(sides[0], int):
        _no(f"{name}={given!r} is not supported, only one number for both sides")
    return int(sides[0])


def _padding(module: Module, kernel: int, stride: int) -> int:
    if module.padding == "valid":
        return 0
    if module.padding == "same":
        if kernel % 2 == 0 or stride != 1:
            _no("padding='same' is supported only for odd kernels and a stride of 1")
        return (kernel - 1) // 2
    return _square(module, "padding")
