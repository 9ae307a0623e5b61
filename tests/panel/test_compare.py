"""The view of models side by side."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pytest

from remap_panel.comparison import common, compare
from remap_panel.feed import Feed
from remap_panel.state import ExplorerState
from remap_panel.views.compare import (
    Compare,
    answers_html,
    chips_html,
    common_html,
    figures_html,
    matrices_html,
)
from remap_ray.study import Study

EVIL = '<img src=x onerror="alert(1)">'
NAMES = (EVIL, *(f"class {n}" for n in range(1, 10)))


@pytest.fixture
def state(toy_study_full: Study) -> Iterator[ExplorerState]:
    yield ExplorerState(Feed.of(toy_study_full.path), tab="compare")
    Feed.close_all()


def compared(study: Study, *numbers: int):
    predicted = {n: labels for n in numbers if (labels := study.predictions(n)) is not None}
    models = [study.model(number) for number in numbers]
    return compare(models, predicted, study.validation_labels, 10)


@pytest.mark.promise("PAGE-42", "PAGE-8")
def test_everything_is_told_and_names_are_text(toy_study_full: Study) -> None:
    found = compared(toy_study_full, 4, 9, 12)
    first, second, _ = found
    chips = chips_html(found)
    assert chips.count("<svg") == 3
    assert second.words.replace("&", "&amp;") in chips
    figures = figures_html(found, NAMES)
    gain = second.model.accuracy - first.model.accuracy
    assert f"{'+' if gain > 0 else '−'}{abs(gain):.3f}" in figures
    assert figures.count("<tr>") == 1 + 4 + 1 + 10
    matrices = matrices_html(found, 12, NAMES)
    assert matrices.count("<table") == 3
    assert "m12 − m4" in matrices
    assert "<img" not in chips + figures + matrices


@pytest.mark.promise("PAGE-43")
def test_who_is_right_where_the_other_is_wrong_and_whether_that_is_chance(
    toy_study_full: Study,
) -> None:
    found = compared(toy_study_full, 4, 9)
    pair = found[1].paired
    html = answers_html(found)
    assert f"{pair.first:,} only m4, {pair.second:,} only m9." in html
    assert f"{pair.both:,} images both" in html
    even = replace(found[1], paired=replace(pair, first=5, second=5), p_value=1.0)
    assert "That may be chance (p = 1)." in answers_html((found[0], even))
    clear = replace(found[1], paired=replace(pair, first=3, second=60), p_value=1e-13)
    assert "m9 is better, hardly by chance (p &lt; 0.0001)." in answers_html((found[0], clear))


def test_models_that_are_not_trained_have_dashes(toy_study_full: Study) -> None:
    found = compared(toy_study_full, 4, 31)
    assert "no answers to compare before both are trained" in answers_html(found)
    assert "They appear when both models are trained." in matrices_html(found, 31, NAMES)
    assert "<td>–</td>" in figures_html(found, NAMES)


def test_more_classes_than_fit_side_by_side_say_so(toy_study_full: Study) -> None:
    found = compared(toy_study_full, 4, 9)
    many = [replace(one, matrix=np.eye(30, dtype=np.int64)) for one in found]
    assert "too many to put" in matrices_html(many, 9, [str(n) for n in range(30)])


@pytest.mark.promise("PAGE-42")
def test_a_large_selection_is_told_by_what_it_shares(toy_study_full: Study) -> None:
    models = [toy_study_full.model(number) for number in range(1, 31)]
    found = common(models)
    html = common_html(found)
    assert "What the 30 selected models share" in html
    low, high = min(one.accuracy for one in models), max(one.accuracy for one in models)
    assert f"Accuracy: {low:.3f} to {high:.3f}" in html
    for kind in found.kinds:
        assert kind.name in html


def test_the_view_follows_comparison_and_selection(state: ExplorerState) -> None:
    view = Compare(state)
    assert "Nothing to compare yet" in view.side.html
    state.compare([4, 9, 12])
    assert "m4 · m9 · m12" in view.side.html
    assert view.matrices.pressed == ["against 9"]
    view.matrices._handle_msg({"act": "against", "value": "12"})
    assert "m12 − m4" in view.matrices.html
    view.side._handle_msg({"act": "first", "value": "12"})
    assert state.comparison == [12, 4, 9]
    view.side._handle_msg({"act": "drop", "value": "4"})
    assert state.comparison == [12, 9]
    view.side._handle_msg({"hover": "9"})
    assert (state.hovered, state.inspected) == (9, None)
    for value in ("99", "x", ""):
        view.side._handle_msg({"act": "drop", "value": value})
    view.side._handle_msg({"act": "drop", "value": "9"})
    assert "Nothing to compare yet" in view.side.html
    assert view.matrices.html == ""
    state.select(range(1, 20))
    assert "What the 19 selected models share" in view.common.html
    assert view.side.html == ""
    state.select([])
    assert view.common.html == ""


def test_nobody_who_looks_elsewhere_computes_anything(state: ExplorerState) -> None:
    state.tab = "data"
    view = Compare(state)
    state.compare([4, 9])
    assert "Nothing to compare yet" in view.side.html
    state.tab = "compare"
    assert "m4 · m9" in view.side.html
    view.side._handle_msg({"act": "inspect", "value": "9"})
    assert (state.inspected, state.tab) == (9, "inspector")
