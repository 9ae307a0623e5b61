import numpy as np
import pytest

from remap_ray.projection import columns, landmarks
from remap_ray.projection.columns import Columns
from remap_ray.projection.landmarks import chosen


@pytest.fixture
def few_landmarks(monkeypatch):
    """Have 20 landmarks in place of a thousand."""
    monkeypatch.setattr(landmarks, "LANDMARKS", 20)
    monkeypatch.setattr(columns, "LANDMARKS", 20)


def matrix(count, seed=0):
    true = np.random.default_rng(seed).random((count, count))
    true = true + true.T
    np.fill_diagonal(true, 0.0)
    return true


def grown(true):
    made = Columns(seed=3)
    for index in range(len(true)):
        made.add(true[index, :index])
    return made


@pytest.mark.parametrize("count", [0, 1, 15, 20, 21, 90])
@pytest.mark.promise("MAPS-9")
def test_what_is_taken_up_row_by_row_is_what_is_measured_at_once(few_landmarks, count):
    true = matrix(count)
    one, other = grown(true), Columns.measured(count, 3, lambda some: true[some])
    assert sorted(one.landmarks) == other.landmarks.tolist() == chosen(count, 3).tolist()
    for made in (one, other):
        assert len(made) == count
        assert made.array.shape == (count, min(count, 20))
        assert np.array_equal(made.array, true[:, made.landmarks].astype(np.float32))


def test_columns_that_were_measured_at_once_go_on(few_landmarks):
    true = matrix(90)
    made = Columns.measured(40, 3, lambda some: true[some, :40])
    for index in range(40, 90):
        made.add(true[index, :index])
    assert sorted(made.landmarks) == chosen(90, 3).tolist()
    assert np.array_equal(made.array, true[:, made.landmarks].astype(np.float32))


@pytest.mark.promise("MAPS-9")
def test_columns_are_compact_and_cannot_be_changed():
    made = Columns(seed=0)
    row = np.random.default_rng(0).random(1300)
    for index in range(1300):
        made.add(row[:index])
    assert made.array.shape == (1300, 1000)
    assert made.array.nbytes == 1300 * 1000 * 4
    with pytest.raises(ValueError, match="read-only"):
        made.array[0, 0] = 1.0


def test_no_distance_becomes_zero_by_rounding(few_landmarks):
    made = Columns(seed=0)
    made.add(np.zeros(0))
    made.add(np.array([1e-30]))
    assert made.array[1, 0] > 0
    assert made.array[0, 0] == 0
