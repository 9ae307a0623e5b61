import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from remap_ray.errors import InvalidRequest
from remap_ray.projection import predictions

MODELS = st.integers(0, 6)
ITEMS = st.integers(1, 40)


def some(models=MODELS, items=ITEMS):
    shapes = st.tuples(models, items)
    return shapes.flatmap(lambda shape: arrays(np.uint8, shape, elements=st.integers(0, 3)))


def plain(rows, columns):
    return np.array([[(a != b).mean() for b in columns] for a in rows]).reshape(
        len(rows), len(columns)
    )


@given(some())
def test_the_share_of_items_labelled_differently(rows):
    np.testing.assert_allclose(predictions.distances(rows), plain(rows, rows), rtol=1e-15)


@given(some(), st.data())
def test_rows_against_columns(rows, data):
    columns = data.draw(some(items=st.just(rows.shape[1])))
    found = predictions.distances(rows, columns)
    assert found.shape == (len(rows), len(columns))
    np.testing.assert_allclose(found, plain(rows, columns), rtol=1e-15)


@given(some(models=st.integers(1, 6)))
@pytest.mark.promise("MAPS-2")
def test_a_metric_on_predictions(rows):
    found = predictions.distances(rows)
    assert np.array_equal(found, found.T)
    assert not np.diagonal(found).any()
    assert ((found >= 0) & (found <= 1)).all()
    detours = found[:, :, None] + found[None]
    assert (found[:, None] <= detours + 1e-12).all()


@settings(max_examples=50)
@given(some(), st.data())
def test_chosen_classes_count_their_items_only(rows, data):
    labels = data.draw(arrays(np.uint8, rows.shape[1], elements=st.integers(0, 3)))
    classes = data.draw(st.sets(st.sampled_from(labels.tolist()), min_size=1))
    kept = rows[:, [label in classes for label in labels]]
    expected = predictions.distances(kept)
    assert np.array_equal(predictions.distances(rows, None, labels, classes), expected)
    assert np.array_equal(predictions.distances(rows, rows, labels, classes), expected)


def test_all_items_count_where_no_classes_are_chosen():
    rows = np.array([[0, 1], [1, 1]], dtype=np.uint8)
    assert predictions.distances(rows, labels=[0, 1])[0, 1] == 0.5


def test_many_items_are_counted_block_by_block():
    rng = np.random.default_rng(0)
    columns = rng.integers(0, 10, (70, 10_003)).astype(np.uint8)
    assert len(columns) * columns.shape[1] > 2 * predictions.BLOCK
    found = predictions.distances(columns[:2], columns)
    np.testing.assert_allclose(found, plain(columns[:2], columns), rtol=1e-15)


TWO = np.zeros((2, 3), dtype=np.uint8)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        ((TWO.astype(np.int64),), "rows must be a uint8 array of models x items, not int64"),
        ((TWO[0],), r"rows must be .* of shape \(3,\)"),
        ((TWO, TWO[0]), "columns must be a uint8 array"),
        ((TWO, TWO[:, :2]), "predictions of 3 items cannot be compared with predictions of 2"),
        ((TWO[:, :0],), "no held-out item"),
        ((TWO, None, None, [1]), "needs the true labels"),
        ((TWO, None, [0, 1], [1]), "one class for each of the 3 items"),
        ((TWO, None, [0, 1, 1], [7]), "no held-out item belongs to 7"),
        ((TWO, None, [0, 1, 1], []), "no held-out item belongs to no class"),
    ],
)
def test_what_does_not_fit_together_is_refused(arguments, reason):
    with pytest.raises(InvalidRequest, match=reason):
        predictions.distances(*arguments)
