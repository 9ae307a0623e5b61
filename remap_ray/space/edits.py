"""Ablations and variations: the children that a network could have.

What cannot be trained is not dropped: its proposal says why.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from random import Random

from remap_ray.errors import InvalidRequest
from remap_ray.space.architecture import Architecture
from remap_ray.space.chain import STOP, Space
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
from remap_ray.space.layers import Layer, Shape, Value
from remap_ray.space.limits import Limits
from remap_ray.space.script import difference
from remap_ray.space.shapes import is_image

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

REDRAWS = 50
"""Draws of one new layer before its place is given up."""

Known = Mapping[str, int]
"""Numbers of the models that the study has, by identity."""

Allowed = Mapping[int, Collection[str]]
"""Types of edits (the names in `NAMES`) that may happen at each position."""


def ablations(
    architecture: Architecture,
    layers: Collection[int] | None = None,
    limits: Limits | None = None,
    known: Known | None = None,
    fixed: Collection[int] = (),
) -> tuple[Proposal, ...]:
    """Propose one child for each layer, with that layer removed.

    Parameters
    ----------
    layers
        Zero-based indices; all by default. The output layer is none of them.
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
    chosen = range(len(architecture.layers)) if layers is None else sorted(set(layers))
    _check_fixed(architecture, fixed)
    proposals = []
    for index in chosen:
        one = apply(architecture, [Remove(index)])
        if index in fixed:
            words = architecture.layers[index].words
            one = replace(one, problem=f"{words} at {index} is to stay fixed", fault=None)
        proposals.append(one)
    return _judged(proposals, limits, known or {})


def variations(
    architecture: Architecture,
    count: int,
    changes: tuple[int, int] = (1, 3),
    allowed: Allowed | None = None,
    limits: Limits | None = None,
    seed: int = 0,
    known: Known | None = None,
    space: Space | None = None,
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
    architecture: Architecture,
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
    architecture: Architecture, count: int, changes: tuple[int, int], allowed: Allowed | None
) -> None:
    if count < 0:
        raise InvalidRequest(f"the number of variations must not be negative, not {count}")
    if not 1 <= changes[0] <= changes[1]:
        raise InvalidRequest(f"changes must be a range from at least 1, not {changes}")
    last = len(architecture.layers)
    for index, types in (allowed or {}).items():
        if not 0 <= index <= last:
            raise InvalidRequest(f"there is no layer {index}; positions go from 0 to {last}")
        for name in types:
            if name not in NAMES:
                raise InvalidRequest(f"unknown edit {name!r}; known are {', '.join(NAMES)}")


def _check_fixed(architecture: Architecture, fixed: Collection[int]) -> None:
    for index in fixed:
        if not 0 <= index < len(architecture.layers):
            raise InvalidRequest(
                f"there is no layer {index} to stay fixed; there are {len(architecture.layers)}"
            )


def _where(
    architecture: Architecture, allowed: Allowed | None, space: Space, fixed: Collection[int]
) -> dict[int, tuple[str, ...]]:
    """Give the types of edits that can happen at each position that has any."""
    last = len(architecture.layers)
    where: dict[int, tuple[str, ...]] = {}
    for index in range(last + 1):
        types = set(NAMES if allowed is None else allowed.get(index, ()))
        if index == last or index in fixed:
            types &= {"prepend"}
        elif not _choices(architecture.layers[index], space):
            types -= {"reparameterize"}
        if types:
            where[index] = tuple(name for name in NAMES if name in types)
    return where


def _choices(layer: Layer, space: Space) -> list[tuple[str, Value]]:
    """Give every other value that a layer's parameters could take in the space's grids."""
    grid = space.grids.get(layer.kind, {})
    return [
        (name, value)
        for name, values in grid.items()
        for value in values
        if value != getattr(layer, name)
    ]


def _draw_edits(
    architecture: Architecture,
    changes: int,
    where: Mapping[int, tuple[str, ...]],
    space: Space,
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
    architecture: Architecture,
    edits: list[Edit],
    index: int,
    name: str,
    space: Space,
    rng: Random,
) -> Edit | None:
    if name == "remove":
        return Remove(index)
    if name == "reparameterize":
        choices = _choices(architecture.layers[index], space)
        parameters = sorted({parameter for parameter, _ in choices})
        parameter = rng.choice(parameters)
        value = rng.choice([value for one, value in choices if one == parameter])
        return Reparameterize(index, parameter, value)
    layer = _draw_layer(architecture, edits, index, name, space, rng)
    if layer is None:
        return None
    return Replace(index, layer) if name == "replace" else Prepend(index, layer)


def _draw_layer(
    architecture: Architecture,
    edits: list[Edit],
    index: int,
    name: str,
    space: Space,
    rng: Random,
) -> Layer | None:
    """Draw a new layer for a position as it stands after the edits so far."""
    before = _before(architecture, edits, index)
    if before is None:
        return None
    previous, shape, after_dense = before
    row = {
        kind: weight
        for kind, weight in space.row(previous, after_dense).items()
        if kind != STOP and weight
    }
    if not row:
        return None
    old = architecture.layers[index] if name == "replace" else None
    for _ in range(REDRAWS):
        layer = space.draw(rng, row)
        if layer is not None and layer != old and space.fits(layer, shape):
            return layer
    return None


def _before(
    architecture: Architecture, edits: list[Edit], index: int
) -> tuple[Layer | None, Shape, bool] | None:
    """Give the predecessor, the shape and whether it is flat, where a new layer will stand.

    None where the edits so far leave no network up to there.
    """
    earlier = [edit for edit in edits if edit.index < index]
    earlier += [edit for edit in edits if isinstance(edit, Prepend) and edit.index == index]
    head = replace(architecture, layers=architecture.layers[:index])
    outcome = apply(head, earlier).architecture if earlier else head
    if outcome is None:
        return None
    layers = outcome.layers
    shape = outcome.shapes[-1] if layers else outcome.input_shape
    return (layers[-1] if layers else None), shape, not is_image(shape)
