"""Figures of predictions and of sets of models: arrays in, arrays out."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from remap_ray.errors import InvalidRequest

__all__ = ["class_accuracies", "confusion_matrix", "never_predicted", "pareto_front"]


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
