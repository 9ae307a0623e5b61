"""Samples of a space of models under limits."""

from __future__ import annotations

from collections.abc import Container, Iterator
from random import Random

from remap_ray.errors import InvalidRequest
from remap_ray.space.design import Design
from remap_ray.space.limits import Limits
from remap_ray.space.model_space import ModelSpace
from remap_ray.space.part import Shape
from remap_ray.space.terms import LAYERS

__all__ = ["sample"]

PATIENCE = 20_000
"""Draws in a row without a new architecture within the limits before `sample` gives up."""


def sample(
    space: ModelSpace,
    rng: Random,
    input_shape: Shape,
    classes: int,
    limits: Limits | None = None,
    known: Container[str] = (),
) -> Iterator[Design]:
    """Draw different designs of ``space`` within ``limits``, without end.

    The same ``rng`` gives the same architectures, and what is ``known`` only leaves
    gaps: the first n of a longer run are the n of a shorter one.

    Parameters
    ----------
    limits
        What each must keep; those of the space by default.
    known
        Identities that are not wanted again.

    Raises
    ------
    InvalidRequest
        For limits that mean nothing in this space, and after `PATIENCE` draws in a row without
        a new architecture within the limits.

    References
    ----------
    Cashman et al., 2019, section 5.3.
    """
    limits = limits or space.limits
    space.check(limits)
    seen: set[str] = set()
    failures = 0
    while failures < PATIENCE:
        drawn = space.walk(rng, input_shape, classes)
        if drawn.identity in seen or limits.problem(drawn):
            failures += 1
            continue
        # One that is known is still new here: a run that goes on gives up where one at once does.
        failures = 0
        seen.add(drawn.identity)
        if drawn.identity not in known:
            yield drawn
    terms = drawn.terms
    parts = f"{terms.parts} or kinds" if terms is LAYERS else f"or {terms.parts}"
    raise InvalidRequest(
        f"space {space.name} gave no further architecture within the limits in {PATIENCE:,} "
        f"draws ({len(seen)} found); allow more {terms.size}, {terms.steps}, {parts}, or ask "
        "for fewer models"
    )
