"""A data set's training and validation parts as tensors on the device that trains on them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from remap_ray.errors import DataError
from remap_ray.training.augmentation import changed
from remap_ray.training.datasets import scaled

__all__ = ["LabelledImages", "Prepared", "Tensors", "prepare", "standardizer", "tensors"]

MOST_CLASSES = 256
"""Predictions are kept as one byte per item."""


class LabelledImages(Protocol):
    """What is needed of a part of a data set: images (N, C, H, W) and labels (N,)."""

    @property
    def images(self) -> NDArray[Any]: ...  # noqa: D102
    @property
    def labels(self) -> NDArray[Any]: ...  # noqa: D102


@final
@dataclass(frozen=True, eq=False)
class Tensors:
    """One part: ``images`` (N, C, H, W), float32, channels_last; ``labels`` (N,), int64."""

    images: Tensor
    labels: Tensor

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Tensor, changes: Tensor | None = None) -> tuple[Tensor, Tensor]:
        """Copy the images and labels at ``indices`` (int64, on the same device).

        Parameters
        ----------
        changes
            What happens to each image of the part, where something does: what
            `remap_ray.training.augmentation.draw` gave, on the same device.
        """
        labels = self.labels.index_select(0, indices)
        if changes is not None:
            return changed(self.images, indices, changes.index_select(0, indices)), labels
        # index_select would give images back in the standard format; seen as (N, H, W, C)
        # they keep theirs, and are copied whole, twice as fast as by images[indices].
        images = self.images.permute(0, 2, 3, 1).index_select(0, indices)
        return images.permute(0, 3, 1, 2), labels


@final
@dataclass(frozen=True, eq=False)
class Prepared:
    """What a trainer keeps of a data set from one model to the next.

    Parameters
    ----------
    train, validation
        The two parts that the search sees.
    classes
        One more than the largest label.
    """

    train: Tensors
    validation: Tensors
    classes: int

    @property
    def device(self) -> torch.device:
        """Where the tensors are."""
        return self.train.images.device


def prepare(
    train: LabelledImages, validation: LabelledImages, device: torch.device | str
) -> Prepared:
    """Copy two parts of a data set to a device, once per trainer.

    The arrays may be read-only, as those that Ray hands out are.

    Parameters
    ----------
    train, validation
        Images (N, C, H, W), uint8 or float32, and labels (N,) from 0.
    device
        Where networks are to be trained.

    Raises
    ------
    DataError
        A part without images, parts of different shapes, labels that do not fit the images,
        that are negative or above 255.
    """
    parts = {"training": train, "validation": validation}
    for name, part in parts.items():
        if not len(part.labels):
            raise DataError(f"the {name} part of the data has no images")
        if part.images.ndim != 4 or len(part.images) != len(part.labels):
            raise DataError(
                f"the {name} part of the data has images of shape {part.images.shape} and "
                f"{len(part.labels)} labels; expected are (N, C, H, W) and N"
            )
        if part.labels.min() < 0 or part.labels.max() >= MOST_CLASSES:
            raise DataError(
                f"the {name} part of the data has labels from {part.labels.min()} to "
                f"{part.labels.max()}; possible are 0 to {MOST_CLASSES - 1}"
            )
    if train.images.shape[1:] != validation.images.shape[1:]:
        raise DataError(
            f"training images have shape {train.images.shape[1:]}, "
            f"validation images {validation.images.shape[1:]}; they must be alike"
        )
    largest = max(int(part.labels.max()) for part in parts.values())
    return Prepared(tensors(train, device), tensors(validation, device), largest + 1)


def tensors(part: LabelledImages, device: torch.device | str) -> Tensors:
    """Copy one part of a data set to a device, as a network shall see it."""
    # Copied in any case: torch must not see memory that is read-only.
    images = np.array(scaled(part.images).transpose(0, 2, 3, 1), np.float32, order="C")
    labels = np.array(part.labels, np.int64)
    return Tensors(
        torch.from_numpy(images).to(device).permute(0, 3, 1, 2),
        torch.from_numpy(labels).to(device),
    )


def standardizer(
    channels: Sequence[tuple[float, float]], device: torch.device | str
) -> Callable[[Tensor], Tensor]:
    """Give what turns images into those that a network sees: a recipe's ``channels`` say how.

    Of images (N, C, H, W) on ``device``, as `tensors` gives them, it takes each channel's mean
    and divides by its deviation, in float32; without ``channels`` it gives them back as they are.
    """
    if not channels:
        return lambda images: images
    mean, deviation = torch.tensor(channels, device=device).T.reshape(2, 1, -1, 1, 1)
    return lambda images: (images - mean) / deviation
