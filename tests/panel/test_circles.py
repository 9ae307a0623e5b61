"""What the overview shows, as numbers and words."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from math import isnan, log10
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from numpy.typing import NDArray

from remap_panel import captions, circles, theme
from remap_panel.snapshot import Point, Snapshot, advance
from remap_ray.cluster.projector import ENOUGH
from remap_ray.study import (
    MAPS,
    Epoch,
    Holder,
    Layout,
    Lease,
    Origin,
    Placement,
    Study,
    Submission,
    take_lease,
)
from tests import synthetic

Table = dict[str, NDArray[Any]]


def look(study: Study, before: Snapshot | None = None) -> Snapshot:
    before = before or Snapshot()
    return advance(before, study.changes(before.number), study.heartbeat())


def applied(update: circles.Update, table: Table) -> Table:
    """Do to a table what a column data source does with a stream and a patch."""
    done = {name: column.copy() for name, column in table.items()}
    for name, patches in update.patches.items():
        for place, value in patches:
            done[name][place] = value
    if update.new:
        done = {name: np.append(column, update.new[name]) for name, column in done.items()}
    return done


def places(table: Table) -> dict[int, int]:
    return {number: place for place, number in enumerate(table["number"].tolist())}


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """30 trained and mapped models and three waiting ones; for reading only."""
    with synthetic.full_study(tmp_path_factory.mktemp("full") / "study") as study:
        yield study


@pytest.fixture
def lease(toy_study: Study) -> Iterator[Lease]:
    """The lease of a study with six queued models of three epochs."""
    synthetic.queue_samples(toy_study, 6)
    taken = take_lease(toy_study, Holder.this_process("test"), workers=2)
    yield taken
    taken.release()


def record(lease: Lease, number: int, epoch: int, accuracy: float) -> None:
    lease.record_epoch(Epoch(number, epoch, 1.0, accuracy, 1.0, accuracy, 0.1))


def finish(lease: Lease, number: int) -> None:
    lease.finish(number, lease.study.validation_labels, b"weights")


def test_a_model_has_a_circle_from_its_first_epoch_on(lease: Lease) -> None:
    study = lease.study
    (model,) = lease.claim(1)
    number = model.number
    assert circles.row(look(study), number) is None
    record(lease, number, 1, 0.25)
    seen = circles.row(look(study), number)
    assert seen is not None
    assert seen[:5] == (
        number,
        0,
        theme.radius(model.parameters),
        0.25,
        log10(model.parameters),
    )
    assert isnan(seen[5])
    assert seen[6:8] == (0, 0)
    assert all(isnan(place) for place in seen[8:])
    finish(lease, number)
    done = circles.row(look(study), number)
    assert done is not None
    assert done[1] == 1


def test_a_model_that_waits_to_be_trained_further_keeps_its_hollow_circle(lease: Lease) -> None:
    (model,) = lease.claim(1)
    record(lease, model.number, 1, 0.25)
    lease.requeue(model.number, "interrupted")
    row = circles.row(look(lease.study), model.number)
    assert row is not None
    assert row[1] == 0


@pytest.mark.parametrize("ended", ["failed", "cancelled"])
def test_a_model_that_ends_without_result_loses_its_circle(lease: Lease, ended: str) -> None:
    study = lease.study
    (model,) = lease.claim(1)
    record(lease, model.number, 1, 0.25)
    before = look(study)
    table = applied(circles.Update.between(Snapshot(), before, {}), circles.table([]))
    if ended == "failed":
        lease.fail(model.number, "the loss is not finite")
    else:
        lease.record_cancelled(model.number)
    after = look(study, before)
    assert circles.row(after, model.number) is None
    update = circles.Update.between(before, after, places(table))
    table = applied(update, table)
    # The row stays, since rows are never renumbered; nothing of it can be drawn or pointed at.
    assert table["number"].tolist() == [model.number]
    assert np.isnan(table["accuracy"]).all()
    assert np.isnan(table["size"]).all()


def test_an_accuracy_that_is_not_finite_has_no_circle(lease: Lease) -> None:
    (model,) = lease.claim(1)
    record(lease, model.number, 1, float("inf"))
    assert circles.row(look(lease.study), model.number) is None


def test_nothing_travels_when_nothing_of_a_circle_changed(lease: Lease) -> None:
    study = lease.study
    (model,) = lease.claim(1)
    record(lease, model.number, 1, 0.25)
    before = look(study)
    table = applied(circles.Update.between(Snapshot(), before, {}), circles.table([]))
    lease.record_checkpoint(model.number, 1, b"checkpoint")
    study.keep(model.number)
    after = look(study, before)
    assert after.number > before.number
    assert not circles.Update.between(before, after, places(table))


def test_an_epoch_patches_one_cell(lease: Lease) -> None:
    study = lease.study
    first, second = (one.number for one in lease.claim(2))
    record(lease, first, 1, 0.25)
    record(lease, second, 1, 0.5)
    before = look(study)
    table = applied(circles.Update.between(Snapshot(), before, {}), circles.table([]))
    record(lease, second, 2, 0.75)
    update = circles.Update.between(before, look(study, before), places(table))
    assert not update.new
    assert update.patches == {"accuracy": [(places(table)[second], 0.75)]}


def test_a_new_layout_travels_as_runs_of_places(toy_study_full: Study) -> None:
    study = toy_study_full
    before = look(study)
    table = applied(circles.Update.between(Snapshot(), before, {}), circles.table([]))
    lease = take_lease(study, Holder.this_process("test"), workers=1)
    numbers = np.array(sorted(before.points["structure"]))
    points = np.random.default_rng(5).normal(size=(len(numbers), 2))
    lease.record_layout(
        Layout("structure", 2, numbers, points, np.full(len(numbers), 1 / len(numbers)), 0.1)
    )
    lease.release()
    after = look(study, before)
    update = circles.Update.between(before, after, places(table))
    assert set(update.patches) == {"structure_x", "structure_y"}
    ((run, values),) = update.patches["structure_x"]
    assert run == slice(0, len(numbers))
    assert values.dtype == np.float32
    table = applied(update, table)
    assert_array_equal(table["structure_x"], points[:, 0].astype(np.float32))


ACTS = st.lists(
    st.tuples(
        st.sampled_from(["claim", "epoch", "finish", "fail", "requeue", "layout", "place"]),
        st.integers(0, 5),
    ),
    max_size=24,
)


@pytest.mark.slow
def test_updates_one_by_one_give_the_table_of_the_whole(tmp_path_factory: Any) -> None:
    @settings(max_examples=20, deadline=None)
    @given(ACTS)
    def law(acts: list[tuple[str, int]]) -> None:
        path: Path = tmp_path_factory.mktemp("law") / "study"
        with synthetic.empty_study(path, epochs=3, items=8) as study:
            numbers = synthetic.queue_samples(study, 6)
            lease = take_lease(study, Holder.this_process("test"), workers=1)
            seen, table, version = Snapshot(), circles.table([]), 0
            for step, (act, chosen) in enumerate(acts):
                number = numbers[chosen]
                version += _do(lease, act, number, version, step)
                after = look(study, seen)
                table = applied(circles.Update.between(seen, after, places(table)), table)
                seen = after
            whole = {number: circles.row(look(study), number) for number in numbers}
        for place, number in enumerate(table["number"].tolist()):
            expected = whole.pop(number)
            got = [column[place] for column in table.values()]
            if expected is None:
                assert np.isnan(got[3])
            else:
                assert_array_equal(np.array(got), np.array(expected, np.float32))
        assert all(row is None for row in whole.values())

    law()


def _do(lease: Lease, act: str, number: int, version: int, step: int) -> int:
    """Do one thing to the study, if it can be done; gives 1 for a new layout version."""
    model = lease.study.model(number)
    if act == "claim":
        lease.claim(1)
    elif act == "epoch":
        record(lease, number, model.epochs + 1, (step % 10) / 10)
    elif act == "finish":
        finish(lease, number)
    elif act == "fail":
        lease.fail(number, "no memory")
    elif act == "requeue":
        lease.requeue(number, "interrupted")
    elif act == "place" and version:
        lease.record_placement(Placement("structure", version, number, step, -step, 0.1))
    elif act == "layout":
        chosen = np.array([number])
        lease.record_layout(
            Layout("structure", version + 1, chosen, np.array([[step, 1.0]]), np.ones(1), 0.1)
        )
        return 1
    return 0


# Frames

XY = st.lists(
    st.tuples(st.floats(0, 1, width=32), st.floats(1, 7, width=32)), min_size=1, max_size=12
)


def figures(points: list[tuple[float, float]]) -> Table:
    x, y = np.array(points, np.float32).reshape(-1, 2).T
    return {"accuracy": x, "size": y} | {
        f"{name}_{axis}": values for name in MAPS for axis, values in (("x", x), ("y", y))
    }


@given(XY)
def test_frames_hold_every_circle_and_maps_have_equal_spans(
    points: list[tuple[float, float]],
) -> None:
    for name, (left, right, low, high) in circles.frames(figures(points)).items():
        assert all(left <= x <= right and low <= y <= high for x, y in points)
        if name in MAPS:
            assert right - left == pytest.approx(high - low)


@given(XY, XY)
def test_frames_stay_where_they_are_unless_they_must_move(
    first: list[tuple[float, float]], more: list[tuple[float, float]]
) -> None:
    before = circles.frames(figures(first))
    after = circles.frames(figures(first + more), before)
    for name, fitting in circles.frames(figures(first + more)).items():
        left, right, low, high = before[name]
        holds = left <= fitting[0] and fitting[1] <= right
        holds = holds and low <= fitting[2] and fitting[3] <= high
        wide = (fitting[1] - fitting[0]) / (right - left)
        tall = (fitting[3] - fitting[2]) / (high - low)
        if holds and max(wide, tall) > circles.ROOMY:
            assert after[name] == before[name]
        else:
            assert after[name] == fitting


def test_a_frame_that_became_far_too_large_shrinks() -> None:
    wide = circles.frames(figures([(0.0, 1.0), (1.0, 7.0)]))
    narrow = circles.frames(figures([(0.9, 4.0), (0.95, 4.2)]), wide)
    assert narrow["accuracy"][1] - narrow["accuracy"][0] < 0.4


def test_frames_of_nothing_are_the_empty_ones() -> None:
    assert circles.frames(circles.table([])) == circles.EMPTY
    nowhere = figures([(float("nan"), float("nan"))])
    assert circles.frames(nowhere) == circles.EMPTY


def test_one_model_is_not_magnified() -> None:
    left, right, low, high = circles.frames(figures([(0.5, 4.0)]))["accuracy"]
    assert right - left == pytest.approx(0.2)
    assert high - low >= 2


# Words


def test_each_projection_says_why_it_is_empty(toy_study: Study) -> None:
    synthetic.queue_samples(toy_study, 6)
    said = captions.notes(look(toy_study), any_circle=False)
    assert said["accuracy"] == ("Models appear here as soon as they have trained their first epoch")
    assert said["structure"] == "The map appears once 4 models are trained: 0 so far"
    lease = take_lease(toy_study, Holder.this_process("test"), workers=1)
    numbers = synthetic.train_falsely(toy_study, lease, 4)
    said = captions.notes(look(toy_study), any_circle=True)
    assert said["accuracy"] == ""
    assert said["predictions"] == "The map is being laid out"
    lease.release()
    said = captions.notes(look(toy_study), any_circle=True)
    assert said["predictions"] == "The map is laid out as soon as someone trains this study again"
    lease = take_lease(toy_study, Holder.this_process("test"), workers=1)
    synthetic.lay_out(lease, numbers)
    lease.release()
    said = captions.notes(look(toy_study), any_circle=True)
    assert set(said.values()) == {""}


def test_the_overview_waits_for_as_many_models_as_the_first_layout() -> None:
    assert captions.MAP_NEEDS == ENOUGH


@pytest.mark.parametrize(("count", "said"), [(1, "The model failed"), (3, "All 3 models failed")])
def test_a_study_of_failures_says_so(toy_study: Study, count: int, said: str) -> None:
    synthetic.queue_samples(toy_study, count)
    lease = take_lease(toy_study, Holder.this_process("test"), workers=1)
    for model in lease.claim(count):
        lease.fail(model.number, "no memory")
    lease.release()
    assert captions.notes(look(toy_study), any_circle=False)["accuracy"].startswith(said)


def test_the_summary_names_the_best_and_the_smallest(full: Study) -> None:
    snapshot = look(full)
    table = applied(circles.Update.between(Snapshot(), snapshot, {}), circles.table([]))
    done = [model for model in snapshot.models.values() if model.accuracy is not None]
    best = max(done, key=lambda model: model.accuracy or 0)
    smallest = min(done, key=lambda model: model.parameters)
    told = captions.summary(snapshot, table, "accuracy", "")
    assert "30 models trained," in told
    assert "in training" not in told
    assert f"Best: {best.name} with accuracy" in told
    assert f"Smallest: {smallest.name} with accuracy" in told
    assert "similar structure" in captions.summary(snapshot, table, "structure", "")
    assert captions.summary(snapshot, table, "accuracy", "Nothing here") == "Nothing here."


def test_a_preview_tells_the_figures(full: Study) -> None:
    snapshot = look(full)
    number = next(iter(snapshot.points["structure"]))
    model = snapshot.models[number]
    html = captions.preview(snapshot, number, "accuracy")
    assert "<svg" in html
    assert f"<strong>{model.name}</strong> sampled" in html
    assert f"accuracy <strong>{model.accuracy:.3f}</strong> (training {model.accuracy:.3f})" in html
    assert "FLOP · 3 epochs" in html
    assert "place:" not in html
    assert "the map's average error" in captions.preview(snapshot, number, "structure")


def test_a_preview_of_a_model_in_training_says_how_far_it_is(lease: Lease) -> None:
    (model,) = lease.claim(1)
    record(lease, model.number, 1, 0.25)
    html = captions.preview(look(lease.study), model.number, "structure")
    assert "epoch 1 of 3, training" in html
    assert "place:" not in html


@pytest.mark.parametrize(
    ("share", "words"),
    [(0.1, "can be trusted"), (0.25, "about right"), (0.5, "rough"), (0.9, "misleading")],
)
def test_a_place_is_trusted_by_its_share_of_the_error(
    full: Study, share: float, words: str
) -> None:
    snapshot = look(full)
    number = next(iter(snapshot.points["structure"]))
    points = {one: Point(0, 0, 0.1) for one in list(snapshot.points["structure"])[1:4]}
    points[number] = Point(0, 0, share)
    snapshot = replace(snapshot, points={**snapshot.points, "structure": points})
    assert f"place: {words}" in captions.preview(snapshot, number, "structure")


def test_a_place_without_an_error_is_not_judged(full: Study) -> None:
    snapshot = look(full)
    number = next(iter(snapshot.points["structure"]))
    points = {number: Point(0, 0, float("nan"))}
    snapshot = replace(snapshot, points={**snapshot.points, "structure": points})
    assert "place:" not in captions.preview(snapshot, number, "structure")


def test_what_a_person_wrote_is_escaped(toy_study: Study) -> None:
    (parent,) = synthetic.queue_samples(toy_study, 1)
    architecture = toy_study.model(parent).architecture
    words = '<img src=x onerror="alert(1)">'
    toy_study.submit([Submission(architecture, Origin.HANDCRAFTED, parent, words=words, repeat=1)])
    lease = take_lease(toy_study, Holder.this_process("test"), workers=1)
    synthetic.train_falsely(toy_study, lease, 2)
    lease.release()
    html = captions.preview(look(toy_study), parent + 1, "accuracy")
    assert "<img" not in html
    assert "&lt;img src=x onerror=&quot;alert(1)&quot;&gt;" in html
