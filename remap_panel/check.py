"""What a draft is, as far as it can be told before training: a network, or where it fails."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from remap_panel.draft import Draft
from remap_ray.errors import InvalidArchitecture
from remap_ray.space import Architecture, Design, Limits, Part, Shape
from remap_ray.space.edit import Edit, Prepend, Remove, inverse
from remap_ray.space.edits import Known, handcrafted
from remap_ray.space.script import between
from remap_ray.space.shapes import after

__all__ = ["Check", "check", "shapes_along"]


@final
@dataclass(frozen=True)
class Check:
    """What a draft is, as far as it can be told before training.

    Parameters
    ----------
    architecture
        The network; None where the layers are none.
    problem
        Why it cannot, or need not, be trained; None where it can.
    fault
        Index of the layer at fault, where there is one.
    shapes
        What leaves each layer; empty from the layer at fault on.
    parameters, multiply_adds
        Of the whole network, the output layer included; None where it is none.
    edits, words
        The fewest edits that lead from the baseline to it, and the same in words.
    changed
        By layer, how it differs from the baseline: ``added``, or ``changed``.
    gaps
        Places before which layers of the baseline were taken out.
    """

    architecture: Design | None
    problem: str | None
    fault: int | None
    shapes: tuple[Shape, ...]
    parameters: int | None
    multiply_adds: int | None
    edits: tuple[Edit, ...]
    words: str
    changed: Mapping[int, str]
    gaps: tuple[int, ...]


def check(
    draft: Draft,
    input_shape: Shape,
    classes: int,
    limits: Limits | None = None,
    known: Known | None = None,
    baseline: Design | None = None,
) -> Check:
    """Say what a draft is, what it would cost, and how it differs from its baseline.

    Parameters
    ----------
    draft
        What has been made.
    input_shape, classes
        Of the data.
    limits, known
        What a child must keep, and the numbers of the models that there are, by identity.
    baseline
        What it is compared with; a network without hidden layers where there is none.
    """
    start = baseline or Architecture(input_shape, classes, ())
    edits = between(start.parts, draft.layers)
    proposal = handcrafted(start, edits, limits, known)
    made = proposal.architecture
    problem = proposal.problem
    if problem == "nothing would change" and baseline is None:
        problem = "there is no layer yet"
    back = inverse(start, edits)
    changed = {
        one.index: "added" if isinstance(one, Remove) else "changed"
        for one in back
        if not isinstance(one, Prepend)
    }
    return Check(
        architecture=made,
        problem=problem,
        fault=proposal.fault,
        shapes=shapes_along(input_shape, draft.layers),
        parameters=made.parameter_count if made else None,
        multiply_adds=made.multiply_adds if made else None,
        edits=edits,
        words=proposal.words,
        changed=changed,
        gaps=tuple(sorted({one.index for one in back if isinstance(one, Prepend)})),
    )


def shapes_along(input_shape: Shape, layers: tuple[Part, ...]) -> tuple[Shape, ...]:
    """Give what leaves each layer; empty from the first one on that cannot stand where it does."""
    shapes: list[Shape] = []
    shape = input_shape
    for at, layer in enumerate(layers):
        try:
            shape = after(layer, shape, at)
        except InvalidArchitecture:
            break
        shapes.append(shape)
    return (*shapes, *[()] * (len(layers) - len(shapes)))
