from __future__ import annotations

import random
from itertools import islice

import numpy as np
import pytest

from remap_ray.cluster.projector import ENOUGH, Finished, Projector
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
    placed = projector.add([(11, architecture, labels)])
    for one in placed:
        assert isinstance(one, Placement)
        assert (one.x, one.y) == tuple(layouts[one.map].points[4])


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
