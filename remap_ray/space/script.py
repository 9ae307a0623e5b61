"""The shortest edit script between two designs."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from remap_ray.space.design import Design
from remap_ray.space.edit import (
    Edit,
    Prepend,
    Proposal,
    Remove,
    Reparameterize,
    Replace,
    describe,
)
from remap_ray.space.part import Part

__all__ = ["between", "difference"]

Cost = tuple[int, int]
"""Number of edits; then, among equally short scripts, how much they change."""


def difference(a: Design, b: Design) -> Proposal:
    """Give the fewest edits that turn ``a`` into ``b``, as `apply` takes them.

    Among scripts of the same length one that keeps kinds is preferred: a changed
    parameter over a replaced layer, and that over one of another kind.

    Returns
    -------
    Proposal
        Of ``b``; its ``problem`` says so where no edit can do it, since images or
        classes differ.
    """
    if (a.space, a.input_shape, a.classes) != (b.space, b.input_shape, b.classes):
        problem = (
            f"no edit turns a {a.terms.network} for {a.terms.items} {a.input_shape} and "
            f"{a.classes} classes into one for {b.input_shape} and {b.classes}"
        )
        return Proposal(None, (), "", problem, None, b.parts)
    edits = between(a.parts, b.parts)
    return Proposal(b, edits, describe(a, edits), None, None, b.parts)


def between(old: Sequence[Part], new: Sequence[Part]) -> tuple[Edit, ...]:
    """Give the fewest edits that turn parts into others, whether or not these are a design."""
    # Wagner and Fischer's table of the cheapest way to each pair of prefixes.
    costs: list[list[Cost]] = [[(0, 0)] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in range(len(old) + 1):
        for j in range(len(new) + 1):
            if i or j:
                costs[i][j] = min(cost for cost, _ in _steps(costs, old, new, i, j))
    edits: list[Edit] = []
    i, j = len(old), len(new)
    while i or j:
        _, step = min(_steps(costs, old, new, i, j), key=lambda one: one[0])
        if step == "keep":
            i, j = i - 1, j - 1
            edits.extend(reversed(_change(old[i], new[j], i)))
        elif step == "remove":
            i -= 1
            edits.append(Remove(i))
        else:
            j -= 1
            edits.append(Prepend(i, new[j]))
    return tuple(reversed(edits))


def _steps(
    costs: list[list[Cost]], old: Sequence[Part], new: Sequence[Part], i: int, j: int
) -> list[tuple[Cost, str]]:
    found: list[tuple[Cost, str]] = []
    if i and j:
        found.append((_sum(costs[i - 1][j - 1], _change_cost(old[i - 1], new[j - 1])), "keep"))
    if i:
        found.append((_sum(costs[i - 1][j], (1, 1)), "remove"))
    if j:
        found.append((_sum(costs[i][j - 1], (1, 1)), "prepend"))
    return found


def _sum(a: Cost, b: Cost) -> Cost:
    return a[0] + b[0], a[1] + b[1]


@lru_cache(maxsize=4096)
def _change_cost(old: Part, new: Part) -> Cost:
    if old == new:
        return 0, 0
    if old.kind != new.kind:
        return 1, 2
    return 1, 0 if len(_differing(old, new)) == 1 else 1


def _differing(old: Part, new: Part) -> list[str]:
    return [name for name in old.parameters() if getattr(old, name) != getattr(new, name)]


def _change(old: Part, new: Part, index: int) -> list[Edit]:
    if old == new:
        return []
    # A name is what a part is, and no value of it.
    if old.kind == new.kind and not old.quoted and len(names := _differing(old, new)) == 1:
        return [Reparameterize(index, names[0], getattr(new, names[0]))]
    return [Replace(index, new)]
