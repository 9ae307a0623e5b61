"""The shape of the data after each layer, and why a sequence of layers cannot be a network."""

from __future__ import annotations

from collections.abc import Iterable

from remap_ray.errors import InvalidArchitecture
from remap_ray.space.part import Part, Shape

__all__ = ["after", "infer", "is_image"]


def is_image(shape: Shape) -> bool:
    """Whether the data still has height and width."""
    return len(shape) == 3


def after(layer: Part, shape: Shape, index: int) -> Shape:
    """Give the shape that leaves one layer.

    Parameters
    ----------
    layer
        The layer.
    shape
        What enters it: ``(channels, height, width)`` or ``(units,)``.
    index
        Its zero-based place, for the error.

    Raises
    ------
    InvalidArchitecture
        Naming the layer and the reason, such as
        ``layer 5, MaxPool(5): the image is only 3x3 here``.
    """
    if layer.needs_image and not is_image(shape):
        reason = "an image is needed, but a Dense or GlobalAvgPool before it made the data flat"
        raise InvalidArchitecture(f"{layer.words}: {reason}", index)
    try:
        return layer.output(shape)
    except ValueError as reason:
        raise InvalidArchitecture(f"{layer.words}: {reason}", index) from None


def infer(input_shape: Shape, layers: Iterable[Part]) -> tuple[Shape, ...]:
    """Give the shape after each layer, in order; the implied output layer is not among them.

    Raises
    ------
    InvalidArchitecture
        At the first layer that cannot stand where it stands.
    """
    shape, shapes = input_shape, []
    for index, layer in enumerate(layers):
        shape = after(layer, shape, index)
        shapes.append(shape)
    return tuple(shapes)
