"""The row of needs: what is typed, what is shown, the best at one press."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from remap_panel.feed import Feed
from remap_panel.needs import Needs
from remap_panel.recalls import read
from remap_panel.state import ExplorerState
from remap_panel.views.needs import NeedsView, amount, written
from remap_ray.study import Study


@pytest.fixture
def state(toy_study_full: Study) -> Iterator[ExplorerState]:
    made = ExplorerState(Feed.of(toy_study_full.path))
    made.snapshot = replace(made.snapshot, recalls=read(toy_study_full, range(1, 31)))
    yield made
    Feed.close_all()


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None), ("  ", None), ("100000", 1e5), ("100,000", 1e5), ("100k", 1e5), ("1.5M", 1.5e6),
        ("2 G", 2e9), ("0.8", 0.8), ("80%", 0.8), ("1_000", 1e3),
    ],
)  # fmt: skip
def test_amounts_are_read_as_people_write_them(text: str, value: float | None) -> None:
    assert amount(text) == (None if value is None else pytest.approx(value))


@pytest.mark.parametrize("text", ["many", "-5", "0", "1e400", "k", "nan", "٣x", "1.2.3"])
def test_what_is_no_amount_is_refused_with_the_way_out(text: str) -> None:
    with pytest.raises(ValueError, match="write 100000, 100k"):
        amount(text)


@given(st.integers(1, 10**9))
@example(16_100)
@example(123_456_700_000)
def test_what_is_written_is_read_again(value: int) -> None:
    assert amount(written("parameters", value)) == value


@pytest.mark.promise("PAGE-11")
def test_typing_pressing_and_clearing(state: ExplorerState) -> None:
    view = NeedsView(state)
    view._told({"label": 2, "weight": 1})
    view._told({"label": 4, "weight": 2.5})
    view._told({"bound": "parameters", "text": "100k"})
    view._told({"bound": "least", "text": "10"})
    assert state.classes == {2: 1.0, 4: 2.5}
    assert state.needs == Needs(parameters=100_000, least=0.1)
    assert view.row.classes == [[2, "class 2", 1.0], [4, "class 4", 2.5]]
    assert view.row.bounds["parameters"] == "100k"
    best = state.judged.best
    assert view.row.best.startswith(f"m{best}: ")
    view._told({"press": "best"})
    assert state.inspected == best
    assert [entry.model for entry in state.study.drawer()] == [best]
    view._told({"label": 4, "weight": None})
    assert state.classes == {2: 1.0}
    view._told({"press": "clear"})
    assert (state.needs, state.classes) == (Needs(), {})
    view._told({"press": "front"})
    assert {entry.model for entry in state.study.drawer()} == {best, *state.judged.front}


def test_a_wrong_entry_says_so_and_bounds_nothing(state: ExplorerState) -> None:
    view = NeedsView(state)
    view._told({"bound": "parameters", "text": "a few"})
    assert "a few" in view.row.problem
    assert not state.needs
    view._told({"bound": "parameters", "text": ""})
    assert view.row.problem == ""


def test_needs_that_nothing_meets_offer_no_best(state: ExplorerState) -> None:
    view = NeedsView(state)
    view._told({"bound": "parameters", "text": "1"})
    assert view.row.best == ""
    assert view.row.standing == "0 of 30 fit"
    view._told({"press": "best"})
    assert state.inspected is None


@pytest.mark.parametrize(
    "message", [None, "best", {"bound": "colour", "text": "1"}, {"label": "2", "weight": 1}]
)
def test_messages_of_no_need_change_nothing(state: ExplorerState, message: object) -> None:
    NeedsView(state)._told(message)
    assert (state.needs, state.classes) == (Needs(), {})
