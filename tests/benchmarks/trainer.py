"""Samples per second of the trainer, against a bare hand-written loop."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from statistics import median
from time import process_time

import numpy as np
import torch

from remap_ray.recipe import Recipe
from remap_ray.space import Activation, Architecture, Conv, Dense, MaxPool
from remap_ray.training import datasets
from remap_ray.training.network import build
from remap_ray.training.task import Task, Trained
from remap_ray.training.tensors import Prepared, prepare
from remap_ray.training.trainer import train
from tests.benchmarks.plain_training import train_plainly
from tests.benchmarks.report import Table, quantity
from tests.benchmarks.timing import seconds_in_turn, speed_ratio, timed

__all__ = ["digits", "gemm_peak", "measure", "network", "noise", "one_thread"]

RELU = Activation("relu")
LAYERS = (
    Conv(16, 3, padding=1),
    RELU,
    MaxPool(2),
    Conv(32, 3, padding=1),
    RELU,
    MaxPool(2),
    Dense(64),
    RELU,
)


@dataclass(frozen=True)
class Images:
    """A part of a data set: images (N, C, H, W) and labels (N,)."""

    images: np.ndarray
    labels: np.ndarray


def measure(quick: bool) -> Table:
    """Time both on made-up images of Fashion-MNIST's size and on digits, with one thread."""
    rounds, epochs = (1, (1, 1)) if quick else (45, (2, 10))
    large, small = noise(512 if quick else 2_560), digits()
    with one_thread():
        peak = gemm_peak(256 if quick else 2_048)
        rows = (
            _row("28 x 28, made up", large, 256, epochs[0], rounds, peak),
            _row("28 x 28, made up", large, 32, epochs[0], rounds, peak),
            _row("8 x 8, digits", small, 256, epochs[1], rounds, peak),
            _row("8 x 8, digits", small, 32, epochs[1], rounds, peak),
        )
    return Table(
        "`trainer.train`, with all its events, against a bare loop with the "
        "same settings: float32, channels_last, Adam, a validation after each epoch, on one "
        "thread, in seconds of processor time. The network is "
        f"`{network((1, 28, 28), 10).words}`. The share of the peak takes an item in training for "
        "three times the operations of its forward pass, and holds ours against the "
        f"{quantity(peak / 1e9)} GFLOP/s of a large matrix product (float32) on one thread.",
        (
            "images",
            "in training",
            "epochs",
            "batch",
            "ours, samples/s",
            "plain, samples/s",
            "ratio",
            "of the peak, %",
        ),
        rows,
    )


def network(shape: tuple[int, int, int], classes: int) -> Architecture:
    """Give the network that is trained, for images of a shape."""
    return Architecture(shape, classes, LAYERS)


def noise(count: int, device: str = "cpu") -> Prepared:
    """Make up images of Fashion-MNIST's size."""
    rng = np.random.default_rng(0)
    parts = [
        Images(rng.integers(0, 256, (size, 1, 28, 28), dtype=np.uint8), rng.integers(0, 10, size))
        for size in (count, count // 5)
    ]
    return prepare(*parts, device)


def digits() -> Prepared:
    """Load digits."""
    loaded = datasets.load("digits")
    return prepare(loaded.train, loaded.validation, "cpu")


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread for a while."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def gemm_peak(size: int) -> float:
    """Measure the operations a second of the best of some products of two square matrices."""
    left, right = torch.rand(size, size), torch.rand(size, size)
    product = torch.empty(size, size)
    seconds = []
    for _ in range(8):
        start = process_time()
        torch.mm(left, right, out=product)
        seconds.append(process_time() - start)
    return 2 * size**3 / max(min(seconds), 1e-9)


def _row(
    name: str, data: Prepared, batch_size: int, epochs: int, rounds: int, peak: float
) -> tuple[str, ...]:
    architecture = network(tuple(data.train.images.shape[1:]), data.classes)
    recipe = Recipe(epochs, batch_size)

    def ours() -> None:
        *_, last = train(Task(architecture, recipe, 0, epochs), data, lambda: False)
        assert isinstance(last, Trained)

    def plain() -> None:
        train_plainly(build(architecture, seed=0), data, recipe, epochs)

    seconds = seconds_in_turn(
        {"ours": timed(ours, process_time), "plain": timed(plain, process_time)}, rounds
    )
    samples = epochs * len(data.train)
    return (
        name,
        f"{len(data.train):,}",
        str(epochs),
        str(batch_size),
        quantity(samples / median(seconds["ours"])),
        quantity(samples / median(seconds["plain"])),
        speed_ratio(seconds["ours"], seconds["plain"]),
        quantity(100 * 3 * architecture.flops * samples / median(seconds["ours"]) / peak),
    )
