"""The distance between predictions: how often two models label a held-out item differently.

References
----------
Cashman et al., 2019, section 5.2 ("edit distance between predictions").
"""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import ArrayLike, NDArray

from remap_ray.errors import InvalidRequest

__all__ = ["distances"]

Labels = NDArray[np.uint8]

BLOCK = 1 << 18
"""Bytes of predictions compared at a time: the intermediate result stays in the cache."""

WORD = 8
"""Bytes counted at a time."""


def distances(
    rows: Labels,
    columns: Labels | None = None,
    labels: ArrayLike | None = None,
    classes: Collection[int] | None = None,
) -> NDArray[np.float64]:
    """Measure the share of held-out items that models label differently.

    Parameters
    ----------
    rows
        uint8 (n, m): the class that each of n models predicts for each of m items.
    columns
        uint8 (k, m), the same items; without them all rows are measured against each
        other.
    labels
        (m,): the true class of each item; needed with ``classes`` only.
    classes
        Count only the items whose true class is among these.

    Returns
    -------
    numpy.ndarray
        float64 (n, k), in [0, 1]. One row costs one pass over the columns.

    Raises
    ------
    InvalidRequest
        Arrays that do not fit together, or no item to count.
    """
    _check("rows", rows)
    if columns is not None:
        _check("columns", columns)
        if rows.shape[1] != columns.shape[1]:
            raise InvalidRequest(
                f"predictions of {rows.shape[1]} items cannot be compared with predictions of "
                f"{columns.shape[1]}; give both the same held-out items"
            )
    if classes is not None:
        chosen = _chosen(rows.shape[1], labels, classes)
        rows = rows[:, chosen]
        columns = None if columns is None else columns[:, chosen]
    items = rows.shape[1]
    if items == 0:
        raise InvalidRequest("there is no held-out item to compare predictions on")
    if columns is not None:
        counts = np.zeros((len(rows), len(columns)))
        for index, row in enumerate(rows):
            counts[index] = _differing(row, columns)
    else:
        counts = np.zeros((len(rows), len(rows)))
        for index, row in enumerate(rows):
            counts[index, index + 1 :] = _differing(row, rows[index + 1 :])
        counts += counts.T
    counts /= items
    return counts


def _check(name: str, predictions: Labels) -> None:
    if predictions.ndim != 2 or predictions.dtype != np.uint8:
        raise InvalidRequest(
            f"{name} must be a uint8 array of models x items, not {predictions.dtype} of shape "
            f"{predictions.shape}"
        )


def _chosen(items: int, labels: ArrayLike | None, classes: Collection[int]) -> NDArray[np.bool_]:
    if labels is None:
        raise InvalidRequest("choosing classes needs the true labels of the held-out items")
    true = np.asarray(labels)
    if true.shape != (items,):
        raise InvalidRequest(
            f"labels must hold one class for each of the {items} items, not shape {true.shape}"
        )
    chosen = np.isin(true, list(classes))
    if not chosen.any():
        names = ", ".join(map(str, classes)) or "no class"
        raise InvalidRequest(f"no held-out item belongs to {names}; choose other classes")
    return chosen


def _differing(row: Labels, columns: Labels) -> NDArray[np.int64]:
    """Count for each of the columns where it differs from the row."""
    counts = np.empty(len(columns), dtype=np.int64)
    words = len(row) // WORD * WORD
    height = max(1, BLOCK // len(row))
    differs = np.empty((height, words), dtype=np.bool_)
    for start in range(0, len(columns), height):
        block = columns[start : start + height]
        here = differs[: len(block)]
        np.not_equal(block[:, :words], row[:words], out=here)
        # A true byte is 1, so the set bits of a word are its differing items.
        bits = np.bitwise_count(here.view(np.uint64))
        rest = block[:, words:] != row[words:]
        counts[start : start + height] = bits.sum(axis=1, dtype=np.int64) + rest.sum(axis=1)
    return counts
