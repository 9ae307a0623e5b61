"""A few training images of each class, small enough to be stored in a study."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from remap_ray.errors import InvalidRequest
from remap_ray.training.parts import DataSet, Images, shuffled

__all__ = ["LONGEST_SIDE", "thumbnails"]

LONGEST_SIDE = 64
"""In pixels. Larger images are made smaller; smaller ones stay as they are."""


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
