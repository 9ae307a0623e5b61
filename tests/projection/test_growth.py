"""A map that grows one by one stays nearly as good as one that is fitted at once."""

import itertools
import random
import sys

import numpy as np
import pytest

from remap_ray.projection import otmann, predictions
from remap_ray.projection.mds import Layout
from remap_ray.space import Space, sample
from tests.projection.digits import predictions_on_digits


def grown(true, first, last):
    """Grow a map one by one; gives its size and itself after each."""
    layout = Layout.fit(true[:first, :first], 0)
    for size in range(first + 1, last + 1):
        layout = layout.place(true[size - 1 : size, : size - 1])
        if layout.due:
            layout = layout.weigh(true[:size, :size])
        yield size, layout


@pytest.fixture(scope="module", params=["architectures", "predictions"])
def measured(request):
    if request.param == "predictions":
        return predictions.distances(predictions_on_digits(500))
    drawn = sample(Space.named("paper"), random.Random(1), (1, 28, 28), 10)
    return otmann.distances(list(itertools.islice(drawn, 500)))


@pytest.mark.slow
@pytest.mark.promise("MAPS-11")
def test_a_growing_map_stays_near_one_full_fit_with_few_refits(measured):
    # `make bench` looks at every size; here at every fifteenth, to be quick.
    worst, refits, version = (0.0, 0), [], 1
    for size, layout in grown(measured, 50, 500):
        if layout.version > version:
            version = layout.version
            refits.append(size)
        if size % 15 == 5:
            full = Layout.fit(measured[:size, :size], 0).stress
            worst = max(worst, (layout.stress / full, size))
    sys.stdout.write(f"worst ratio {worst[0]:.3f} at {worst[1]} models, refits at {refits}\n")
    assert worst[0] <= 1.05
    assert len(refits) <= 12
    assert all(size <= 460 for size in refits)


@pytest.mark.slow
@pytest.mark.parametrize("order", ["near", "far", "beside"])
@pytest.mark.promise("MAPS-11")
def test_whatever_the_order_in_which_models_come(measured, order):
    # From the middle outwards, from outside inwards, and away from one model.
    keys = {"near": measured.mean(axis=1), "far": -measured.mean(axis=1), "beside": measured[0]}
    those = np.argsort(keys[order])[::3]
    true = measured[np.ix_(those, those)]
    for size, layout in grown(true, 50, 160):
        if size % 10 == 0:
            assert layout.stress <= 1.05 * Layout.fit(true[:size, :size], 0).stress


@pytest.mark.promise("MAPS-11")
def test_points_stay_where_they_are_unless_a_refit_pays(structure):
    kept = moved = 0
    away = np.argsort(structure[0])
    structure = structure[np.ix_(away, away)]
    layout = Layout.fit(structure[:30, :30], 0)
    for size in range(31, 80):
        placed = layout.place(structure[size - 1 : size, : size - 1])
        assert placed.version == layout.version
        layout = placed
        if not placed.due:
            continue
        layout = placed.weigh(structure[:size, :size])
        assert not layout.due
        assert layout.attainable <= layout.stress * (1 + 1e-12)
        if layout.version > placed.version:
            assert layout.stress < 0.98 * placed.stress
            moved += 1
        else:
            assert np.array_equal(layout.points, placed.points)
            assert layout.stress == pytest.approx(placed.stress)
            assert layout.fitted == placed.fitted
            kept += 1
    assert kept
    assert moved


def test_a_refit_is_weighed_when_the_stress_has_risen_or_the_map_grown():
    rng = np.random.default_rng(0)
    space = rng.random((60, 5))
    true = np.sqrt(((space[:, None] - space) ** 2).sum(axis=2))
    layout = Layout.fit(true[:40, :40], 0)
    assert not layout.due
    grown = layout
    while not grown.due:
        grown = grown.place(true[len(grown) : len(grown) + 1, : len(grown)])
    assert len(grown) >= 1.15 * 40 or grown.stress > 1.02 * layout.stress
    # One that fits nowhere is enough.
    far = layout.place(np.where(np.arange(40) % 2, 0.01, 3.0)[None])
    assert far.due
    # A perfect map needs no refit, however much it grows.
    plane = rng.random((40, 2))
    apart = np.sqrt(((plane[:, None] - plane) ** 2).sum(axis=2))
    perfect = Layout.fit(apart[:5, :5], 0)
    for size in range(5, 40):
        perfect = perfect.place(apart[size : size + 1, :size])
    assert not perfect.due
