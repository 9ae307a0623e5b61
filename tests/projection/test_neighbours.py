import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from remap_ray.errors import InvalidRequest
from remap_ray.projection import neighbours, otmann, predictions
from remap_ray.projection.neighbours import Neighbour, nearest

ROWS = arrays(float, st.integers(0, 30), elements=st.sampled_from([0.0, 0.25, 0.5, 1.0]))


@given(ROWS, st.integers(0, 12), st.data())
@pytest.mark.promise("MAPS-10")
def test_the_nearest_are_the_first_when_all_are_sorted(row, k, data):
    without = data.draw(st.sets(st.integers(0, 29), max_size=4))
    pairs = sorted((distance, index) for index, distance in enumerate(row) if index not in without)
    expected = tuple(Neighbour(index, distance) for distance, index in pairs[:k])
    assert nearest(row, k, without) == expected


def test_what_is_no_row_or_no_number_is_refused():
    with pytest.raises(InvalidRequest, match=r"one row, not of shape \(1, 2\)"):
        nearest([[0.0, 1.0]], 1)
    with pytest.raises(InvalidRequest, match="must not be negative, not -1"):
        nearest([0.0, 1.0], -1)


@pytest.mark.promise("MAPS-10")
def test_the_nearest_architectures_are_the_nearest_by_distance(architectures, structure):
    prepared = otmann.Networks.of(architectures)
    for index in (0, 17, 99):
        found = neighbours.by_structure(architectures[index], prepared, 5, without=[index])
        assert found == nearest(structure[index], 5, without=[index])
        assert index not in {one.index for one in found}
        assert found[0].distance <= found[-1].distance


@settings(max_examples=30)
@given(arrays(np.uint8, (8, 12), elements=st.integers(0, 2)), st.integers(1, 8))
@pytest.mark.promise("MAPS-10")
def test_the_nearest_predictions_are_the_nearest_by_distance(labels, k):
    found = neighbours.by_predictions(labels[2], labels, k, without=[2])
    apart = predictions.distances(labels)[2]
    assert [one.distance for one in found] == sorted(np.delete(apart, 2))[:k]
    chosen = neighbours.by_predictions(labels[2], labels, k, (), np.arange(12) % 2, [1])
    assert chosen == nearest(predictions.distances(labels[:, 1::2])[2], k)
