"""Which networks can exist: layers, architectures, their shapes and how they are sampled.

Pure Python: nothing here imports more than the standard library.
"""

from remap_ray.space.architecture import Architecture
from remap_ray.space.chain import SPACES, Space
from remap_ray.space.cost import Cost
from remap_ray.space.layers import (
    KINDS,
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
from remap_ray.space.limits import Limits
from remap_ray.space.sampling import sample

__all__ = [
    "KINDS",
    "SPACES",
    "Activation",
    "Architecture",
    "AvgPool",
    "BatchNorm",
    "Conv",
    "Cost",
    "Dense",
    "DepthwiseConv",
    "Dropout",
    "GlobalAvgPool",
    "Layer",
    "Limits",
    "MaxPool",
    "Shape",
    "Space",
    "sample",
]
