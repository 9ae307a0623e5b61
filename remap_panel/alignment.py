"""Which layers of several architectures stand below each other when they are compared. Pure.

The optimal transport of the structural distance says how much of each layer of one goes to each
layer of the other. Of that, what keeps the order of both is taken: a chip is read from left to
right.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from remap_ray.projection.otmann import Matching, matching
from remap_ray.space import Architecture, Design

__all__ = ["Aligned", "align", "pairs"]


@final
@dataclass(frozen=True)
class Aligned:
    """One architecture in the columns that it shares with others.

    Parameters
    ----------
    columns
        For each column the layer in it, from 0, the output layer after all others; None where
        it stays empty.
    differences
        For each column how it differs from the first architecture: ``added``, ``missing``,
        ``changed`` (another value), ``replaced`` (another kind), or empty where it does not.
    """

    columns: tuple[int | None, ...]
    differences: tuple[str, ...]


def align(architectures: Sequence[Design]) -> tuple[Aligned, ...]:
    """Align architectures with the first of them, each by its transport plan."""
    first, *others = architectures
    found = [_paired(first, other) for other in others]
    count = len(first.parts)
    extra = [_between(pair, count, len(one.parts)) for pair, one in zip(found, others, strict=True)]
    # Before each layer of the first one, as many columns as any other has layers there.
    room = [max((len(gaps[at]) for gaps in extra), default=0) for at in range(count + 1)]
    none: list[list[int]] = [[] for _ in range(count + 1)]
    own = {layer: layer for layer in range(count)}
    return (
        _placed(first, first, own, none, room),
        *(
            _placed(first, other, pair, gaps, room)
            for other, pair, gaps in zip(others, found, extra, strict=True)
        ),
    )


def _paired(first: Design, second: Design) -> dict[int, int]:
    """Give for parts of one design those of another that belong to them."""
    if isinstance(first, Architecture) and isinstance(second, Architecture):
        return dict(pairs(first, second, matching(first, second)))
    # Where order means nothing, parts belong together that are equal, or that each has once.
    mine, theirs = first.parts, second.parts
    once = {one.kind for one in mine if "remove" not in one.edits}
    return {
        i: j
        for i, one in enumerate(mine)
        for j, other in enumerate(theirs)
        if one == other or (one.kind == other.kind and one.kind in once)
    }


def pairs(
    first: Architecture, second: Architecture, found: Matching
) -> tuple[tuple[int, int], ...]:
    """Give the layers of two architectures that belong together, in the order of both.

    Of all ways to pair layers without crossing, it is the one that keeps most of what the
    transport plan moves, each layer's mass counted as a whole.
    """
    sent, received = _mass(found, second=False), _mass(found, second=True)
    rows, columns = len(first.layers), len(second.layers)
    kept = [[0.0] * columns for _ in range(rows)]
    for match in found.matches:
        if 0 <= match.first < rows and 0 <= match.second < columns:
            least = min(sent[match.first], received[match.second])
            kept[match.first][match.second] = match.mass / least
    best = [[0.0] * (columns + 1) for _ in range(rows + 1)]
    for i in range(rows):
        for j in range(columns):
            best[i + 1][j + 1] = max(best[i][j + 1], best[i + 1][j], best[i][j] + kept[i][j])
    chosen, i, j = [], rows, columns
    while i and j:
        share = kept[i - 1][j - 1]
        if share and best[i][j] == best[i - 1][j - 1] + share:
            i, j = i - 1, j - 1
            chosen.append((i, j))
        elif best[i][j] == best[i - 1][j]:
            i -= 1
        else:
            j -= 1
    return tuple(reversed(chosen))


def _mass(found: Matching, *, second: bool) -> dict[int, float]:
    """Give the mass of each node, as the plan tells it."""
    total = dict(found.second_left if second else found.first_left)
    for match in found.matches:
        node = match.second if second else match.first
        total[node] = total.get(node, 0.0) + match.mass
    return total


def _between(pair: dict[int, int], count: int, layers: int) -> list[list[int]]:
    """Give the layers without a partner, by the first one's layer before which they stand."""
    partner = {second: first for first, second in pair.items()}
    gaps: list[list[int]] = [[] for _ in range(count + 1)]
    at = 0
    for layer in range(layers):
        if layer in partner:
            at = partner[layer] + 1
        else:
            gaps[at].append(layer)
    return gaps


def _placed(
    first: Design,
    one: Design,
    pair: dict[int, int],
    gaps: Sequence[Sequence[int]],
    room: Sequence[int],
) -> Aligned:
    columns: list[int | None] = []
    differences: list[str] = []
    for at, wide in enumerate(room):
        added = gaps[at]
        columns += [*added, *([None] * (wide - len(added)))]
        differences += [*(["added"] * len(added)), *([""] * (wide - len(added)))]
        if at < len(first.parts):
            layer = pair.get(at)
            columns.append(layer)
            differences.append(_difference(first, one, at, layer))
    columns.append(len(one.parts))
    differences.append("")
    return Aligned(tuple(columns), tuple(differences))


def _difference(first: Design, one: Design, at: int, layer: int | None) -> str:
    if layer is None:
        return "missing"
    if one.parts[layer] == first.parts[at]:
        return ""
    return "changed" if one.parts[layer].kind == first.parts[at].kind else "replaced"
