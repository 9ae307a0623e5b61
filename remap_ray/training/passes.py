"""One pass over a part of the data: an epoch of training, or an evaluation."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from remap_ray.training.augmentation import draw
from remap_ray.training.tensors import Tensors, standardizer

__all__ = ["Evaluation", "Figures", "adam", "evaluate", "train_epoch"]

CHECK_EVERY = 32
"""Batches between two looks at the loss; each look waits for the GPU."""


def adam(network: nn.Sequential) -> torch.optim.Adam:
    """Give the optimizer of a network that is where it shall train.

    On a GPU in one kernel for all parameters: most of a small network's batch is the launching of
    kernels. On a CPU as PyTorch does by default.
    """
    on_gpu = next(network.parameters()).device.type == "cuda"
    return torch.optim.Adam(network.parameters(), fused=True if on_gpu else None)


@final
@dataclass(frozen=True)
class Figures:
    """Mean loss per item, not finite where training has diverged, and accuracy from 0 to 1."""

    loss: float
    accuracy: float


@final
@dataclass(frozen=True, eq=False)
class Evaluation:
    """Figures over a whole part, and the class predicted for each item: (N,), uint8."""

    figures: Figures
    predictions: NDArray[np.uint8]


def train_epoch(
    network: nn.Sequential,
    optimizer: torch.optim.Optimizer,
    part: Tensors,
    batch_size: int,
    seed: int,
    stop: Callable[[], bool],
    *,
    bfloat16: bool = False,
    flip: bool = False,
    shift: int = 0,
    channels: Sequence[tuple[float, float]] = (),
) -> Figures | None:
    """Train a network for one epoch, in training mode.

    The order of the items, how they are changed and what dropout leaves out follow from
    ``seed`` alone; PyTorch's global random state is afterwards as it was.

    Parameters
    ----------
    batch_size
        Items per step; the last batch may be smaller. One item left over joins the batch
        before it where the network has batch normalization, which no single value trains.
    stop
        Asked before every batch.
    bfloat16
        Whether the network is computed in bfloat16; losses and weights are float32.
    flip, shift
        How images are changed at random, as `remap_ray.training.augmentation` says.
    channels
        What images are standardized by, as `remap_ray.training.tensors.standardizer` does.

    Returns
    -------
    Figures or None
        Measured while the weights changed, on each batch as the network saw it; with a loss
        that is not finite, of which the epoch may have been cut short. None where it was stopped.
    """
    network.train()
    device = part.labels.device
    # Added up and compared later, all at once: on a GPU each step of that in each batch is a
    # kernel to launch, of which a small network has few of its own.
    loss_sum, losses = 0.0, _Losses()
    predicted = torch.full((len(part),), -1, device=device)
    begin = 0
    standardized = standardizer(channels, device)
    with _seeded(seed, device):
        # Drawn on the CPU: the same order on every device.
        order = torch.randperm(len(part)).to(device)
        changes = draw(len(part), flip=flip, shift=shift).to(device) if flip or shift else None
        for number, indices in enumerate(_batches(order, batch_size, network)):
            if stop():
                return None
            images, labels = part.batch(indices, changes)
            with _computed(device, bfloat16=bfloat16):
                logits = network(standardized(images)).float()
            loss = cross_entropy(logits, labels)
            optimizer.zero_grad()
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
            losses.add(loss.detach(), len(labels))
            torch.argmax(logits.detach(), 1, out=predicted[begin : begin + len(labels)])
            begin += len(labels)
            if number % CHECK_EVERY == 0:
                loss_sum = losses.added_to(loss_sum)
                if not math.isfinite(loss_sum):
                    break
    loss_sum = losses.added_to(loss_sum)
    right = (predicted == part.labels.index_select(0, order)).sum().item()
    return Figures(loss_sum / len(part), right / len(part))


class _Losses:
    """The mean losses of batches, left on their device until they are asked for."""

    def __init__(self) -> None:
        self._means: list[Tensor] = []
        self._counts: list[int] = []

    def add(self, mean: Tensor, count: int) -> None:
        self._means.append(mean)
        self._counts.append(count)

    def added_to(self, total: float) -> float:
        """Add the sum over all items to ``total``, batch by batch; waits for a GPU."""
        means = torch.stack(self._means).tolist() if self._means else []
        for mean, count in zip(means, self._counts, strict=True):
            total += mean * count
        self._means, self._counts = [], []
        return total


@torch.inference_mode()
def evaluate(
    network: nn.Sequential,
    part: Tensors,
    batch_size: int,
    stop: Callable[[], bool],
    *,
    bfloat16: bool = False,
    channels: Sequence[tuple[float, float]] = (),
) -> Evaluation | None:
    """Measure a network over a whole part, in evaluation mode; None where it was stopped.

    Without gradients a batch takes less memory than it does in training.

    Parameters
    ----------
    stop
        Asked before every batch.
    bfloat16, channels
        As the network was trained.
    """
    network.eval()
    device = part.labels.device
    standardized = standardizer(channels, device)
    loss_sum = torch.zeros((), dtype=torch.float64, device=device)
    predictions: list[Tensor] = []
    batches = zip(
        torch.split(part.images, batch_size), torch.split(part.labels, batch_size), strict=True
    )
    for images, labels in batches:
        if stop():
            return None
        with _computed(device, bfloat16=bfloat16):
            logits = network(standardized(images)).float()
        loss_sum += cross_entropy(logits, labels, reduction="sum").double()
        predictions.append(logits.argmax(1))
    predicted = torch.cat(predictions)
    accuracy = int((predicted == part.labels).sum()) / len(part)
    figures = Figures(loss_sum.item() / len(part), accuracy)
    as_bytes: NDArray[Any] = predicted.to(torch.uint8).cpu().numpy()
    return Evaluation(figures, as_bytes)


def _batches(order: Tensor, batch_size: int, network: nn.Sequential) -> Sequence[Tensor]:
    batches = torch.split(order, batch_size)
    norms = (nn.BatchNorm1d, nn.BatchNorm2d)
    alone = len(batches) > 1 and len(batches[-1]) == 1
    if alone and any(isinstance(module, norms) for module in network.modules()):
        return (*batches[:-2], torch.cat(batches[-2:]))
    return batches


def _computed(device: torch.device, *, bfloat16: bool) -> AbstractContextManager[Any]:
    return torch.autocast(device.type, torch.bfloat16) if bfloat16 else nullcontext()


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    on_gpu = device.type == "cuda"
    deterministic = torch.backends.cudnn.deterministic
    with torch.random.fork_rng(devices=[device] if on_gpu else []):
        torch.default_generator.manual_seed(seed)
        if on_gpu:
            torch.cuda.default_generators[device.index].manual_seed(seed)
        torch.backends.cudnn.deterministic = True
        try:
            yield
        finally:
            torch.backends.cudnn.deterministic = deterministic
