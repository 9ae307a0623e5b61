"""Train one network epoch by epoch; stop between batches; go on from a checkpoint."""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable, Iterator

import torch
from torch import Tensor, nn

from remap_ray.errors import InvalidRequest, TrainingFailed
from remap_ray.training import memory
from remap_ray.training.checkpoint import (
    completed,
    restore,
    save_checkpoint,
    save_snapshot,
    save_weights,
    snapshot,
)
from remap_ray.training.network import build
from remap_ray.training.passes import Evaluation, Figures, adam, evaluate, train_epoch
from remap_ray.training.task import Checkpoint, EpochDone, Event, Stopped, Task, Trained
from remap_ray.training.tensors import MOST_CLASSES, Prepared, prepare

__all__ = [
    "Checkpoint",
    "EpochDone",
    "Event",
    "Prepared",
    "Stopped",
    "Task",
    "Trained",
    "prepare",
    "train",
]


def train(
    task: Task,
    data: Prepared,
    stop: Callable[[], bool],
    clock: Callable[[], float] = time.perf_counter,
    checkpoint_seconds: float = 10.0,
) -> Iterator[Event]:
    """Train one network, yielding what happens as it happens.

    After each epoch comes an `EpochDone`, with a `Checkpoint` when enough time has passed;
    last come a `Checkpoint`, unless that epoch's has been sent, and `Trained` or `Stopped`.
    A task whose checkpoint has all its epochs gives `Trained` at once. So does one whose epochs
    gained too little, by the recipe's early stopping; it is then ``early``.

    On a CPU a training that was stopped and resumed ends with the same bits as one that was
    not, on the same machine with the same number of threads. On a GPU this holds as far as
    PyTorch's kernels are deterministic.

    Parameters
    ----------
    data
        What `prepare` gave; the network is trained on its device.
    stop
        Asked before every batch of training and validation; at a stop, what was done of the
        running epoch is lost.
    clock
        Gives seconds.
    checkpoint_seconds
        Least time between two checkpoints, except at the end.

    Raises
    ------
    TrainingFailed
        The data or the checkpoint do not fit the task, the loss is not finite, or memory
        runs out.
    """
    _check(task, data)
    start = 0
    if task.checkpoint is not None:
        start = completed(task.checkpoint, task.network, task.seed)
    done = start
    try:
        for event in _run(task, data, start, stop, clock, checkpoint_seconds):
            done = event.epoch
            yield event
    except (RuntimeError, MemoryError) as error:
        if not memory.ran_out(error):
            raise
    else:
        return
    # Only here is the error gone, and with it the frames that held the network's tensors.
    if data.device.type == "cuda":
        torch.cuda.empty_cache()
    raise TrainingFailed(
        f"the memory of the {'GPU' if data.device.type == 'cuda' else 'machine'} ran out "
        f"({task.network.parameter_count:,} parameters, {task.recipe.batch_size} images per "
        "batch); use fewer parameters or a smaller batch",
        done + 1,
    )


def _check(task: Task, data: Prepared) -> None:
    wanted, given = task.network.input_shape, tuple(data.train.images.shape[1:])
    if wanted != given:
        raise TrainingFailed(f"the network takes images of shape {wanted}, the data has {given}")
    if not data.classes <= task.network.classes <= MOST_CLASSES:
        raise TrainingFailed(
            f"the network has {task.network.classes} classes; the data needs "
            f"{data.classes}, and {MOST_CLASSES} are the most"
        )
    try:
        task.recipe.check_fits(wanted)
    except InvalidRequest as error:
        raise TrainingFailed(str(error)) from error
    if data.device.type == "cpu":
        batch_size = min(task.recipe.batch_size, len(data.train))
        problem = memory.problem(task.network, batch_size, memory.installed())
        if problem is not None:
            raise TrainingFailed(problem)


def _run(
    task: Task,
    data: Prepared,
    start: int,
    stop: Callable[[], bool],
    clock: Callable[[], float],
    checkpoint_seconds: float,
) -> Iterator[Event]:
    architecture = task.network
    network = build(architecture, _derived(task.seed, "weights"))
    network.to(data.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = adam(network)
    if task.checkpoint is not None:
        restore(task.checkpoint, network, optimizer)
    done = sent = start
    sent_at, evaluation = clock(), None
    # What the last epoch left, in case that the next one is stopped.
    held: dict[str, Tensor] | None = None
    losses = [*task.losses[:start]]
    stalled = task.has_stalled(losses)
    if done >= task.epochs or stalled:
        evaluation = _evaluated(network, task, data, stop)
    while done < task.epochs and not stalled:
        began = clock()
        outcome = _epoch(network, optimizer, task, data, done + 1, stop)
        if outcome is None:
            evaluation = None
            break
        trained, evaluation = outcome
        # The figures are numbers already: a GPU has been waited for.
        seconds = clock() - began
        done += 1
        losses.append(evaluation.figures.loss)
        stalled = task.has_stalled(losses)
        yield EpochDone(
            done,
            trained.loss,
            trained.accuracy,
            evaluation.figures.loss,
            evaluation.figures.accuracy,
            seconds,
        )
        held = None
        if clock() - sent_at >= checkpoint_seconds:
            now = save_checkpoint(network, optimizer, architecture, task.seed, done)
            yield Checkpoint(done, now)
            sent, sent_at = done, clock()
        elif done < task.epochs and not stalled:
            held = snapshot(network, optimizer)
    if held is not None:
        yield Checkpoint(done, save_snapshot(held, architecture, task.seed, done))
    elif done > sent:
        yield Checkpoint(done, save_checkpoint(network, optimizer, architecture, task.seed, done))
    if evaluation is None:
        yield Stopped(done)
    else:
        weights = save_weights(network, architecture, done)
        yield Trained(done, evaluation.predictions, weights, early=done < task.epochs)


def _epoch(
    network: nn.Sequential,
    optimizer: torch.optim.Adam,
    task: Task,
    data: Prepared,
    epoch: int,
    stop: Callable[[], bool],
) -> tuple[Figures, Evaluation] | None:
    recipe, rate = task.recipe, task.recipe.rate(epoch)
    for group in optimizer.param_groups:
        group["lr"] = rate
    seed = _derived(task.seed, f"epoch {epoch}")
    trained = train_epoch(
        network,
        optimizer,
        data.train,
        recipe.batch_size,
        seed,
        stop,
        bfloat16=task.bfloat16,
        flip=recipe.flip,
        shift=recipe.shift,
        channels=recipe.channels,
    )
    if trained is None:
        return None
    _check_loss("loss", trained.loss, epoch, rate)
    evaluation = _evaluated(network, task, data, stop)
    if evaluation is None:
        return None
    _check_loss("validation loss", evaluation.figures.loss, epoch, rate)
    return trained, evaluation


def _evaluated(
    network: nn.Sequential, task: Task, data: Prepared, stop: Callable[[], bool]
) -> Evaluation | None:
    recipe = task.recipe
    return evaluate(
        network,
        data.validation,
        recipe.batch_size,
        stop,
        bfloat16=task.bfloat16,
        channels=recipe.channels,
    )


def _check_loss(what: str, loss: float, epoch: int, rate: float) -> None:
    if math.isfinite(loss):
        return
    became = "not a number" if math.isnan(loss) else "infinite"
    raise TrainingFailed(f"{what} became {became} in epoch {epoch} (learning rate {rate:g})", epoch)


def _derived(seed: int, purpose: str) -> int:
    """Give an independent seed for each purpose, from any whole number."""
    digest = hashlib.sha256(f"{seed} {purpose}".encode()).digest()
    return int.from_bytes(digest[:4], "little")
