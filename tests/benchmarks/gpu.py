"""Samples per second of the trainer on a GPU, alone and beside others, against a bare loop."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from functools import partial
from multiprocessing import get_context
from multiprocessing.synchronize import Barrier
from statistics import median

import torch

from remap_ray.recipe import Recipe
from remap_ray.space import Activation, Architecture, BatchNorm, Conv, Dense, Dropout, MaxPool
from remap_ray.space.layers import Layer
from remap_ray.training.network import build
from remap_ray.training.task import Task, Trained
from remap_ray.training.tensors import Prepared
from remap_ray.training.trainer import train
from tests.benchmarks.plain_training import train_plainly
from tests.benchmarks.report import Table, quantity
from tests.benchmarks.timing import ratio, seconds_in_turn, speed_ratio, timed
from tests.benchmarks.trainer import LAYERS, noise, one_thread

__all__ = ["DEEPER", "DENSE", "device_name", "measure"]

RELU = Activation("relu")
DENSE: tuple[Layer, ...] = (Dense(128), RELU, Dense(64), RELU)
DEEPER: tuple[Layer, ...] = (
    *(Conv(32, 3, padding=1), BatchNorm(), RELU),
    *(Conv(32, 3, padding=1), BatchNorm(), RELU, MaxPool(2)),
    *(Conv(64, 3, padding=1), BatchNorm(), RELU, MaxPool(2)),
    *(Dropout(0.25), Dense(128), RELU),
)
NETWORKS: dict[str, tuple[Layer, ...]] = {"dense": DENSE, "small": LAYERS, "deeper": DEEPER}

AT_ONCE = (2, 4)

DATA: dict[int, Prepared] = {}
"""What a process of this benchmark has made up, by its size."""

GATE: list[Barrier] = []
"""Where a process that is one of several waits for the others."""


def device_name() -> str:
    """Name what is measured on: the GPU, or the processor where there is none."""
    return torch.cuda.get_device_name() if torch.cuda.is_available() else "no GPU: the processor"


def measure(quick: bool) -> Table:
    """Time all on made-up images of Fashion-MNIST's size, by the wall."""
    count, rounds = (256, 1) if quick else (10_000, 3)
    batches = (64,) if quick else (64, 128, 256)
    rows = []
    with one_thread(), ExitStack() as stack:
        others = {many: stack.enter_context(_others(many, count)) for many in AT_ONCE}
        for name, layers in NETWORKS.items():
            for batch in batches:
                ways: dict[str, Callable[[], float]] = {
                    "ours": timed(partial(_ours, layers, batch, count)),
                    "plain": timed(partial(_plain, layers, batch, count)),
                    "bfloat16": timed(partial(_ours, layers, batch, count, bfloat16=True)),
                }
                ways |= {
                    str(many): timed(partial(_together, some, many, layers, batch, count))
                    for many, some in others.items()
                }
                seconds = seconds_in_turn(ways, rounds)
                rows.append(_row(name, batch, count, seconds))
    described = "; ".join(
        f"{name}: `{Architecture((1, 28, 28), 10, layers).words}`"
        for name, layers in NETWORKS.items()
    )
    return Table(
        f"On one GPU ({device_name()}): an epoch of `trainer.train`, with all its events, on "
        f"{count:,} made-up images of 28 x 28, in samples per second of the wall, against a bare "
        "loop with the same settings (float32, channels_last, Adam as it comes, the data on the "
        "GPU, a validation); then ours in bfloat16, and as many of ours at once, each in a process "
        f"of its own, all together, and how many times as quick as one that is. {described}.",
        (
            "network",
            "batch",
            "ours",
            "plain",
            "ratio",
            "bfloat16",
            "to float32",
            *(title for many in AT_ONCE for title in (f"{many} at once", "to one")),
        ),
        tuple(rows),
    )


def _row(name: str, batch: int, count: int, seconds: dict[str, list[float]]) -> tuple[str, ...]:
    def speed(way: str, many: int = 1) -> str:
        return quantity(many * count / median(seconds[way]))

    def gain(many: int) -> str:
        both = zip(seconds["ours"], seconds[str(many)], strict=True)
        return ratio([many * one / together for one, together in both])

    return (
        name,
        str(batch),
        speed("ours"),
        speed("plain"),
        speed_ratio(seconds["ours"], seconds["plain"]),
        speed("bfloat16"),
        speed_ratio(seconds["bfloat16"], seconds["ours"]),
        *(cell for many in AT_ONCE for cell in (speed(str(many), many), gain(many))),
    )


def _data(count: int) -> Prepared:
    if count not in DATA:
        DATA[count] = noise(count, "cuda" if torch.cuda.is_available() else "cpu")
    return DATA[count]


def _ours(layers: tuple[Layer, ...], batch: int, count: int, *, bfloat16: bool = False) -> None:
    architecture = Architecture((1, 28, 28), 10, layers)
    task = Task(architecture, Recipe(1, batch), 0, 1, bfloat16=bfloat16)
    *_, last = train(task, _data(count), lambda: False)
    assert isinstance(last, Trained)


def _plain(layers: tuple[Layer, ...], batch: int, count: int) -> None:
    architecture = Architecture((1, 28, 28), 10, layers)
    train_plainly(build(architecture, seed=0), _data(count), Recipe(1, batch), 1)


def _others(many: int, count: int) -> ProcessPoolExecutor:
    spawn = get_context("spawn")
    return ProcessPoolExecutor(
        many, mp_context=spawn, initializer=_join, initargs=(spawn.Barrier(many), count)
    )


def _join(barrier: Barrier, count: int) -> None:
    """Make ready one of several processes; as a trainer that has one CPU."""
    torch.set_num_threads(1)
    _data(count)
    GATE.append(barrier)


def _after_all(layers: tuple[Layer, ...], batch: int, count: int) -> None:
    # Each process has one training, and all begin together.
    GATE[0].wait()
    _ours(layers, batch, count)


def _together(
    processes: ProcessPoolExecutor, many: int, layers: tuple[Layer, ...], batch: int, count: int
) -> None:
    waits = [processes.submit(_after_all, layers, batch, count) for _ in range(many)]
    for one in waits:
        one.result()
