"""Whether computing in bfloat16 pays where this process trains: measured, not guessed."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import median

import torch
from torch import nn

from remap_ray.space import Activation, Architecture, Conv, Dense
from remap_ray.training.network import build
from remap_ray.training.passes import adam, train_epoch
from remap_ray.training.tensors import Prepared, Tensors

__all__ = ["GAIN", "pays"]

GAIN = 1.1
"""How much quicker bfloat16 must be to be chosen."""

BATCHES, ROUNDS = 3, 3


def pays(
    data: Prepared,
    classes: int,
    batch_size: int,
    clock: Callable[[], float] = time.perf_counter,
) -> bool:
    """Train a small network for some batches each way, by turns, and compare the medians.

    Parameters
    ----------
    data
        Where and on what the study trains.
    classes
        Of the study.
    clock
        Gives seconds.
    """
    part = Tensors(
        data.train.images[: BATCHES * batch_size], data.train.labels[: BATCHES * batch_size]
    )
    shape = tuple(part.images.shape[1:])
    layers = (Conv(16, 3, 1, 1), Activation("relu"), Conv(32, 3, 1, 1), Dense(64))
    architecture = Architecture((shape[0], shape[1], shape[2]), classes, layers)
    took: dict[bool, list[float]] = {False: [], True: []}
    for turn in range(ROUNDS + 1):
        for bfloat16, seconds in took.items():
            network = build(architecture, seed=0)
            network.to(data.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
            spent = _seconds(network, part, batch_size, clock, bfloat16=bfloat16)
            # The first turn makes ready what is made once.
            if turn:
                seconds.append(spent)
    return median(took[False]) >= GAIN * median(took[True])


def _seconds(
    network: nn.Sequential,
    part: Tensors,
    batch_size: int,
    clock: Callable[[], float],
    *,
    bfloat16: bool,
) -> float:
    optimizer = adam(network)
    began = clock()
    # Its figures are numbers: a GPU has been waited for.
    train_epoch(network, optimizer, part, batch_size, 0, lambda: False, bfloat16=bfloat16)
    return clock() - began
