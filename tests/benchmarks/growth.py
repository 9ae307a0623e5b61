"""A map that grows one by one, against one full fit at every size on the way."""

from __future__ import annotations

from itertools import islice
from random import Random

import numpy as np
from numpy.typing import NDArray

from remap_ray.projection import otmann, predictions
from remap_ray.projection.mds import Layout
from remap_ray.space import Space, sample
from tests.benchmarks.report import Table
from tests.projection.digits import predictions_on_digits

__all__ = ["measure"]

Floats = NDArray[np.float64]


def measure(quick: bool) -> Table:
    """Grow maps by the projector's rule, on architectures and on real predictions."""
    first, last = (20, 40) if quick else (50, 500)
    rows = []
    for seed in (0, 1):
        drawn = sample(Space.named("paper"), Random(seed), (1, 28, 28), 10)
        true = otmann.distances(list(islice(drawn, last)))
        rows.append(_row("sampled architectures", seed, true, first))
    true = predictions.distances(predictions_on_digits(last))
    rows.append(_row("predictions of classifiers trained on digits", 0, true, first))
    return Table(
        f"A map of {first} models grows to {last} one by one, refitted where `Layout.weigh` finds "
        "that it pays, against one full fit of the same distances at every size on the way. "
        "Ratios are of stress-1: 1.05 is what was wanted at most.",
        (
            "models",
            "seed",
            "worst ratio",
            "at models",
            "ratio at the end",
            "stress at the end",
            "refits",
            "weighed",
            "last refit at",
        ),
        tuple(rows),
    )


def _row(name: str, seed: int, true: Floats, first: int) -> tuple[str, ...]:
    layout = Layout.fit(true[:first, :first], seed)
    worst, refits, weighed, ratio = (0.0, 0), [], 0, 1.0
    for size in range(first + 1, len(true) + 1):
        layout = layout.place(true[size - 1 : size, : size - 1])
        if layout.due:
            version, layout = layout.version, layout.weigh(true[:size, :size])
            weighed += 1
            if layout.version > version:
                refits.append(size)
        full = Layout.fit(true[:size, :size], seed).stress
        ratio = layout.stress / full if full else 1.0
        worst = max(worst, (ratio, size))
    return (
        name,
        str(seed),
        f"**{worst[0]:.4f}**",
        str(worst[1]),
        f"{ratio:.4f}",
        f"{layout.stress:.4f}",
        str(len(refits)),
        str(weighed),
        str(refits[-1]) if refits else "",
    )
