"""From an architecture to its PyTorch network: the only place that knows both."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import torch
from torch import nn

from remap_ray.space import Architecture, Dense, Shape
from remap_ray.space.shapes import is_image

__all__ = ["build"]

_FUNCTIONS: Mapping[str, type[nn.Module]] = {
    "relu": nn.ReLU,
    "tanh": nn.Tanh,
    "sigmoid": nn.Sigmoid,
}

_MODULES: Mapping[str, Callable[[Any, Shape], nn.Module]] = {
    "conv": lambda one, s: nn.Conv2d(s[0], one.filters, one.kernel_size, one.stride, one.padding),
    "depthwise_conv": lambda one, s: nn.Sequential(
        nn.Conv2d(s[0], s[0], one.kernel_size, one.stride, one.padding, groups=s[0]),
        nn.Conv2d(s[0], one.filters, 1),
    ),
    "max_pool": lambda one, _: nn.MaxPool2d(one.size, one.stride),
    "avg_pool": lambda one, _: nn.AvgPool2d(one.size, one.stride),
    "global_avg_pool": lambda _, __: nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    "batch_norm": lambda _, s: (nn.BatchNorm2d if is_image(s) else nn.BatchNorm1d)(s[0]),
    "dense": lambda one, s: nn.Linear(prod(s), one.units),
    "dropout": lambda one, _: nn.Dropout(one.rate),
    "activation": lambda one, _: _FUNCTIONS[one.function](),
}
"""The module of each layer kind, made of the layer and the shape that enters it."""


def build(architecture: Architecture, seed: int | None = None) -> nn.Sequential:
    """Build the network of an architecture, which gives logits.

    Takes images of shape ``(N, *architecture.input_shape)``, float32, and gives logits of
    shape ``(N, architecture.classes)``; the softmax belongs to the loss. Each layer's module
    is named by the layer's zero-based index, so that ``3.weight`` is the weight of layer 3
    (``3.0.weight`` and ``3.1.weight`` where a layer is two modules); besides there are
    ``output`` and, before the first dense layer of an image, ``flatten``. The weights are
    initialised as PyTorch does by default.

    Parameters
    ----------
    architecture
        What to build.
    seed
        Fixes the weights, on every device alike, and leaves PyTorch's global random state as
        it was. With None they are drawn from that state.
    """
    with torch.random.fork_rng(devices=[], enabled=seed is not None):
        if seed is not None:
            torch.default_generator.manual_seed(seed)
        return _modules(architecture)


def _modules(architecture: Architecture) -> nn.Sequential:
    network = nn.Sequential()
    shape = architecture.input_shape
    named = [(str(index), layer) for index, layer in enumerate(architecture.layers)]
    for name, layer in [*named, ("output", Dense(architecture.classes))]:
        if isinstance(layer, Dense) and is_image(shape):
            network.add_module("flatten", nn.Flatten())
        network.add_module(name, _MODULES[layer.kind](layer, shape))
        shape = layer.output(shape)
    return network
