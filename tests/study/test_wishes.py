"""What people may wish of a queue, on a real study: order, pauses, retries, repeats, deletion."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remap_panel.snapshot import NOBODY, Snapshot, advance
from remap_ray.errors import InvalidRequest, RemapError, StudyBusy, UnknownModel
from remap_ray.space import Architecture, Dense
from remap_ray.study import (
    MAPS,
    Epoch,
    Holder,
    Lease,
    Status,
    Study,
    Submission,
    announce,
    take_lease,
    withdraw,
)
from remap_ray.study.halving import best, budgets
from remap_ray.study.wishes import places
from tests import synthetic

ME = Holder.this_process("test")


def queued(study: Study, count: int = 5, **more: Any) -> tuple[int, ...]:
    networks = [Architecture((1, 8, 8), 10, (Dense(units),)) for units in range(2, 2 + count)]
    return study.submit([Submission(one, **more) for one in networks])


def order(study: Study) -> list[int]:
    waiting = [one for one in study.models() if one.status is Status.QUEUED]
    return [one.number for one in sorted(waiting, key=lambda one: (one.position, one.number))]


def lease_of(study: Study) -> Lease:
    return take_lease(study, ME, 1)


def train(study: Study, lease: Lease, number: int, accuracy: float, loss: float = 1.0) -> None:
    """Have a claimed model end its wanted epochs."""
    model = study.model(number)
    for epoch in range(model.epochs + 1, model.wanted_epochs + 1):
        lease.record_epoch(Epoch(number, epoch, 1.0, 0.1, loss, accuracy, 0.1))
    lease.record_checkpoint(number, model.wanted_epochs, b"checkpoint")
    lease.finish(number, study.validation_labels, b"weights")


def whole(study: Study) -> Snapshot:
    return advance(Snapshot(), study.changes(), NOBODY)


# Order


@pytest.mark.promise("QUEUE-10")
def test_waiting_models_are_moved_anywhere(toy_study: Study) -> None:
    queued(toy_study)
    toy_study.move(5, place=1)
    assert order(toy_study) == [5, 1, 2, 3, 4]
    toy_study.move(2, before=5)
    assert order(toy_study) == [2, 5, 1, 3, 4]
    toy_study.move(4, 5, before=1)
    assert order(toy_study) == [2, 4, 5, 1, 3]
    toy_study.move(2, 1)
    assert order(toy_study) == [4, 5, 3, 2, 1]
    toy_study.move(1, 3, place=2)
    assert order(toy_study) == [4, 1, 3, 5, 2]
    toy_study.move(4, place=99)
    assert order(toy_study) == [1, 3, 5, 2, 4]
    # It is the order in which they are claimed.
    assert [one.number for one in lease_of(toy_study).claim(3)] == [1, 3, 5]


def test_moving_to_the_same_place_again_and_again_keeps_an_order(toy_study: Study) -> None:
    queued(toy_study)
    for _ in range(60):
        last = order(toy_study)[-1]
        expected = [*order(toy_study)[:2], last, *order(toy_study)[2:-1]]
        toy_study.move(last, place=3)
        assert order(toy_study) == expected


@given(st.data())
@settings(deadline=None)
@pytest.mark.promise("QUEUE-10")
def test_places_give_the_order_that_was_wished(data: st.DataObject) -> None:
    positions = sorted(data.draw(st.lists(st.floats(-1e3, 1e3), max_size=8, unique=True)))
    waiting = list(enumerate(positions, start=1))
    moved = data.draw(st.permutations(range(100, 100 + data.draw(st.integers(1, 4)))))
    index = data.draw(st.integers(0, len(waiting)))
    found = places(waiting, moved, index)
    expected = [number for number, _ in waiting]
    expected[index:index] = moved
    after = dict(waiting) | found
    assert sorted(after, key=lambda number: after[number]) == expected
    assert len(set(after.values())) == len(after)


@pytest.mark.parametrize(
    ("wish", "says"),
    [
        (lambda study: study.move(1, place=2), "m1 is training: only waiting models have a place"),
        (lambda study: study.move(2, before=1), "m1 is training: only waiting"),
        (lambda study: study.move(2, 3, before=3), "m3 cannot be moved before itself"),
        (lambda study: study.move(2, place=0), "place must be a whole number of at least 1"),
        (lambda study: study.move(2, before=3, place=1), "not both"),
        (lambda study: study.move(2, 99, place=1), "no model m99"),
        (lambda study: study.retry(2), "m2 is queued: only a failed or cancelled model"),
        (lambda study: study.longer(1, epochs=2), "m1 is training: wait until it is done"),
        (lambda study: study.longer(4, epochs=2), "m4 has failed: retry it instead"),
        (lambda study: study.longer(2, epochs=0), "epochs must be a whole number of at least 1"),
        (lambda study: study.repeat(2, 0), "count must be a whole number of at least 1"),
        (lambda study: study.repeat(99), "no model m99"),
        (lambda study: study.delete(1), "m1 is training: cancel it first"),
        (lambda study: study.delete(3), "m6 descends from m3: delete that one first"),
        (lambda study: study.restore(99), "no model m99"),
        (lambda study: study.compact(), "is being trained: stop that first"),
        (lambda study: study.set_workers(0), "workers must be a whole number of at least 1"),
        (lambda study: study.set_workers(3), "3 workers are more than the 2 CPUs there"),
        (lambda study: study.set_workers(1, 0.5), "0.5 of a GPU is more than there is"),
        (lambda study: study.set_workers(1, 0.3), "divides a GPU"),
    ],
)
@pytest.mark.promise("QUEUE-10")
def test_a_wish_that_cannot_be_changes_nothing_and_says_why(
    toy_study: Study, wish: Callable[[Study], None], says: str
) -> None:
    queued(toy_study)
    toy_study.move(4, place=1)
    lease = lease_of(toy_study)
    lease.tell_room(2, 0.0)
    lease.claim(1)
    lease.fail(4, "no luck")
    lease.claim(1)
    toy_study.submit([Submission(Architecture((1, 8, 8), 10, ()), parent=3)])
    before = toy_study.changes()
    with pytest.raises(RemapError, match=says):
        wish(toy_study)
    assert toy_study.changes() == before


# The queue as a whole


def test_what_is_wished_of_the_queue_is_told_to_all(toy_study: Study) -> None:
    before = toy_study.changes().number
    assert not toy_study.heartbeat().paused
    toy_study.pause()
    toy_study.set_workers(3, 0.25)
    wished = toy_study.wished()
    assert (wished.paused, wished.workers, wished.gpus_per_model) == (True, 3, 0.25)
    assert toy_study.heartbeat().paused
    toy_study.resume()
    toy_study.set_workers()
    wished = toy_study.wished()
    assert (wished.paused, wished.workers, wished.gpus_per_model) == (False, None, None)
    assert toy_study.changes().number == before + 4


def test_what_an_earlier_scheduler_had_limits_no_wish(toy_study: Study) -> None:
    lease = lease_of(toy_study)
    lease.tell_room(2, 0.0)
    with pytest.raises(InvalidRequest, match="more than the 2 CPUs there"):
        toy_study.set_workers(3)
    lease.release()
    toy_study.set_workers(3, 0.5)
    assert toy_study.wished().workers == 3


@pytest.mark.promise("QUEUE-11")
def test_whoever_is_about_to_train_a_study_says_so(toy_study: Study) -> None:
    queued(toy_study, 1)
    announce(toy_study, ME)
    heartbeat = toy_study.heartbeat()
    assert (heartbeat.alive, heartbeat.starting, heartbeat.said) == (True, True, "starting")
    announce(toy_study, ME)
    with pytest.raises(StudyBusy, match="is being trained already by test"):
        announce(toy_study, Holder("other", ME.host, 1, 0.0))
    # A wish to end that comes before the scheduler is there holds for it.
    toy_study.wish_end()
    lease = lease_of(toy_study)
    assert lease.number == 1
    assert lease.end_wished()
    assert not toy_study.heartbeat().starting
    lease.release()
    assert not lease_of(toy_study).end_wished()


def test_who_does_not_come_after_all_is_not_waited_for(toy_study: Study) -> None:
    announce(toy_study, ME)
    withdraw(toy_study, Holder("other", ME.host, ME.pid + 1, 0.0))
    assert toy_study.heartbeat().starting
    withdraw(toy_study, ME)
    assert not toy_study.heartbeat().alive
    announce(toy_study, ME)
    start, toy_study.clock = toy_study.clock, lambda: start() + 181
    assert not toy_study.heartbeat().alive
    toy_study.clock = start
    # Another process of that number: the one that announced itself is gone.
    withdraw(toy_study, ME)
    announce(toy_study, Holder("gone", ME.host, ME.pid, ME.process_created - 100))
    assert not toy_study.heartbeat().alive


# Once more, longer, again


@pytest.mark.promise("QUEUE-10")
def test_what_failed_or_was_cancelled_is_retried_at_the_end(toy_study: Study) -> None:
    queued(toy_study, 4)
    lease = lease_of(toy_study)
    lease.claim(1)
    lease.record_epoch(Epoch(1, 1, 1.0, 0.1, 1.0, 0.1, 1.0))
    lease.record_checkpoint(1, 1, b"one")
    lease.fail(1, "no luck")
    toy_study.cancel(2)
    toy_study.retry(1, 2)
    assert order(toy_study) == [3, 4, 1, 2]
    first = toy_study.model(1)
    assert (first.reason, first.epochs, first.checkpoint_epoch) == ("", 1, 1)
    toy_study.cancel(1)
    toy_study.retry(1, anew=True)
    assert toy_study.model(1).checkpoint_epoch == 0


@pytest.mark.promise("QUEUE-10")
def test_what_is_done_is_trained_longer_and_keeps_its_epochs(toy_study: Study) -> None:
    queued(toy_study, 2)
    lease = lease_of(toy_study)
    lease.claim(1)
    train(toy_study, lease, 1, accuracy=0.5)
    toy_study.longer(1, 2, epochs=4)
    assert order(toy_study) == [2, 1]
    first, second = toy_study.models()
    assert (first.epochs, first.wanted_epochs, first.to_the_end) == (3, 7, True)
    assert (second.epochs, second.wanted_epochs, second.to_the_end) == (0, 7, True)
    assert toy_study.predictions(1) is not None
    lease.claim(2)
    train(toy_study, lease, 1, accuracy=0.6)
    assert [one.epoch for one in toy_study.epochs(1)] == [1, 2, 3, 4, 5, 6, 7]


@pytest.mark.promise("QUEUE-10", "STUDY-8")
def test_a_repeat_is_the_same_network_with_another_seed(toy_study: Study) -> None:
    queued(toy_study, 2)
    assert toy_study.repeat(1, 2) == (3, 4)
    assert toy_study.repeat(3) == (5,)
    models = toy_study.models()
    assert [one.repeat for one in models] == [0, 0, 1, 2, 3]
    assert len({one.identity for one in models}) == 2
    assert len({one.seed for one in models}) == 5
    # What was deleted keeps its seed.
    toy_study.delete(5)
    assert toy_study.model(toy_study.repeat(1)[0]).repeat == 4


# Deletion


@pytest.mark.promise("STUDY-20")
def test_a_deleted_model_is_out_of_sight_and_comes_back_with_all(toy_study_full: Study) -> None:
    study = toy_study_full
    study.keep(3, "good")
    study.keep(4)
    before, follower = whole(study), whole(study)
    for number in (3, 30):  # One of a layout, one placed since.
        study.delete(number)
        follower = advance(follower, study.changes(follower.number), NOBODY)
        assert follower == whole(study)
    assert follower.models.keys() == before.models.keys() - {3, 30}
    assert follower.epochs.keys() == before.epochs.keys() - {3, 30}
    assert follower.drawer_numbers == (4,)
    for name in MAPS:
        assert follower.points[name].keys() == before.points[name].keys() - {3, 30}
        assert study.points(name).keys() == before.points[name].keys() - {3, 30}
    assert [one.number for one in study.models(deleted=True)] == [3, 30]
    assert sum(study.counts().values()) == len(before.models) - 2
    for wish in (study.keep, study.let_go, study.model, study.delete):
        with pytest.raises(UnknownModel):
            wish(3)
    study.restore(3, 30, 4)
    follower = advance(follower, study.changes(follower.number), NOBODY)
    assert follower == whole(study)
    assert follower.points == before.points
    assert follower.drawer == before.drawer
    assert follower.models == before.models
    assert list(follower.models) == sorted(before.models)
    assert follower.epochs == before.epochs


@pytest.mark.promise("STUDY-20")
def test_a_deleted_network_that_is_submitted_again_comes_back_trained(
    toy_study_full: Study,
) -> None:
    model = toy_study_full.model(2)
    toy_study_full.delete(2)
    assert toy_study_full.submit([Submission(model.architecture)]) == (2,)
    assert toy_study_full.model(2) == model


def test_a_waiting_model_that_is_deleted_is_not_trained(toy_study: Study) -> None:
    queued(toy_study, 3)
    toy_study.delete(1)
    assert [one.number for one in lease_of(toy_study).claim(3)] == [2, 3]


def test_a_family_is_deleted_at_once_and_a_child_brings_its_parent_back(toy_study: Study) -> None:
    queued(toy_study, 1)
    toy_study.submit([Submission(Architecture((1, 8, 8), 10, ()), parent=1)])
    toy_study.delete(1, 2)
    assert toy_study.models() == ()
    toy_study.restore(2)
    assert [one.number for one in toy_study.models()] == [1, 2]


@pytest.mark.promise("STUDY-20")
def test_compacting_forgets_what_was_deleted_for_good(toy_study_full: Study) -> None:
    study = toy_study_full
    points = {name: study.points(name) for name in MAPS}
    follower = whole(study)
    study.keep(3)
    study.delete(3, 30)
    assert study.weights_path(3).exists()
    size = (study.path / "study.db").stat().st_size
    assert study.compact() == 2
    assert (study.path / "study.db").stat().st_size <= size
    assert not study.weights_path(3).exists()
    assert study.models(deleted=True) == ()
    with pytest.raises(UnknownModel):
        study.restore(3)
    for name in MAPS:
        rest = {number: at for number, at in points[name].items() if number not in {3, 30}}
        assert study.points(name) == rest
    follower = advance(follower, study.changes(follower.number), NOBODY)
    assert follower == whole(study)
    assert study.compact() == 0
    # A number is never given again.
    (new,) = study.submit([Submission(Architecture((1, 8, 8), 10, (Dense(511),)))])
    assert new > 33


def test_a_projector_goes_on_without_what_was_deleted(toy_study_full: Study) -> None:
    from remap_ray.cluster.projector import Projector

    toy_study_full.delete(3, 30)
    Projector(**Projector.state_of(toy_study_full)).settle()
    toy_study_full.compact()
    Projector(**Projector.state_of(toy_study_full)).settle()


# Halving


@pytest.mark.parametrize(
    ("epochs", "expected"),
    [(1, (1,)), (2, (1, 2)), (3, (1, 3)), (10, (2, 4, 10)), (27, (3, 9, 27)), (100, (12, 34, 100))],
)
def test_each_round_of_halving_has_three_times_the_epochs(
    epochs: int, expected: tuple[int, ...]
) -> None:
    assert budgets(epochs) == expected


@pytest.mark.promise("QUEUE-12")
def test_halving_goes_on_with_the_best_third_once_all_have_their_epochs(tmp_path: Any) -> None:
    with synthetic.empty_study(tmp_path / "s", epochs=10) as study:
        queued(study, 8, halving=True)
        assert {one.wanted_epochs for one in study.models()} == {2}
        lease = lease_of(study)
        accuracies = {1: 0.1, 2: 0.8, 3: 0.3, 4: 0.9, 5: 0.5, 6: 0.6, 7: 0.2}
        lease.claim(8)
        for number, accuracy in accuracies.items():
            train(study, lease, number, accuracy)
            stopped = study.model(number).stopped
            assert stopped is not None
            assert stopped.startswith("2 of 10 epochs: halving goes on with the best third")
        assert order(study) == []
        # The last of the round fails: it is decided among the seven others.
        lease.fail(8, "no luck")
        assert order(study) == [2, 4, 6]
        assert {study.model(n).wanted_epochs for n in (2, 4, 6)} == {4}
        assert study.model(1).stopped == "put aside by halving at 2 of 10 epochs"
        assert [one.number for one in lease.claim(9)] == [2, 4, 6]
        for number in (2, 4, 6):
            train(study, lease, number, accuracies[number])
        assert order(study) == [4]
        lease.claim(9)
        train(study, lease, 4, 0.95)
        winner = study.model(4)
        assert (winner.status, winner.epochs, winner.stopped) == (Status.DONE, 10, None)
        assert study.model(2).stopped == "put aside by halving at 4 of 10 epochs"
        # One that was put aside is continued at any time, and not put aside again.
        study.longer(1, epochs=8)
        lease.claim(1)
        train(study, lease, 1, 0.2)
        again = study.model(1)
        assert (again.status, again.epochs, again.stopped) == (Status.DONE, 10, None)


@pytest.mark.promise("QUEUE-12")
def test_a_cancel_or_a_deletion_may_be_what_a_round_waited_for(toy_study: Study) -> None:
    for place, end in enumerate((Study.cancel, Study.delete, cancel_training)):
        first = 1 + 4 * place
        networks = [Architecture((1, 8, 8), 10, (Dense(n),)) for n in range(first, first + 4)]
        toy_study.submit([Submission(one, halving=True) for one in networks])
        lease = lease_of(toy_study)
        claimed = lease.claim(3 if end is not cancel_training else 4)
        for model in claimed[:3]:
            train(toy_study, lease, model.number, 0.1 * model.number)
        assert not [n for n in order(toy_study) if n < first + 3]
        end(toy_study, first + 3)
        if end is cancel_training:
            lease.record_cancelled(first + 3)
        assert [n for n in order(toy_study) if n >= first] == [first + 2]
        toy_study.cancel(first + 2)
        lease.release()


def cancel_training(study: Study, number: int) -> None:
    study.cancel(number)


def test_what_comes_later_is_a_halving_of_its_own(toy_study: Study) -> None:
    queued(toy_study, 2, halving=True)
    networks = [Architecture((1, 8, 8), 10, (Dense(units),)) for units in (100, 101)]
    toy_study.submit([Submission(networks[0], halving=True), Submission(networks[1])])
    assert [one.halving for one in toy_study.models()] == [1, 1, 2, None]
    assert [one.wanted_epochs for one in toy_study.models()] == [1, 1, 1, 3]


def test_equal_accuracies_are_told_apart_by_loss_and_then_by_number(toy_study: Study) -> None:
    queued(toy_study, 6, halving=True)
    lease = lease_of(toy_study)
    lease.claim(6)
    for number, loss in enumerate([0.5, 0.4, 0.5, 0.4, 0.9, 0.5], start=1):
        train(toy_study, lease, number, 0.7, loss)
    assert order(toy_study) == [2, 4]
    assert best(toy_study.models()) == (2, 4)


def test_early_stopping_ends_a_halving_for_its_model(toy_study: Study) -> None:
    queued(toy_study, 2, halving=True)
    lease = lease_of(toy_study)
    lease.claim(2)
    lease.record_epoch(Epoch(1, 1, 1.0, 0.1, 1.0, 0.1, 1.0))
    labels = np.array(toy_study.validation_labels)
    lease.finish(1, labels, b"weights", "stopped early at 1 of 3")
    train(toy_study, lease, 2, 0.1)
    assert toy_study.model(1).stopped == "stopped early at 1 of 3"
    assert order(toy_study) == [2]


def test_every_wish_refuses_what_is_no_request(toy_study: Study) -> None:
    with pytest.raises(InvalidRequest):
        toy_study.set_workers(workers=True)
