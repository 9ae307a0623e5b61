"""Maps of more models than are laid out by all their distances."""

import numpy as np
import pytest

from remap_ray.projection.landmarks import LANDMARKS, chosen
from remap_ray.projection.mds import Layout

MANY = LANDMARKS + 200

pytestmark = [pytest.mark.slow, pytest.mark.promise("MAPS-8")]


def lengths(points, others):
    return np.hypot(points[:, None, 0] - others[:, 0], points[:, None, 1] - others[:, 1])


def columns(true, seed=0):
    landmarks = chosen(len(true), seed)
    return true[:, landmarks], landmarks


@pytest.fixture(scope="module")
def cloud():
    """Distances of points in five dimensions, a fifth of them copies: (1200, 1200)."""
    rng = np.random.default_rng(0)
    space = rng.normal(size=(MANY, 5)) * [1, 0.7, 0.3, 0.2, 0.1]
    space[::5] = space[1::5]
    squares = (space**2).sum(axis=1)
    true = np.sqrt(np.maximum(squares[:, None] + squares - 2 * space @ space.T, 0))
    true[true < 1e-6] = 0.0
    return (true + true.T) / 2


@pytest.fixture(scope="module")
def fitted(cloud):
    return Layout.fit(cloud, 0)


def stress(points, true):
    inside = lengths(points, points)
    return np.sqrt(((inside - true) ** 2).sum() / (inside**2).sum())


def test_all_points_have_their_places(cloud, fitted):
    assert len(fitted) == fitted.fitted == MANY
    assert len(fitted.landmarks) == LANDMARKS
    # What the landmarks say of the stress is near what all pairs say.
    assert fitted.stress == pytest.approx(stress(fitted.points, cloud), rel=0.02)
    assert fitted.shares.sum() == pytest.approx(1.0)
    assert np.array_equal(fitted.points[::5], fitted.points[1::5])


def test_a_placed_point_moves_no_other_and_a_copy_gets_its_point(cloud, fitted):
    grown = fitted.place(cloud[[7, 11]])
    assert np.array_equal(grown.points[:MANY], fitted.points)
    assert np.array_equal(grown.points[MANY:], fitted.points[[7, 10]])
    assert len(grown.landmarks) == LANDMARKS
    assert len(grown.shares) == MANY + 2


def test_a_refit_by_landmarks_keeps_orientation_and_copies(cloud, fitted):
    turn = np.array([[0.0, 1.0], [-1.0, 0.0]])
    old = Layout.restore(fitted.points @ turn + 3, *columns_of(cloud, fitted))
    new = old.refit(*columns(cloud))
    assert (new.version, new.fitted) == (2, MANY)
    np.testing.assert_allclose(new.points, old.points, atol=0.02)
    assert np.array_equal(new.points[::5], new.points[1::5])


def columns_of(true, layout):
    """Give what restores a layout after its points, with the landmarks' columns alone."""
    landmarks = layout.landmarks
    return (true[:, landmarks], layout.fitted, layout.version, layout.seed, landmarks)


def test_a_map_grows_past_the_landmarks(cloud):
    count = LANDMARKS - 3
    layout = Layout.fit(cloud[:count, :count], 0)
    for size in range(count, count + 6):
        layout = layout.place(cloud[size : size + 1, :size])
    assert len(layout) == LANDMARKS + 3
    assert layout.landmarks.tolist() == list(range(LANDMARKS))
    part = cloud[: len(layout), : len(layout)]
    again = Layout.restore(layout.points, part[:, :LANDMARKS], count, 1, 0, range(LANDMARKS))
    np.testing.assert_allclose(again.shares, layout.shares, rtol=1e-9)
    assert again.stress == pytest.approx(layout.stress, rel=1e-9)


def test_many_that_are_all_alike_share_one_point():
    layout = Layout.fit(np.zeros((MANY, MANY)), 0)
    assert not layout.points.any()
    assert layout.stress == 0.0
    again = layout.refit(*columns(np.zeros((MANY, MANY))))
    assert not again.points.any()


def test_one_of_many_is_far_away():
    rng = np.random.default_rng(0)
    plane = rng.uniform(0, 0.01, (MANY, 2))
    for lonely in (MANY - 1, chosen(MANY, 0)[0]):
        plane[lonely] = [1.0, 0.0]
        true = lengths(plane, plane)
        layout = Layout.fit(true, 0)
        np.testing.assert_allclose(lengths(layout.points, layout.points), true, atol=1e-3)
        plane[lonely] = [0.005, 0.005]


def test_two_places_for_many_points():
    side = np.arange(MANY) % 3 == 0
    true = 0.3 * (side[:, None] != side)
    layout = Layout.fit(true, 0)
    np.testing.assert_allclose(lengths(layout.points, layout.points), true, atol=1e-12)


def test_ten_thousand_models():
    rng = np.random.default_rng(0)
    plane = rng.normal(size=(10_000, 2)).astype(np.float32)
    true = np.empty((10_000, 10_000), dtype=np.float32)
    for begin in range(0, 10_000, 500):
        part = lengths(plane[begin : begin + 500], plane)
        true[begin : begin + 500] = part
    before = true[::1000].copy()
    layout = Layout.fit(true, 0)
    assert np.array_equal(true[::1000], before)
    some = np.arange(0, 10_000, 97)
    np.testing.assert_allclose(
        lengths(layout.points[some], layout.points[some]), true[np.ix_(some, some)], atol=0.02
    )
    row = lengths(plane[:1] + 0.5, plane)
    grown = layout.place(row)
    np.testing.assert_allclose(
        lengths(grown.points[-1:], grown.points[some]), row[:, some], atol=0.02
    )
    kept, landmarks = columns(np.hstack([true, row.T.astype(np.float32)])[:, :10_000])
    again = layout.weigh(kept, landmarks)
    assert (again.version, again.weighed) == (1, 10_000)
