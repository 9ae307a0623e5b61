"""Models per minute of ``remap sample`` on a GPU, by the share of it that each model gets."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

import numpy as np
import torch

from remap_ray.study import Status, open_study
from tests.benchmarks.gpu import device_name
from tests.benchmarks.queue import follow, sampled
from tests.benchmarks.report import Table, quantity
from tests.benchmarks.trainer import Images

__all__ = ["measure"]

SHARES = (1, 0.5, 0.25, 0.125)
MOST_PARAMETERS = 100_000


def measure(quick: bool) -> Table:
    """Train the same sampled networks, with a share at a time."""
    models, epochs, images = (2, 1, 600) if quick else (24, 6, 20_000)
    shares = SHARES[1:2] if quick else SHARES
    # Where there is no GPU the trainers are as many, and compute on the processor.
    pretended = () if torch.cuda.is_available() else ("--logical-gpus", "1")
    options = f"--models {models} --epochs {epochs} --max-parameters {MOST_PARAMETERS}"
    rows = []
    with tempfile.TemporaryDirectory(prefix="remap-") as name:
        data = Path(name) / "noise.npz"
        _write(data, images)
        one = 0.0
        for share in shares:
            command = ("--data", str(data), *options.split(), "--gpus-per-model", str(share))
            trained, first, whole = _run(Path(name) / f"study{share}", (*command, *pretended))
            one = one or trained
            rows.append(
                (
                    f"{share:g}",
                    quantity(60 * models / trained),
                    quantity(one / trained),
                    quantity(first),
                    quantity(whole),
                )
            )
    return Table(
        f"`remap sample {options} --gpus-per-model SHARE` on one GPU ({device_name()}), "
        f"{len(os.sched_getaffinity(0))} cores beside it, on {images:,} made-up training images of "
        "28 x 28, once each. Models per minute count from the beginning of the first training to "
        "the end of the last, and are held against the first row's.",
        ("share", "models/min", "to the first", "first training after, s", "whole command, s"),
        tuple(rows),
    )


def _write(path: Path, count: int) -> None:
    rng = np.random.default_rng(0)
    train, validation, test = (
        Images(rng.integers(0, 256, (size, 28, 28), dtype=np.uint8), np.arange(size) % 10)
        for size in (count, count // 5, 10)
    )
    np.savez(
        path,
        x_train=train.images,
        y_train=train.labels,
        x_val=validation.images,
        y_val=validation.labels,
        x_test=test.images,
        y_test=test.labels,
    )


def _run(path: Path, options: tuple[str, ...]) -> tuple[float, float, float]:
    """Give seconds: of all trainings, to the first one's beginning, of the whole command."""
    with sampled(path, options) as one:
        seen, done, _ = follow(path, one)
        ended = one.ended()
    with open_study(path) as study:
        if any(model.status is not Status.DONE for model in study.models()):
            raise RuntimeError(f"{path.with_suffix('.log').read_text(encoding='utf-8')}")
    began = min(epoch.began for epoch in seen)
    return done - began, began - one.began, ended - one.began
