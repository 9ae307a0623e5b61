"""How well each model knows each class, read from what models predicted."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from remap_ray.study import Study
from remap_ray.study.metrics import class_accuracies, confusion_matrix

__all__ = ["CHUNK", "read", "recalls_of"]

CHUNK = 200
"""Models whose predictions are read at once: some milliseconds, and 2 MB of 10,000 images."""


def recalls_of(
    truth: NDArray[np.uint8], labels: NDArray[np.uint8], classes: int
) -> NDArray[np.float32]:
    """Give one model's accuracy on each class, float32 (classes,); NaN where it has no images."""
    matrix = confusion_matrix(truth, labels, classes)
    found: NDArray[np.float32] = class_accuracies(matrix).astype(np.float32)
    return found


def read(study: Study, numbers: Sequence[int]) -> dict[int, NDArray[np.float32]]:
    """Read models' class accuracies as `recalls_of` gives them; best some `CHUNK` at once."""
    truth, classes = study.validation_labels, len(study.data.class_names)
    found = study.predictions_of(numbers)
    return {number: recalls_of(truth, labels, classes) for number, labels in found.items()}
