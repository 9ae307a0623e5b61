"""What a layer kind declares: `Layer`, and the shapes that pass through it.

Shapes are tuples without the batch dimension: ``(channels, height, width)`` for
an image and ``(units,)`` once a network is flat.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from remap_ray.space.part import LARGEST, Parameter, Part, Shape, Value, whole

__all__ = ["LARGEST", "Layer", "Parameter", "Shape", "Value", "whole"]


@dataclass(frozen=True)
class Layer(Part):
    """One layer of a network: a part with a shape that leaves it and a cost."""

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
