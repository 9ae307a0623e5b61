"""Two trainers of one thread or one of two, and channels_last or not: by turns, on this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from statistics import median

import torch
from torch.nn.functional import cross_entropy

from remap_ray.training.network import build
from remap_ray.training.tensors import Prepared
from tests.benchmarks.report import Table, quantity
from tests.benchmarks.timing import ratio, seconds_in_turn
from tests.benchmarks.trainer import digits, network, noise

__all__ = ["measure"]

BATCH = 256
DATA: dict[str, Prepared] = {}
"""What a process of this benchmark has loaded, by name."""


def measure(quick: bool) -> Table:
    """Let as many processes as there are cores train, or one with as many threads."""
    rounds, passes = (1, 1) if quick else (7, 8)
    cores = len(os.sched_getaffinity(0))
    count = 512 if quick else 2_560
    spawn = get_context("spawn")
    rows = []
    with ProcessPoolExecutor(cores, mp_context=spawn) as processes:
        for name, shape in ((f"made up, {count:,}", "28 x 28"), ("digits", "8 x 8")):
            size = count if name != "digits" else 0
            ways = {
                f"{many} x {threads}, {'channels_last' if last else 'standard'}": _way(
                    processes, many, threads, size, passes, channels_last=last
                )
                for many, threads in ((cores, 1), (1, cores))
                for last in (True, False)
            }
            seconds = seconds_in_turn(ways, rounds)
            samples = cores * passes * (size or len(digits().train))
            (first, *_) = ways
            for way, took in seconds.items():
                quicker = [base / one for base, one in zip(seconds[first], took, strict=True)]
                speed = quantity(samples / median(took))
                rows.append((f"{shape}, {name}", way, speed, ratio(quicker)))
    return Table(
        f"Passes over the training part with batches of {BATCH}, as many in all for every way: "
        f"{cores} processes of one thread at the same time, or one after another in one process of "
        f"{cores} threads; in the memory format channels_last, as REMAP trains, or PyTorch's "
        "standard. In seconds of the wall, so on an idle machine only. The ratio is the speed over "
        "the first row's of the same images.",
        ("images", "processes x threads, format", "samples/s", "ratio"),
        tuple(rows),
    )


def _way(
    processes: ProcessPoolExecutor,
    many: int,
    threads: int,
    size: int,
    passes: int,
    *,
    channels_last: bool,
) -> Callable[[], float]:
    def run() -> float:
        # All of them load and build first; what counts is from the first start to the last end.
        each = passes * (1 if many > 1 else threads)
        running = [
            processes.submit(_train, size, threads, each, channels_last) for _ in range(many)
        ]
        spans = [one.result() for one in running]
        return max(end for _, end in spans) - min(start for start, _ in spans)

    return run


def _train(size: int, threads: int, passes: int, channels_last: bool) -> tuple[float, float]:
    torch.set_num_threads(threads)
    key = str(size)
    if key not in DATA:
        DATA[key] = noise(size) if size else digits()
    data = DATA[key]
    images, labels = data.train.images, data.train.labels
    shape = (int(images.shape[1]), int(images.shape[2]), int(images.shape[3]))
    one = build(network(shape, data.classes), seed=0)
    kind = torch.channels_last if channels_last else torch.contiguous_format
    one.to(memory_format=kind)
    images = images.contiguous(memory_format=kind)
    optimizer = torch.optim.Adam(one.parameters())
    start = time.monotonic()
    for _ in range(passes):
        for indices in torch.randperm(len(labels)).split(BATCH):
            taken = images[indices].contiguous(memory_format=kind)
            loss = cross_entropy(one(taken), labels[indices])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return start, time.monotonic()
