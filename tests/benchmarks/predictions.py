"""Pairs per second of the prediction distance, against a naive loop."""

from __future__ import annotations

from functools import partial
from statistics import median
from time import process_time

import numpy as np
from numpy.typing import NDArray

from remap_ray.projection import predictions
from tests.benchmarks.report import Table, quantity
from tests.benchmarks.timing import seconds_in_turn, speed_ratio, timed

__all__ = ["measure", "naive_distances"]

Labels = NDArray[np.uint8]


def measure(quick: bool) -> Table:
    """Time both on seeded predictions of models of different skill, and compare the results."""
    models, items, rounds = (40, 1_001, 1) if quick else (1_000, 10_000, 3)
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 10, items, dtype=np.uint8)
    wrong = rng.integers(0, 10, (models, items), dtype=np.uint8)
    right = rng.random((models, items)) < rng.uniform(0.2, 0.95, (models, 1))
    made_up = np.where(right, truth, wrong)

    ours, plain = partial(predictions.distances, made_up), partial(naive_distances, made_up)
    if not np.allclose(ours(), plain(), rtol=0, atol=1e-12):
        raise ArithmeticError("the two prediction distances differ")
    seconds = seconds_in_turn(
        {"ours": timed(ours, process_time), "plain": timed(plain, process_time)}, rounds
    )
    pairs = models * (models - 1) // 2
    return Table(
        "`predictions.distances(rows)` of all models with each other against a loop over the "
        "pairs with `(a != b).mean()`, on one core, in seconds of processor time. Both give the "
        "same distances.",
        ("models", "items", "ours, pairs/s", "plain, pairs/s", "ratio"),
        (
            (
                f"{models:,}",
                f"{items:,}",
                quantity(pairs / median(seconds["ours"])),
                quantity(pairs / median(seconds["plain"])),
                speed_ratio(seconds["ours"], seconds["plain"]),
            ),
        ),
    )


def naive_distances(rows: Labels) -> NDArray[np.float64]:
    """Measure models against each other, uint8 (n, m) to float64 (n, n), pair by pair."""
    found = np.zeros((len(rows), len(rows)))
    for i, one in enumerate(rows):
        for j, other in enumerate(rows[:i]):
            found[i, j] = found[j, i] = (one != other).mean()
    return found
