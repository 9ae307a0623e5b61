"""The lease: one scheduler at a time, and only its facts count."""

from __future__ import annotations

import os
import socket
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest

from remap_ray.errors import LeaseLost, StudyBusy
from remap_ray.study import (
    MAPS,
    Epoch,
    Holder,
    Layout,
    Lease,
    Placement,
    Status,
    Study,
    open_study,
    take_lease,
)
from remap_ray.study.holder import STALE_SECONDS, uptime
from tests import synthetic
from tests.study.children import child

HOLDER = """
import sys
from pathlib import Path
from remap_ray.study import Holder, Study, take_lease

with Study.open(Path(sys.argv[1])) as study:
    lease = take_lease(study, Holder.this_process("night shift"), 3)
    print(lease.number, [one.number for one in lease.claim(2)], flush=True)
    sys.stdin.readline()
    lease.release()
    print("released", flush=True)
    sys.stdin.readline()
"""

ELSEWHERE = Holder("far", "another-host", 7, 1.0)


def in_database(study: Study, command: str) -> None:
    with closing(sqlite3.connect(study.path / "study.db", isolation_level=None)) as connection:
        connection.execute(command)


class Clock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def study(tmp_path: Path, clock: Clock) -> Iterator[Study]:
    """A study with four waiting models, whose time stands still."""
    with synthetic.empty_study(tmp_path / "s", clock=clock) as made:
        synthetic.queue_samples(made, 4)
        yield made


def lease_of(study: Study, holder: Holder | None = None) -> Lease:
    return take_lease(study, holder or Holder.this_process("t"), 2)


def epoch(number: int, at: int, loss: float = 1.0) -> Epoch:
    return Epoch(number, at, loss, 0.1 * at, loss + 0.5, 0.05 * at, 0.25)


def layout(name: str, version: int, *numbers: int) -> Layout:
    count = len(numbers)
    return Layout(
        name, version, np.array(numbers), np.ones((count, 2)) * version, np.ones(count), 0.1
    )


def standing(study: Study) -> dict[int, str]:
    return {one.number: one.status.value for one in study.models()}


# Taking and losing it


def test_nobody_holds_a_new_study(study: Study) -> None:
    beat = study.heartbeat()
    assert (beat.lease, beat.holder, beat.alive, beat.seconds) == (0, "", False, None)
    assert (beat.workers, beat.said) == (0, "")
    study.wish_end()
    assert study.heartbeat() == beat


@pytest.mark.promise("STUDY-6")
def test_a_lease_is_one_at_a_time(study: Study, clock: Clock) -> None:
    lease = lease_of(study, Holder.this_process("first"))
    assert lease.number == 1
    clock.now += 3
    before = study.changes()
    with pytest.raises(StudyBusy) as caught:
        lease_of(study)
    said = str(caught.value)
    assert f"first (process {os.getpid()} on {socket.gethostname()})" in said
    assert "heartbeat 3 s ago" in said
    assert "stop that one first" in said
    assert caught.value.seconds == 3.0
    assert study.changes().number == before.number
    lease.release()
    beat = study.heartbeat()
    assert (beat.alive, beat.workers, beat.said) == (False, 0, "ended")
    assert lease_of(study).number == 2


def test_a_heartbeat_says_who_does_what(study: Study, clock: Clock) -> None:
    lease = lease_of(study)
    assert study.heartbeat().said == "starting"
    clock.now += 5
    lease.beat("training 2", 7)
    clock.now += 4
    beat = study.heartbeat()
    assert (beat.lease, beat.alive, beat.seconds) == (1, True, 4.0)
    assert (beat.workers, beat.said) == (7, "training 2")


def test_a_silent_holder_elsewhere_is_stale_after_ten_seconds(study: Study, clock: Clock) -> None:
    assert STALE_SECONDS == 10.0
    first = lease_of(study, ELSEWHERE)
    clock.now += 8
    first.beat("idle", 1)
    clock.now += 10
    assert study.heartbeat().alive
    with pytest.raises(StudyBusy, match=r"far \(process 7 on another-host\)"):
        lease_of(study)
    clock.now += 0.01
    assert not study.heartbeat().alive
    assert lease_of(study).number == first.number + 1


def test_a_silent_holder_here_is_stale_though_its_process_lives(study: Study, clock: Clock) -> None:
    first = lease_of(study)
    clock.now += STALE_SECONDS + 1
    second = lease_of(study)
    with pytest.raises(LeaseLost) as caught:
        first.beat("idle", 1)
    assert (caught.value.mine, caught.value.current) == (first.number, second.number)
    assert str(caught.value) == "lease 1 was taken over by lease 2; this scheduler must end"


def test_a_process_number_given_again_is_another_process(study: Study) -> None:
    me = Holder.this_process("t")
    before_me = Holder("gone", me.host, me.pid, me.process_created - 100.0)
    lease_of(study, before_me)
    assert not study.heartbeat().alive
    assert lease_of(study).number == 2


def test_a_process_that_is_not_there_holds_nothing(study: Study) -> None:
    most = int(Path("/proc/sys/kernel/pid_max").read_text())
    assert not psutil.pid_exists(most)
    lease_of(study, Holder("gone", socket.gethostname(), most, 1.0))
    assert lease_of(study).number == 2


@pytest.mark.parametrize("reap", [True, False])
@pytest.mark.promise("STUDY-6")
def test_a_killed_holder_is_seen_at_once(study: Study, reap: bool) -> None:
    """Also as a zombie, whose process number is still taken."""
    with child(HOLDER, study.path) as holder:
        # Real seconds, since the child has no other clock.
        study.clock = time.time
        assert holder.hear() == "1 [1, 2]"
        with pytest.raises(StudyBusy, match=rf"night shift \(process {holder.pid} on "):
            lease_of(study)
        assert standing(study)[1] == "training"
        assert study.heartbeat().alive
        holder.kill(reap=reap)
        assert not study.heartbeat().alive
        lease = lease_of(study)
        assert lease.number == 2
        assert standing(study) == dict.fromkeys((1, 2, 3, 4), "queued")
        assert [one.number for one in lease.claim(9)] == [1, 2, 3, 4]


def test_a_holder_that_lets_go_is_followed_at_once(study: Study) -> None:
    with child(HOLDER, study.path) as holder:
        study.clock = time.time
        holder.hear()
        with pytest.raises(StudyBusy):
            lease_of(study)
        holder.say("let go")
        assert holder.hear() == "released"
        assert holder.process.poll() is None, "it lives on"
        assert lease_of(study).number == 2


def test_a_wish_to_end_is_heard_once(study: Study) -> None:
    first = lease_of(study)
    assert not first.end_wished()
    study.wish_end()
    assert first.end_wished()
    first.release()
    assert not lease_of(study).end_wished()


FACTS: dict[str, Callable[[Lease, Study], Any]] = {
    "beat": lambda lease, _: lease.beat("idle", 1),
    "tell_room": lambda lease, _: lease.tell_room(2, 0.0),
    "bfloat16": lambda lease, _: lease.bfloat16(),
    "record_bfloat16": lambda lease, _: lease.record_bfloat16(pays=True),
    "claim": lambda lease, _: lease.claim(1),
    "claim nothing": lambda lease, _: lease.claim(0),
    "stop_wishes": lambda lease, _: lease.stop_wishes(),
    "end_wished": lambda lease, _: lease.end_wished(),
    "record_epoch": lambda lease, _: lease.record_epoch(epoch(1, 1)),
    "record_checkpoint": lambda lease, _: lease.record_checkpoint(1, 1, b"old"),
    "finish": lambda lease, study: lease.finish(1, study.validation_labels, b"old"),
    "fail": lambda lease, _: lease.fail(1, "old"),
    "requeue": lambda lease, _: lease.requeue(1, "old"),
    "record_cancelled": lambda lease, _: lease.record_cancelled(1),
    "record_layout": lambda lease, _: lease.record_layout(layout("structure", 9, 1)),
    "record_placement": lambda lease, _: lease.record_placement(
        Placement("structure", 1, 1, 0.0, 0.0, 0.0)
    ),
    "release": lambda lease, _: lease.release(),
}


def test_every_method_of_a_lease_is_tried() -> None:
    public = {name for name in vars(Lease) if not name.startswith("_")}
    assert {name.split()[0] for name in FACTS} == public


@pytest.mark.parametrize("fact", FACTS)
@pytest.mark.parametrize("queue", ["in training again", "empty"])
@pytest.mark.promise("STUDY-1")
def test_a_lost_lease_can_do_nothing(study: Study, clock: Clock, fact: str, queue: str) -> None:
    old = lease_of(study)
    old.claim(1)
    clock.now += STALE_SECONDS + 1
    new = lease_of(study)
    if queue == "in training again":
        assert [one.number for one in new.claim(1)] == [1]
    else:
        for one in study.models():
            study.cancel(one.number)
    new.record_layout(layout("structure", 1, 2))
    before = study.changes()
    with pytest.raises(LeaseLost):
        FACTS[fact](old, study)
    after = study.changes()
    assert after.number == before.number
    assert after.models == before.models
    assert after.epochs == after.placements == ()
    assert [one.version for one in after.layouts] == [1]
    assert list((study.path / "weights").iterdir()) == []
    assert study.heartbeat().lease == new.number
    assert study.heartbeat().alive


def test_a_takeover_queues_what_trained_and_fulfils_wishes_to_stop(
    study: Study, clock: Clock
) -> None:
    old = lease_of(study)
    old.claim(3)
    old.record_epoch(epoch(2, 1))
    old.record_checkpoint(2, 1, b"one")
    study.cancel(3)
    positions = {one.number: one.position for one in study.models()}
    clock.now += STALE_SECONDS + 1
    new = lease_of(study)
    assert standing(study) == {1: "queued", 2: "queued", 3: "cancelled", 4: "queued"}
    assert study.model(1).reason == study.model(2).reason == "interrupted"
    assert study.model(3).reason == "cancelled while training"
    assert not any(one.stop_wish for one in study.models())
    assert {one.number: one.position for one in study.models()} == positions
    claimed = new.claim(9)
    assert [one.number for one in claimed] == [1, 2, 4]
    assert (claimed[1].epochs, claimed[1].checkpoint_epoch) == (1, 1)
    assert study.checkpoint_path(2).read_bytes() == b"one"


# Claiming


def test_claims_come_in_the_order_of_the_queue(study: Study) -> None:
    lease = lease_of(study)
    study.cancel(2)
    assert lease.claim(0) == ()
    assert lease.claim(-1) == ()
    first = lease.claim(2)
    assert [one.number for one in first] == [1, 3]
    assert all(one.status is Status.TRAINING for one in first)
    assert [study.model(one.number) for one in first] == list(first)
    # One that comes back has its old place, before all that came after it.
    lease.requeue(1, "its trainer died")
    assert study.model(1).reason == "its trainer died"
    assert [one.number for one in lease.claim(9)] == [1, 4]
    assert study.model(1).reason == ""
    before = study.changes().number
    assert lease.claim(5) == ()
    assert study.changes().number == before


# Facts of a model in training


@pytest.mark.promise("STUDY-3")
def test_an_epoch_is_recorded_once(study: Study) -> None:
    lease = lease_of(study)
    lease.claim(1)
    assert lease.record_epoch(epoch(1, 1, loss=2.0))
    assert lease.record_epoch(epoch(1, 2, loss=1.5))
    assert not lease.record_epoch(epoch(1, 2, loss=9.0))
    # Trained again from a checkpoint, an older epoch changes nothing either.
    assert not lease.record_epoch(epoch(1, 1, loss=9.0))
    assert study.epochs(1) == (epoch(1, 1, loss=2.0), epoch(1, 2, loss=1.5))
    one = study.model(1)
    assert (one.epochs, one.seconds) == (2, 0.5)
    assert (one.train_loss, one.validation_loss) == (1.5, 2.0)
    assert (one.train_accuracy, one.accuracy) == (0.2, 0.1)


def test_what_a_model_shows_is_of_its_last_epoch_not_its_best(study: Study) -> None:
    lease = lease_of(study)
    lease.claim(1)
    lease.record_epoch(Epoch(1, 1, 0.1, 0.99, 0.1, 0.98, 1.0))
    lease.record_epoch(Epoch(1, 2, 0.9, 0.11, 0.8, 0.12, 1.0))
    lease.finish(1, study.validation_labels, b"w")
    one = study.model(1)
    assert (one.accuracy, one.train_accuracy) == (0.12, 0.11)
    assert (one.validation_loss, one.train_loss) == (0.8, 0.9)


def test_a_finished_model_has_its_weights_predictions_and_standing(study: Study) -> None:
    lease = lease_of(study)
    lease.claim(1)
    lease.record_epoch(epoch(1, 1))
    predicted = (study.validation_labels + 1) % 10
    assert lease.finish(1, predicted, b"\x00weights", stopped="halving after 1 of 3 epochs")
    one = study.model(1)
    assert (one.status, one.reason) == (Status.DONE, "")
    assert one.stopped == "halving after 1 of 3 epochs"
    assert study.weights_path(1).read_bytes() == b"\x00weights"
    assert study.predictions(1).tolist() == predicted.tolist()
    assert study.changes().predictions == (1,)


@pytest.mark.promise("STUDY-5")
def test_weights_are_there_before_the_row_that_speaks_of_them(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = lease_of(study)
    lease.claim(2)
    seen: list[tuple[str, Status, int]] = []
    really = Path.replace

    def watched(self: Path, target: Path) -> Path:
        with open_study(study.path) as reader:
            one = reader.model(1)
            seen.append((target.name, one.status, one.checkpoint_epoch))
        return really(self, target)

    monkeypatch.setattr(Path, "replace", watched)
    lease.record_checkpoint(1, 3, b"c")
    lease.finish(1, study.validation_labels, b"w")
    assert seen == [
        ("m1.checkpoint.safetensors", Status.TRAINING, 0),
        ("m1.safetensors", Status.TRAINING, 3),
    ]
    assert study.model(1).status is Status.DONE


def test_a_file_that_cannot_be_written_leaves_the_model_in_training(
    study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    lease = lease_of(study)
    lease.claim(1)
    before = study.changes()

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="is full"):
        lease.finish(1, study.validation_labels, b"w")
    with pytest.raises(OSError, match="is full"):
        lease.record_checkpoint(1, 1, b"c")
    after = study.changes()
    assert (after.number, after.models) == (before.number, before.models)
    assert list((study.path / "weights").iterdir()) == []


@pytest.mark.parametrize(
    "wrong",
    [
        np.zeros(199, np.uint8),
        np.zeros((200, 1), np.uint8),
        np.zeros(200, np.int64),
        np.zeros(0, np.uint8),
    ],
)
def test_predictions_of_other_images_are_refused(study: Study, wrong: Any) -> None:
    lease = lease_of(study)
    lease.claim(1)
    with pytest.raises(ValueError, match=r"predictions of m1 must be uint8 \(200,\), not"):
        lease.finish(1, wrong, b"w")
    assert study.model(1).status is Status.TRAINING
    assert not study.weights_path(1).exists()


def test_a_requeued_model_keeps_its_place_and_its_epochs(study: Study) -> None:
    lease = lease_of(study)
    before = {one.number: one.position for one in lease.claim(2)}
    lease.record_epoch(epoch(1, 1))
    lease.record_epoch(epoch(1, 2))
    lease.record_checkpoint(1, 2, b"two")
    assert lease.requeue(1, "interrupted")
    one = study.model(1)
    assert (one.status, one.reason, one.position) == (Status.QUEUED, "interrupted", before[1])
    assert (one.epochs, one.checkpoint_epoch, len(study.epochs(1))) == (2, 2, 2)
    assert not lease.record_epoch(epoch(1, 3)), "it is no longer in training"
    assert [one.number for one in lease.claim(1)] == [1]
    assert lease.record_epoch(epoch(1, 3))


def test_a_wish_to_stop_is_not_lost_when_its_model_comes_back(study: Study) -> None:
    """Cancelled, and at that moment the scheduler is stopped or the trainer dies."""
    lease = lease_of(study)
    lease.claim(1)
    study.cancel(1)
    assert lease.requeue(1, "interrupted")
    one = study.model(1)
    assert (one.status, one.reason) == (Status.CANCELLED, "cancelled while training")
    assert 1 not in [one.number for one in lease.claim(9)]


def test_a_failed_model_says_why(study: Study) -> None:
    lease = lease_of(study)
    lease.claim(1)
    study.cancel(1)
    assert lease.fail(1, "the loss became infinite in epoch 2")
    one = study.model(1)
    assert (one.status, one.stop_wish) == (Status.FAILED, False)
    assert one.reason == "the loss became infinite in epoch 2"
    assert study.predictions(1) is None


@pytest.mark.parametrize("fact", [
    "record_epoch", "record_checkpoint", "finish", "fail", "requeue", "record_cancelled"
])  # fmt: skip
@pytest.mark.parametrize("status", ["queued", "done", "failed", "cancelled", "missing", "foreign"])
@pytest.mark.promise("STUDY-4")
def test_what_is_not_in_training_takes_no_facts(study: Study, fact: str, status: str) -> None:
    """A late event of a model that has gone on changes nothing of it, nor its files."""
    lease = lease_of(study)
    lease.claim(1)
    match status:
        case "queued":
            lease.requeue(1, "interrupted")
        case "done":
            lease.record_checkpoint(1, 1, b"whole checkpoint")
            lease.finish(1, study.validation_labels, b"whole weights")
        case "failed":
            lease.fail(1, "no luck")
        case "cancelled":
            lease.record_cancelled(1)
        case "missing":
            lease.claim(9)
            with study.writing() as (connection, _):
                connection.exec_driver_sql("DELETE FROM models WHERE number = 1")
        case "foreign":
            with study.writing() as (connection, _):
                connection.exec_driver_sql("UPDATE models SET lease = 7 WHERE number = 1")
    models, number = study.models(), study.changes().number
    files = {one.name: one.read_bytes() for one in (study.path / "weights").iterdir()}
    assert FACTS[fact](lease, study) is False
    assert study.models() == models
    assert not study.changes(number).models
    assert study.epochs(1) == ()
    assert {one.name: one.read_bytes() for one in (study.path / "weights").iterdir()} == files


def test_a_number_once_given_is_never_given_again(study: Study) -> None:
    with study.writing() as (connection, _):
        connection.exec_driver_sql("DELETE FROM models WHERE number = 4")
    assert synthetic.queue_samples(study, 6)[3:] == (5, 6, 7)


# Maps


def test_a_map_switches_whole_and_takes_its_placements_with_it(study: Study) -> None:
    lease = lease_of(study)
    assert not lease.record_placement(Placement("structure", 1, 4, 0.0, 0.0, 0.1))
    for name in MAPS:
        lease.record_layout(layout(name, 1, 1, 2))
        # Who has predicted anew is placed anew, and has one place all the same.
        assert lease.record_placement(Placement(name, 1, 3, 9.0, 9.0, 0.2))
        assert lease.record_placement(Placement(name, 1, 3, 0.5, 0.5, 0.2))
    assert study.points("structure") == {1: (1.0, 1.0), 2: (1.0, 1.0), 3: (0.5, 0.5)}
    lease.record_layout(layout("structure", 2, 3, 1, 2))
    assert study.points("structure") == dict.fromkeys((1, 2, 3), (2.0, 2.0))
    assert study.placements("structure") == ()
    assert len(study.placements("predictions")) == 1
    # Reckoned before the refit, arrived after it.
    before = study.changes().number
    assert not lease.record_placement(Placement("structure", 1, 4, 0.0, 0.0, 0.1))
    assert not study.changes(before)
    assert 4 not in study.points("structure")


def test_a_layout_comes_back_as_it_was(study: Study) -> None:
    lease = lease_of(study)
    rng = np.random.default_rng(0)
    points, shares = rng.normal(size=(3, 2)), rng.random(3)
    # Neither the order in memory nor the byte order nor the type may matter.
    given = Layout(
        "structure", 4, np.array([3, 1, 2], ">i4"), np.asfortranarray(points), shares, 0.25
    )
    lease.record_layout(given)
    (found,) = study.changes().layouts
    assert (found.map, found.version, found.stress) == ("structure", 4, 0.25)
    assert found.models.tolist() == [3, 1, 2]
    assert found.points.tolist() == points.tolist()
    assert found.shares.tolist() == shares.tolist()
    assert (found.models.dtype, found.points.dtype) == (np.int64, np.float64)


def test_placements_come_in_the_order_of_placing(study: Study) -> None:
    lease = lease_of(study)
    lease.record_layout(layout("structure", 1, 1))
    for number in (4, 2, 3):
        lease.record_placement(Placement("structure", 1, number, 0.0, 0.0, 0.1))
    assert [one.model for one in study.placements("structure")] == [4, 2, 3]


class Clocks:
    """The time of day, which can be set, and the machine's own seconds, which cannot."""

    def __init__(self) -> None:
        self.day, self.up = 1_790_000_000.0, 5_000.0

    def pass_by(self, seconds: float) -> None:
        self.day += seconds
        self.up += seconds


@pytest.mark.parametrize("hours", [-5, 5])
@pytest.mark.promise("STUDY-32")
def test_a_clock_that_is_set_neither_frees_nor_keeps_a_lease(tmp_path: Path, hours: int) -> None:
    clocks = Clocks()
    synthetic.empty_study(tmp_path / "s", clock=lambda: clocks.day).close()
    with Study.open(tmp_path / "s", lambda: clocks.day, lambda: clocks.up) as study:
        synthetic.queue_samples(study, 4)
        first = lease_of(study)
        (claimed,) = first.claim(1)
        clocks.day += hours * 3_600
        # Set while it lives: it holds the study still, and goes on.
        assert study.heartbeat().alive
        assert study.heartbeat().seconds == 0
        with pytest.raises(StudyBusy, match="heartbeat 0 s ago"):
            lease_of(study)
        clocks.pass_by(2)
        first.beat("training 1", 1)
        epoch = Epoch(claimed.number, 1, 1.0, 0.5, 1.0, 0.5, 3.0)
        assert first.record_epoch(epoch)
        # Silent since: after ten seconds the study is free, whatever the clock says.
        clocks.pass_by(10.0)
        assert study.heartbeat().alive
        clocks.pass_by(0.1)
        assert not study.heartbeat().alive
        second = lease_of(study)
        assert second.number == first.number + 1
        with pytest.raises(LeaseLost):
            first.beat("idle", 1)
        with pytest.raises(LeaseLost):
            first.record_epoch(replace(epoch, epoch=2))
        assert [one.epoch for one in study.epochs(claimed.number)] == [1]
        assert [one.number for one in second.claim(9)] == [1, 2, 3, 4]


def test_a_process_is_the_same_whatever_the_clock_says() -> None:
    """Its start is told in the machine's own seconds: psutil's would move with the clock."""
    me = Holder.this_process("t")
    assert 0 < me.process_created < uptime()
    assert uptime() - me.process_created == pytest.approx(
        time.time() - psutil.Process().create_time(), abs=2.0
    )


def test_a_heartbeat_from_before_the_machine_started_anew_is_told_by_the_time_of_day(
    study: Study, clock: Clock
) -> None:
    lease_of(study, ELSEWHERE)
    in_database(study, "UPDATE lease SET boot = 'an earlier one', beat = 1e9")
    clock.now += 9
    assert study.heartbeat().alive
    clock.now -= 18
    assert study.heartbeat().alive
    clock.now -= 2
    # From the future by more than ten seconds: its clock has been set back since.
    assert not study.heartbeat().alive
