"""Ablations and variations: the children that a design could have.

What cannot be trained is not dropped: its proposal says why.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from random import Random

from remap_ray.errors import InvalidRequest
from remap_ray.space.chain import Space
from remap_ray.space.design import Design
from remap_ray.space.edit import (
    NAMES,
    Edit,
    Prepend,
    Proposal,
    Remove,
    Reparameterize,
    Replace,
    apply,
    describe,
    inverse,
)
from remap_ray.space.limits import Limits
from remap_ray.space.model_space import ModelSpace
from remap_ray.space.part import Part, Value
from remap_ray.space.script import difference

__all__ = [
    "NAMES",
    "Edit",
    "Prepend",
    "Proposal",
    "Remove",
    "Reparameterize",
    "Replace",
    "ablations",
    "apply",
    "describe",
    "difference",
    "handcrafted",
    "inverse",
    "variations",
]

ATTEMPTS = 200
"""Draws of one child before its last problem is told instead."""

FEWER = 20
"""The same once a child could not be found, so that a page is not kept waiting."""

Known = Mapping[str, int]
"""Numbers of the models that the study has, by identity."""

Allowed = Mapping[int, Collection[str]]
"""Types of edits (the names in `NAMES`) that may happen at each position."""


def ablations(
    architecture: Design,
    layers: Collection[int] | None = None,
    limits: Limits | None = None,
    known: Known | None = None,
    fixed: Collection[int] = (),
) -> tuple[Proposal, ...]:
    """Propose one child for each layer, with that layer removed.

    Parameters
    ----------
    layers
        Zero-based indices; all that can be removed by default. The output layer is none of them.
    limits, known
        What a child must keep, and what need not be trained again.
    fixed
        Indices of layers that must stay as they are.

    Raises
    ------
    InvalidRequest
        A layer that is not there is to stay fixed.

    References
    ----------
    Cashman et al., 2019, section 5.4.
    """
    every = [at for at, part in enumerate(architecture.parts) if "remove" in part.edits]
    chosen = every if layers is None else sorted(set(layers))
    _check_fixed(architecture, fixed)
    proposals = []
    for index in chosen:
        one = apply(architecture, [Remove(index)])
        if index in fixed:
            words = architecture.parts[index].words
            one = replace(one, problem=f"{words} at {index} is to stay fixed", fault=None)
        proposals.append(one)
    return _judged(proposals, limits, known or {})


def variations(
    architecture: Design,
    count: int,
    changes: tuple[int, int] = (1, 3),
    allowed: Allowed | None = None,
    limits: Limits | None = None,
    seed: int = 0,
    known: Known | None = None,
    space: ModelSpace | None = None,
    fixed: Collection[int] = (),
) -> tuple[Proposal, ...]:
    """Propose random neighbours of a network.

    Each child gets a number of changes drawn from ``changes``. For each change a
    position is drawn, then a type of edit allowed there. A new layer follows the
    transitions of its predecessor in the child, and fits where it stands.

    Parameters
    ----------
    count
        How many children.
    changes
        Fewest and most changes of a child, both included.
    allowed
        By position (n is the output layer's, before which something can be put) the
        types allowed: ``remove``, ``replace``, ``prepend``, ``reparameterize``. None
        allows everything everywhere; a position that is left out allows nothing.
    limits, known
        What a child must keep, and what need not be trained again.
    seed
        The same seed gives the same children.
    space
        Whose transitions and grids are used; the paper's by default.
    fixed
        Indices of layers that must stay as they are; others may be put before them.

    Returns
    -------
    tuple of Proposal
        ``count`` of them, all different; where no further child is found, the last
        attempt with its problem.

    Raises
    ------
    InvalidRequest
        A negative count, an empty range of changes, or an unknown type, position or fixed layer.

    References
    ----------
    Cashman et al., 2019, section 5.4.
    """
    _check(architecture, count, changes, allowed)
    _check_fixed(architecture, fixed)
    rng = Random(seed)
    space = space or Space.named("paper")
    where = _where(architecture, allowed, space, fixed)
    found: list[Proposal] = []
    attempts = ATTEMPTS if where else 0
    for _ in range(count):
        proposal = Proposal(None, (), "", "nothing may be changed: every edit is forbidden")
        for _ in range(attempts):
            edits = _draw_edits(architecture, rng.randint(*changes), where, space, rng)
            attempt = apply(architecture, edits)
            if len(edits) < changes[0]:
                short = f"only {len(edits)} of at least {changes[0]} changes can be made here"
                attempt = replace(attempt, problem=short)
            *_, proposal = _judged([*found, attempt], limits, known or {})
            if proposal.problem is None:
                break
        else:
            attempts = min(attempts, FEWER)
        found.append(proposal)
    return tuple(found)


def handcrafted(
    architecture: Design,
    edits: Sequence[Edit],
    limits: Limits | None = None,
    known: Known | None = None,
) -> Proposal:
    """Propose the child that edits made by hand lead to, as `apply` does.

    Parameters
    ----------
    architecture
        What they start from; one without layers to start from nothing.
    edits
        With any legal values, not those of a grid alone.
    limits, known
        What a child must keep, and what need not be trained again.

    References
    ----------
    Cashman et al., 2019, section 5.4.
    """
    (proposal,) = _judged([apply(architecture, edits)], limits, known or {})
    return proposal


def _judged(
    proposals: Sequence[Proposal], limits: Limits | None, known: Known
) -> tuple[Proposal, ...]:
    """Add to each proposal the first reason, if any, why it need not be trained."""
    judged: list[Proposal] = []
    first: dict[str, int] = {}
    for place, one in enumerate(proposals):
        if one.problem is not None or one.architecture is None:
            judged.append(one)
            continue
        identity = one.architecture.identity
        problem = limits.problem(one.architecture) if limits else None
        if identity in known:
            problem = f"already model m{known[identity]}"
        elif identity in first:
            problem = f"same as proposal {first[identity]}"
        first.setdefault(identity, place)
        judged.append(replace(one, problem=problem))
    return tuple(judged)


def _check(
    architecture: Design, count: int, changes: tuple[int, int], allowed: Allowed | None
) -> None:
    if count < 0:
        raise InvalidRequest(f"the number of variations must not be negative, not {count}")
    if not 1 <= changes[0] <= changes[1]:
        raise InvalidRequest(f"changes must be a range from at least 1, not {changes}")
    last = len(architecture.parts)
    for index, types in (allowed or {}).items():
        if not 0 <= index <= last:
            raise InvalidRequest(f"there is no layer {index}; positions go from 0 to {last}")
        for name in types:
            if name not in NAMES:
                raise InvalidRequest(f"unknown edit {name!r}; known are {', '.join(NAMES)}")


def _check_fixed(architecture: Design, fixed: Collection[int]) -> None:
    for index in fixed:
        if not 0 <= index < len(architecture.parts):
            raise InvalidRequest(
                f"there is no layer {index} to stay fixed; there are {len(architecture.parts)}"
            )


def _where(
    architecture: Design, allowed: Allowed | None, space: ModelSpace, fixed: Collection[int]
) -> dict[int, tuple[str, ...]]:
    """Give the types of edits that can happen at each position that has any."""
    last = len(architecture.parts)
    where: dict[int, tuple[str, ...]] = {}
    for index in range(last + 1):
        part = architecture.output if index == last else architecture.parts[index]
        types = set(NAMES if allowed is None else allowed.get(index, ())) & part.edits
        if index == last or index in fixed:
            types &= {"prepend"}
        elif not _choices(architecture.parts[index], space):
            types -= {"reparameterize"}
        if types:
            where[index] = tuple(name for name in NAMES if name in types)
    return where


def _choices(layer: Part, space: ModelSpace) -> list[tuple[str, Value]]:
    """Give every other value that a layer's parameters could take in the space's grids."""
    grid = space.grids.get(layer.kind, {})
    return [
        (name, value)
        for name, values in grid.items()
        for value in values
        if value != getattr(layer, name)
    ]


def _draw_edits(
    architecture: Design,
    changes: int,
    where: Mapping[int, tuple[str, ...]],
    space: ModelSpace,
    rng: Random,
) -> tuple[Edit, ...]:
    edits: list[Edit] = []
    # From front to back: when a new layer is drawn, all that comes before it is settled.
    for index, name in sorted(_draw_plan(changes, where, rng), key=_from_front):
        edit = _draw_edit(architecture, edits, index, name, space, rng)
        if edit is not None:
            edits.append(edit)
    return tuple(edits)


def _draw_plan(
    changes: int, where: Mapping[int, tuple[str, ...]], rng: Random
) -> list[tuple[int, str]]:
    """Draw where something changes and how; fewer than ``changes`` where no more are open."""
    plan: list[tuple[int, str]] = []
    touched: set[int] = set()
    for _ in range(changes):
        # A layer changes once; before it, anything may be put as often as drawn.
        open_types = {
            index: tuple(name for name in types if index not in touched or name == "prepend")
            for index, types in where.items()
        }
        places = [index for index, types in open_types.items() if types]
        if not places:
            break
        index = rng.choice(places)
        name = rng.choice(open_types[index])
        plan.append((index, name))
        if name != "prepend":
            touched.add(index)
    return plan


def _from_front(change: tuple[int, str]) -> tuple[int, bool]:
    index, name = change
    return index, name != "prepend"


def _draw_edit(
    architecture: Design,
    edits: list[Edit],
    index: int,
    name: str,
    space: ModelSpace,
    rng: Random,
) -> Edit | None:
    if name == "remove":
        return Remove(index)
    if name == "reparameterize":
        choices = _choices(architecture.parts[index], space)
        parameters = sorted({parameter for parameter, _ in choices})
        parameter = rng.choice(parameters)
        value = rng.choice([value for one, value in choices if one == parameter])
        return Reparameterize(index, parameter, value)
    part = space.new_part(rng, architecture, edits, index, name)
    if part is None:
        return None
    if name == "replace":
        return Replace(index, part)
    return Prepend(space.place(architecture, part, index), part)
