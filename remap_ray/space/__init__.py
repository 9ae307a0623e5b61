"""Which models can exist: layers, architectures, other designs, and how they are sampled.

Pure Python: nothing here imports more than the standard library.
"""

from remap_ray.space.architecture import Architecture
from remap_ray.space.boosting import BoostedTrees
from remap_ray.space.boosting_space import BoostingSpace
from remap_ray.space.chain import SPACES, Space
from remap_ray.space.cost import Cost
from remap_ray.space.design import Design
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
from remap_ray.space.model_space import ModelSpace
from remap_ray.space.part import Part
from remap_ray.space.sampling import sample

__all__ = [
    "KINDS",
    "SPACES",
    "Activation",
    "Architecture",
    "AvgPool",
    "BatchNorm",
    "BoostedTrees",
    "BoostingSpace",
    "Conv",
    "Cost",
    "Dense",
    "DepthwiseConv",
    "Design",
    "Dropout",
    "GlobalAvgPool",
    "Layer",
    "Limits",
    "MaxPool",
    "ModelSpace",
    "Part",
    "Shape",
    "Space",
    "sample",
]
