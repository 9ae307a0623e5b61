"""The data selector: classes to choose, pairs that are confused, images that are hard."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from remap_panel.answers import PORTION, Answers, Sums, add, hardest
from remap_panel.feed import Feed
from remap_panel.state import ExplorerState
from remap_panel.views.data_selector import (
    DataSelector,
    figures_of_classes,
    hard_html,
    pairs_html,
)
from remap_ray.study import Study
from remap_ray.study.metrics import confusion_matrix
from tests import synthetic
from tests.processes import wait_for

EVIL = '<img src=x onerror="alert(1)">'


@pytest.fixture
def state(tmp_path: Path) -> Iterator[ExplorerState]:
    """A session on a study of 30 trained models with images, its class accuracies read."""
    images = np.random.default_rng(0).integers(0, 256, (200, 8, 8), np.uint8)
    synthetic.full_study(tmp_path / "s", images=images).close()
    made = ExplorerState(Feed.of(tmp_path / "s"))
    feed = Feed.of(tmp_path / "s")
    wait_for(lambda: len(feed.snapshot.recalls) == 30, "the class accuracies")
    made._take()
    yield made
    Feed.close_all()


# Numbers


def test_sums_are_those_of_all_models_however_they_come() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 4, 50).astype(np.uint8)
    labels = rng.integers(0, 4, (7, 50)).astype(np.uint8)
    whole = add(Sums.none(4, 50), truth, labels)
    parts = add(add(Sums.none(4, 50), truth, labels[:3]), truth, labels[3:])
    for found in (whole, parts):
        assert found.models == 7
        expected = sum(confusion_matrix(truth, one, 4) for one in labels)
        np.testing.assert_array_equal(found.matrix, expected)
        np.testing.assert_array_equal(found.wrong, (labels != truth).sum(axis=0))


def test_hard_images_are_those_that_half_of_the_models_get_wrong() -> None:
    sums = Sums(4, np.zeros((2, 2), np.int64), np.array([0, 4, 2, 1, 3, 4]))
    assert hardest(sums, 10) == (1, 5, 4, 2)
    assert hardest(sums, 2) == (1, 5)
    assert hardest(Sums.none(2, 6), 10) == ()


def test_what_is_new_is_added_and_what_was_predicted_anew_is_not_counted_twice(
    tmp_path: Path,
) -> None:
    with synthetic.full_study(tmp_path / "s", done=PORTION + 9, waiting=0) as study:
        keys = {number: object() for number in range(1, PORTION + 10)}
        answers = Answers(study, Sums.none(10, 200))
        some = {number: keys[number] for number in (1, 2, 3)}
        assert answers.read(some).models == 3
        found = answers.read(keys)
        assert found.models == PORTION + 9
        table = np.stack(list(study.predictions_of(list(keys)).values()))
        np.testing.assert_array_equal(found.wrong, (table != study.validation_labels).sum(axis=0))
        assert answers.read(keys) is found
        again = answers.read({**keys, 5: object()})
        assert again.models == PORTION + 9
        np.testing.assert_array_equal(again.matrix, found.matrix)


def test_the_best_and_the_median_model_of_each_class() -> None:
    recalls = {
        3: np.array([0.5, np.nan, 1.0], np.float32),
        7: np.array([0.9, np.nan, 1.0], np.float32),
        9: np.array([0.6, np.nan, 0.2], np.float32),
    }
    assert figures_of_classes(recalls, 3) == {
        "best 0": "best 0.900 (m7)",
        "median 0": "median 0.600",
        "best 1": "",
        "median 1": "",
        "best 2": "best 1.000 (m3)",
        "median 2": "median 1.000",
    }
    assert set(figures_of_classes({}, 1).values()) == {""}


@pytest.mark.promise("PAGE-8")
def test_confused_pairs_are_told_in_words() -> None:
    matrix = np.array([[90, 8, 2], [4, 96, 0], [0, 0, 50]])
    html = pairs_html(Sums(3, matrix, np.zeros(1, np.int64)), ("cat", EVIL, "cow"))
    assert html.count("<li>") == 2
    assert 'data-value="0,1"' in html
    assert "cat is labelled as &lt;img" in html
    assert "6.0% of their images" in html
    assert "<img" not in html
    assert "Nothing to tell" in pairs_html(Sums.none(2, 3), ("a", "b"))
    perfect = Sums(1, np.eye(2, dtype=np.int64), np.zeros(2, np.int64))
    assert "No model takes any class for another" in pairs_html(perfect, ("a", "b"))


# The view


@pytest.mark.promise("PAGE-45")
def test_classes_are_chosen_together_and_hovered_ones_only_previewed(
    state: ExplorerState,
) -> None:
    view = DataSelector(state)
    view.cards._handle_msg({"act": "class", "value": "3"})
    view.cards._handle_msg({"act": "class", "value": "5"})
    assert state.classes == {3: 1.0, 5: 1.0}
    assert view.cards.pressed == ["class 3", "class 5"]
    view.cards._handle_msg({"hover": "7"})
    assert (state.hovered_class, state.classes) == (7, {3: 1.0, 5: 1.0})
    view.cards._handle_msg({"hover": ""})
    assert state.hovered_class is None
    view.cards._handle_msg({"act": "class", "value": "3"})
    assert state.classes == {5: 1.0}
    for value in ("10", "x", "", "-1", "3,11"):
        view.cards._handle_msg({"act": "class", "value": value})
        view.cards._handle_msg({"hover": value})
    assert (state.hovered_class, state.classes) == (None, {5: 1.0})
    view.pairs._handle_msg({"act": "pair", "value": "6,2"})
    assert state.classes == {2: 1.0, 6: 1.0}


@pytest.mark.promise("PAGE-45")
def test_a_hard_image_recolours_by_who_gets_it_right(state: ExplorerState) -> None:
    view = DataSelector(state)
    study = state.study
    table = np.stack([study.predictions(number) for number in range(1, 31)])
    wrong = (table != study.validation_labels).sum(axis=0)
    item = int(wrong.argmax())
    assert f'data-value="{item}"' in view.hard.html
    assert view.hard.html.count("<img") == len(view._items)
    assert view.hard.texts[f"wrong {item}"] == f"{wrong[item]} of 30 wrong"
    view.hard._handle_msg({"act": "item", "value": str(item)})
    assert state.item == item
    assert sum(state.right.values()) == 30 - wrong[item]
    assert view.hard.pressed == [f"item {item}"]
    assert f"{30 - wrong[item]} of 30 models" in view.hard.texts["who"]
    view.hard._handle_msg({"act": "item", "value": str(item)})
    assert state.item is None


def test_nobody_who_looks_elsewhere_computes_anything(state: ExplorerState) -> None:
    state.tab = "queue"
    view = DataSelector(state)
    assert view.hard.html == ""
    state.tab = "data"
    assert "get wrong" in view.hard.html


@pytest.mark.promise("PAGE-8", "DATA-7")
def test_a_study_without_images_says_so_and_names_are_text(toy_study_full: Study) -> None:
    html = hard_html([1, 2], toy_study_full.validation_labels, (EVIL,) * 10, toy_study_full)
    assert "keeps no validation images" in html
    assert "<img" not in html
    assert "more than half of the models" in hard_html(
        [], toy_study_full.validation_labels, ("a",) * 10, toy_study_full
    )
