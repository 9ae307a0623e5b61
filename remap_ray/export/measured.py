"""How good a model is on the test part, and how quick here: measured once, when it goes home."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from statistics import median
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from remap_ray.errors import DataError
from remap_ray.study import Study
from remap_ray.study.metrics import class_accuracies, confusion_matrix
from remap_ray.training import datasets
from remap_ray.training.tensors import Tensors

__all__ = ["Latency", "Tested", "held_out", "latency", "measured"]

WARM_UP = 20
RUNS = 200
"""Forward passes of one image that the latency is the median of."""


@final
@dataclass(frozen=True, eq=False)
class Tested:
    """What a network does with the test part.

    Parameters
    ----------
    items
        Images of the test part.
    accuracy
        From 0 to 1.
    of_classes
        float64 (classes,): the share of each class that is labelled right.
    confusion
        int64 (classes, classes), rows true.
    """

    items: int
    accuracy: float
    of_classes: NDArray[np.float64]
    confusion: NDArray[np.int64]


@final
@dataclass(frozen=True)
class Latency:
    """Milliseconds of a forward pass of one image on one thread: median and quickest."""

    median: float
    quickest: float
    runs: int


def held_out(study: Study) -> datasets.Part:
    """Load the test part of a study's data.

    Raises
    ------
    DataError
        The data cannot be loaded, or are not those that the study was made with.
    """
    loaded = datasets.load(study.data.source, seed=study.seed)
    if datasets.fingerprint(loaded) != study.data.fingerprint:
        raise DataError(
            f"{study.data.source} holds other data than {study.name} was trained on; put those "
            "back, or export without the test part"
        )
    return loaded.test


def measured(network: nn.Sequential, part: Tensors, classes: int, batch_size: int = 256) -> Tested:
    """Measure a network on a part that it has never seen; images as it sees them."""
    network.eval()
    with torch.inference_mode():
        batches = torch.split(part.images, batch_size)
        predicted = torch.cat([network(images).argmax(1) for images in batches]).cpu().numpy()
    labels = part.labels.cpu().numpy()
    matrix = confusion_matrix(labels, predicted, classes)
    accuracy = float((labels == predicted).mean())
    return Tested(len(labels), accuracy, class_accuracies(matrix), matrix)


def latency(
    network: nn.Sequential, image: torch.Tensor, clock: Callable[[], float] = time.perf_counter
) -> Latency:
    """Time a network on one image (1, C, H, W), on one thread of the processor."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    taken = []
    try:
        with torch.inference_mode():
            for run in range(WARM_UP + RUNS):
                start = clock()
                network(image)
                if run >= WARM_UP:
                    taken.append(1000 * (clock() - start))
    finally:
        torch.set_num_threads(threads)
    return Latency(median(taken), min(taken), RUNS)
