"""What a person needs, and how models measure up."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remap_panel.needs import Judged, Needs, judge, shortfalls, weights_of
from remap_panel.recalls import read
from remap_panel.snapshot import Snapshot, advance
from remap_ray.study import Status, Study
from tests import synthetic

NAMES = synthetic.CLASSES


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    path = tmp_path_factory.mktemp("needs") / "study"
    with synthetic.full_study(path, done=30, waiting=2) as study:
        found = advance(Snapshot(), study.changes(), study.heartbeat())
        return replace(found, recalls=read(study, list(found.models)))


def done(snapshot: Snapshot) -> set[int]:
    return {n for n, one in snapshot.models.items() if one.status is Status.DONE}


def test_an_empty_study_has_no_best() -> None:
    found = judge(Snapshot(), {}, Needs())
    assert found == Judged()
    assert found.best is None
    assert judge(Snapshot(), {3: 1.0}, Needs(least=0.5)) == Judged()


def test_without_needs_the_most_accurate_is_best(snapshot: Snapshot) -> None:
    found = judge(snapshot, {}, Needs())
    assert found.meets == done(snapshot)
    accuracies = [snapshot.models[n].accuracy for n in found.ranking]
    assert accuracies == sorted(accuracies, reverse=True)
    assert found.best == max(
        done(snapshot), key=lambda n: (snapshot.models[n].accuracy, -snapshot.models[n].parameters)
    )


@pytest.mark.promise("PAGE-11")
def test_several_classes_are_weighed(snapshot: Snapshot) -> None:
    found = judge(snapshot, {2: 3.0, 4: 1.0}, Needs())
    for number in done(snapshot):
        recalls = snapshot.recalls[number]
        expected = (3 * float(recalls[2]) + float(recalls[4])) / 4
        assert found.scores[number] == pytest.approx(expected)
    # Models that have predicted nothing have no such score.
    assert found.scores.keys() == done(snapshot)


@pytest.mark.promise("PAGE-11")
def test_what_falls_short_is_neither_ranked_nor_on_the_front(snapshot: Snapshot) -> None:
    sizes = sorted(one.parameters for one in snapshot.models.values())
    bound = sizes[len(sizes) // 2]
    found = judge(snapshot, {2: 1.0}, Needs(parameters=bound))
    fits = {n for n in done(snapshot) if snapshot.models[n].parameters <= bound}
    assert 0 < len(fits) < len(done(snapshot))
    assert found.meets == fits
    assert set(found.ranking) == fits
    assert set(found.front) <= fits
    assert found.best == found.front[-1]
    small, large = min(fits), max(done(snapshot) - fits)
    words = shortfalls(snapshot, large, {2: 1.0}, Needs(parameters=bound), NAMES)
    assert len(words) == 1
    assert "parameters, over" in words[0]
    assert shortfalls(snapshot, small, {2: 1.0}, Needs(parameters=bound), NAMES) == ()


def test_at_least_an_accuracy_on_each_chosen_class(snapshot: Snapshot) -> None:
    least = 0.6
    found = judge(snapshot, {1: 1.0, 5: 2.0}, Needs(least=least))
    expected = {n for n in done(snapshot) if min(snapshot.recalls[n][[1, 5]]) >= least}
    assert 0 < len(expected) < len(done(snapshot))
    assert found.meets == expected
    for number in done(snapshot):
        words = shortfalls(snapshot, number, {1: 1.0, 5: 2.0}, Needs(least=least), NAMES)
        assert bool(words) is (number not in expected)


@given(st.integers(1, 10**6), st.integers(1, 10**9), st.floats(0.001, 100), st.floats(0.01, 1))
def test_needs_survive_their_form(
    parameters: int, flops: int, seconds: float, least: float
) -> None:
    needs = Needs(parameters, flops, seconds, least)
    assert Needs.from_dict(needs.to_dict()) == needs
    assert needs.with_bound("parameters", None) == Needs(None, flops, seconds, least)


@pytest.mark.parametrize(
    "form",
    [
        {},
        {"parameters": "many"},
        {"parameters": -5, "least": 1.5},
        {"flops": float("nan"), "seconds": float("inf")},
        {"parameters": True, "colour": 3},
    ],
)
def test_what_is_no_bound_bounds_nothing(form: dict[str, object]) -> None:
    assert Needs.from_dict(form) == Needs()
    assert not Needs.from_dict(form)


def test_classes_that_are_not_there_weigh_nothing() -> None:
    assert weights_of({-1: 1.0, 0: 0.0, 1: 2, 9: float("nan"), 10: 1.0}, 10) == {1: 2.0}


def test_figures_hold_what_has_trained(snapshot: Snapshot) -> None:
    figures = snapshot.figures
    assert set(figures.number.tolist()) == done(snapshot)
    assert figures.recalls.shape == (30, 10)
    for place, number in enumerate(figures.number.tolist()):
        np.testing.assert_array_equal(figures.recalls[place], snapshot.recalls[number])


def test_recalls_are_read_from_predictions(toy_study_full: Study) -> None:
    found = read(toy_study_full, [1, 2, 31])
    assert found.keys() == {1, 2}
    truth, labels = toy_study_full.validation_labels, toy_study_full.predictions(1)
    for label in range(10):
        share = (labels[truth == label] == label).mean()
        assert found[1][label] == pytest.approx(share)
