"""What a network will cost, known before it is trained."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import final

from remap_ray.space.layers import Dense, Layer, Shape

__all__ = ["NUMBER", "Cost", "of"]

NUMBER = 4
"""Bytes of a float32."""


@final
@dataclass(frozen=True)
class Cost:
    """What a network costs, the output layer included.

    Seconds are no part of it: they depend on the machine, and a study tells them from its
    own history.

    Parameters
    ----------
    parameters
        Trainable parameters, as PyTorch counts them.
    multiply_adds
        Of one forward pass of one image, in convolutions and dense layers.
    activation_bytes
        Of all that leaves its modules for one image, as float32. While training, it is
        kept for each image of a batch.
    weights_bytes
        Of the tensors in the file of its weights, which has a header besides: parameters,
        and the running figures of batch normalization.
    """

    parameters: int
    multiply_adds: int
    activation_bytes: int
    weights_bytes: int

    @property
    def flops(self) -> int:
        """Floating-point operations of one forward pass of one image: two per multiply-add."""
        return 2 * self.multiply_adds


def of(input_shape: Shape, layers: Iterable[Layer], classes: int) -> Cost:
    """Add up the cost of layers and of the output layer that follows them."""
    shape = input_shape
    parameters = multiply_adds = activations = running = 0
    for layer in (*layers, Dense(classes)):
        parameters += layer.parameter_count(shape)
        multiply_adds += layer.multiply_adds(shape)
        activations += layer.activations(shape)
        running += layer.running_bytes(shape)
        shape = layer.output(shape)
    return Cost(parameters, multiply_adds, NUMBER * activations, NUMBER * parameters + running)
