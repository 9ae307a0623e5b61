"""The table of children, and what their differences are made of."""

from __future__ import annotations

import numpy as np
import pytest

from remap_panel import children
from remap_panel.deltas import Deltas, pair, runs_by_identity, said, signed
from remap_panel.snapshot import Snapshot, advance
from remap_ray.space import Activation, Architecture, Conv, Dense, Dropout, MaxPool
from remap_ray.space.edit import Prepend, Remove, Reparameterize, apply, to_dict
from remap_ray.study import Epoch, Holder, Lease, Origin, Study, Submission, take_lease
from remap_ray.study.paired import Delta, delta

BASE = Architecture((1, 8, 8), 10, (Conv(16, 3), Activation("relu"), MaxPool(2), Dense(64)))


def snapshot_of(study: Study) -> Snapshot:
    return advance(Snapshot(), study.changes(), study.heartbeat())


def train(lease: Lease, number: int, skill: float, seed: int) -> np.ndarray:
    """Record one epoch of the next model, which gets images right with a chance."""
    (model,) = lease.claim(1)
    assert model.number == number
    truth = lease.study.validation_labels
    right = np.random.default_rng(seed).random(len(truth)) < skill
    labels = np.where(right, truth, (truth + 1) % 10).astype(np.uint8)
    lease.record_epoch(Epoch(number, 1, 1.0, 0.5, 1.0, float(right.mean()), 0.1))
    lease.finish(number, labels, b"weights")
    return right


@pytest.fixture
def family(toy_study: Study) -> tuple[Study, list[np.ndarray]]:
    """A baseline, four ablations, a repeat of the first, and a grandchild: all are trained."""
    wanted = [Submission(BASE, epochs=1)]
    wanted += [
        Submission(
            one.architecture, Origin.ABLATION, 1, tuple(map(to_dict, one.edits)), one.words, 1
        )
        for one in (apply(BASE, [Remove(at)]) for at in range(4))
    ]
    wanted.append(
        Submission(
            wanted[1].architecture, Origin.ABLATION, 1, wanted[1].edits, wanted[1].words, 1, 1
        )
    )
    third = apply(wanted[3].architecture, [Prepend(3, Dropout(0.5))])
    edits = tuple(map(to_dict, third.edits))
    wanted.append(Submission(third.architecture, Origin.VARIATION, 4, edits, third.words, 1))
    numbers = toy_study.submit(wanted)
    lease = take_lease(toy_study, Holder.this_process("test"), workers=1)
    skills = [0.9, 0.5, 0.9, 0.8, 0.7, 0.55, 0.95]
    rights = [
        train(lease, number, skill, number) for number, skill in zip(numbers, skills, strict=True)
    ]
    lease.release()
    return toy_study, rights


def lines_of(study: Study, known: Deltas, numbers=None, classes=None, before=None, snapshot=None):
    snapshot = snapshot or snapshot_of(study)
    baseline = snapshot.models[1]
    runs = runs_by_identity(snapshot)
    found = numbers or children.family(snapshot, 1, descendants=False)
    names = study.data.class_names
    return children.lines(
        snapshot, baseline, found, runs, known, classes or {}, names, before or {}
    )


def worked_out(study: Study) -> Deltas:
    known = Deltas(study)
    snapshot = snapshot_of(study)
    runs = runs_by_identity(snapshot)
    models = snapshot.models
    known.work_out([pair(runs, models[1].identity, one.identity) for one in models.values()])
    return known


@pytest.mark.promise("PAGE-72")
def test_a_childs_row_tells_its_changes_and_its_paired_difference(family) -> None:
    study, rights = family
    assert children.family(snapshot_of(study), 1, descendants=False) == (2, 3, 4, 5, 6)
    assert children.family(snapshot_of(study), 1, descendants=True) == (2, 3, 4, 5, 6, 7)
    known = worked_out(study)
    snapshot = snapshot_of(study)
    found = lines_of(study, known, snapshot=snapshot)
    row = found[3].row
    expected = delta(rights[0], rights[2])
    assert row["changes"] == "Removed Activation at 1"
    assert row["accuracy"][0] == pytest.approx(expected.value)
    assert row["accuracy"][0] == pytest.approx(
        study.model(3).accuracy - study.model(1).accuracy, abs=1e-9
    )
    assert row["parameters"][:2] == (0, "±0")
    assert found[4].row["parameters"][0] == study.model(4).parameters - study.model(1).parameters
    # The first ablation has two trainings: its interval knows what they differ by.
    both = delta(rights[0], np.stack([rights[1], rights[5]]))
    assert found[2].row["accuracy"][0] == pytest.approx(both.value)
    assert found[2].row["accuracy"][2] == "bad"
    assert "spread is in it" in found[2].row["accuracy"][3]
    assert "not known" in row["accuracy"][3]
    assert found[6].row["changes"] == "Removed Conv at 0 (repeat 1)"
    # What did not change is the same object.
    again = lines_of(study, known, before=found, snapshot=snapshot)
    assert all(again[number] is line for number, line in found.items())


@pytest.mark.promise("PAGE-72")
def test_a_grandchild_is_told_against_the_baseline(family) -> None:
    study, _ = family
    row = lines_of(study, worked_out(study), [7])[7].row
    assert row["origin"] == "variation of m4"
    assert row["changes"] == "Removed MaxPool at 2; Added Dropout(0.5) at 4"
    assert row["parameters"][0] == study.model(7).parameters - study.model(1).parameters


@pytest.mark.promise("PAGE-72")
def test_differences_on_the_chosen_classes(family) -> None:
    study, rights = family
    known = worked_out(study)
    row = lines_of(study, known, classes={3: 1.0, 5: 2.0})[2].row
    truth = study.validation_labels
    runs = np.stack([rights[1], rights[5]])
    for label in (3, 5):
        one = delta(rights[0][truth == label], runs[:, truth == label])
        assert f"class {label} {signed(one.value)}" in row["classes"]
    # With none chosen, what is clear is told.
    assert "class" in lines_of(study, known)[2].row["classes"]


@pytest.mark.promise("PAGE-74")
def test_importance_comes_from_whatever_was_trained_without_a_layer(family) -> None:
    study, rights = family
    known, snapshot = worked_out(study), snapshot_of(study)
    runs = runs_by_identity(snapshot)
    found = children.importance(snapshot.models[1], runs, known)
    assert sorted(found) == [0, 1, 2, 3]
    assert found[0]["clear"]
    assert found[0]["delta"] < 0
    assert not found[1]["clear"]
    assert "no clear effect" in found[1]["words"]
    assert found[2]["delta"] == pytest.approx(rights[3].mean() - rights[0].mean())
    # Before the answers were compared, nothing is drawn.
    assert children.importance(snapshot.models[1], runs, Deltas(study)) == {}


def test_kinds_of_change_are_summed_up_over_what_differs_by_them_alone(family) -> None:
    study, _ = family
    snapshot = snapshot_of(study)
    found = {one.words: one for one in children.summaries(snapshot, (2, 3, 4, 5, 6, 7))}
    assert found["removing convolutions"].count == 2
    assert found["removing pools"].accuracy == pytest.approx(
        snapshot.models[4].accuracy - snapshot.models[1].accuracy
    )
    # Each against its own parent.
    assert found["adding dropout"].accuracy == pytest.approx(
        snapshot.models[7].accuracy - snapshot.models[4].accuracy
    )
    more = snapshot.models[4].parameters - snapshot.models[1].parameters
    text = f"{signed(found['removing pools'].accuracy)}, +{more / 1000:.1f}k parameters, n = 1"
    assert found["removing pools"].text == f"removing pools: {text}"


def test_marks_stand_where_the_changes_are() -> None:
    edits = [Prepend(0, Dropout(0.5)), Remove(1), Reparameterize(3, "units", 16)]
    assert children.marks(edits, BASE.layers) == [(0.0, "added"), (1.5, "gone"), (3.0, "changed")]
    made = apply(BASE, edits).architecture
    drawn = children.marked(made, children.marks(edits, BASE.layers))
    assert drawn.count("<path d=") >= 3
    assert 'aria-label="added at 0, taken out before 2, changed at 3"' in drawn
    assert children.marked(BASE, []).startswith("<svg")


def test_what_can_be_wished_depends_on_where_a_model_stands(toy_study: Study) -> None:
    (number,) = toy_study.submit([Submission(BASE)])
    assert children.wishes(toy_study.model(number)) == ["up", "cancel"]
    toy_study.cancel(number)
    assert children.wishes(toy_study.model(number)) == ["retry"]


def test_a_difference_is_told_with_what_it_does_not_know() -> None:
    unclear = said(Delta(0.01, -0.02, 0.04, 100))
    assert unclear.startswith("no clear effect, −.020 to +.040")
    assert "luck" in unclear
    clear = said(Delta(-0.1, -0.15, -0.05, 100, (1, 3)))
    assert clear.startswith("−.100 accuracy, −.150 to −.050")
    assert "3 of the child" in clear
    assert signed(0.0) == "±0"
