"""Figures of predictions and of sets of models."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn import metrics as reference

from remap_ray.errors import InvalidRequest
from remap_ray.study.metrics import (
    class_accuracies,
    confusion_matrix,
    never_predicted,
    pareto_front,
)

CLASSES = 4
LABELS = st.lists(st.tuples(st.integers(0, CLASSES - 1), st.integers(0, CLASSES - 1)), min_size=1)
# Few values, so that ties are common.
MODELS = st.lists(
    st.tuples(st.sampled_from([0.1, 0.5, 0.9, 1.0, float("nan")]), st.integers(1, 4)), max_size=24
)


@given(LABELS)
def test_confusion_matrix_is_scikit_learns(pairs: list[tuple[int, int]]) -> None:
    true, predicted = np.array(pairs, np.uint8).T
    expected = reference.confusion_matrix(true, predicted, labels=range(CLASSES))
    assert_array_equal(confusion_matrix(true, predicted, CLASSES), expected)


def test_rows_are_true_and_columns_are_predicted() -> None:
    matrix = confusion_matrix([0, 0, 0, 1], [0, 1, 1, 1], 3)
    assert_array_equal(matrix, [[1, 2, 0], [0, 1, 0], [0, 0, 0]])
    assert matrix.dtype == np.int64


def test_confusion_matrix_of_256_classes_does_not_overflow_bytes() -> None:
    labels = np.array([255, 255, 0], np.uint8)
    matrix = confusion_matrix(labels, labels, 256)
    assert matrix[255, 255] == 2
    assert matrix.sum() == 3


def test_confusion_matrix_of_no_items_is_zero() -> None:
    assert_array_equal(confusion_matrix([], [], 2), np.zeros((2, 2)))


@pytest.mark.parametrize(
    ("true", "predicted", "said"),
    [
        ([0, 1], [0], "two labels of each item"),
        ([0, 2], [0, 1], "true label lies outside 0 to 1"),
        ([0, 1], [0, -1], "predicted label lies outside 0 to 1"),
    ],
)
def test_labels_that_do_not_fit_are_refused(
    true: list[int], predicted: list[int], said: str
) -> None:
    with pytest.raises(InvalidRequest, match=said):
        confusion_matrix(true, predicted, 2)


def test_class_accuracy_is_recall_and_unknown_without_items() -> None:
    matrix = np.array([[3, 1, 0], [0, 0, 0], [2, 0, 2]])
    assert_array_equal(class_accuracies(matrix), [0.75, np.nan, 0.5])


def test_a_class_never_predicted_is_an_empty_column() -> None:
    matrix = np.array([[3, 0, 0], [1, 0, 0], [2, 0, 2]])
    assert never_predicted(matrix).tolist() == [False, True, False]


@given(MODELS)
def test_the_front_is_what_no_other_model_dominates(models: list[tuple[float, int]]) -> None:
    def dominated(index: int) -> bool:
        accuracy, size = models[index]
        return any(
            better >= accuracy and smaller <= size and (better > accuracy or smaller < size)
            for better, smaller in models
        )

    expected = {n for n, (a, _) in enumerate(models) if not np.isnan(a) and not dominated(n)}
    front = pareto_front([a for a, _ in models], [p for _, p in models]).tolist()
    assert set(front) == expected
    assert len(front) == len(expected)
    assert [models[n][1] for n in front] == sorted(models[n][1] for n in front)


def test_equal_models_share_the_front_in_the_order_given() -> None:
    assert pareto_front([0.5, 0.9, 0.9, 0.4], [10, 20, 20, 15]).tolist() == [0, 1, 2]


def test_a_front_of_nothing_is_empty() -> None:
    assert pareto_front([], []).tolist() == []
    assert pareto_front([float("nan")], [3]).tolist() == []


def test_a_front_needs_both_figures_of_each_model() -> None:
    with pytest.raises(InvalidRequest, match="one accuracy and one size"):
        pareto_front([0.5], [1, 2])
