"""The Generate tab, worked as the browser works it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from remap_panel import keeping
from remap_panel.feed import Feed
from remap_panel.settings import Settings
from remap_panel.snapshot import Snapshot, advance
from remap_panel.state import ExplorerState
from remap_panel.views.generate import TAB, Generate
from remap_panel.views.queue import Queue, target
from remap_ray.study import Origin, Status, Study


@pytest.fixture
def state(toy_study_full: Study) -> Iterator[ExplorerState]:
    found = ExplorerState(Feed.of(toy_study_full.path))
    found.tab = TAB
    yield found
    Feed.close_all()


def look(state: ExplorerState) -> None:
    """Have the session see what the study holds by now."""
    study = state.study
    state.snapshot = advance(Snapshot(), study.changes(), study.heartbeat())


def largest(state: ExplorerState) -> int:
    models = state.snapshot.models.values()
    done = (one for one in models if one.status is Status.DONE)
    return max(done, key=lambda one: len(one.architecture.layers)).number


def test_without_a_baseline_the_tab_says_what_to_do(state: ExplorerState) -> None:
    view = Generate(state)
    assert "Choose a baseline" in view.head.html
    view._act("train", "")
    view._act("count", "7")
    assert len(state.study.models()) == 33


@pytest.mark.promise("PAGE-70")
def test_chosen_layers_are_ablated(state: ExplorerState) -> None:
    view = Generate(state)
    state.inspect(largest(state))
    count = len(view.baseline.architecture.layers)
    assert f"{count} ablations" in view.price.html or "cannot be trained" in view.price.html
    view.editor._pane.chosen = [0]
    assert "Removed" in view.preview.html
    assert view.preview.html.count("data-place") == 1
    before = len(state.study.models())
    view._act("train", "")
    made = state.study.models()[before:]
    assert [(one.origin, one.parent) for one in made] == [(Origin.ABLATION, state.inspected)]
    look(state)
    assert view.preview.html == ""
    assert f"1 exists already: {made[0].name}" in view.price.html
    assert "1 child of" in view.children_head.html
    view.table._handle_msg({"ask": "rows"})
    view.table._handle_msg({"hover": made[0].number})
    assert (state.hovered, state.inspected) == (made[0].number, view.baseline.number)
    view.table._handle_msg({"act": [made[0].number, "cancel"]})
    assert state.study.model(made[0].number).status is Status.CANCELLED
    look(state)
    view.table._handle_msg({"act": [made[0].number, "retry"]})
    assert state.study.model(made[0].number).status is Status.QUEUED


@pytest.mark.promise("PAGE-71")
def test_a_preview_is_struck_redrawn_and_trained(state: ExplorerState) -> None:
    view = Generate(state)
    state.inspect(largest(state))
    view._act("mode", "variations")
    view._act("count", "4")
    number = state.inspected
    chosen = state.settings.baselines[number]
    assert len(chosen.drawn) == 4
    view._act("redraw", "2")
    again = state.settings.baselines[number]
    assert [a == b for a, b in zip(again.drawn, chosen.drawn, strict=True)] == [
        True, True, False, True,
    ]  # fmt: skip
    view._act("strike", "0")
    assert "Train 3 variations" in view.price.html
    words = [one.proposal.words for one in view._offer.trained]
    before = len(state.study.models())
    view._act("train", "")
    assert [one.words for one in state.study.models()[before:]] == words
    # What was trained is no more on offer, and others are drawn only when asked for.
    look(state)
    assert view.preview.html == ""
    view._act("draw", "")
    assert "Train 4 variations" in view.price.html


def test_what_is_no_number_is_told_and_put_back(state: ExplorerState) -> None:
    view = Generate(state)
    state.inspect(largest(state))
    view._act("parameters", "100k")
    assert state.settings.parameters == 100_000
    view._act("parameters", "many")
    assert "whole number" in state.told
    assert state.settings.parameters == 100_000
    view._act("parameters", "")
    assert state.settings.parameters is None
    view._act("mode", "variations")
    view._act("count", "100000")
    assert state.settings.count == 300
    view._act("most", "2")
    view._act("fewest", "5")
    assert state.settings.changes == (2, 2)
    for kind in sorted(view._space.grids):
        view._act("kind", f"{kind} false")
    assert len(state.settings.kinds) == 1
    assert "leave one ticked" in state.told


@pytest.mark.promise("PAGE-75")
def test_nothing_is_lost_by_looking_around(state: ExplorerState, toy_study_full: Study) -> None:
    state.recognize("browser-1")
    view = Generate(state)
    number = largest(state)
    state.inspect(number)
    view._act("mode", "handcrafted")
    view.editor._hear({"insert": [0, "dropout"]})
    made = view.editor.draft.layers
    view._act("mode", "variations")
    view._act("count", "3")
    drawn = state.settings.baselines[number].drawn
    # Hovers, other baselines and other tabs.
    state.hovered = 2
    other = next(one for one in state.snapshot.models if one != number)
    state.inspect(other)
    assert view.editor.draft.layers == state.snapshot.models[other].architecture.layers
    state.tab = "queue"
    state.inspect(number)
    state.tab = TAB
    assert view.editor.draft.layers == made
    # Another session of the same browser, after the server has ended.
    Feed.close_all()
    again = ExplorerState(Feed.of(toy_study_full.path))
    again.tab = TAB
    again.recognize("browser-1")
    again.inspect(number)
    reloaded = Generate(again)
    assert reloaded.editor.draft.layers == made
    assert (again.settings.mode, again.settings.count) == ("variations", 3)
    assert again.settings.baselines[number].drawn == drawn
    reloaded.editor._hear({"do": "undo"})
    # And nothing of it is another browser's.
    elsewhere = ExplorerState(Feed.of(toy_study_full.path))
    elsewhere.recognize("browser-2")
    assert elsewhere.settings == Settings()


@pytest.mark.promise("PAGE-75")
def test_of_many_steps_the_last_is_kept(toy_study_full: Study) -> None:
    for step in range(50):
        keeping.keep(toy_study_full, "one", {"step": step})
        assert keeping.begun(toy_study_full, "one") == {"step": step}
    keeping.finish()
    assert keeping.begun(toy_study_full, "one") == {"step": 49}


def test_a_handcraft_is_trained(state: ExplorerState) -> None:
    view = Generate(state)
    state.inspect(largest(state))
    view._act("mode", "handcrafted")
    assert "aria-disabled" in view.price.html
    view.editor._hear({"insert": [0, "dropout"]})
    assert "1 child" in view.price.html
    view._act("train", "")
    made = state.study.models()[-1]
    assert (made.origin, made.words) == (Origin.HANDCRAFTED, "Added Dropout(0.25) at 0")
    look(state)
    assert f"already model {made.name}" in view.editor.checked.problem


# Queue


@pytest.mark.promise("PAGE-76")
def test_several_are_moved_to_where_one_is_dropped(state: ExplorerState) -> None:
    study = state.study
    state.tab = "queue"
    queue = Queue(state)
    queue.table._handle_msg({"ask": "rows"})
    for number in (33, 32):
        queue.table._handle_msg({"check": [number, True]})
    assert "Train 2 next" in queue.head.html
    queue.table._handle_msg({"move": [33, 31]})
    waiting = [one for one in study.models() if one.status is Status.QUEUED]
    order = [one.number for one in sorted(waiting, key=lambda one: one.position)]
    assert order == [32, 33, 31]
    look(state)
    queue._act("last", "")
    look(state)
    assert target(state.snapshot, (), None) == (None, None)
    queue._act("cancel", "")
    assert {study.model(one).status for one in (32, 33)} == {Status.CANCELLED}
    look(state)
    queue._act("retry", "")
    assert {study.model(one).status for one in (32, 33)} == {Status.QUEUED}
    # What has ended has no place.
    queue._act("untick", "")
    queue.table._handle_msg({"move": [3, 31]})
    assert "only waiting models" in state.told


@pytest.mark.promise("PAGE-76")
def test_the_whole_queue_is_paused_and_sized(state: ExplorerState) -> None:
    state.tab = "queue"
    queue = Queue(state)
    queue._act("pause", "")
    look(state)
    queue._show()
    assert state.snapshot.heartbeat.paused
    assert queue.head.texts["totals"].endswith("paused")
    queue._act("resume", "")
    queue._act("workers", "3")
    assert state.study.wished().workers == 3
    queue._act("workers", "x")
    assert "a number is needed" in state.told
    queue._act("workers", "1.5")
    assert "a whole number" in state.told
    queue._act("workers", "")
    assert state.study.wished().workers is None


def test_filters_list_a_part_of_the_history(state: ExplorerState) -> None:
    state.tab = "queue"
    queue = Queue(state)
    queue._act("filter", "queued")
    assert sorted(queue._rows()) == [31, 32, 33]
    queue._act("filter", "all")
    queue._act("origin", "ablation")
    assert queue._rows() == {}


def test_the_bell_rings_once_nothing_is_left(state: ExplorerState) -> None:
    queue = Queue(state)
    assert queue.bell.said == ""
    state.study.cancel(31, 32, 33)
    look(state)
    assert "nothing is left to train" in queue.bell.said
