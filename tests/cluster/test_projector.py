from __future__ import annotations

import random
from itertools import islice

import numpy as np
import pytest

from remap_ray.cluster import projector as of_projector
from remap_ray.cluster.projector import ENOUGH, Finished, Point, Projector
from remap_ray.projection import columns, landmarks, mds, otmann, predictions
from remap_ray.space import Space, sample
from remap_ray.study import MAPS, Holder, Layout, Placement, Study, take_lease
from tests import synthetic


def finished(count: int, seed: int = 0, items: int = 50) -> list[Finished]:
    rng = np.random.default_rng(seed)
    drawn = sample(Space.named("paper"), random.Random(seed), (1, 8, 8), 10)
    return [
        (number, one, rng.integers(0, 10, items).astype(np.uint8))
        for number, one in enumerate(islice(drawn, count), start=1)
    ]


def test_the_first_layout_waits_for_enough_models() -> None:
    projector = Projector(seed=0)
    models = finished(ENOUGH)
    for one in models[:-1]:
        assert projector.add([one]) == []
    points = projector.add(models[-1:])
    assert [(type(one), one.map, one.version) for one in points] == [
        (Layout, "structure", 1),
        (Layout, "predictions", 1),
    ]
    assert all(one.models.tolist() == [1, 2, 3, 4] for one in points)


@pytest.mark.parametrize("count", [0, 1, 2, 3])
@pytest.mark.promise("MAPS-4")
def test_few_models_are_laid_out_when_no_more_come(count: int) -> None:
    projector = Projector(seed=0)
    assert projector.add(finished(count)) == []
    points = projector.settle()
    assert len(points) == (2 if count else 0)
    assert all(np.isfinite(one.points).all() and len(one.points) == count for one in points)
    assert projector.settle() == []


def test_later_models_are_placed_and_old_points_move_at_a_refit_only() -> None:
    projector = Projector(seed=0)
    models = finished(30)
    places: dict[str, dict[int, tuple[float, float]]] = {name: {} for name in MAPS}
    versions = dict.fromkeys(MAPS, 0)
    for one in models:
        for point in projector.add([one]):
            if isinstance(point, Layout):
                assert point.version == versions[point.map] + 1
                versions[point.map] = point.version
                numbers = point.models.tolist()
                places[point.map] = dict(zip(numbers, map(tuple, point.points), strict=True))
            else:
                assert isinstance(point, Placement)
                assert point.version == versions[point.map]
                assert point.model not in places[point.map]
                places[point.map][point.model] = (point.x, point.y)
    for name in MAPS:
        assert places[name].keys() == set(range(1, 31))
        assert versions[name] > 2


def whole(points: list[Point], name: str) -> tuple[list[int], np.ndarray]:
    """Give the models of a map and their places after all points, as a reader has them."""
    numbers: list[int] = []
    places: list[tuple[float, float]] = []
    for one in points:
        if one.map != name:
            continue
        if isinstance(one, Layout):
            numbers, places = one.models.tolist(), [(x, y) for x, y in one.points.tolist()]
        else:
            numbers.append(one.model)
            places.append((one.x, one.y))
    return numbers, np.array(places)


def stress(points: np.ndarray, true: np.ndarray) -> float:
    inside = np.hypot(*(points[:, None] - points).transpose(2, 0, 1))
    return float(np.sqrt(((inside - true) ** 2).sum() / (inside**2).sum()))


def distances(models: list[Finished], name: str) -> np.ndarray:
    if name == "structure":
        return otmann.distances([one[1] for one in models])
    return predictions.distances(np.stack([one[2] for one in models]))


@pytest.mark.slow
@pytest.mark.promise("MAPS-11")
def test_maps_that_grow_stay_near_what_one_fit_gives() -> None:
    projector = Projector(seed=0)
    models, points = finished(90), list[Point]()
    for one in models:
        points += projector.add([one])
    for name in MAPS:
        numbers, places = whole(points, name)
        assert numbers == list(range(1, 91))
        true = distances(models, name)
        assert stress(places, true) <= 1.05 * mds.Layout.fit(true, 0).stress


@pytest.fixture
def few_landmarks(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have 25 landmarks in place of a thousand."""
    for module in (landmarks, columns, mds, of_projector):
        monkeypatch.setattr(module, "LANDMARKS", 25)


@pytest.mark.slow
@pytest.mark.promise("MAPS-9")
@pytest.mark.usefixtures("few_landmarks")
@pytest.mark.parametrize("together", [1, 70])
def test_more_models_than_landmarks(together: int) -> None:
    projector = Projector(seed=0)
    models = finished(70)
    models[60:65] = [(61 + n, *models[n][1:]) for n in range(5)]
    points = list[Point]()
    for begin in range(0, 70, together):
        points += projector.add(models[begin : begin + together])
    for name in MAPS:
        numbers, places = whole(points, name)
        assert numbers == list(range(1, 71))
        assert np.array_equal(places[60:65], places[:5])
        assert np.isfinite(places).all()
        true = distances(models, name)
        # Of 25 landmarks more cannot be asked.
        assert stress(places, true) <= 1.2 * mds.Layout.fit(true, 0).stress
        assert max(one.version for one in points if one.map == name) > 1


@pytest.mark.usefixtures("few_landmarks")
def test_a_projector_goes_on_where_another_ended() -> None:
    models = finished(50)
    first = Projector(seed=0)
    points = [point for one in models[:40] for point in first.add([one])]
    layouts = []
    for name in MAPS:
        mine = [one for one in points if one.map == name]
        last = max(index for index, one in enumerate(mine) if isinstance(one, Layout))
        layout = mine[last]
        assert isinstance(layout, Layout)
        layouts.append((layout, [one for one in mine[last:] if isinstance(one, Placement)]))
    second = Projector(0, models[:40], layouts)
    assert second.settle() == []
    for one in models[40:44]:
        for here, there in zip(first.add([one]), second.add([one]), strict=True):
            assert (here.map, here.version) == (there.map, there.version)
            if isinstance(here, Placement):
                assert isinstance(there, Placement)
                assert (here.x, here.y) == pytest.approx((there.x, there.y), abs=1e-9)


def test_what_has_a_point_but_is_no_longer_there_is_left_out(toy_study_full: Study) -> None:
    state = Projector.state_of(toy_study_full)
    gone, *kept = state["models"]
    projector = Projector(**state | {"models": kept})
    _, architecture, labels = kept[0]
    for one in projector.add([(1000, architecture, labels)]):
        assert isinstance(one, Placement)
        assert (one.x, one.y) == toy_study_full.points(one.map)[kept[0][0]]
    assert gone[0] not in {one[0] for one in kept}


def test_a_model_handed_over_twice_is_mapped_once() -> None:
    projector = Projector(seed=0)
    models = finished(6)
    assert projector.add(models)
    assert projector.add(models) == []
    assert projector.settle() == []


def test_a_copy_gets_the_point_of_what_it_copies() -> None:
    projector = Projector(seed=0)
    models = finished(10)
    layouts = {point.map: point for point in projector.add(models)}
    _, architecture, labels = models[4]
    seen = set()
    for one in projector.add([(11, architecture, labels)]):
        seen.add(one.map)
        if isinstance(one, Placement):
            assert (one.x, one.y) == tuple(layouts[one.map].points[4])
        else:
            # A refit moves both, to the same place.
            assert tuple(one.points[-1]) == tuple(one.points[4])
    assert seen == set(layouts)


def test_the_state_is_rebuilt_from_the_study(toy_study_full: Study) -> None:
    again = Projector(**Projector.state_of(toy_study_full))
    # Everyone has a point already.
    assert again.settle() == []
    before = toy_study_full.points("structure")
    lease = take_lease(toy_study_full, Holder.this_process("test"), 1)
    (number,) = synthetic.train_falsely(toy_study_full, lease, 1)
    model = toy_study_full.model(number)
    labels = toy_study_full.predictions(number)
    assert labels is not None
    for point in again.add([(number, model.architecture, labels)]):
        assert isinstance(point, Placement)
        lease.record_placement(point)
    after = toy_study_full.points("structure")
    assert after.pop(number)
    assert after == before


@pytest.mark.promise("MAPS-5")
def test_what_has_no_point_yet_is_placed_by_the_next_projector(toy_study_full: Study) -> None:
    lease = take_lease(toy_study_full, Holder.this_process("test"), 1)
    (number,) = synthetic.train_falsely(toy_study_full, lease, 1)
    points = Projector(**Projector.state_of(toy_study_full)).settle()
    assert [(type(one), one.model) for one in points if isinstance(one, Placement)] == [
        (Placement, number),
        (Placement, number),
    ]


@pytest.mark.promise("MAPS-12")
@pytest.mark.parametrize("number", [3, 40])
def test_what_was_trained_longer_gets_another_place_and_moves_no_other(number: int) -> None:
    models = finished(40)
    projector, places = Projector(seed=0), dict[int, tuple[float, float]]()
    for one in models:
        for point in projector.add([one]):
            if point.map == "predictions":
                places |= of_point(point)
    changed = (number, models[number - 1][1], models[10][2])
    moved, *refitted = projector.add([changed])
    assert isinstance(moved, Placement)
    assert (moved.map, moved.model) == ("predictions", number)
    # It predicts now what another one does, and so lies upon it.
    assert (moved.x, moved.y) == places[11] != places[number]
    for point in (moved, *refitted):
        places |= of_point(point)
    assert places[number] == places[11]
    assert projector.add([changed]) == []
    # What comes later is measured against what it predicts now.
    truth = [*models[: number - 1], changed, *models[number:]]
    for one in finished(60)[40:]:
        truth.append(one)
        for point in projector.add([one]):
            if point.map == "predictions":
                places |= of_point(point)
    at = np.array([places[one[0]] for one in truth])
    true = distances(truth, "predictions")
    assert stress(at, true) <= 1.05 * mds.Layout.fit(true, 0).stress


def of_point(point: Point) -> dict[int, tuple[float, float]]:
    if isinstance(point, Placement):
        return {point.model: (point.x, point.y)}
    pairs = zip(point.models.tolist(), point.points.tolist(), strict=True)
    return {number: (x, y) for number, (x, y) in pairs}


@pytest.mark.promise("MAPS-12")
@pytest.mark.parametrize("index", [2, -1])
def test_what_a_dead_projector_did_not_place_anew_the_next_one_does(
    toy_study_full: Study, index: int
) -> None:
    number = sorted(toy_study_full.points("predictions"))[index]
    lease = take_lease(toy_study_full, Holder.this_process("test"), 1)
    toy_study_full.longer(number, epochs=1)
    toy_study_full.move(number, place=1)
    assert synthetic.train_falsely(toy_study_full, lease, 1, seed=9) == (number,)
    before = {name: toy_study_full.points(name) for name in MAPS}
    seen = toy_study_full.changes(0).number

    state = Projector.state_of(toy_study_full)
    assert state["stale"] == (number,)
    (point,) = Projector(**state).settle()
    assert isinstance(point, Placement)
    assert (point.map, point.model) == ("predictions", number)
    assert lease.record_placement(point)
    lease.release()

    assert toy_study_full.points("structure") == before["structure"]
    after = toy_study_full.points("predictions")
    assert after.pop(number) == (point.x, point.y) != before["predictions"].pop(number)
    assert after == before["predictions"]
    assert toy_study_full.changes(seen).placements == (point,)
    again = Projector.state_of(toy_study_full)
    assert again["stale"] == ()
    assert Projector(**again).settle() == []
