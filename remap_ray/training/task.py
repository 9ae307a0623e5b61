"""What a training is asked, and what it tells as it goes on. Values; no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from remap_ray.errors import InvalidRequest, TrainingFailed
from remap_ray.recipe import Recipe
from remap_ray.space import Architecture, Design

__all__ = ["Checkpoint", "EpochDone", "Event", "Stopped", "Task", "Trained"]


@final
@dataclass(frozen=True)
class Task:
    """One model's training.

    Parameters
    ----------
    architecture, recipe
        What to train, and how. The recipe's ``epochs`` is not read.
    seed
        Fixes the first weights, the order of the items and dropout.
    epochs
        How many the model shall have in all, at least 1.
    checkpoint
        Where to go on: the data of a `Checkpoint` of the same architecture and seed.
    losses
        Validation losses of the epochs that the checkpoint holds, for early stopping.
    stops_early
        Whether the recipe's early stopping, if it has any, may end it.
    bfloat16
        Whether the network is computed in bfloat16; its weights are float32 all the same.
    """

    architecture: Design
    recipe: Recipe
    seed: int
    epochs: int
    checkpoint: bytes | None = None
    losses: tuple[float, ...] = ()
    stops_early: bool = True
    bfloat16: bool = False

    @property
    def network(self) -> Architecture:
        """The architecture, where it is a sequence of layers.

        Raises
        ------
        TrainingFailed
            It is a model of another space, which the data are not for.
        """
        if not isinstance(self.architecture, Architecture):
            raise TrainingFailed(
                f"a model of the space {self.architecture.space} cannot be trained on images"
            )
        return self.architecture

    def has_stalled(self, losses: Sequence[float]) -> bool:
        """Whether early stopping ends the training after epochs with these losses."""
        return self.stops_early and self.recipe.has_stalled(losses)

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise InvalidRequest(f"a model is trained for at least 1 epoch, not {self.epochs}")


@final
@dataclass(frozen=True)
class EpochDone:
    """An epoch, counted from 1, is complete.

    Parameters
    ----------
    train_loss, train_accuracy
        Mean over the training part, measured in training mode as the weights changed.
    validation_loss, validation_accuracy
        Mean over the whole validation part, in evaluation mode after the epoch.
    seconds
        Wall-clock time of training and validation.
    """

    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


@final
@dataclass(frozen=True)
class Checkpoint:
    """All that training needs to go on after ``epoch``: safetensors."""

    epoch: int
    data: bytes


@final
@dataclass(frozen=True, eq=False)
class Trained:
    """The end: all epochs are done, or early stopping says that further ones gain nothing.

    Parameters
    ----------
    epoch
        The last one; predictions and weights are its.
    predictions
        (N,), uint8: the class predicted for each validation item.
    weights
        Safetensors, as `remap_ray.training.checkpoint.load_weights` reads them.
    early
        Whether early stopping ended it.
    """

    epoch: int
    predictions: NDArray[np.uint8]
    weights: bytes
    early: bool = False


@final
@dataclass(frozen=True)
class Stopped:
    """The end: ``stop`` said so. ``epoch`` is the last complete one, 0 where there is none."""

    epoch: int


Event: TypeAlias = EpochDone | Checkpoint | Trained | Stopped
