"""One new model among many: its distances and its place, and the memory of both maps."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import islice
from random import Random
from statistics import median
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from remap_ray.projection import otmann, predictions
from remap_ray.projection.columns import Columns
from remap_ray.projection.mds import Layout
from remap_ray.space import Space, sample
from tests.benchmarks.report import Table, quantity
from tests.benchmarks.timing import seconds_in_turn, speed_ratio, timed

__all__ = ["measure", "plain_place"]

Floats: TypeAlias = NDArray[np.float64]

STEPS = 300
"""Steps of the plain placement, as many as scikit-learn's MDS takes at most."""
STARTS = 4


def measure(quick: bool) -> Table:
    """Place one model among 100, 1,000 and 10,000 by either distance."""
    counts, items, rounds = ((60, 120), 1_000, 1) if quick else ((100, 1_000, 10_000), 10_000, 7)
    rows = []
    for count in counts:
        drawn = sample(Space.named("paper"), Random(0), (1, 28, 28), 10)
        *others, new = islice(drawn, count + 1)
        networks = otmann.Networks.of(others)
        features = [otmann.features(one) for one in others]
        held = sum(array.nbytes for array in networks.arrays)
        measured = partial(_structures, features, networks)
        ask = partial(otmann.distances, [new], networks)
        rows.append(_row("structure", count, measured, ask, held, rounds))

        labels = _made_up(count + 1, items)
        ask = partial(predictions.distances, labels[-1:], labels[:-1])
        measured = partial(_predictions, labels[:-1])
        rows.append(_row("predictions", count, measured, ask, labels.nbytes, rounds))
    return Table(
        "One new model: `otmann.distances` or `predictions.distances` (of "
        f"{items:,} items) to all others, prepared before, and `Layout.place`, in seconds of the "
        f"clock on one thread. Plain is a placement by {STEPS} steps of majorization from "
        f"{STARTS} starts, and the ratio is to that; its own stress, summed over the new point's "
        "distances, is told as a share of ours. Memory is what a map keeps of its models "
        "between two of them, and beside it what all pairs would take as float64.",
        (
            "map",
            "models",
            "distances, ms",
            "place, ms",
            "together, ms",
            "plain place, ms",
            "ratio",
            "plain stress / ours",
            "memory, MiB",
            "all pairs, MiB",
        ),
        tuple(rows),
    )


def plain_place(row: Floats, points: Floats) -> Floats:
    """Place one point among fixed ones (n, 2) by its distances (n,), by majorization alone."""
    rng = np.random.default_rng(0)
    found = []
    for start in rng.choice(len(points), STARTS):
        here = points[start] + row.mean() * rng.normal(size=2) / 10
        for _ in range(STEPS):
            across = here - points
            lengths = np.maximum(np.hypot(across[:, 0], across[:, 1]), 1e-12)
            here = (points + across * (row / lengths)[:, None]).mean(axis=0)
        found.append(here)
    return min(found, key=lambda here: stress(here, row, points))


def stress(here: Floats, row: Floats, points: Floats) -> float:
    """Give the raw stress of a point (2,) with its distances (n,) to fixed points (n, 2)."""
    across = here - points
    return float(((np.hypot(across[:, 0], across[:, 1]) - row) ** 2).sum())


def _row(
    name: str,
    count: int,
    some: Callable[[NDArray[np.int64]], Floats],
    ask: Callable[[], Floats],
    held: int,
    rounds: int,
) -> tuple[str, ...]:
    columns = Columns.measured(count, 0, some)
    layout = Layout.fit(np.zeros((0, 0)), 0).refit(columns.array, columns.landmarks)
    row = ask()
    seconds = seconds_in_turn(
        {
            "distances": timed(ask),
            "place": timed(partial(layout.place, row)),
            "both": timed(lambda: layout.place(ask())),
            "plain": timed(partial(plain_place, row[0], layout.points)),
        },
        rounds,
    )
    ours = stress(layout.place(row).points[-1], row[0], layout.points)
    plain = stress(plain_place(row[0], layout.points), row[0], layout.points)
    return (
        name,
        f"{count:,}",
        *(quantity(1000 * median(seconds[one])) for one in ("distances", "place", "both", "plain")),
        speed_ratio(seconds["place"], seconds["plain"]),
        f"{plain / ours:.4f}" if ours else "",
        quantity((columns.array.nbytes + held + layout.points.nbytes) / 2**20),
        quantity(8 * count**2 / 2**20),
    )


def _structures(
    features: list[otmann.Features], networks: otmann.Networks, indices: NDArray[np.int64]
) -> Floats:
    return otmann.distances([features[index] for index in indices], networks)


def _predictions(labels: NDArray[np.uint8], indices: NDArray[np.int64]) -> Floats:
    return predictions.distances(labels[indices], labels)


def _made_up(models: int, items: int) -> NDArray[np.uint8]:
    """Make up predictions of models of different skill."""
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 10, items, dtype=np.uint8)
    found = np.empty((models, items), dtype=np.uint8)
    for one in found:
        wrong = rng.integers(0, 10, items, dtype=np.uint8)
        one[:] = np.where(rng.random(items) < rng.uniform(0.2, 0.95), truth, wrong)
    return found
