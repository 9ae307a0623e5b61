"""Figures of predictions and of sets of models: arrays in, arrays out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from remap_ray.errors import InvalidRequest

__all__ = [
    "Paired",
    "class_accuracies",
    "confused_pairs",
    "confusion_matrix",
    "never_predicted",
    "paired",
    "pareto_front",
]


@final
@dataclass(frozen=True)
class Paired:
    """How two models answer the same items.

    Parameters
    ----------
    both, neither
        Items that both, and that neither, get right.
    first, second
        Items that only the one, and only the other, gets right.
    """

    both: int
    neither: int
    first: int
    second: int

    @property
    def p_value(self) -> float:
        """How often two equally good models would differ at least so unevenly, by chance alone.

        McNemar's test in its exact form, two-sided: of the items that only one of them gets
        right, each is as likely the one's as the other's. It is 1 where there are none.
        """
        if not self.first + self.second:
            return 1.0
        # Takes most of a second to load, and few sessions ask for it.
        from scipy.stats import binomtest  # noqa: PLC0415

        return float(binomtest(self.first, self.first + self.second).pvalue)


def paired(first: ArrayLike, second: ArrayLike) -> Paired:
    """Count the items by which of two models gets them right.

    Parameters
    ----------
    first, second
        Whether each model gets each item right, bool (n,).

    Raises
    ------
    InvalidRequest
        The two are not of the same items.

    References
    ----------
    McNemar, "Note on the sampling error of the difference between correlated proportions or
    percentages", Psychometrika 12, 1947.
    """
    one, other = np.asarray(first, np.bool_), np.asarray(second, np.bool_)
    if one.ndim != 1 or one.shape != other.shape:
        raise InvalidRequest(
            f"two models are compared on the same items, not on {one.shape} and {other.shape}"
        )
    both, either = int((one & other).sum()), int((one | other).sum())
    first_only = int((one & ~other).sum())
    return Paired(both, len(one) - either, first_only, either - both - first_only)


def confused_pairs(matrix: NDArray[np.int64], most: int) -> tuple[tuple[int, int, int], ...]:
    """Give the pairs of classes that are taken for each other most often.

    Parameters
    ----------
    matrix
        A confusion matrix (classes, classes), rows true, of one model or the sum of many.
    most
        How many pairs at most; those never confused are not among them.

    Returns
    -------
    tuple of (int, int, int)
        Two labels, the one that is more often taken for the other first, and how many items of
        either are labelled as the other; the most confused pair first.
    """
    both = np.triu(matrix + matrix.T, 1)
    rows, columns = np.nonzero(both)
    order = np.argsort(-both[rows, columns], kind="stable")[:most]
    found = []
    for row, column in zip(rows[order].tolist(), columns[order].tolist(), strict=True):
        one, other = (row, column) if matrix[row, column] >= matrix[column, row] else (column, row)
        found.append((one, other, int(both[row, column])))
    return tuple(found)


def confusion_matrix(true: ArrayLike, predicted: ArrayLike, classes: int) -> NDArray[np.int64]:
    """Count, for every pair of classes, the items of the one that are labelled as the other.

    Parameters
    ----------
    true, predicted
        Labels of the same items, whole numbers (n,), from 0 to ``classes`` - 1.
    classes
        Number of classes; one that no item has keeps its row and column.

    Returns
    -------
    ndarray
        int64 (classes, classes), as scikit-learn's: rows true, columns predicted.

    Raises
    ------
    InvalidRequest
        The labels are of different numbers of items, or outside the classes.
    """
    truth, labels = np.asarray(true), np.asarray(predicted)
    if truth.ndim != 1 or truth.shape != labels.shape:
        raise InvalidRequest(
            "a confusion matrix compares two labels of each item, "
            f"not {truth.shape} true and {labels.shape} predicted ones"
        )
    for name, each in (("true", truth), ("predicted", labels)):
        if each.size and (each.min() < 0 or each.max() >= classes):
            raise InvalidRequest(f"a {name} label lies outside 0 to {classes - 1}")
    pairs = truth.astype(np.int64) * classes + labels.astype(np.int64)
    return np.bincount(pairs, minlength=classes * classes).reshape(classes, classes)


def class_accuracies(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the share of each class's items that are labelled right: its recall.

    Parameters
    ----------
    matrix
        A confusion matrix (classes, classes), rows true.

    Returns
    -------
    ndarray
        float64 (classes,); NaN for a class without items.
    """
    items = matrix.sum(axis=1)
    shares = np.full(len(matrix), np.nan)
    np.divide(np.diagonal(matrix), items, out=shares, where=items > 0)
    return shares


def never_predicted(matrix: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Say of each class whether no item at all is labelled as it: bool (classes,)."""
    found: NDArray[np.bool_] = matrix.sum(axis=0) == 0
    return found


def pareto_front(accuracy: ArrayLike, parameters: ArrayLike) -> NDArray[np.int64]:
    """Find the models that no other beats in accuracy without having more parameters.

    Takes O(n log n). Models that are equal in both are all on the front or all off it.

    Parameters
    ----------
    accuracy
        Higher is better, float (n,); a model whose accuracy is NaN is never on the front.
    parameters
        Lower is better, (n,).

    Returns
    -------
    ndarray
        int64: the indices of the front's models, from the smallest model to the largest, equal
        ones in the order given.

    Raises
    ------
    InvalidRequest
        The two are not of the same models.
    """
    heights, sizes = np.asarray(accuracy, np.float64), np.asarray(parameters)
    if heights.ndim != 1 or heights.shape != sizes.shape:
        raise InvalidRequest(
            f"a front needs one accuracy and one size of each model, "
            f"not {heights.shape} and {sizes.shape}"
        )
    known = np.flatnonzero(~np.isnan(heights))
    # Smaller ones first, among them the best first; stable, so that equals keep their order.
    order = known[np.lexsort((-heights[known], sizes[known]))]
    if not len(order):
        return order
    heights, sizes = heights[order], sizes[order]
    best_before = np.concatenate(([-np.inf], np.maximum.accumulate(heights)[:-1]))
    leads = heights > best_before
    # An equal of the front's last model is on it too: nothing smaller or better came between.
    leader = np.maximum.accumulate(np.where(leads, np.arange(len(order)), 0))
    equal = (heights == heights[leader]) & (sizes == sizes[leader])
    front: NDArray[np.int64] = order[leads | equal]
    return front
