"""The state of one browser session: choices, wishes, its address."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from bokeh.document import Document
from hypothesis import given
from hypothesis import strategies as st

from remap_panel import address
from remap_panel.feed import Feed
from remap_panel.needs import Needs
from remap_panel.snapshot import advance
from remap_panel.state import PROJECTIONS, ExplorerState
from remap_ray.study import Study
from tests import synthetic
from tests.processes import wait_for

USUAL = {
    "inspected": None, "projection": "accuracy", "classes": {}, "needs": Needs(),
    "selection": [], "comparison": [], "item": None, "tab": "data",
}  # fmt: skip


@pytest.fixture
def state(toy_study_full: Study) -> Iterator[ExplorerState]:
    yield ExplorerState(Feed.of(toy_study_full.path))
    Feed.close_all()


def refresh(state: ExplorerState) -> None:
    before = state.snapshot
    state.snapshot = advance(before, state.study.changes(before.number), state.study.heartbeat())


def drawer(state: ExplorerState) -> list[tuple[int, str]]:
    return [(one.model, one.note) for one in state.study.drawer()]


# Drawer


@pytest.mark.promise("PAGE-12")
def test_what_is_done_to_the_drawer_is_taken_back(state: ExplorerState) -> None:
    state.keep_all([3, 1, 4])
    refresh(state)
    state.annotate(1, "smallest 🙂")
    refresh(state)
    state.arrange(4, before=3)
    refresh(state)
    assert drawer(state) == [(4, ""), (3, ""), (1, "smallest 🙂")]
    state.let_go(1)
    refresh(state)
    assert drawer(state) == [(4, ""), (3, "")]
    assert state.undoable == "m1 left the drawer"
    for expected in (
        [(4, ""), (3, ""), (1, "smallest 🙂")],
        [(3, ""), (1, "smallest 🙂"), (4, "")],
        [(3, ""), (1, ""), (4, "")],
        [],
    ):
        state.undo()
        refresh(state)
        assert drawer(state) == expected
    assert state.undoable == ""
    state.undo()
    assert drawer(state) == []


def test_moving_to_the_end_and_past_each_other(state: ExplorerState) -> None:
    state.keep_all([1, 2, 3])
    refresh(state)
    state.arrange(1)
    state.arrange(2, before=2)
    assert [one for one, _ in drawer(state)] == [2, 3, 1]
    state.arrange(9, before=2)
    assert "no model m9 in the drawer" in state.told


def test_keeping_what_is_there_says_so(state: ExplorerState) -> None:
    state.keep_all([1, 2])
    refresh(state)
    state.keep_all([2, 1])
    assert state.told == "All of these are in the drawer already"
    state.keep_all([99])
    assert drawer(state) == [(1, ""), (2, "")]


def test_undo_where_another_browser_was_quicker_says_why_not(state: ExplorerState) -> None:
    state.keep(5)
    state.study.let_go(5)
    state.undo()
    assert "no model m5 in the drawer" in state.told


# Address


@pytest.mark.promise("PAGE-13")
def test_a_link_opens_the_same_view(state: ExplorerState) -> None:
    state.inspect(7)
    state.projection = "structure"
    state.choose_class(2)
    state.weigh_class(4, 2.5)
    state.needs = Needs(parameters=100_000, seconds=0.25, least=0.5)
    state.select([3, 4, 5, 9])
    state.compare([9, 3])
    state.show_item(17)
    state.tab = "inspector"
    other = ExplorerState(Feed.of(state.study.path))
    other.open_link("?" + state.query)
    assert other.query == state.query
    for name in USUAL:
        assert getattr(other, name) == getattr(state, name)
    assert other.right == state.right != {}


def test_a_usual_view_needs_no_query(state: ExplorerState) -> None:
    assert state.query == ""
    state.open_link("")
    assert {name: getattr(state, name) for name in USUAL} == USUAL


@pytest.mark.parametrize(
    "query",
    [
        "model=99&map=nowhere&classes=77,x,3x0&compare=500&models=400-410&image=100000",
        "model=-1&max_parameters=-3&min_accuracy=7&models=5-&models=9-1",
        "model=<script>&classes=2xNaN&max_seconds=inf&image=x",
        "model=²&models=1-99999999999999999999&image=٣",
    ],
)
def test_what_a_link_says_wrong_is_left_out(state: ExplorerState, query: str) -> None:
    state.open_link(query)
    found = {name: getattr(state, name) for name in USUAL}
    assert set(found["selection"]) <= set(state.snapshot.models)
    assert {**found, "selection": []} == USUAL


numbers = st.integers(1, 10_000)


@given(
    inspected=st.none() | numbers,
    projection=st.sampled_from(list(PROJECTIONS)),
    classes=st.dictionaries(st.integers(0, 99), st.floats(0.125, 8).map(lambda x: round(x, 3))),
    parameters=st.none() | numbers,
    least=st.none() | st.floats(0.01, 1),
    selection=st.sets(numbers, max_size=50).map(sorted),
    comparison=st.lists(numbers, unique=True, max_size=6),
    item=st.none() | numbers,
    tab=st.sampled_from(["data", "inspector", "queue"]),
)
def test_addresses_are_read_as_they_were_written(
    parameters: int | None, least: float | None, **view: object
) -> None:
    needs = Needs(parameters, None, None, least)
    whole = {**view, "needs": needs}
    found = {**USUAL, **address.view_of(address.query_of(whole))}
    assert found["needs"].parameters == parameters
    assert found["needs"].least == pytest.approx(least)
    assert {**found, "needs": needs} == whole


def test_a_selection_that_is_too_long_stays_out_of_the_address() -> None:
    scattered = {**USUAL, "selection": list(range(1, 10_000, 2))}
    assert address.query_of(scattered) == ""
    together = {**USUAL, "selection": list(range(1, 10_000))}
    assert address.query_of(together) == "models=1-9999"


# Needs


@pytest.mark.promise("PAGE-12")
def test_needs_are_kept_for_the_browser(tmp_path: Path) -> None:
    with synthetic.full_study(tmp_path / "study", done=3, waiting=0) as study:
        first = ExplorerState(Feed.of(study.path))
        first.recognize("a")
        first.choose_class(2)
        first.needs = Needs(parameters=5000)
        Feed.close_all()
    again = ExplorerState(Feed.of(tmp_path / "study"))
    again.recognize("a")
    assert (again.needs, again.classes) == (Needs(parameters=5000), {2: 1.0})
    other = ExplorerState(Feed.of(tmp_path / "study"))
    other.recognize("b")
    assert (other.needs, other.classes) == (Needs(), {})
    Feed.close_all()


def test_a_study_of_before_has_no_needs_until_some_are_kept(state: ExplorerState) -> None:
    with state.study.unnumbered() as connection:
        connection.exec_driver_sql("DROP TABLE needs")
    assert state.study.needs("a") is None
    state.recognize("a")
    state.needs = Needs(flops=7)
    assert state.study.needs("a") == {"flops": 7, "classes": {}}


def test_a_class_is_chosen_weighed_and_let_go(state: ExplorerState) -> None:
    state.choose_class(3)
    assert state.classes == {3: 1.0}
    state.weigh_class(3, 2.0)
    assert state.classes == {3: 2.0}
    state.choose_class(3)
    assert state.classes == {}
    state.choose_class(77)
    assert state.classes == {}


def test_a_hovered_class_changes_colours_alone(state: ExplorerState) -> None:
    feed = Feed.of(state.study.path)
    wait_for(lambda: len(feed.snapshot.recalls) == 30, "class accuracies")
    state.snapshot = feed.snapshot
    before = state.judged
    state.hovered_class = 4
    assert state.judged is before
    assert state.previewed[1] == pytest.approx(float(state.snapshot.recalls[1][4]))
    state.hovered_class = None
    assert state.previewed is before.scores


def test_models_are_judged_once_for_all_views(state: ExplorerState) -> None:
    before = state.judged
    assert state.judged is before
    state.choose_class(1)
    assert state.judged is not before


# Images


def test_who_gets_an_image_right(state: ExplorerState) -> None:
    truth = state.study.validation_labels
    state.show_item(11)
    assert state.right == {
        number: bool(state.study.predictions(number)[11] == truth[11]) for number in range(1, 31)
    }
    state.show_item(11)
    assert (state.item, state.right) == (None, {})
    state.show_item(10_000)
    assert state.item is None


# Following the study


@pytest.mark.promise("PAGE-19")
def test_sessions_take_a_new_snapshot_in_turns(
    toy_study_full: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Nobody who is slow is left behind in this test.
    monkeypatch.setattr("remap_panel.state.TURN_SECONDS", 60.0)
    feed = Feed.of(toy_study_full.path)
    try:
        # What it reads after the rest would be news too.
        wait_for(lambda: bool(feed.snapshot.recalls), "the class accuracies")
        documents = [Document() for _ in range(3)]
        states = [ExplorerState(feed) for _ in documents]
        for each, document in zip(states, documents, strict=True):
            each.follow(document)
        states[0].study.keep(3)
        feed.poke()
        for each, document in zip(states, documents, strict=True):
            wait_for(lambda document=document: bool(document.session_callbacks), "its turn")
            asked = [len(one.session_callbacks) for one in documents]
            assert sum(asked) == 1
            assert not each.snapshot.drawer
            (turn,) = document.session_callbacks
            turn.callback()
            assert each.snapshot.drawer_numbers == (3,)
    finally:
        Feed.close_all()


@pytest.mark.promise("PAGE-19")
def test_what_training_brings_is_told_at_leisure_and_a_wish_at_once(
    toy_study_full: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("remap_panel.feed.SLOT_SECONDS", 60.0)
    monkeypatch.setattr("remap_panel.feed.ROUND_SECONDS", 600.0)
    feed = Feed.of(toy_study_full.path)
    try:
        wait_for(lambda: bool(feed.snapshot.recalls), "the class accuracies")
        told: list[tuple[int, bool]] = []
        wished = threading.Event()
        for place in range(3):
            feed.subscribe(lambda place=place: told.append((place, wished.is_set())))
        with Study.open(toy_study_full.path) as elsewhere:
            elsewhere.keep(3)
        wait_for(lambda: bool(told), "the first session's turn")
        wished.set()
        feed.poke()
        wait_for(lambda: len(told) == 3, "the other sessions' turns")
        assert told == [(0, False), (1, True), (2, True)]
    finally:
        Feed.close_all()


def test_a_watcher_that_fails_leaves_no_other_untold(
    state: ExplorerState, caplog: pytest.LogCaptureFixture
) -> None:
    steps: list[Callable[[], object]] = []

    class Turns:
        session_context = None

        def add_next_tick_callback(self, callback: Callable[[], object]) -> None:
            steps.append(callback)

    told: list[tuple[int, ...]] = []
    faults = [ValueError("the first"), ValueError("again")]

    def fail(_: object) -> None:
        if faults:
            raise faults.pop(0)
        told.append((0,))

    state.param.watch(fail, "snapshot")
    state.param.watch(lambda event: told.append(event.new.drawer_numbers), "snapshot")
    feed = Feed.of(state.study.path)
    wait_for(lambda: len(feed.snapshot.recalls) == 30, "the class accuracies")
    end = state.follow(Turns())
    state.keep(3)
    wait_for(lambda: bool(steps), "the feed")
    steps.pop(0)()
    assert told == [(3,)], "the watcher after the one that failed"
    assert state.told == "A part of what is shown is not up to date: the first"
    assert "a view could not be told of snapshot" in caplog.text
    # The same snapshot is told once more at once.
    steps.pop(0)()
    assert told == [(3,), (3,)]
    # What fails again is told of what comes next, and no sooner.
    state.keep(5)
    wait_for(lambda: bool(steps), "the feed")
    while steps:
        steps.pop(0)()
    assert told[2:4] == [(0,), (3, 5)]
    end()
    assert state.told == "m5 is in the drawer"
