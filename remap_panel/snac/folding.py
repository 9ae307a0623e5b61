"""Which layers of a chip repeat, so that they are drawn once with a count. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

from remap_ray.space import Part

__all__ = ["LEAST", "Run", "runs"]

LEAST = 2
"""Blocks that a fold must save: a pair of layers is read more quickly than a count."""


@final
@dataclass(frozen=True)
class Run:
    """Layers that repeat: ``unit`` layers from ``start`` on, ``times`` times in a row."""

    start: int
    unit: int
    times: int

    @property
    def end(self) -> int:
        """The layer after the run."""
        return self.start + self.unit * self.times

    @property
    def saved(self) -> int:
        """How many blocks need not be drawn."""
        return self.unit * (self.times - 1)


def runs(layers: Sequence[Part]) -> tuple[Run, ...]:
    """Give the runs of equal layers that leave the fewest blocks to draw, in order.

    Layers are equal with all their parameters; runs neither overlap nor nest. Of foldings that
    leave as few blocks, it is the one with the fewest runs, then the one that folds first.
    """
    count = len(layers)
    # By the first layer: blocks saved, runs needed (negated), and the run that starts there.
    best: list[tuple[int, int, Run | None]] = [(0, 0, None)] * (count + 1)
    for start in range(count - 1, -1, -1):
        saved, needed, _ = best[start + 1]
        found: tuple[int, int, Run | None] = (saved, needed, None)
        for unit in range(1, (count - start) // 2 + 1):
            times = 1
            while (
                layers[start : start + unit]
                == layers[start + times * unit : start + (times + 1) * unit]
            ):
                times += 1
                run = Run(start, unit, times)
                saved, needed, _ = best[run.end]
                if run.saved >= LEAST and (saved + run.saved, needed - 1) >= found[:2]:
                    found = (saved + run.saved, needed - 1, run)
        best[start] = found
    made, at = [], 0
    while at < count:
        chosen = best[at][2]
        at += 1
        if chosen is not None:
            made.append(chosen)
            at = chosen.end
    return tuple(made)
