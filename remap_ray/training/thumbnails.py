"""What a study keeps for the eye: a few training images of each class, all validation images."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from remap_ray.errors import InvalidRequest
from remap_ray.training.parts import DataSet, Images, shuffled

__all__ = ["LONGEST_SIDE", "MOST_BYTES", "SIDES", "thumbnails", "viewable"]

LONGEST_SIDE = 64
"""In pixels. Larger images are made smaller; smaller ones stay as they are."""

SIDES = (64, 48, 32, 24, 16)
"""Longest sides in pixels that validation images may be reduced to, from the best."""

MOST_BYTES = 64 * 2**20
"""What all validation images together may take, as long as they are not reduced below 16 px."""


def viewable(data_set: DataSet) -> NDArray[np.uint8]:
    """Turn the validation images into what a person can look at, small enough to be kept.

    They are reduced to the largest of `SIDES` at which they take no more than `MOST_BYTES`;
    smaller ones stay as they are. float32 images are spread from their part's least to its
    greatest value. Other than one channel (grey) and three (red, green, blue) are averaged.

    Returns
    -------
    numpy.ndarray
        uint8 (n, H, W), or (n, H, W, 3) where they have colours, in the order of the labels.
    """
    part = data_set.validation
    low, high = float(part.images.min()), float(part.images.max())
    count, channels, height, width = part.images.shape
    planes = 3 if channels == 3 else 1
    shapes = [_reduced(height, width, side) for side in SIDES]
    small, narrow = next(
        (one for one in shapes if count * planes * one[0] * one[1] <= MOST_BYTES), shapes[-1]
    )
    found = np.empty((count, small, narrow, *([3] if planes == 3 else [])), np.uint8)
    for index, image in enumerate(part.images):
        seen = _viewable(image, low, high)
        if (small, narrow) != (height, width):
            seen = np.asarray(Image.fromarray(seen).resize((narrow, small), Image.Resampling.BOX))
        found[index] = seen
    return found


def _reduced(height: int, width: int, side: int) -> tuple[int, int]:
    share = min(1.0, side / max(height, width))
    return max(1, round(height * share)), max(1, round(width * share))


def thumbnails(data_set: DataSet, per_class: int = 8, seed: int = 0) -> list[tuple[int, bytes]]:
    """Draw a few training images of each class as PNG.

    float32 images are spread from their part's least to its greatest value.
    Other than one channel (grey) and three (red, green, blue) are averaged.

    Parameters
    ----------
    per_class
        How many of each class at most.
    seed
        Decides which.

    Returns
    -------
    list of (int, bytes)
        Class index and PNG file, class by class.
    """
    if per_class < 0:
        raise InvalidRequest(f"the number of thumbnails must not be negative, not {per_class}")
    if seed < 0:
        raise InvalidRequest(f"the seed must not be negative, not {seed}")
    part = data_set.train
    low, high = float(part.images.min()), float(part.images.max())
    order = shuffled(len(part), seed)
    return [
        (label, _png(_viewable(part.images[index], low, high)))
        for label in range(data_set.classes)
        for index in order[part.labels[order] == label][:per_class]
    ]


def _viewable(image: Images, low: float, high: float) -> NDArray[np.uint8]:
    """Turn one image (C, H, W) into bytes: (H, W), or (H, W, 3) where it has colours."""
    planes: NDArray[np.float64] | Images = image
    if planes.shape[0] not in {1, 3}:
        planes = planes.mean(axis=0, keepdims=True, dtype=np.float64)
    if image.dtype != np.uint8:
        planes = (planes.astype(np.float64) - low) * (255 / (high - low) if high > low else 0)
    seen = np.rint(planes).astype(np.uint8)
    return seen[0] if len(seen) == 1 else seen.transpose(1, 2, 0)


def _png(pixels: NDArray[np.uint8]) -> bytes:
    picture = Image.fromarray(pixels)
    picture.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
    file = io.BytesIO()
    picture.save(file, "PNG", optimize=True)
    return file.getvalue()
