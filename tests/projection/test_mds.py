import itertools
import pickle
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from sklearn.manifold import smacof

from remap_ray.errors import InvalidRequest
from remap_ray.projection.mds import Layout

COORDINATES = st.floats(-1, 1, allow_subnormal=False).map(lambda x: round(x, 3))
PLANES = st.integers(3, 12).flatmap(lambda n: arrays(float, (n, 2), elements=COORDINATES))


def lengths(points, others=None):
    across = points[:, None] - (points if others is None else others)
    return np.hypot(across[..., 0], across[..., 1])


def stress(points, true):
    return np.sqrt(((lengths(points) - true) ** 2).sum() / (lengths(points) ** 2).sum())


def raw(point, points, row):
    return ((lengths(point[None], points)[0] - row) ** 2).sum()


def still(points):
    """Give a layout whose points are where they are, whatever their distances."""
    nothing = np.zeros(len(points))
    return Layout(points, nothing, nothing, [], len(points), 0.0, len(points), 0.0, 1, 0)


@pytest.fixture(params=["structure", "disagreement"])
def true(request):
    return request.getfixturevalue(request.param)


@settings(deadline=None, max_examples=15)
@given(PLANES)
def test_points_of_a_plane_are_found_again(plane):
    true = lengths(plane)
    layout = Layout.fit(true, 0)
    np.testing.assert_allclose(lengths(layout.points), true, atol=5e-3)


@pytest.mark.parametrize("count", [5, 12, 60])
def test_a_fit_is_near_the_optimum(true, count):
    part = true[:count, :count]
    random_start = {"n_init": 1, "max_iter": 3000, "eps": 1e-7, "normalized_stress": False}
    best = min(
        stress(smacof(part, random_state=start, **random_start)[0], part) for start in range(4)
    )
    layout = Layout.fit(part, 9)
    assert layout.stress <= 1.02 * best
    assert layout.stress == pytest.approx(stress(layout.points, part))


def test_a_fit_follows_from_distances_and_seed(structure):
    few = structure[:10, :10]
    assert np.array_equal(Layout.fit(few, 3).points, Layout.fit(few, 3).points)


def test_shares_are_each_points_part_of_the_raw_stress(structure):
    layout = Layout.fit(structure, 0)
    misfit = (lengths(layout.points) - structure) ** 2
    np.testing.assert_allclose(layout.shares, misfit.sum(axis=1) / misfit.sum(), rtol=1e-9)


def test_placing_twenty_after_eighty_stays_close_to_a_full_fit(true):
    # Measured: 1.00 for structure; the bound leaves room for other matrices.
    placed = Layout.fit(true[:80, :80], 0).place(true[80:, :80])
    assert stress(placed.points, true) <= 1.1 * Layout.fit(true, 0).stress


@pytest.mark.promise("MAPS-3")
def test_placing_leaves_all_others_where_they_are(structure):
    layout = Layout.fit(structure[:40, :40], 0)
    before = layout.points.copy()
    grown = layout
    for count in range(40, 60):
        grown = grown.place(structure[count : count + 1, :count])
    assert len(grown) == 60
    assert np.array_equal(grown.points[:40], before)
    assert np.array_equal(layout.points, before)
    assert (grown.version, grown.fitted) == (1, 40)


@pytest.mark.parametrize("index", [0, 17, 39])
def test_a_point_whose_distances_changed_moves_alone(structure, index):
    true = structure[:40, :40].copy()
    layout = Layout.fit(true[:30, :30], seed=0)
    for row in range(30, 40):
        layout = layout.place(true[row : row + 1, :row])
    # It is now where another one is.
    true[index] = true[:, index] = true[5]
    true[index, index] = 0.0
    moved = layout.moved(index, true[index], true, np.arange(40))
    others = np.arange(40) != index
    assert np.array_equal(moved.points[others], layout.points[others])
    assert np.array_equal(moved.points[index], layout.points[5])
    assert moved.stress == pytest.approx(stress(moved.points, true))
    assert (moved.version, moved.fitted) == (layout.version, layout.fitted)
    assert (moved.weighed, moved.attainable) == (layout.weighed, layout.attainable)


def test_each_point_is_placed_independently(structure):
    layout = Layout.fit(structure[:40, :40], 0)
    together = layout.place(structure[40:60, :40]).points[40:]
    alone = [layout.place(structure[i : i + 1, :40]).points[40] for i in range(40, 60)]
    assert np.array_equal(together, alone)


def test_a_place_is_the_best_of_a_fine_grid(true):
    layout = Layout.fit(true[:80, :80], 0)
    placed = layout.place(true[80:, :80])
    side = np.linspace(-1.5, 1.5, 61)
    grid = np.array(list(itertools.product(side, side)))
    inside = lengths(grid, layout.points)
    for point, row in zip(placed.points[80:], true[80:, :80], strict=True):
        assert raw(point, layout.points, row) <= ((inside - row) ** 2).sum(axis=1).min()


def test_a_place_among_many_is_the_best_of_a_fine_grid():
    rng = np.random.default_rng(0)
    points = rng.uniform(-1, 1, (3000, 2))
    layout = still(points)
    row = lengths(rng.uniform(-1, 1, (1, 2)), points)[0] * rng.uniform(0.7, 1.3, 3000)
    side = np.linspace(-1.5, 1.5, 61)
    grid = np.array(list(itertools.product(side, side)))
    point = layout.place([row]).points[-1]
    assert raw(point, points, row) <= ((lengths(grid, points) - row) ** 2).sum(axis=1).min()


@settings(deadline=None, max_examples=50)
@given(PLANES, st.data())
def test_no_neighbourhood_of_a_place_is_better(plane, data):
    row = data.draw(arrays(float, len(plane), elements=st.floats(0.01, 2)))
    layout = still(plane)
    point = layout.place([row]).points[-1]
    here = raw(point, plane, row)
    for angle in np.linspace(0, 2 * np.pi, 16, endpoint=False):
        beside = point + 1e-3 * np.array([np.cos(angle), np.sin(angle)])
        assert here <= raw(beside, plane, row) + 1e-9


@settings(deadline=None, max_examples=30)
@given(PLANES, st.data())
def test_a_point_of_the_plane_is_placed_where_it_is(plane, data):
    true = lengths(plane)
    last = len(plane) - 1
    layout = Layout.restore(plane[:last], true[:last, :last], last, 1, 0)
    grown = layout.place(true[last:, :last])
    np.testing.assert_allclose(lengths(grown.points), true, atol=5e-3)


@settings(deadline=None, max_examples=30)
@given(PLANES, st.data())
@pytest.mark.promise("MAPS-3")
def test_a_copy_gets_its_originals_point_exactly(plane, data):
    layout = Layout.restore(plane, lengths(plane), len(plane), 1, 0)
    original = data.draw(st.integers(0, len(plane) - 1))
    grown = layout.place(lengths(plane)[original : original + 1])
    assert np.array_equal(grown.points[-1], layout.points[original])


def test_a_grown_layout_is_restored_from_its_points(structure):
    grown = Layout.fit(structure[:40, :40], 5)
    for count in range(40, 50):
        grown = grown.place(structure[count : count + 1, :count])
    again = Layout.restore(grown.points, (row[:50] for row in structure[:50]), 40, 1, 5)
    assert np.array_equal(again.points, grown.points)
    np.testing.assert_allclose(again.shares, grown.shares, rtol=1e-9)
    assert again.stress == pytest.approx(grown.stress, rel=1e-9)
    assert again.placed_stress == pytest.approx(grown.placed_stress, rel=1e-9)
    assert again.fit_stress == pytest.approx(grown.fit_stress, rel=1e-9)


def test_the_stress_of_what_was_placed_is_told_from_that_of_the_fit(structure):
    layout = Layout.fit(structure[:40, :40], 0)
    assert layout.fit_stress == layout.stress
    assert layout.placed_stress == 0.0
    grown = layout.place(structure[40:41, :40])
    inside = lengths(grown.points[40:], layout.points)[0]
    expected = np.sqrt(((inside - structure[40, :40]) ** 2).sum() / (inside**2).sum())
    assert grown.placed_stress == pytest.approx(expected)
    assert grown.fit_stress == layout.fit_stress


def rotation(points, old):
    """Give the turn, a reflection included, that brings points nearest to old ones."""
    left, _, right = np.linalg.svd((points - points.mean(axis=0)).T @ (old - old.mean(axis=0)))
    return left @ right


@pytest.mark.parametrize("added", [0, 20])
@pytest.mark.parametrize("mirror", [1.0, -1.0])
@pytest.mark.promise("MAPS-3")
def test_a_refit_keeps_orientation_and_place(true, added, mirror):
    count = 80
    fitted = Layout.fit(true[:count, :count], 0)
    turn = np.array([[np.cos(2), -np.sin(2)], [np.sin(2), np.cos(2)]]) * [1.0, mirror]
    old = Layout.restore(fitted.points @ turn + [3, -1], true[:count, :count], count, 4, 0)
    new = old.refit(true[: count + added, : count + added])
    assert (new.version, new.fitted, len(new)) == (5, count + added, count + added)
    np.testing.assert_allclose(rotation(new.points[:count], old.points), np.eye(2), atol=1e-9)
    np.testing.assert_allclose(new.points[:count].mean(axis=0), old.points.mean(axis=0), atol=1e-9)
    if not added:
        np.testing.assert_allclose(new.points, old.points, atol=5e-3)


@pytest.mark.parametrize("count", [3, 12, 40])
def test_a_refit_of_what_was_fitted_moves_nothing(true, count):
    layout = Layout.fit(true[:count, :count], 1)
    again = layout.refit(true[:count, :count]).refit(true[:count, :count])
    assert again.version == 3
    np.testing.assert_allclose(again.points, layout.points, atol=5e-3)


def test_a_refit_is_as_good_as_a_full_fit(true):
    grown = Layout.fit(true[:50, :50], 0)
    for count in range(50, 100):
        grown = grown.place(true[count : count + 1, :count])
    new = grown.refit(true)
    assert new.stress <= grown.stress
    assert new.stress <= 1.05 * Layout.fit(true, 0).stress


def test_a_refit_may_bring_new_points(structure):
    new = Layout.fit(structure[:40, :40], 0).refit(structure[:60, :60])
    assert len(new) == new.fitted == 60
    assert new.stress <= 1.05 * Layout.fit(structure[:60, :60], 0).stress


def test_a_refit_needs_all_points(structure):
    with pytest.raises(InvalidRequest, match="distances of all 10 points, not of 9"):
        Layout.fit(structure[:10, :10], 0).refit(structure[:9, :9])


def test_no_model():
    layout = Layout.fit([], 0)
    assert layout.points.shape == (0, 2)
    assert (layout.stress, layout.shares.tolist()) == (0.0, [])
    assert layout.place(np.zeros((1, 0))).points.tolist() == [[0.0, 0.0]]
    assert layout.refit(np.zeros((0, 0))).version == 2


def test_one_model():
    layout = Layout.fit([[0.0]], 0)
    assert layout.points.tolist() == [[0.0, 0.0]]
    assert (layout.stress, layout.shares.tolist()) == (0.0, [0.0])


def test_two_models():
    layout = Layout.fit([[0.0, 0.7], [0.7, 0.0]], 0)
    assert lengths(layout.points)[0, 1] == 0.7
    assert layout.stress == 0.0


def test_growing_from_nothing_one_by_one(structure):
    grown = Layout.fit([], 0)
    for count in range(4):
        grown = grown.place(structure[count : count + 1, :count])
    np.testing.assert_allclose(lengths(grown.points[:3]), structure[:3, :3], atol=1e-6)
    full = Layout.fit(structure[:20, :20], 0)
    assert grown.refit(structure[:20, :20]).stress <= 1.1 * full.stress


@pytest.mark.parametrize("start", [0, 1, 2])
def test_a_refit_of_almost_nothing_is_a_fit(structure, start):
    full = Layout.fit(structure[:20, :20], 0)
    new = Layout.fit(structure[:start, :start], 0).refit(structure[:20, :20])
    assert (new.version, new.fitted) == (2, 20)
    assert new.stress <= 1.02 * full.stress


@pytest.mark.parametrize("count", [3, 4, 40])
@pytest.mark.promise("MAPS-4")
def test_models_that_are_all_alike_share_one_point(count):
    layout = Layout.fit(np.zeros((count, count)), 0)
    assert np.array_equal(layout.points, np.zeros((count, 2)))
    assert (layout.stress, layout.shares.any()) == (0.0, False)
    grown = layout.place(np.full((1, count), 0.5))
    assert lengths(grown.points)[0, -1] == pytest.approx(0.5)


@pytest.mark.parametrize(
    ("count", "least"), [(3, 0.0), (4, 0.1716), (5, 0.2361), (10, 0.3513), (50, 0.4406)]
)
def test_models_that_are_all_equally_far_apart(count, least):
    # The least stress that 20 random starts of SMACOF find.
    layout = Layout.fit(1 - np.eye(count), 0)
    assert layout.stress == pytest.approx(least, abs=2e-4)


def test_duplicates_share_their_points(structure):
    which = [0, 1, 1, 2, 3, 0, 4, 5, 6, 7, 1, 8, 9]
    true = structure[np.ix_(which, which)]
    layout = Layout.fit(true, 0)
    for one, other in [(1, 2), (1, 10), (0, 5)]:
        assert np.array_equal(layout.points[one], layout.points[other])
    assert len(np.unique(layout.points, axis=0)) == 10
    which += [7, 10, 10]
    again = layout.refit(structure[np.ix_(which, which)])
    for one, other in [(1, 2), (1, 10), (0, 5), (9, 13), (14, 15)]:
        assert np.array_equal(again.points[one], again.points[other])


def test_two_places_for_many_models():
    side = np.array([0, 1, 0, 0, 1])
    layout = Layout.fit(0.3 * (side[:, None] != side), 0)
    np.testing.assert_allclose(lengths(layout.points), 0.3 * (side[:, None] != side), atol=1e-15)


def test_one_model_far_away():
    rng = np.random.default_rng(0)
    plane = np.vstack([rng.uniform(0, 0.01, (20, 2)), [[1.0, 0.0]]])
    layout = Layout.fit(lengths(plane), 0)
    np.testing.assert_allclose(lengths(layout.points), lengths(plane), atol=1e-4)
    first = Layout.fit(lengths(plane[:20]), 0)
    grown = first.place(lengths(plane[20:], plane[:20]))
    np.testing.assert_allclose(lengths(grown.points), lengths(plane), atol=1e-4)


def test_models_on_a_line():
    line = np.column_stack([np.arange(8.0) ** 1.5, np.zeros(8)])
    layout = Layout.fit(lengths(line), 0)
    np.testing.assert_allclose(lengths(layout.points), lengths(line), rtol=1e-3)


def test_different_models_never_share_a_point():
    # Seen from its classical solution, opposite corners of a cube lie on each other.
    corners = np.array(list(itertools.product([0.0, 1.0], repeat=3)))
    corners = np.vstack([corners, corners * [1, 1, 0.5], corners * [1, 1, 0.25] + [0, 0, 0.1]])
    true = np.sqrt(((corners[:, None] - corners) ** 2).sum(axis=2))
    true = np.kron(true, np.ones((2, 2))) + 0.05 * (1 - np.eye(48))
    layout = Layout.fit(true, 0)
    apart = lengths(layout.points) + np.eye(48)
    assert (apart[true > 0].min()) > 1e-3


def test_a_layout_is_a_frozen_value(structure):
    layout = Layout.fit(structure[:5, :5], 0)
    for one in (layout, pickle.loads(pickle.dumps(layout)), replace(layout, version=2)):
        for array in (one.points, one.shares, one.misfits, one.spreads, one.landmarks):
            with pytest.raises(ValueError, match="read-only"):
                array[0] = 0.0
    with pytest.raises(FrozenInstanceError):
        layout.version = 7


def test_a_layout_survives_a_pickle(structure):
    layout = Layout.fit(structure[:5, :5], 0).place(structure[5:7, :5])
    again = pickle.loads(pickle.dumps(layout))
    assert np.array_equal(again.points, layout.points)
    assert np.array_equal(again.shares, layout.shares)
    assert (again.fitted, again.version, again.stress, again.due) == (5, 1, layout.stress, True)


@pytest.mark.parametrize(
    ("distances", "reason"),
    [
        ([[0.0, 1.0]], r"square matrix, not of shape \(1, 2\)"),
        ([[[0.0]]], "square matrix"),
        ([[0.0, 1.0], [2.0, 0.0]], "symmetric"),
        ([[0.0, -1.0], [-1.0, 0.0]], "not negative"),
        ([[0.0, np.nan], [np.nan, 0.0]], "finite"),
        ([[0.0, np.inf], [np.inf, 0.0]], "finite"),
        ([[0.1, 1.0], [1.0, 0.0]], "to itself must be 0"),
    ],
)
def test_what_is_no_distance_matrix_is_refused(distances, reason):
    with pytest.raises(InvalidRequest, match=reason):
        Layout.fit(distances, 0)
    with pytest.raises(InvalidRequest, match=reason):
        Layout.fit([], 0).refit(distances)


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        ([[0.1, 0.2]], "distances to the 3 points"),
        ([0.1, 0.2, 0.3], "distances to the 3 points"),
        ([[0.1, 0.2, -0.3]], "not negative"),
        ([[0.1, 0.2, np.nan]], "finite"),
    ],
)
def test_what_are_no_distances_cannot_be_placed(structure, rows, reason):
    with pytest.raises(InvalidRequest, match=reason):
        Layout.fit(structure[:3, :3], 0).place(rows)


@pytest.mark.parametrize(
    ("points", "rows", "fitted", "reason"),
    [
        ([[0, 0], [1, 0]], [[0, 1]], 1, "only 1 rows"),
        ([[0, 0]], [[0], [0]], 1, "more rows"),
        ([[0, 0]], [[0]], 2, "fitted must lie between 0 and 1, not 2"),
    ],
)
def test_what_does_not_fit_its_points_restores_nothing(points, rows, fitted, reason):
    with pytest.raises(InvalidRequest, match=reason):
        Layout.restore(points, rows, fitted, 1, 0)


def test_one_place_for_different_models_is_infinite_stress():
    layout = Layout.restore([[0, 0], [0, 0]], [[0, 1], [1, 0]], 2, 1, 0)
    assert layout.stress == np.inf
