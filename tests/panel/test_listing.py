"""Lists beside the drawer: ranking, front, selection, and the true nearest models."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from remap_panel.alike import alike
from remap_panel.feed import Feed
from remap_panel.needs import Needs
from remap_panel.recalls import read
from remap_panel.snapshot import Snapshot, advance
from remap_panel.state import ExplorerState
from remap_panel.views.listing import LISTS, Listing, empty_words, rows
from remap_ray.projection import otmann
from remap_ray.study import Study
from tests import synthetic


@pytest.fixture
def state(toy_study_full: Study) -> Iterator[ExplorerState]:
    made = ExplorerState(Feed.of(toy_study_full.path))
    found = read(toy_study_full, list(made.snapshot.models))
    made.snapshot = replace(made.snapshot, recalls=found)
    yield made
    Feed.close_all()


def order(state: ExplorerState, kind: str) -> list[int]:
    found = rows(state, kind, {}, {})
    return sorted(found, key=lambda number: found[number]["order"])


@pytest.mark.promise("PAGE-18")
def test_the_ranking_holds_every_circle(state: ExplorerState) -> None:
    listed = order(state, "ranking")
    assert set(listed) == set(range(1, 31))
    scores = [state.judged.scores[number] for number in listed]
    assert scores == sorted(scores, reverse=True)


@pytest.mark.promise("PAGE-11")
def test_the_ranking_follows_needs_and_keeps_what_falls_short(state: ExplorerState) -> None:
    sizes = sorted(one.parameters for one in state.snapshot.models.values())
    state.param.update(classes={3: 1.0}, needs=Needs(parameters=sizes[15]))
    listed = order(state, "ranking")
    fits = [number in state.judged.meets for number in listed]
    assert fits == sorted(fits, reverse=True)
    assert set(listed) == set(range(1, 31))
    found = rows(state, "ranking", {}, {})
    assert found[listed[0]]["rank"] == (1, "1")
    assert found[listed[-1]]["rank"] == (None, "–")
    assert "short: " in found[listed[-1]]["words"]
    assert found[listed[0]]["score"][0] == pytest.approx(
        float(state.snapshot.recalls[listed[0]][3])
    )


@pytest.mark.promise("PAGE-14")
def test_the_front_is_listed_from_its_best(state: ExplorerState) -> None:
    assert order(state, "front") == list(reversed(state.judged.front))


def test_the_selection_is_listed(state: ExplorerState) -> None:
    state.select([3, 7])
    assert set(order(state, "selected")) == {3, 7}


def test_unchanged_rows_are_identical(state: ExplorerState) -> None:
    before = rows(state, "ranking", {}, {})
    now = rows(state, "ranking", {}, before)
    assert all(now[number] is before[number] for number in before)


def test_empty_lists_say_what_to_do(tmp_path: Path) -> None:
    with synthetic.empty_study(tmp_path / "empty") as study:
        state = ExplorerState(Feed.of(study.path))
        for kind in LISTS:
            assert empty_words(state, kind)
            assert rows(state, kind, {}, {}) == {}
    Feed.close_all()


@pytest.mark.promise("PAGE-14")
def test_the_nearest_are_exact_by_both_distances(toy_study_full: Study) -> None:
    study = toy_study_full
    snapshot = advance(Snapshot(), study.changes(), study.heartbeat())
    found = alike(study, snapshot, 7)
    models = {one.number: one for one in study.models()}
    mine = study.predictions(7)
    for number, pair in found.items():
        exact = otmann.distances([models[7].architecture], [models[number].architecture])
        assert pair.structure == pytest.approx(float(exact[0, 0]))
        assert pair.predictions == pytest.approx(np.mean(study.predictions(number) != mine))
    others = [number for number in range(1, 31) if number != 7]
    apart = {number: np.mean(study.predictions(number) != mine) for number in others}
    nearest = sorted(others, key=lambda number: (apart[number], number))[:10]
    assert set(nearest) <= found.keys()
    assert 7 not in found
    assert 31 not in found


def test_the_nearest_on_some_classes_compare_these_images_alone(toy_study_full: Study) -> None:
    study = toy_study_full
    snapshot = advance(Snapshot(), study.changes(), study.heartbeat())
    some = np.isin(study.validation_labels, [2, 5])
    mine = study.predictions(7)[some]
    for number, pair in alike(study, snapshot, 7, [2, 5]).items():
        assert pair.predictions == pytest.approx(np.mean(study.predictions(number)[some] != mine))


def test_a_model_alone_has_no_neighbours(tmp_path: Path) -> None:
    with synthetic.full_study(tmp_path / "one", done=1, waiting=1) as study:
        snapshot = advance(Snapshot(), study.changes(), study.heartbeat())
        assert alike(study, snapshot, 1) == {}
        # One that has not trained yet has a structure, but no predictions.
        (pair,) = alike(study, snapshot, 2).values()
        assert pair.structure >= 0
        assert np.isnan(pair.predictions)


def test_hovering_a_row_previews_and_clicking_keeps(state: ExplorerState) -> None:
    view = Listing(state)
    view.choice.value = "ranking"
    view.table._handle_msg({"ask": "rows"})
    view.table._handle_msg({"hover": 5})
    assert (state.hovered, state.inspected) == (5, None)
    view.table._handle_msg({"click": 5})
    assert state.inspected == 5
    assert [entry.model for entry in state.study.drawer()] == [5]
    view.choice.value = "nearest"
    view.table._handle_msg({"ask": "rows"})
    assert 5 not in view._rows()
    assert len(view._rows()) >= 25
