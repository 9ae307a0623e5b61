"""Pairs per second of the structural distance, against the plain loop over POT."""

from __future__ import annotations

import json
from collections.abc import Callable
from functools import partial
from itertools import islice
from pathlib import Path
from random import Random
from statistics import median
from time import process_time

import numpy as np

from remap_ray.projection import otmann
from remap_ray.projection.costs import DEFAULT, OTMANN_2018, REMAP_2019, CostSet
from remap_ray.space import Architecture, Space, sample
from tests.benchmarks.plain_otmann import plain_distances
from tests.benchmarks.report import Table, quantity
from tests.benchmarks.timing import seconds_in_turn, speed_ratio, timed

__all__ = ["golden", "measure"]

GOLDEN = Path(__file__).parents[1] / "golden"
EXACT = 1e-9


def measure(quick: bool) -> Table:
    """Time both on the golden architectures and on samples, and compare every distance."""
    count, rounds, times = (60, 1, 1) if quick else (500, 3, 10)
    sampled = tuple(islice(sample(Space.named("paper"), Random(0), (1, 28, 28), 10), count))
    sets: list[tuple[str, tuple[Architecture, ...], CostSet, int]] = [
        ("golden, `otmann-2018`", golden("otmann-2018"), OTMANN_2018, times),
        ("golden, `remap-2019`", golden("otmann-remap-2019"), REMAP_2019, times),
        ("sampled from `paper`", sampled, DEFAULT, 1),
    ]
    return Table(
        "`otmann.distances(architectures)`, normalized, against a plain loop (features and label "
        "table prepared once, a numpy cost matrix and one call of POT's `emd_c` per pair), both "
        "from the architectures on, on one core, in seconds of processor time. Pairs are those of "
        f"two different networks, each counted once. All distances agree to {EXACT:g}.",
        (
            "architectures",
            "networks",
            "layers each",
            "ours, pairs/s",
            "plain, pairs/s",
            "ratio",
            "largest difference",
        ),
        tuple(_row(*one, rounds) for one in sets),
    )


def golden(name: str) -> tuple[Architecture, ...]:
    """Load the architectures of a golden file."""
    form = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    return tuple(
        # The distance does not look at the image: a large one fits any layers.
        Architecture.from_dict({"input_shape": [1, 4096, 4096], "classes": 10, "layers": layers})
        for layers in form["architectures"]
    )


def _row(
    name: str, architectures: tuple[Architecture, ...], costs: CostSet, times: int, rounds: int
) -> tuple[str, ...]:
    ours = partial(otmann.distances, architectures, costs=costs)
    plain = partial(plain_distances, architectures, costs)
    largest = float(np.abs(ours() - plain()).max())
    if not largest <= EXACT:
        raise ArithmeticError(f"{name}: the two distances differ by up to {largest:g}")
    seconds = seconds_in_turn(
        {
            "ours": timed(partial(_repeat, ours, times), process_time),
            "plain": timed(partial(_repeat, plain, times), process_time),
        },
        rounds,
    )
    pairs = times * (len(architectures) * (len(architectures) - 1) // 2)
    layers = sum(len(one.layers) for one in architectures) / len(architectures)
    return (
        name,
        str(len(architectures)),
        quantity(layers),
        quantity(pairs / median(seconds["ours"])),
        quantity(pairs / median(seconds["plain"])),
        speed_ratio(seconds["ours"], seconds["plain"]),
        f"{largest:.1g}",
    )


def _repeat(run: Callable[[], object], times: int) -> None:
    for _ in range(times):
        run()
