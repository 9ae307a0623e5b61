"""Laying a whole map out anew, against scikit-learn's metric MDS."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from functools import partial
from itertools import islice
from random import Random
from statistics import median

import numpy as np
from numpy.typing import NDArray
from sklearn.manifold import MDS

from remap_ray.projection import otmann
from remap_ray.projection.mds import Layout
from remap_ray.space import Space, sample
from tests.benchmarks.report import Table, quantity
from tests.benchmarks.timing import seconds_in_turn, speed_ratio, timed

__all__ = ["measure", "stress"]

Floats = NDArray[np.float64]

GROWN = 0.8
"""Share of the models that the map had before; the others were placed one by one."""


def measure(quick: bool) -> Table:
    """Refit maps of 100, 500 and 2,000 sampled architectures."""
    counts, rounds = ((40, 60), 1) if quick else ((100, 500, 2_000), 3)
    drawn = sample(Space.named("paper"), Random(0), (1, 28, 28), 10)
    true = otmann.distances(list(islice(drawn, counts[-1])))
    return Table(
        "`Layout.refit` of a map of sampled architectures, four fifths of it fitted and the rest "
        "placed one by one, from the distances of all pairs (beyond 1,000 models those to 1,000 "
        "landmarks), against scikit-learn's `MDS` (SMACOF on precomputed distances from the "
        "classical solution, up to 2,000 steps, eps 1e-7), in seconds of processor time on one "
        "core. Stress-1 of all pairs. Memory is the most that Python took beside the distances.",
        (
            "models",
            "ours, s",
            "scikit-learn, s",
            "ratio",
            "stress before",
            "stress, ours",
            "stress, scikit-learn",
            "memory, MiB",
        ),
        tuple(_row(true[:count, :count], rounds if count < 1_000 else 1) for count in counts),
    )


def stress(points: Floats, true: Floats) -> float:
    """Give Kruskal's stress-1 of points (n, 2) over all pairs."""
    inside = np.hypot(*(one[:, None] - one for one in points.T))
    return float(np.sqrt(((inside - true) ** 2).sum() / (inside**2).sum()))


def _row(true: Floats, rounds: int) -> tuple[str, ...]:
    count, first = len(true), int(GROWN * len(true))
    grown = Layout.fit(true[:first, :first], 0)
    for size in range(first, count):
        grown = grown.place(true[size : size + 1, :size])
    ours, plain = partial(grown.refit, true), partial(_scikit_learn, true)
    seconds = seconds_in_turn({"ours": timed(ours), "plain": timed(plain)}, rounds)
    return (
        f"{count:,}",
        quantity(median(seconds["ours"])),
        quantity(median(seconds["plain"])),
        speed_ratio(seconds["ours"], seconds["plain"]),
        f"{stress(grown.points, true):.4f}",
        f"{stress(ours().points, true):.4f}",
        f"{stress(plain(), true):.4f}",
        quantity(_peak(ours) / 2**20),
    )


def _scikit_learn(true: Floats) -> Floats:
    model = MDS(
        metric="precomputed",
        metric_mds=True,
        init="classical_mds",
        n_init=1,
        max_iter=2_000,
        eps=1e-7,
        normalized_stress=False,
    )
    points: Floats = model.fit_transform(true)
    return points


def _peak(run: Callable[[], object]) -> int:
    """Give the most bytes that something takes while it runs."""
    tracemalloc.start()
    try:
        run()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
