"""One snapshot after another: what changed is new, what did not is shared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import FrozenInstanceError, replace
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

import numpy as np
import pytest

from remap_panel.snapshot import NOBODY, Point, Snapshot, advance
from remap_ray.study import (
    MAPS,
    Change,
    DrawerEntry,
    Epoch,
    Heartbeat,
    Layout,
    Model,
    Origin,
    Placement,
    Status,
    Study,
)

ALIVE = Heartbeat(1, "worker", alive=True, seconds=1.0, workers=2, said="training 1")


def model(number: int, status: Status = Status.QUEUED, **more: Any) -> Model:
    values: dict[str, Any] = {
        "identity": f"{number:012x}", "repeat": 0, "seed": 0, "form": {}, "origin": Origin.SAMPLED,
        "parent": None, "edits": (), "words": "", "parameters": 10, "multiply_adds": 1000,
        "reason": "", "position": float(number), "wanted_epochs": 10,
        "created": datetime(2020, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    return Model(number=number, status=status, **{**values, **more})


def epoch(number: int, at: int) -> Epoch:
    return Epoch(number, at, 1.0, 0.5, 1.0, 0.5, 2.0)


def layout(name: str, version: int, *numbers: int) -> Layout:
    points = np.array([(n, version) for n in numbers], float)
    return Layout(name, version, np.array(numbers), points, np.full(len(numbers), 0.25), 0.1)


@pytest.fixture
def before() -> Snapshot:
    """Three models: done, in training, waiting."""
    change = Change(
        7,
        models=(model(1, Status.DONE, epochs=1, seconds=2.0), model(2, Status.TRAINING), model(3)),
        epochs=(epoch(1, 1),),
        layouts=(layout("structure", 1, 1, 2), layout("predictions", 4, 1)),
        placements=(Placement("structure", 1, 3, 0.5, -0.5, 0.75),),
        drawer=(DrawerEntry(2, 1.0, "two"), DrawerEntry(1, 2.0, "one")),
    )
    return advance(Snapshot(), change, ALIVE)


def test_nothing_is_a_snapshot_too() -> None:
    empty = Snapshot()
    assert empty.number == 0
    assert empty.counts == dict.fromkeys(Status, 0)
    assert empty.reasons == {}
    assert empty.seconds_left is None
    assert empty.drawer_numbers == ()
    assert empty.points == {name: {} for name in MAPS}
    assert empty.heartbeat == NOBODY
    assert not NOBODY.alive
    assert empty.points is not Snapshot().points, "no default is shared"


def test_the_first_change_is_the_whole(before: Snapshot) -> None:
    assert before.number == 7
    assert list(before.models) == [1, 2, 3]
    assert before.epochs == {1: (epoch(1, 1),)}
    assert before.points == {
        "structure": {
            1: Point(1.0, 1.0, 0.25), 2: Point(2.0, 1.0, 0.25), 3: Point(0.5, -0.5, 0.75)
        },
        "predictions": {1: Point(1.0, 4.0, 0.25)},
    }  # fmt: skip
    assert before.versions == {"structure": 1, "predictions": 4}
    assert before.drawer_numbers == (2, 1)
    assert before.heartbeat is ALIVE
    assert before.counts == {
        Status.QUEUED: 1, Status.TRAINING: 1, Status.DONE: 1, Status.FAILED: 0, Status.CANCELLED: 0
    }  # fmt: skip


def test_plain_numbers_leave_the_arrays_behind(before: Snapshot) -> None:
    for points in before.points.values():
        for number, point in points.items():
            assert type(number) is int
            assert {type(value) for value in (point.x, point.y, point.share)} == {float}


def test_what_did_not_change_is_shared(before: Snapshot) -> None:
    after = advance(before, Change(8, models=(model(3, Status.CANCELLED),)), ALIVE)
    assert after.models[1] is before.models[1]
    assert after.models[2] is before.models[2]
    assert after.models[3] is not before.models[3]
    assert after.epochs[1] is before.epochs[1]
    for name in MAPS:
        assert after.points[name] is before.points[name]
    assert after.drawer[0] is before.drawer[0]
    moved = advance(before, Change(8, layouts=(layout("structure", 2, 1),)), ALIVE)
    assert moved.points["predictions"] is before.points["predictions"]


def test_the_snapshot_before_stays_as_it_was(before: Snapshot) -> None:
    def frozen(value: object) -> object:
        if isinstance(value, Mapping):
            return tuple((key, frozen(one)) for key, one in value.items())
        return value

    names = ("number", "models", "epochs", "points", "versions", "drawer", "heartbeat")
    kept = {name: frozen(getattr(before, name)) for name in names}
    counts = dict(before.counts)
    change = Change(
        9,
        models=(model(1, Status.QUEUED), model(4)),
        epochs=(epoch(1, 2), epoch(2, 1)),
        layouts=(layout("structure", 2, 1, 2, 3), layout("predictions", 5, 2)),
        placements=(Placement("structure", 2, 4, 9.0, 9.0, 0.1),),
        drawer=(DrawerEntry(3, 3.0, ""),),
        deleted={"drawer": (1,)},
    )
    after = advance(before, change, NOBODY)
    assert after != before
    assert {name: frozen(getattr(before, name)) for name in names} == kept
    assert before.counts == counts
    assert after.counts[Status.QUEUED] == 3
    with pytest.raises(FrozenInstanceError):
        before.number = 8  # type: ignore[misc]
    assert isinstance(before.counts, MappingProxyType)


def test_new_models_come_after_the_old_by_number(before: Snapshot) -> None:
    after = advance(before, Change(8, models=(model(1), model(4), model(5))), ALIVE)
    assert list(after.models) == [1, 2, 3, 4, 5]


def test_epochs_are_added_in_order_and_once(before: Snapshot) -> None:
    after = advance(before, Change(8, epochs=(epoch(1, 2), epoch(1, 3), epoch(2, 1))), ALIVE)
    assert after.epochs == {1: (epoch(1, 1), epoch(1, 2), epoch(1, 3)), 2: (epoch(2, 1),)}
    again = advance(after, Change(9, epochs=(epoch(1, 3),)), ALIVE)
    assert again.epochs == after.epochs


def test_a_refit_takes_the_map_whole(before: Snapshot) -> None:
    after = advance(before, Change(8, layouts=(layout("structure", 2, 1, 3),)), ALIVE)
    assert after.versions == {"structure": 2, "predictions": 4}
    assert after.points["structure"] == {1: Point(1.0, 2.0, 0.25), 3: Point(3.0, 2.0, 0.25)}


def test_a_placement_counts_for_its_own_version_only(before: Snapshot) -> None:
    placed = (
        Placement("structure", 1, 9, 0.0, 0.0, 0.1),
        Placement("predictions", 3, 9, 0.0, 0.0, 0.1),
        Placement("predictions", 4, 8, 0.0, 0.0, 0.1),
    )
    after = advance(before, Change(8, placements=placed), ALIVE)
    assert after.points["structure"].keys() == {1, 2, 3, 9}
    assert after.points["predictions"].keys() == {1, 8}
    assert before.points["structure"].keys() == {1, 2, 3}, "the one before has its own"
    assert before.points["predictions"].keys() == {1}
    assert "structure" not in advance(Snapshot(), Change(1, placements=placed), ALIVE).versions
    assert advance(Snapshot(), Change(1, placements=placed), ALIVE).points["structure"] == {}


def test_a_refit_and_what_was_placed_since_come_in_one_change(before: Snapshot) -> None:
    change = Change(
        8,
        layouts=(layout("structure", 2, 1, 2),),
        placements=(Placement("structure", 2, 3, 7.0, 8.0, 0.5),),
    )
    after = advance(before, change, ALIVE)
    assert after.points["structure"][3] == Point(7.0, 8.0, 0.5)
    assert after.points["structure"].keys() == {1, 2, 3}


def test_the_drawer_follows_positions_and_deletions(before: Snapshot) -> None:
    change = Change(8, drawer=(DrawerEntry(3, 1.5, ""), DrawerEntry(1, 0.5, "new note")))
    after = advance(before, change, ALIVE)
    assert after.drawer_numbers == (1, 2, 3)
    # Positions are 0.5, 1.0 and 1.5.
    assert after.drawer[0].note == "new note"
    gone = advance(after, Change(9, deleted={"drawer": (2, 99)}), ALIVE)
    assert gone.drawer_numbers == (1, 3)
    # Deletions of other tables are not the drawer's.
    assert advance(after, Change(9, deleted={"notes": (1,)}), ALIVE).drawer == after.drawer


def test_a_heartbeat_alone_changes_nothing_else(before: Snapshot) -> None:
    beat = replace(ALIVE, said="idle")
    after = advance(before, Change(8), beat)
    assert (after.number, after.heartbeat) == (8, beat)
    for name in ("models", "epochs", "points", "versions", "drawer"):
        assert getattr(after, name) is getattr(before, name)


def test_a_change_of_predictions_alone_is_a_change(before: Snapshot) -> None:
    assert Change(8, predictions=(1,))
    assert not Change(8)
    assert advance(before, Change(8, predictions=(1,)), ALIVE).models == before.models


def test_what_the_queue_says_follows_the_snapshot(before: Snapshot) -> None:
    assert before.reasons == {
        1: "done in 2 s",
        2: "training: epoch 1 of 10, 20 s left",
        3: "waiting: next",
    }
    # 10 epochs each at 2 s, by two workers.
    assert before.seconds_left == pytest.approx(20.0)
    gone = advance(before, Change(8), NOBODY)
    assert gone.reasons[3] == "waiting: nobody trains this study now"
    assert gone.seconds_left == pytest.approx(40.0)
    done = [replace(one, status=Status.DONE) for one in before.models.values()]
    assert advance(before, Change(8, models=tuple(done)), ALIVE).seconds_left == 0.0


@pytest.mark.promise("STUDY-2")
def test_a_study_followed_from_any_point_is_the_same(toy_study_full: Study) -> None:
    whole = advance(Snapshot(), toy_study_full.changes(), NOBODY)
    assert whole.counts == toy_study_full.counts()
    for since in range(0, whole.number, 7):
        # Whoever stopped at a number has seen all that a later change leaves out.
        late = toy_study_full.changes(since)
        assert late.number == whole.number
        missing = whole.models.keys() - {one.number for one in late.models}
        kept = replace(whole, number=since)
        assert advance(kept, late, NOBODY) == whole
        assert all(whole.models[number].epochs in {0, 3} for number in missing)


def test_a_model_that_was_deleted_leaves_and_comes_back_to_its_place(before: Snapshot) -> None:
    after = advance(before, Change(9, deleted={"models": (1,)}), ALIVE)
    assert after.models.keys() == before.models.keys() - {1}
    assert 1 not in after.epochs
    assert all(1 not in places for places in after.points.values())
    assert 1 not in after.drawer_numbers
    back = advance(after, Change(10, models=(before.models[1],)), ALIVE)
    assert list(back.models) == list(before.models)
