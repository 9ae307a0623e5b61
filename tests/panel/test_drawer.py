"""The drawer: the models that were kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from remap_panel.feed import Feed
from remap_panel.snapshot import Snapshot, advance
from remap_panel.state import ExplorerState
from remap_panel.views.drawer import Drawer, rows
from remap_ray.study import Study


@pytest.fixture
def state(toy_study_full: Study) -> Iterator[ExplorerState]:
    yield ExplorerState(Feed.of(toy_study_full.path))
    Feed.close_all()


def snapshot_of(study: Study) -> Snapshot:
    return advance(Snapshot(), study.changes(), study.heartbeat())


def test_kept_models_are_listed_in_the_order_of_keeping(toy_study_full: Study) -> None:
    for number in (9, 3, 31):
        toy_study_full.keep(number)
    found = rows(snapshot_of(toy_study_full))
    assert sorted(found, key=lambda number: found[number]["order"]) == [9, 3, 31]
    model = toy_study_full.model(9)
    assert found[9]["name"] == "m9"
    assert found[9]["accuracy"] == (model.accuracy, f"{model.accuracy:.3f}")
    assert found[9]["parameters"][0] == model.parameters
    # One that is not trained yet can be kept too.
    assert found[31]["accuracy"] == (None, "–")
    assert all(row["actions"] == ["remove"] for row in found.values())


def test_an_empty_drawer_says_how_to_fill_it(state: ExplorerState) -> None:
    drawer = Drawer(state)
    assert rows(state.snapshot) == {}
    assert "Click a circle in the overview to keep a model here." in drawer.table.empty


def test_a_click_inspects_a_hover_previews_and_the_button_removes(state: ExplorerState) -> None:
    state.study.keep(3)
    state.study.keep(9)
    state.snapshot = snapshot_of(state.study)
    drawer = Drawer(state)
    drawer.table._handle_msg({"ask": "rows"})
    drawer.table._handle_msg({"hover": 3})
    assert (state.hovered, state.inspected) == (3, None)
    drawer.table._handle_msg({"click": 9})
    assert (state.inspected, drawer.table.inspected) == (9, 9)
    drawer.table._handle_msg({"act": [3, "remove"]})
    assert [one.model for one in state.study.drawer()] == [9]


def test_what_is_removed_elsewhere_leaves_the_table(state: ExplorerState) -> None:
    state.study.keep(3)
    state.snapshot = snapshot_of(state.study)
    drawer, said = Drawer(state), []
    drawer.table._send_msg = said.append
    drawer.table._handle_msg({"ask": "rows"})
    state.study.let_go(3)
    state.snapshot = snapshot_of(state.study)
    assert '"gone":[3]' in said[-1]


def test_a_row_draws_its_chip(state: ExplorerState) -> None:
    assert Drawer(state)._draw("snac", 5).startswith("<svg")
