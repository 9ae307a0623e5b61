"""Mean and standard deviation of each channel, of the images that networks are trained on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from remap_ray.training.datasets import scaled
from remap_ray.training.parts import Part

__all__ = ["channels_of"]

CHUNK = 4_096
"""Images that are looked at together: their float64 copies stay small."""

RESOLUTION = 1e-6
"""A deviation that is smaller, next to the values, is what float32 leaves of a constant."""


def channels_of(part: Part) -> tuple[tuple[float, float], ...]:
    """Measure a part's channels, as `remap_ray.training.datasets.scaled` gives them.

    Parameters
    ----------
    part
        The training part: what is measured on others would tell the search of them.

    Returns
    -------
    tuple of (float, float)
        Mean and standard deviation of each channel over all pixels of all images. Of a channel
        that is constant the deviation is given as 1: there is nothing to divide by.
    """
    pixels = part.images[:, 0].size
    total = np.zeros(part.images.shape[1])
    for chunk in _chunks(part):
        total += chunk.sum(axis=(0, 2, 3))
    mean = total / pixels
    squares = np.zeros_like(total)
    for chunk in _chunks(part):
        squares += ((chunk - mean[:, np.newaxis, np.newaxis]) ** 2).sum(axis=(0, 2, 3))
    deviation = np.sqrt(squares / pixels)
    varies = deviation > RESOLUTION * np.maximum(np.abs(mean), RESOLUTION)
    return tuple(
        (float(one), float(by))
        for one, by in zip(mean, np.where(varies, deviation, 1.0), strict=True)
    )


def _chunks(part: Part) -> Iterator[NDArray[np.float64]]:
    for start in range(0, len(part), CHUNK):
        yield scaled(part.images[start : start + CHUNK]).astype(np.float64)
