"""REMAP's work that needs no person looking: studies, models, architectures.

The public door. Names are loaded when they are first asked for, so that
``import remap_ray`` stays quick and loads neither torch nor ray.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from remap_ray.version import VERSION as __version__  # noqa: N811

if TYPE_CHECKING:
    from remap_ray.creation import add_samples, create_study
    from remap_ray.errors import RemapError
    from remap_ray.recipe import Recipe
    from remap_ray.space import (
        Activation,
        Architecture,
        AvgPool,
        BatchNorm,
        Conv,
        Dense,
        DepthwiseConv,
        Dropout,
        GlobalAvgPool,
        Limits,
        MaxPool,
        Space,
    )
    from remap_ray.space.edits import Prepend, Remove, Reparameterize, Replace
    from remap_ray.study import Model, Study, Submission, open_study
    from remap_ray.training.huggingface import from_huggingface

_PLACES = {
    "Activation": "remap_ray.space",
    "Architecture": "remap_ray.space",
    "AvgPool": "remap_ray.space",
    "BatchNorm": "remap_ray.space",
    "Conv": "remap_ray.space",
    "Dense": "remap_ray.space",
    "DepthwiseConv": "remap_ray.space",
    "Dropout": "remap_ray.space",
    "GlobalAvgPool": "remap_ray.space",
    "Limits": "remap_ray.space",
    "MaxPool": "remap_ray.space",
    "Model": "remap_ray.study",
    "Prepend": "remap_ray.space.edits",
    "Recipe": "remap_ray.recipe",
    "RemapError": "remap_ray.errors",
    "Remove": "remap_ray.space.edits",
    "Reparameterize": "remap_ray.space.edits",
    "Replace": "remap_ray.space.edits",
    "Space": "remap_ray.space",
    "Study": "remap_ray.study",
    "Submission": "remap_ray.study",
    "add_samples": "remap_ray.creation",
    "create_study": "remap_ray.creation",
    "from_huggingface": "remap_ray.training.huggingface",
    "open_study": "remap_ray.study",
}

__all__ = [
    "Activation",
    "Architecture",
    "AvgPool",
    "BatchNorm",
    "Conv",
    "Dense",
    "DepthwiseConv",
    "Dropout",
    "GlobalAvgPool",
    "Limits",
    "MaxPool",
    "Model",
    "Prepend",
    "Recipe",
    "RemapError",
    "Remove",
    "Reparameterize",
    "Replace",
    "Space",
    "Study",
    "Submission",
    "__version__",
    "add_samples",
    "create_study",
    "from_huggingface",
    "open_study",
]


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_PLACES[name]), name)


def __dir__() -> list[str]:
    return __all__
