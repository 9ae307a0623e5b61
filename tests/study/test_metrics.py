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
    Paired,
    class_accuracies,
    confused_pairs,
    confusion_matrix,
    never_predicted,
    paired,
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


# Two models on the same items


@given(st.lists(st.tuples(st.booleans(), st.booleans())))
def test_every_item_is_counted_once_by_who_gets_it_right(items: list[tuple[bool, bool]]) -> None:
    found = paired([one for one, _ in items], [other for _, other in items])
    assert found.both == items.count((True, True))
    assert found.neither == items.count((False, False))
    assert found.first == items.count((True, False))
    assert found.second == items.count((False, True))


@pytest.mark.promise("PAGE-43")
@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        (0, 0, 1.0),
        (3, 3, 1.0),
        # Both tails of a binomial of n = 6 and 1/2: 2 * (1 + 6) / 64.
        (1, 5, 0.21875),
        (0, 10, 2 / 2**10),
        # Fagerland, Lydersen and Laake, 2013, table 1: exact conditional test.
        (1, 7, 0.0703125),
    ],
)
def test_mcnemars_exact_test(first: int, second: int, expected: float) -> None:
    assert Paired(10, 20, first, second).p_value == pytest.approx(expected, abs=1e-12)
    assert Paired(0, 0, second, first).p_value == pytest.approx(expected, abs=1e-12)


def test_models_of_different_items_are_not_compared() -> None:
    with pytest.raises(InvalidRequest, match="the same items"):
        paired([True, False], [True])


@given(LABELS, st.integers(0, 8))
def test_confused_pairs_are_the_most_confused_ones(pairs: list[tuple[int, int]], most: int) -> None:
    true, predicted = np.array(pairs, np.uint8).T
    matrix = confusion_matrix(true, predicted, CLASSES)
    found = confused_pairs(matrix, most)
    counts = {(a, b): matrix[a, b] + matrix[b, a] for a in range(CLASSES) for b in range(a)}
    expected = sorted((count for count in counts.values() if count), reverse=True)[:most]
    assert [count for _, _, count in found] == expected
    for one, other, count in found:
        assert count == matrix[one, other] + matrix[other, one]
        assert matrix[one, other] >= matrix[other, one]
