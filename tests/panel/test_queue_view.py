"""The queue: one line per model, and what is done with it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from remap_panel.feed import Feed
from remap_panel.snapshot import Snapshot, advance
from remap_panel.state import ExplorerState
from remap_panel.views.queue import Queue, lines
from remap_ray.space import Architecture, Dense
from remap_ray.study import (
    Epoch,
    Holder,
    Lease,
    Origin,
    Status,
    Study,
    Submission,
    take_lease,
)
from tests import synthetic


@pytest.fixture
def lease(toy_study: Study) -> Iterator[Lease]:
    """The lease of a study with three done models, two in training and three that wait."""
    synthetic.queue_samples(toy_study, 8)
    taken = take_lease(toy_study, Holder.this_process("test"), workers=2)
    synthetic.train_falsely(toy_study, taken, 3)
    taken.claim(2)
    yield taken
    taken.release()


@pytest.fixture
def state(lease: Lease) -> Iterator[ExplorerState]:
    yield ExplorerState(Feed.of(lease.study.path))
    Feed.close_all()


def snapshot_of(study: Study, before: Snapshot | None = None) -> Snapshot:
    before = before or Snapshot()
    return advance(before, study.changes(before.number), study.heartbeat())


def in_order(snapshot: Snapshot) -> list[int]:
    found = lines(snapshot, {})
    return sorted(found, key=lambda number: found[number].row["order"])


def test_training_comes_first_then_the_queue_then_the_newest_that_ended(lease: Lease) -> None:
    assert in_order(snapshot_of(lease.study)) == [4, 5, 6, 7, 8, 3, 2, 1]


def test_what_is_cancelled_or_failed_stands_with_what_ended(lease: Lease) -> None:
    lease.study.cancel(7)
    lease.fail(4, "the loss was not finite in epoch 1")
    assert in_order(snapshot_of(lease.study)) == [5, 6, 8, 7, 4, 3, 2, 1]


@pytest.mark.promise("PAGE-5", "QUEUE-9")
def test_a_line_says_why_the_model_stands_where_it_stands(lease: Lease) -> None:
    lease.record_epoch(Epoch(4, 1, 2.0, 0.4, 2.1, 0.38, 0.5))
    lease.fail(5, "memory ran out")
    snapshot = snapshot_of(lease.study)
    rows = {number: line.row for number, line in lines(snapshot, {}).items()}
    assert rows[4]["status"][:2] == ("training", "▶")
    assert rows[4]["status"][2].startswith("training: epoch 2 of 3, ")
    assert rows[4]["epochs"] == (1, "1/3")
    assert rows[4]["accuracy"] == (0.38, "0.380")
    assert rows[5]["status"] == ("failed", "!", "failed: memory ran out")
    assert rows[5]["accuracy"] == (None, "–")
    assert rows[6]["status"][2].startswith("waiting: next")
    assert rows[8]["status"][2].startswith("waiting: 2 ahead")
    assert {number: line.reason for number, line in lines(snapshot, {}).items()} == dict(
        snapshot.reasons
    )


def test_the_drawing_of_the_losses_is_new_with_each_epoch(lease: Lease) -> None:
    assert lines(snapshot_of(lease.study), {})[4].row["loss"] is None
    for epoch in (1, 2):
        lease.record_epoch(Epoch(4, epoch, 2.0, 0.4, 2.1, 0.38, 0.5))
        assert lines(snapshot_of(lease.study), {})[4].row["loss"] == epoch


def test_only_what_waits_or_trains_can_be_cancelled(lease: Lease) -> None:
    lease.study.cancel(5)
    found = lines(snapshot_of(lease.study), {})
    cancellable = {number for number, line in found.items() if "cancel" in line.row["actions"]}
    # m5 trains, but was asked to stop already.
    assert cancellable == {4, 6, 7, 8}


@pytest.mark.promise("PAGE-7")
def test_a_line_is_made_anew_only_where_something_changed(lease: Lease) -> None:
    first = snapshot_of(lease.study)
    before = lines(first, {})
    lease.record_epoch(Epoch(4, 1, 2.0, 0.4, 2.1, 0.38, 0.5))
    after = lines(snapshot_of(lease.study, first), before)
    same = {number for number in after if after[number] is before[number]}
    assert same == {number for number in after if after[number].reason == before[number].reason} - {
        4
    }
    assert {1, 2, 3} <= same
    again = lines(snapshot_of(lease.study, first), after)
    assert all(again[number] is after[number] for number in after if number != 4)


@pytest.mark.promise("PAGE-19")
def test_sessions_that_list_the_same_share_its_lines(state: ExplorerState) -> None:
    first, second, third = (Queue(state) for _ in range(3))
    third._act("filter", "done")
    for queue in (first, second, third):
        queue.table._handle_msg({"ask": "rows"})
    assert first._lines is second._lines
    assert third._lines.keys() < first._lines.keys()


def test_a_child_tells_its_parent_and_its_edits(toy_study: Study) -> None:
    (parent,) = toy_study.submit([Submission(Architecture((1, 8, 8), 10, (Dense(16),)))])
    child = Architecture((1, 8, 8), 10, (Dense(32),))
    words = "units of Dense at 0 from 16 to 32"
    (number,) = toy_study.submit([Submission(child, Origin.VARIATION, parent, words=words)])
    found = lines(snapshot_of(toy_study), {})
    assert found[parent].row["origin"] == "sampled"
    assert found[number].row["origin"] == f"child of m{parent}: {words}"


def test_an_empty_study_has_no_lines(toy_study: Study) -> None:
    assert lines(snapshot_of(toy_study), {}) == {}
    empty = Queue(ExplorerState(Feed.of(toy_study.path))).table.empty
    assert empty.endswith(f"run: remap sample {toy_study.path}")
    Feed.close_all()


def test_the_table_hovers_clicks_and_cancels(state: ExplorerState) -> None:
    queue = Queue(state)
    queue.table._handle_msg({"ask": "rows"})
    queue.table._handle_msg({"hover": 2})
    assert (state.hovered, state.inspected, state.study.drawer()) == (2, None, ())
    assert queue.table.hovered == 2
    queue.table._handle_msg({"click": 3})
    assert (state.inspected, queue.table.inspected) == (3, 3)
    assert [one.model for one in state.study.drawer()] == [3]
    queue.table._handle_msg({"act": [8, "cancel"]})
    assert state.study.model(8).status is Status.CANCELLED


def test_a_row_draws_its_chip_and_its_losses(state: ExplorerState) -> None:
    queue, said = Queue(state), []
    queue.table._send_msg = said.append
    queue.table._handle_msg({"ask": "rows"})
    assert queue._draw("snac", 1).startswith("<svg")
    assert "training loss: 3 values from 2" in queue._draw("loss", 1)
    assert queue._draw("loss", 1) != queue._draw("snac", 1)
    assert len(said) == 1


def test_the_lines_of_a_study_nobody_trains_say_so(tmp_path: Path) -> None:
    with synthetic.full_study(tmp_path / "still", done=1, waiting=1) as study:
        found = lines(snapshot_of(study), {})
    assert found[2].row["status"][2] == "waiting: nobody trains this study now"
