"""The exact solver behind the structural distance, one small problem after another.

Nodes that can be matched at all fall into blocks, so a pair of networks is a few small
transport problems. In most of them one side is a single node, and the cheapest partners are
served first; the others are solved by successive shortest paths, as follows from the theory of
minimum cost flows (Ahuja, Magnanti and Orlin, "Network Flows", 1993, chapter 9). A pair of nodes
is never matched at `NEVER` or more, since leaving both unmatched costs no more than that.

The functions are plain Python that numba can compile, and give the same bits either way: few
pairs are solved as they stand here, which needs no compiler; `compiled` is for many.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from importlib import import_module
from math import sqrt
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from remap_ray.projection.costs import UNMATCHED

__all__ = ["LENGTHS", "MOST_PATHS", "Arrays", "Fill", "compiled", "fill", "is_compiled"]

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]
Arrays: TypeAlias = tuple[NDArray[Any], ...]
Fill: TypeAlias = Callable[..., int]

NEVER = 2 * UNMATCHED

SAME = 1e-12
"""Paths whose costs differ by less are equally long: the rest is rounding."""

MOST_PATHS = 1000
"""Shortest paths per node after which a block is given up. Two per node are rare."""

LENGTHS = 8
"""Path lengths of a node, whose mean absolute difference is the structural cost."""


def fill(  # noqa: PLR0912, PLR0915
    found: Floats,
    rows: Arrays,
    columns: Arrays,
    table: Arrays,
    begin: int,
    end: int,
    same: bool,
    normalized: bool,
    size: int,
    most: int,
    plan: Floats,
) -> int:
    """Measure some rows of networks against all columns.

    The two networks of a pair are always solved in the same order, whoever is the row, so
    that the rounding does not depend on who asks. Equal ones are at distance 0.

    Parameters
    ----------
    found
        float64 (rows, columns), 0 everywhere; takes the distances.
    rows, columns
        As `Networks.arrays`.
    table
        As `Table.arrays`.
    begin, end
        The rows to measure.
    same
        Whether rows and columns are the same networks: each pair is measured once.
    normalized
        Whether to divide by the mass of both.
    size
        Most nodes of one network in one block.
    most
        `MOST_PATHS`.
    plan
        float64 (nodes of the row, nodes of the column), 0 everywhere; takes the matched
        masses of the one pair that is asked for. Without any entry, nothing is kept.

    Returns
    -------
    int
        0, or 1 where a block was given up.
    """
    a_starts, a_blocks, a_masses, a_classes, a_values, a_paths, a_totals = rows
    b_starts, b_blocks, b_masses, b_classes, b_values, b_paths, b_totals = columns
    base, factor, cap = table
    costs, flows = np.empty((size, size)), np.empty((size, size))
    supply, demand = np.empty(size), np.empty(size)
    lengths, parents = np.empty((2, size)), np.empty((2, size), np.int64)
    # All in one: numba hands over an array as its many fields, so that calls for the small
    # steps below would take seven times as long as the steps.
    for one in range(begin, end):
        i0, n = a_starts[one], a_starts[one + 1] - a_starts[one]
        for other in range(one + 1 if same else 0, len(b_totals)):
            j0, m = b_starts[other], b_starts[other + 1] - b_starts[other]
            order = n - m
            if order == 0:
                order = _order(
                    a_classes, a_paths, a_masses, a_values, i0,
                    b_classes, b_paths, b_masses, b_values, j0, n,
                )  # fmt: skip
            if order == 0:
                for k in range(n if plan.size > 0 else 0):
                    plan[k, k] = a_masses[i0 + k]
                continue

            total = 0.0
            for block in range(a_blocks.shape[1] - 1):
                i1, j1 = a_blocks[one, block], b_blocks[other, block]
                p, q = a_blocks[one, block + 1] - i1, b_blocks[other, block + 1] - j1
                if p == 0 or q == 0:
                    for i in range(i1, i1 + p):
                        total += a_masses[i] * UNMATCHED
                    for j in range(j1, j1 + q):
                        total += b_masses[j] * UNMATCHED
                    continue
                for k in range(p):
                    i = i1 + k
                    for h in range(q):
                        j = j1 + h
                        apart = 0
                        for length in range(LENGTHS):
                            apart += abs(a_paths[i, length] - b_paths[j, length])
                        x, y = a_classes[i], b_classes[j]
                        cost = base[x, y] + apart / LENGTHS
                        if factor[x, y] > 0.0:
                            by_value = factor[x, y] * sqrt(abs(a_values[i] - b_values[j]))
                            cost += min(cap[x, y], by_value)
                        if order < 0:
                            costs[k, h] = cost
                        else:
                            costs[h, k] = cost
                if p == 1 and q == 1:
                    # By far the most common block.
                    less, more = min(a_masses[i1], b_masses[j1]), max(a_masses[i1], b_masses[j1])
                    if costs[0, 0] < NEVER:
                        flows[0, 0] = less
                        total += less * costs[0, 0] + (more - less) * UNMATCHED
                    else:
                        flows[0, 0] = 0.0
                        total += (more + less) * UNMATCHED
                else:
                    for k in range(p):
                        supply[k] = a_masses[i1 + k]
                    for h in range(q):
                        demand[h] = b_masses[j1 + h]
                    if order < 0:
                        cost = _match(costs, flows, supply, demand, lengths, parents, p, q, most)
                    else:
                        cost = _match(costs, flows, demand, supply, lengths, parents, q, p, most)
                    if cost < 0.0:
                        return 1
                    total += cost
                for k in range(p if plan.size > 0 else 0):
                    for h in range(q):
                        plan[i1 - i0 + k, j1 - j0 + h] = flows[k, h] if order < 0 else flows[h, k]

            if normalized:
                total = min(total / (a_totals[one] + b_totals[other]), 1.0)
            found[one, other] = total
            if same:
                found[other, one] = total
    return 0


def _order(
    a_classes: Integers,
    a_paths: NDArray[np.int32],
    a_masses: Floats,
    a_values: Floats,
    i0: int,
    b_classes: Integers,
    b_paths: NDArray[np.int32],
    b_masses: Floats,
    b_values: Floats,
    j0: int,
    n: int,
) -> int:
    """Compare two networks of ``n`` nodes: negative, 0 where they are equal, or positive."""
    for k in range(n):
        i, j = i0 + k, j0 + k
        if a_classes[i] != b_classes[j]:
            return -1 if a_classes[i] < b_classes[j] else 1
        if a_paths[i, 0] != b_paths[j, 0]:
            return -1 if a_paths[i, 0] < b_paths[j, 0] else 1
        if a_masses[i] != b_masses[j]:
            return -1 if a_masses[i] < b_masses[j] else 1
        if a_values[i] != b_values[j]:
            return -1 if a_values[i] < b_values[j] else 1
    return 0


def _match(
    costs: Floats,
    flows: Floats,
    supply: Floats,
    demand: Floats,
    lengths: Floats,
    parents: Integers,
    p: int,
    q: int,
    most: int,
) -> float:
    """Match ``p`` with ``q`` nodes at the least cost, which it gives; negative if it gives up.

    What is left over stays in ``supply`` and ``demand``.
    """
    for i in range(p):
        for j in range(q):
            flows[i, j] = 0.0
    if p == 1 or q == 1:
        _serve_cheapest(costs, flows, supply, demand, p, q)
    elif not _solve(costs, flows, supply, demand, lengths, parents, p, q, most):
        return -1.0
    total = 0.0
    for i in range(p):
        total += supply[i] * UNMATCHED
        for j in range(q):
            if flows[i, j] > 0.0:
                total += flows[i, j] * costs[i, j]
    for j in range(q):
        total += demand[j] * UNMATCHED
    return total


def _serve_cheapest(
    costs: Floats, flows: Floats, supply: Floats, demand: Floats, p: int, q: int
) -> None:
    """Match the only node of one side with the cheapest ones of the other side first."""
    while True:
        cheapest, row, column = NEVER, -1, -1
        for i in range(p):
            for j in range(q):
                if supply[i] > 0.0 and demand[j] > 0.0 and costs[i, j] < cheapest:
                    cheapest, row, column = costs[i, j], i, j
        if row < 0:
            return
        amount = min(supply[row], demand[column])
        flows[row, column] += amount
        supply[row] -= amount
        demand[column] -= amount


def _solve(
    costs: Floats,
    flows: Floats,
    supply: Floats,
    demand: Floats,
    lengths: Floats,
    parents: Integers,
    p: int,
    q: int,
    most: int,
) -> bool:
    """Match along shortest paths; gives whether that came to an end."""
    for _ in range(most * (p + q)):
        if not _find_paths(costs, flows, supply, lengths, parents, p, q):
            return False
        shortest, last = NEVER, -1
        for j in range(q):
            if demand[j] > 0.0 and lengths[1, j] < shortest:
                shortest, last = lengths[1, j], j
        if last < 0:
            return True

        amount, j = demand[last], last
        while True:
            i = parents[1, j]
            j = parents[0, i]
            if j < 0:
                amount = min(amount, supply[i])
                break
            amount = min(amount, flows[i, j])
        demand[last] -= amount
        j = last
        while True:
            i = parents[1, j]
            flows[i, j] += amount
            j = parents[0, i]
            if j < 0:
                supply[i] -= amount
                break
            flows[i, j] -= amount
    return False


def _find_paths(
    costs: Floats,
    flows: Floats,
    supply: Floats,
    lengths: Floats,
    parents: Integers,
    p: int,
    q: int,
) -> bool:
    """Find the shortest paths from any supply: forward along all edges, back along used ones.

    Row 0 of ``lengths`` and ``parents`` is of the senders, row 1 of the receivers, and a
    parent is -1 where a path begins. Gives whether that came to an end.
    """
    for i in range(p):
        lengths[0, i] = 0.0 if supply[i] > 0.0 else np.inf
        parents[0, i] = -1
    for j in range(q):
        # Longer paths lead to nothing that pays.
        lengths[1, j] = NEVER
        parents[1, j] = -1
    # No path has more steps than there are nodes.
    for _ in range(p + q):
        shorter = False
        for i in range(p):
            for j in range(q):
                length = lengths[0, i] + costs[i, j]
                if length < lengths[1, j] - SAME:
                    lengths[1, j] = length
                    parents[1, j] = i
        for j in range(q):
            for i in range(p):
                if flows[i, j] > 0.0 and lengths[1, j] < NEVER:
                    length = lengths[1, j] - costs[i, j]
                    if length < lengths[0, i] - SAME:
                        lengths[0, i] = length
                        parents[0, i] = j
                        shorter = True
        if not shorter:
            return True
    return False


@cache
def compiled() -> Fill:
    """Give `fill` as machine code, with the same results.

    The first call in a process loads numba and the code, or makes the code where no earlier
    process has left it: beside this file, else in the user's cache directory. Where neither
    can be written, each process makes its own.
    """
    numba = import_module("numba")
    for part in (_order, _match, _serve_cheapest, _solve, _find_paths):
        numba.extending.register_jitable(part)
    options: dict[str, Any] = {"nogil": True, "error_model": "numpy"}
    try:
        quick: Fill = numba.njit(fill, cache=True, **options)
        _try(quick)
    except (OSError, RuntimeError):
        # numba raises these where it finds no directory for its cache, or a full disk.
        quick = numba.njit(fill, **options)
        _try(quick)
    return quick


def is_compiled() -> bool:
    """Say whether this process has `compiled` the solver already, so that it costs nothing."""
    return compiled.cache_info().currsize > 0


def _try(quick: Fill) -> None:
    """Have the machine code made, for the only types that it is called with."""
    integers, numbers, matrix = np.zeros(1, np.int64), np.zeros(0), np.zeros((0, 0))
    blocks, paths = np.zeros((0, 1), np.int64), np.zeros((0, LENGTHS), np.int32)
    nodes: Arrays = (integers, blocks, numbers, integers, numbers, paths, numbers)
    table: Arrays = (np.zeros((0, 0)),) * 3
    for array in (*nodes, *table):
        array.flags.writeable = False
    quick(matrix, nodes, nodes, table, 0, 0, False, True, 0, MOST_PATHS, matrix)
