"""What the things of a model space are called: `Terms`, so that a page speaks of leaves or layers.

The figures themselves have one place each in a study, whatever they count: a model's size, the
steps that one answer takes, its parts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

__all__ = ["LAYERS", "Terms"]


@final
@dataclass(frozen=True)
class Terms:
    """The words of a space.

    Parameters
    ----------
    size, size_short
        What a model's size counts, as in ``1,594 parameters``, and in a narrow column.
    steps, steps_short
        What its work is counted in, in one answer, and in a narrow column.
    work, unit
        The title of its work, and the unit after its number.
    per_step
        How many of ``unit`` one step is.
    part, parts
        What it is made of.
    item, items
        What it labels.
    network
        What a design is called.
    """

    size: str = "parameters"
    size_short: str = "params"
    steps: str = "multiply-adds"
    work: str = "FLOPs per image"
    work_short: str = "FLOPs"
    unit: str = "FLOP"
    per_step: int = 2
    part: str = "layer"
    parts: str = "layers"
    item: str = "image"
    items: str = "images"
    network: str = "network"


LAYERS = Terms()
"""Those of networks that are sequences of layers."""
