"""The drawer: the models that were kept."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from remap_panel.feed import Feed
from remap_panel.needs import Needs
from remap_panel.snapshot import Snapshot, advance
from remap_panel.state import ExplorerState
from remap_panel.views.drawer import Drawer, Judgement, head_html, rows
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


NOTE = '<img src=x onerror=alert(1)> "quoted" \N{PILE OF POO} ' * 200


@pytest.fixture
def kept(state: ExplorerState) -> ExplorerState:
    """A session whose drawer holds m3, m9 and m12."""
    state.study.keep_all([3, 9, 12])
    refresh(state)
    return state


def refresh(state: ExplorerState) -> None:
    state.snapshot = snapshot_of(state.study)


def opened(state: ExplorerState) -> Drawer:
    drawer = Drawer(state)
    drawer.table._handle_msg({"ask": "rows"})
    return drawer


@pytest.mark.promise("PAGE-40", "PAGE-41")
def test_rows_are_moved_annotated_and_brought_back(kept: ExplorerState) -> None:
    drawer, study = opened(kept), kept.study
    drawer.table._handle_msg({"move": [12, 3]})
    refresh(kept)
    assert [one.model for one in study.drawer()] == [12, 3, 9]
    drawer.table._handle_msg({"edit": [3, NOTE]})
    refresh(kept)
    assert rows(kept.snapshot)[3]["note"] == NOTE
    drawer.table._handle_msg({"act": [3, "remove"]})
    refresh(kept)
    assert "Undo" in drawer.head.html
    assert "m3 left the drawer" in drawer.head.html
    drawer.head._handle_msg({"act": "undo", "value": ""})
    refresh(kept)
    assert [(one.model, one.note) for one in study.drawer()] == [(12, ""), (3, NOTE), (9, "")]
    assert kept.inspected is None


def test_messages_that_no_browser_of_ours_sends_change_nothing(kept: ExplorerState) -> None:
    drawer, before = opened(kept), kept.study.drawer()
    for message in ({"move": [12, 99]}, {"move": [99, 3]}, {"edit": [3, 7]}, {"edit": [99, "x"]}):
        drawer.table._handle_msg(message)
    assert kept.study.drawer() == before
    drawer.table._handle_msg({"edit": [3, "x" * 10_001]})
    assert kept.study.drawer() == before
    assert "at most 10,000 characters" in kept.told


@pytest.mark.promise("PAGE-42")
def test_ticked_models_are_compared_in_the_drawers_order(kept: ExplorerState) -> None:
    drawer = opened(kept)
    assert 'aria-disabled="true"' in drawer.head.html
    for number in (12, 3):
        drawer.table._handle_msg({"check": [number, True]})
    assert "Compare 2" in drawer.head.html
    assert rows(kept.snapshot, ticked=[12])[12]["ticked"]
    drawer.head._handle_msg({"act": "compare", "value": ""})
    assert (kept.comparison, kept.tab) == ([3, 12], "compare")
    # What leaves the drawer is ticked no more.
    kept.study.let_go(12)
    refresh(kept)
    assert "Compare 1" in drawer.head.html


def test_at_most_six_are_ticked(state: ExplorerState) -> None:
    state.study.keep_all(range(1, 8))
    refresh(state)
    drawer = opened(state)
    for number in range(1, 8):
        drawer.table._handle_msg({"check": [number, True]})
    assert "Compare 6" in drawer.head.html
    assert "At most 6 models" in state.told


@pytest.mark.promise("PAGE-40")
def test_the_front_and_a_selection_are_kept_at_once(state: ExplorerState) -> None:
    drawer, front = opened(state), state.judged.front
    assert "+ front" in drawer.head.html
    assert "+ selection" not in drawer.head.html
    drawer.head._handle_msg({"act": "front", "value": ""})
    refresh(state)
    assert tuple(one.model for one in state.study.drawer()) == front
    assert "+ front" not in drawer.head.html
    others = [number for number in range(1, 31) if number not in front][:2]
    state.select([*others, front[0]])
    assert "+ selection (2)" in drawer.head.html
    drawer.head._handle_msg({"act": "selection", "value": ""})
    assert [one.model for one in state.study.drawer()][-2:] == others


def test_whether_a_model_meets_the_needs_is_a_sign_with_words(kept: ExplorerState) -> None:
    snapshot = kept.snapshot
    limit = sorted(snapshot.models[number].parameters for number in (3, 9, 12))[1]
    needs = Needs(parameters=limit)
    meets = [number for number in (3, 9, 12) if snapshot.models[number].parameters <= limit]
    found = rows(snapshot, Judgement({}, needs, meets, ("a",) * 10))
    signs = {number: found[number]["needs"] for number in (3, 9, 12)}
    assert {number for number, sign in signs.items() if sign[1] == "✓"} == set(meets)
    (short,) = [sign for number, sign in signs.items() if number not in meets]
    assert short[:2] == ("short", "✗")
    assert "parameters, over" in short[2]
    assert rows(snapshot)[3]["needs"][1] == ""


@pytest.mark.promise("PAGE-8")
def test_what_could_be_undone_is_text() -> None:
    html = head_html(1, 0, 0, 0, "<img src=x onerror=alert(1)>")
    assert "<img" not in html
