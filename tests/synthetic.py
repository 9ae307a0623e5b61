"""Studies made without training, for tests of what reads them.

The architectures are real samples of the paper's space; figures and places are
drawn from a seeded generator.
"""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import numpy as np

from remap_ray.recipe import Recipe
from remap_ray.space import Space, sample
from remap_ray.study import (
    MAPS,
    DataSummary,
    Epoch,
    Holder,
    Layout,
    Lease,
    Placement,
    Study,
    Submission,
    Thumbnail,
    take_lease,
)

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d4948445200000001000000010800000000"
    "3a7e9b550000000a49444154789c6360000000020001e221bc33"
    "0000000049454e44ae426082"
)
CLASSES = tuple(f"class {n}" for n in range(10))


def empty_study(
    path: Path,
    *,
    epochs: int = 3,
    seed: int = 0,
    items: int = 200,
    class_names: tuple[str, ...] = CLASSES,
    **options: object,
) -> Study:
    """Create a study of 8x8 images with no models."""
    labels = np.random.default_rng(seed).integers(0, len(class_names), items).astype(np.uint8)
    data = DataSummary("toy", "toy", (1, 8, 8), class_names, (1000, items, items), "0" * 12)
    thumbnails = [Thumbnail(label, PNG) for label in range(len(class_names))]
    return Study.create(path, data, labels, thumbnails, Recipe(epochs, 32), seed, **options)


def queue_samples(study: Study, count: int, seed: int = 0) -> tuple[int, ...]:
    """Queue ``count`` sampled architectures."""
    shape, classes = study.data.input_shape, len(study.data.class_names)
    drawn = sample(Space.named("paper"), random.Random(seed), shape, classes)
    return study.submit(Submission(one) for one in islice(drawn, count))


def train_falsely(study: Study, lease: Lease, count: int, seed: int = 0) -> tuple[int, ...]:
    """Claim ``count`` models and record drawn epochs, predictions and weights for each."""
    rng = np.random.default_rng(seed)
    numbers = []
    for model in lease.claim(count):
        skill = rng.uniform(0.2, 0.95)
        for epoch in range(1, model.wanted_epochs + 1):
            accuracy = skill * (1 - 0.5**epoch)
            lease.record_epoch(
                Epoch(model.number, epoch, 2.0 / epoch, accuracy, 2.1 / epoch, accuracy, 0.1)
            )
        truth = study.validation_labels
        wrong = rng.integers(0, len(study.data.class_names), len(truth)).astype(np.uint8)
        right = rng.random(len(truth)) < skill
        lease.finish(model.number, np.where(right, truth, wrong).astype(np.uint8), b"weights")
        numbers.append(model.number)
    return tuple(numbers)


def lay_out(lease: Lease, numbers: tuple[int, ...], version: int = 1, seed: int = 0) -> None:
    """Give every model a drawn place on both maps: all but the last by a layout."""
    rng = np.random.default_rng(seed)
    fitted, placed = numbers[:-1], numbers[-1:]
    for name in MAPS:
        points = rng.normal(size=(len(fitted), 2))
        shares = rng.dirichlet(np.ones(len(fitted)))
        lease.record_layout(Layout(name, version, np.array(fitted), points, shares, 0.1))
        for number in placed:
            x, y = rng.normal(size=2)
            lease.record_placement(Placement(name, version, number, float(x), float(y), 0.01))


def full_study(path: Path, done: int = 30, waiting: int = 3, **options: object) -> Study:
    """Create a study with ``done`` trained and mapped models and ``waiting`` queued ones.

    Its lease is released: nobody trains it.
    """
    study = empty_study(path, **options)
    queue_samples(study, done + waiting)
    lease = take_lease(study, Holder.this_process("test"), workers=2)
    numbers = train_falsely(study, lease, done)
    if numbers:
        lay_out(lease, numbers)
    lease.release()
    return study
