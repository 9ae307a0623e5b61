"""Wishes and readers: submit, cancel, the drawer, changes, the watch."""

from __future__ import annotations

import sqlite3
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import event
from sqlalchemy.exc import DatabaseError

from remap_panel.snapshot import Snapshot, advance
from remap_ray.errors import InvalidRequest, RemapError, UnknownModel
from remap_ray.space import Activation, Architecture, Dense, Dropout
from remap_ray.study import (
    Epoch,
    Holder,
    Origin,
    Status,
    Study,
    Submission,
    Thumbnail,
    open_study,
    take_lease,
)
from remap_ray.study.wishes import model_seed
from tests import synthetic


def dense(*units: int, classes: int = 10) -> Architecture:
    return Architecture((1, 8, 8), classes, tuple(map(Dense, units)))


def submission(*units: int, **more: Any) -> Submission:
    return Submission(dense(*units), **more)


def whole(study: Study) -> Snapshot:
    return advance(Snapshot(), study.changes(), study.heartbeat())


# Submitting


def test_a_submitted_model_waits_with_all_that_was_said_of_it(tmp_path: Path) -> None:
    with synthetic.empty_study(tmp_path / "s", seed=5, clock=lambda: 1.25) as study:
        (parent,) = study.submit([submission(16)])
        edits = ({"kind": "remove", "at": 2},)
        (number,) = study.submit(
            [submission(64, 8, origin=Origin.ABLATION, parent=parent, edits=edits,
                        words="Removed MaxPool at 2", epochs=7, repeat=3)]
        )  # fmt: skip
        one = study.model(number)
        assert one.number == number
        assert one.name == f"m{number}"
        assert (one.identity, one.repeat) == (dense(64, 8).identity, 3)
        assert one.seed == model_seed(5, one.identity, 3)
        assert one.form == dense(64, 8).to_dict()
        assert one.architecture == dense(64, 8)
        assert (one.origin, one.parent, one.edits) == (Origin.ABLATION, parent, edits)
        assert one.words == "Removed MaxPool at 2"
        assert one.parameters == 65 * 64 + 65 * 8 + 9 * 10
        assert (one.multiply_adds, one.flops) == (
            64 * 64 + 64 * 8 + 80,
            2 * (64 * 64 + 64 * 8 + 80),
        )
        assert (one.status, one.reason, one.stop_wish) == (Status.QUEUED, "", False)
        assert (one.wanted_epochs, one.epochs, one.checkpoint_epoch) == (7, 0, 0)
        assert (one.accuracy, one.train_loss, one.stopped, one.seconds) == (None, None, None, 0.0)
        assert one.created.isoformat() == "1970-01-01T00:00:01.250000+00:00"
        assert study.model(parent).wanted_epochs == study.recipe.epochs
        assert study.model(parent).origin is Origin.SAMPLED


def test_numbers_and_places_follow_the_order_of_submission(toy_study: Study) -> None:
    first = toy_study.submit(submission(n) for n in (5, 3, 4))
    second = toy_study.submit([submission(1), submission(2)])
    assert first + second == (1, 2, 3, 4, 5)
    positions = [one.position for one in toy_study.models()]
    assert all(before < after for before, after in pairwise(positions))
    assert [one.architecture.layers[0].units for one in toy_study.models()] == [5, 3, 4, 1, 2]


@pytest.mark.promise("STUDY-8")
def test_what_the_study_has_is_not_queued_again(toy_study: Study) -> None:
    (number,) = toy_study.submit([submission(8, words="first")])
    again = toy_study.submit(
        [
            submission(8, words="second", epochs=9, origin=Origin.HANDCRAFTED),
            submission(4),
            submission(4, words="third"),
            # The same network, though not the same layers.
            Submission(Architecture((1, 8, 8), 10, (Dropout(0), Dense(8)))),
            submission(8, repeat=1),
            submission(8, repeat=1),
        ]
    )
    assert again == (number, 2, 2, number, 3, 3)
    models = toy_study.models()
    assert [(one.words, one.repeat) for one in models] == [("first", 0), ("", 0), ("", 1)]
    assert models[0].wanted_epochs == toy_study.recipe.epochs
    assert models[0].seed != models[2].seed


def test_what_is_done_is_given_and_stays_done(toy_study_full: Study) -> None:
    done = toy_study_full.model(1)
    assert toy_study_full.submit([Submission(done.architecture)]) == (1,)
    assert toy_study_full.model(1) == done


@pytest.mark.promise("STUDY-8")
def test_a_seed_comes_of_the_study_the_network_and_the_repeat_alone(tmp_path: Path) -> None:
    def seeds(name: str, seed: int, order: list[int]) -> dict[str, int]:
        with synthetic.empty_study(tmp_path / name, seed=seed) as study:
            for units in order:
                study.submit([submission(units)])
            return {one.identity: one.seed for one in study.models()}

    assert seeds("a", 3, [1, 2, 3]) == seeds("b", 3, [3, 2, 1])
    assert set(seeds("c", 4, [1, 2, 3]).values()).isdisjoint(seeds("d", 3, [1, 2, 3]).values())
    assert 0 <= model_seed(3, "x", 0) < 2**48
    # SHA-256 of "0/4942ce6c9d5e/0", for ever: a study goes on as it began.
    assert model_seed(0, "4942ce6c9d5e", 0) == 184_819_484_512_672


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (
            Submission(Architecture((1, 28, 28), 10, ())),
            r"for images \(1, 28, 28\) and 10 classes, this study has \(1, 8, 8\) and 10",
        ),
        (Submission(Architecture((3, 8, 8), 10, ())), r"for images \(3, 8, 8\) and 10 classes"),
        (Submission(Architecture((1, 8, 8), 9, ())), r"and 9 classes, this study has .* and 10"),
        (submission(3, epochs=0), "epochs must be a whole number of at least 1, not 0"),
        (submission(3, epochs=-2), "epochs must be a whole number of at least 1, not -2"),
        (submission(3, epochs=2.5), "epochs must be a whole number of at least 1, not 2.5"),
        (submission(3, epochs=2**63), "epochs must be a whole number"),
        (submission(3, repeat=-1), "repeat must be a whole number of at least 0, not -1"),
        (submission(3, repeat=True), "repeat must be a whole number of at least 0, not True"),
        (submission(3, parent=99), "there is no model m99 in this study"),
    ],
)
def test_a_submission_that_cannot_be_queues_none_of_its_company(
    toy_study: Study, wrong: Submission, says: str
) -> None:
    with pytest.raises(RemapError, match=says) as caught:
        toy_study.submit([submission(1), wrong, submission(2)])
    assert isinstance(caught.value, InvalidRequest | UnknownModel)
    assert toy_study.models() == ()
    assert toy_study.changes().number == 0
    # Nor is a number used up.
    assert toy_study.submit([submission(1)]) == (1,)


def test_a_submission_is_one_transaction(toy_study: Study) -> None:
    before = toy_study.changes().number
    toy_study.submit(submission(n) for n in range(1, 30))
    change = toy_study.changes(before)
    assert change.number == before + 1
    assert len(change.models) == 29


# Cancelling


def test_a_waiting_model_is_cancelled_at_once(toy_study: Study) -> None:
    numbers = toy_study.submit(submission(n) for n in (1, 2, 3))
    toy_study.cancel(2)
    one = toy_study.model(2)
    assert (one.status, one.reason) == (Status.CANCELLED, "cancelled while waiting")
    lease = take_lease(toy_study, Holder.this_process("t"), 1)
    assert [one.number for one in lease.claim(5)] == [1, 3]
    assert numbers == (1, 2, 3)


def test_a_training_model_is_wished_to_stop(toy_study: Study) -> None:
    toy_study.submit([submission(1)])
    lease = take_lease(toy_study, Holder.this_process("t"), 1)
    lease.claim(1)
    assert lease.stop_wishes() == ()
    toy_study.cancel(1)
    toy_study.cancel(1)
    one = toy_study.model(1)
    assert (one.status, one.stop_wish) == (Status.TRAINING, True)
    assert lease.stop_wishes() == (1,)
    assert lease.record_cancelled(1)
    one = toy_study.model(1)
    assert (one.status, one.stop_wish) == (Status.CANCELLED, False)
    assert one.reason == "cancelled while training"
    assert lease.stop_wishes() == ()


def test_what_neither_waits_nor_trains_cannot_be_cancelled(toy_study: Study) -> None:
    toy_study.submit(submission(n) for n in (1, 2, 3))
    lease = take_lease(toy_study, Holder.this_process("t"), 1)
    synthetic.train_falsely(toy_study, lease, 1)
    lease.claim(1)
    lease.fail(2, "no luck")
    toy_study.cancel(3)
    before = toy_study.changes()
    for number, status in ((1, "done"), (2, "failed"), (3, "cancelled")):
        with pytest.raises(InvalidRequest, match=f"m{number} is {status}: there is nothing to"):
            toy_study.cancel(number)
    after = toy_study.changes()
    assert (after.number, after.models) == (before.number, before.models)


@pytest.mark.parametrize("number", [0, -1, 4, 10**6])
def test_an_unknown_model_is_named(toy_study: Study, number: int) -> None:
    toy_study.submit(submission(n) for n in (1, 2, 3))
    for ask in (toy_study.model, toy_study.cancel, toy_study.keep):
        with pytest.raises(UnknownModel) as caught:
            ask(number)
        assert str(caught.value) == f"there is no model m{number} in this study"
        assert caught.value.number == number
        assert isinstance(caught.value, KeyError)
    assert toy_study.changes().number == 1
    assert toy_study.epochs(number) == ()
    assert toy_study.predictions(number) is None


# The drawer


def test_the_drawer_keeps_its_order(toy_study: Study) -> None:
    toy_study.submit(submission(n) for n in (1, 2, 3, 4))
    for number in (3, 1, 4):
        toy_study.keep(number, f"note {number}")
    toy_study.keep(3, "too late")
    entries = toy_study.drawer()
    assert [(one.model, one.note) for one in entries] == [
        (3, "note 3"), (1, "note 1"), (4, "note 4")
    ]  # fmt: skip
    toy_study.let_go(3)
    toy_study.keep(3)
    assert [one.model for one in toy_study.drawer()] == [1, 4, 3]


def test_what_is_not_in_the_drawer_cannot_leave_it(toy_study: Study) -> None:
    toy_study.submit([submission(1)])
    toy_study.keep(1)
    toy_study.let_go(1)
    before = toy_study.changes().number
    for number in (1, 7):
        with pytest.raises(UnknownModel, match=f"^there is no model m{number} in the drawer$"):
            toy_study.let_go(number)
    assert toy_study.changes().number == before


def test_what_left_the_drawer_is_told_until_it_comes_back(toy_study: Study) -> None:
    toy_study.submit(submission(n) for n in (1, 2))
    toy_study.keep(1)
    toy_study.keep(2)
    before = toy_study.changes()
    snapshot = whole(toy_study)
    toy_study.let_go(2)
    toy_study.let_go(1)
    change = toy_study.changes(before.number)
    assert change.deleted == {"drawer": (1, 2)}
    assert change.drawer == ()
    assert change
    gone = advance(snapshot, change, toy_study.heartbeat())
    assert gone.drawer == ()
    toy_study.keep(1)
    again = toy_study.changes(change.number)
    assert again.deleted == {}
    assert [one.model for one in again.drawer] == [1]
    # Whoever slept through both sees neither a loss nor a double.
    late = toy_study.changes(before.number)
    assert late.deleted == {"drawer": (2,)}
    assert advance(snapshot, late, toy_study.heartbeat()).drawer_numbers == (1,)
    assert whole(toy_study).drawer_numbers == (1,)


# Reading


def test_changes_give_each_row_once_in_its_latest_state(toy_study: Study) -> None:
    lease = take_lease(toy_study, Holder.this_process("t"), 1)
    toy_study.submit(submission(n) for n in (1, 2, 3))
    start = toy_study.changes()
    assert [one.number for one in start.models] == [1, 2, 3]
    lease.claim(2)
    lease.record_epoch(Epoch(1, 1, 1.0, 0.1, 1.0, 0.1, 0.5))
    lease.record_epoch(Epoch(1, 2, 0.9, 0.2, 0.8, 0.3, 0.5))
    change = toy_study.changes(start.number)
    assert [(one.number, one.epochs) for one in change.models] == [(1, 2), (2, 0)]
    assert [(one.model, one.epoch) for one in change.epochs] == [(1, 1), (1, 2)]
    assert toy_study.changes(start.number, epochs=False).epochs == ()
    assert not toy_study.changes(change.number)
    assert toy_study.changes(change.number).number == change.number


def test_changes_are_read_in_one_transaction(toy_study: Study) -> None:
    """What is committed while a reader reads is for its next time, and none of it for this."""
    toy_study.submit(submission(n) for n in (1, 2))
    lease = take_lease(toy_study, Holder.this_process("t"), 1)
    lease.claim(2)
    before = toy_study.changes()
    writes = [
        lambda: lease.record_epoch(Epoch(1, 1, 1.0, 0.1, 1.0, 0.1, 0.5)),
        lambda: toy_study.keep(2),
        lambda: lease.record_epoch(Epoch(2, 1, 1.0, 0.1, 1.0, 0.1, 0.5)),
    ]
    pending = [*writes]
    with open_study(toy_study.path) as reader:

        def interrupt(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            # From the first statement after the number was read on, one write before each.
            if "FROM" in statement and "FROM counter" not in statement and pending:
                pending.pop(0)()

        event.listen(reader._engine, "before_cursor_execute", interrupt)
        torn = reader.changes()
        assert not pending
        assert (torn.number, torn.models, torn.epochs) == (before.number, before.models, ())
        assert torn.drawer == ()
        rest = reader.changes(torn.number)
        assert rest.number == before.number + len(writes)
        assert (len(rest.epochs), len(rest.drawer)) == (2, 1)


@pytest.mark.promise("STUDY-2")
def test_every_write_raises_the_number_by_one_and_a_heartbeat_does_not(toy_study: Study) -> None:
    toy_study.submit(submission(n) for n in (1, 2))
    lease = take_lease(toy_study, Holder.this_process("t"), 1)
    truth = toy_study.validation_labels
    writes = [
        lambda: lease.claim(1),
        lambda: lease.record_epoch(Epoch(1, 1, 1.0, 0.1, 1.0, 0.1, 0.5)),
        lambda: lease.record_checkpoint(1, 1, b"checkpoint"),
        lambda: lease.finish(1, truth, b"weights"),
        lambda: toy_study.keep(1),
        lambda: toy_study.let_go(1),
        lambda: toy_study.cancel(2),
    ]
    for write in writes:
        before = toy_study.changes().number
        write()
        assert toy_study.changes().number == before + 1
    before = toy_study.changes().number
    lease.beat("training 1", 2)
    lease.claim(3)
    lease.stop_wishes()
    toy_study.wish_end()
    assert lease.end_wished()
    lease.release()
    assert toy_study.changes().number == before
    assert not toy_study.changes(before)


def test_the_same_study_through_every_reader(toy_study_full: Study) -> None:
    study = toy_study_full
    snapshot = whole(study)
    assert tuple(snapshot.models.values()) == study.models()
    assert snapshot.counts == study.counts()
    assert study.counts() == {
        Status.QUEUED: 3, Status.TRAINING: 0, Status.DONE: 30, Status.FAILED: 0, Status.CANCELLED: 0
    }  # fmt: skip
    change = study.changes()
    assert change.predictions == tuple(range(1, 31))
    for number in range(1, 34):
        assert snapshot.epochs.get(number, ()) == study.epochs(number)
        assert study.model(number) == snapshot.models[number]
        predicted = study.predictions(number)
        if number <= 30:
            one = study.model(number)
            assert [e.epoch for e in study.epochs(number)] == [1, 2, 3]
            last = study.epochs(number)[-1]
            assert (one.accuracy, one.train_accuracy) == (
                last.validation_accuracy,
                last.train_accuracy,
            )
            assert (one.validation_loss, one.train_loss) == (last.validation_loss, last.train_loss)
            assert one.seconds == pytest.approx(0.3)
            assert predicted.dtype == np.uint8
            assert predicted.shape == study.validation_labels.shape
            assert not predicted.flags.writeable
        else:
            assert predicted is None
    for name in ("structure", "predictions"):
        points = study.points(name)
        assert set(points) == set(range(1, 31))
        assert points == {n: (p.x, p.y) for n, p in snapshot.points[name].items()}
        assert len(study.layout(name).models) == 29
        assert [one.model for one in study.placements(name)] == [30]
        assert snapshot.versions[name] == 1
    assert study.layout("no such map") is None
    assert study.points("no such map") == {}
    assert [one.label for one in study.thumbnails()] == list(range(10))
    assert all(isinstance(one, Thumbnail) for one in study.thumbnails())


def test_a_second_opening_sees_what_the_first_writes(toy_study: Study) -> None:
    with open_study(toy_study.path) as other:
        toy_study.submit([submission(1)])
        assert other.models() == toy_study.models()
        other.cancel(1)
        assert toy_study.model(1).status is Status.CANCELLED


def test_a_watch_tells_of_each_write_once(toy_study: Study) -> None:
    toy_study.submit([submission(1)])
    lease = take_lease(toy_study, Holder.this_process("t"), 1)
    watch = toy_study.watch()
    try:
        assert watch.changed(), "at the first call"
        assert not watch.changed()
        toy_study.changes()
        toy_study.heartbeat()
        assert not watch.changed(), "reading is no write"
        toy_study.keep(1)
        assert watch.changed()
        assert not watch.changed()
        with open_study(toy_study.path) as other:
            other.let_go(1)
            other.keep(1)
        assert watch.changed()
        assert not watch.changed()
        with pytest.raises(InvalidRequest, match="whole number"):
            toy_study.submit([submission(3, epochs=0)])
        assert not watch.changed(), "nothing was written"
        # It has no change number, but its readers want to see it soon.
        lease.beat("idle", 1)
        assert watch.changed()
    finally:
        watch.close()


def test_a_watch_writes_nothing_and_makes_no_file(tmp_path: Path, toy_study: Study) -> None:
    watch = toy_study.watch()
    with pytest.raises(sqlite3.OperationalError, match="readonly"):
        watch._connection.execute("DELETE FROM models")
    watch.close()
    with pytest.raises(sqlite3.ProgrammingError):
        watch.changed()


# Use from several threads, and of the database itself


def test_threads_may_share_a_study(toy_study: Study) -> None:
    def work(place: int) -> list[int]:
        found = []
        for n in range(5):
            (number,) = toy_study.submit([submission(place + 1, n + 1)])
            toy_study.keep(number)
            assert toy_study.changes().number > 0
            found.append(number)
        return found

    with ThreadPoolExecutor(8) as threads:
        numbers = sorted(n for found in threads.map(work, range(8)) for n in found)
    assert numbers == list(range(1, 41))
    assert sorted(one.model for one in toy_study.drawer()) == numbers
    assert toy_study.changes().number == 80
    positions = [one.position for one in toy_study.drawer()]
    assert len(set(positions)) == 40


def test_the_database_refuses_rows_that_belong_to_nothing(toy_study: Study) -> None:
    with pytest.raises(DatabaseError, match="FOREIGN KEY"), toy_study.writing() as (connection, _):
        connection.exec_driver_sql("INSERT INTO drawer VALUES (99, 1.0, '', 1)")
    with pytest.raises(DatabaseError, match="CHECK"), toy_study.writing() as (connection, _):
        connection.exec_driver_sql("INSERT INTO counter VALUES (2, 0)")
    assert toy_study.changes().number == 0, "what was not committed raised no number"


def test_the_database_survives_a_power_cut_by_its_settings(toy_study: Study) -> None:
    with toy_study.reading() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1


def test_a_model_is_a_value(toy_study: Study) -> None:
    toy_study.submit([Submission(Architecture((1, 8, 8), 10, (Activation("relu"),)))])
    one = toy_study.model(1)
    assert one == toy_study.model(1)
    assert len({one, toy_study.model(1)}) == 1
    with pytest.raises(AttributeError):
        one.status = Status.DONE  # type: ignore[misc]
