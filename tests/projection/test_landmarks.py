import numpy as np
import pytest

from remap_ray.projection import fitting, landmarks
from remap_ray.projection.landmarks import LANDMARKS, chosen, laid_out
from remap_ray.projection.placement import best_place, best_places


def lengths(points, others):
    across = points[:, None] - others
    return np.hypot(across[..., 0], across[..., 1])


def test_few_points_are_all_landmarks():
    assert chosen(0, 0).tolist() == []
    assert chosen(LANDMARKS, 5).tolist() == list(range(LANDMARKS))


def test_landmarks_are_a_uniform_sample_that_changes_little():
    first, later = chosen(4000, 7), chosen(5000, 7)
    assert len(np.unique(first)) == len(np.unique(later)) == LANDMARKS
    assert first.max() < 4000 <= later.max() < 5000
    # One in five comes from the last fifth: 200, give or take a few standard deviations of 13.
    assert 140 < (later >= 4000).sum() < 260
    # A landmark makes place for new ones only.
    assert set(later[later < 4000]) <= set(first)
    assert set(chosen(4000, 8)) != set(first)


@pytest.mark.promise("MAPS-8")
def test_many_points_are_laid_out_nearly_as_well_as_all_together(structure, monkeypatch):
    monkeypatch.setattr(landmarks, "LANDMARKS", 50)
    those = chosen(len(structure), 0)
    nowhere = np.full((len(structure), 2), np.nan)
    points = laid_out(structure[:, those], those, nowhere, 0)
    whole = fitting.raw_stress(fitting.fit(structure, 0), structure)
    # 7% in stress-1; of a thousand landmarks it is below 1% (decision 12).
    assert fitting.raw_stress(points, structure) < 1.15 * whole


def test_many_places_are_as_good_as_one(structure, disagreement):
    for true in (structure, disagreement):
        fixed = fitting.fit(true[:60, :60], 0)
        rows = true[60:, :60]
        nowhere = np.full((len(rows), 2), np.nan)
        places = best_places(rows, fixed, nowhere)
        alone = np.array([best_place(row, fixed) for row in rows])
        stress, least = (((lengths(one, fixed) - rows) ** 2).sum(axis=1) for one in (places, alone))
        assert (stress <= 1.03 * least).all()
        # From where they are, they do not move.
        np.testing.assert_allclose(best_places(rows, fixed, alone), alone, atol=1e-4)


def test_places_do_not_depend_on_each_other(structure):
    fixed, rows = fitting.fit(structure[:60, :60], 0), structure[60:, :60]
    rows = rows * np.geomspace(1e-3, 1e3, len(rows))[:, None]
    nowhere = np.full((len(rows), 2), np.nan)
    together = best_places(rows, fixed, nowhere)
    for index, row in enumerate(rows):
        alone = best_places(row[None], fixed, nowhere[:1])[0]
        np.testing.assert_allclose(together[index], alone, rtol=1e-6, atol=1e-9)


def test_points_at_no_distance_are_placed_on_their_landmark():
    rng = np.random.default_rng(0)
    plane = rng.random((30, 2))
    plane[20:25] = plane[3]
    true = lengths(plane, plane)
    points = laid_out(true[:, :20], np.arange(20), np.full((30, 2), np.nan), 0)
    assert np.array_equal(points[20:25], np.tile(points[3], (5, 1)))
    np.testing.assert_allclose(lengths(points, points), true, atol=1e-3)
