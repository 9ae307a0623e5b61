"""Which layers stand below each other when models are compared."""

from __future__ import annotations

import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remap_panel import snac
from remap_panel.alignment import align, pairs
from remap_panel.comparison import common, compare
from remap_ray.projection.otmann import Match, Matching, matching
from remap_ray.space import (
    Activation,
    Architecture,
    AvgPool,
    Conv,
    Dense,
    Dropout,
    MaxPool,
    Space,
    sample,
)
from remap_ray.study import Study
from tests import synthetic

SHAPE = (1, 16, 16)
SEEDS = st.integers(0, 10_000)


def made(*layers: object) -> Architecture:
    return Architecture(SHAPE, 10, layers)


def drawn(seed: int) -> Architecture:
    return next(sample(Space.named("paper"), random.Random(seed), SHAPE, 10))


BASE = made(Conv(16, 3), Activation("relu"), MaxPool(2), Dense(64))


def test_equal_architectures_stand_in_the_same_columns() -> None:
    first, second = align([BASE, BASE])
    assert first == second
    assert first.columns == (0, 1, 2, 3, 4)
    assert not any(first.differences)


@pytest.mark.promise("PAGE-42")
def test_what_differs_is_marked() -> None:
    changed = made(Conv(32, 3), Activation("relu"), AvgPool(2), Dense(64))
    missing = made(Conv(16, 3), Activation("relu"), Dense(64))
    added = made(Conv(16, 3), Activation("relu"), MaxPool(2), Dropout(0.5), Dense(64))
    first, *others = align([BASE, changed, missing, added])
    # The column of what only the last one has is empty in the others, whatever else differs.
    assert first.columns == (0, 1, 2, None, 3, 4)
    assert others[0].columns == (0, 1, 2, None, 3, 4)
    assert others[0].differences == ("changed", "", "replaced", "", "", "")
    assert others[1].columns == (0, 1, None, None, 2, 3)
    assert others[1].differences == ("", "", "missing", "", "", "")
    assert others[2].columns == (0, 1, 2, 3, 4, 5)
    assert others[2].differences == ("", "", "", "added", "", "")


def test_a_network_without_layers_lacks_all_of_them() -> None:
    first, second = align([BASE, made()])
    assert first.columns == (0, 1, 2, 3, 4)
    assert second.columns == (None, None, None, None, 0)
    assert second.differences == ("missing",) * 4 + ("",)
    first, second = align([made(), BASE])
    assert second.differences == ("added",) * 4 + ("",)


@settings(max_examples=30, deadline=None)
@given(st.lists(SEEDS, min_size=2, max_size=6))
def test_every_layer_stands_in_one_column_in_order(seeds: list[int]) -> None:
    architectures = [drawn(seed) for seed in seeds]
    found = align(architectures)
    assert len({len(one.columns) for one in found}) == 1
    for architecture, one in zip(architectures, found, strict=True):
        there = [layer for layer in one.columns if layer is not None]
        assert there == list(range(len(architecture.layers) + 1))
        for layer, difference in zip(one.columns, one.differences, strict=True):
            assert (layer is None) or difference != "missing"
            assert (layer is not None) or difference in {"", "missing"}
    # No column is empty in all of them.
    assert all(any(layer is not None for layer in column) for column in columns_of(found))


def columns_of(found: object) -> list[tuple[int | None, ...]]:
    return list(zip(*(one.columns for one in found), strict=True))


@settings(max_examples=30, deadline=None)
@given(SEEDS, SEEDS)
def test_pairs_are_matched_and_do_not_cross(one: int, other: int) -> None:
    first, second = drawn(one), drawn(other)
    plan = matching(first, second)
    matched = {(match.first, match.second) for match in plan.matches}
    found = pairs(first, second, plan)
    assert set(found) <= matched
    assert all(a[0] < b[0] and a[1] < b[1] for a, b in pairwise(found))


def test_of_crossing_matches_the_greater_share_is_kept() -> None:
    two = made(Dense(4), Dense(8))
    plan = Matching((Match(0, 1, 9.0), Match(1, 0, 1.0)), ((1, 9.0),), ((0, 9.0),), 0.0, 1.0)
    assert pairs(two, two, plan) == ((0, 1),)


def test_chips_in_columns_draw_each_layer_and_mark_the_difference() -> None:
    changed = made(Conv(32, 3), Activation("relu"), Dense(64))
    first, second = align([BASE, changed])
    svgs = [
        snac.in_columns(architecture, one.columns, one.differences)
        for architecture, one in ((BASE, first), (changed, second))
    ]
    widths = {svg.split('width="')[1].split('"')[0] for svg in svgs}
    assert len(widths) == 1
    assert [svg.count("<title>") for svg in svgs] == [5, 4]
    assert "Conv(32, 3x3) (changed)" in svgs[1]
    assert "(missing)" in svgs[1]
    assert "changed" not in svgs[0]


# Numbers


@pytest.mark.promise("PAGE-42", "PAGE-43")
def test_models_are_compared_with_the_first_of_them(toy_study_full: Study) -> None:
    study, truth = toy_study_full, toy_study_full.validation_labels
    models = [study.model(number) for number in (4, 9, 31)]
    predicted = {number: study.predictions(number) for number in (4, 9)}
    first, second, waiting = compare(models, predicted, truth, 10)
    assert first.paired is None
    assert first.words == ""
    right = {number: labels == truth for number, labels in predicted.items()}
    assert second.paired is not None
    assert second.paired.first == int((right[4] & ~right[9]).sum())
    assert second.paired.second == int((right[9] & ~right[4]).sum())
    assert 0 < second.p_value <= 1
    assert second.words
    assert second.matrix.sum() == len(truth)
    assert waiting.matrix is None
    assert waiting.paired is None


def test_what_many_models_share(toy_study: Study) -> None:
    synthetic.queue_samples(toy_study, 1)
    model = toy_study.model(1)

    def with_layers(*layers: object) -> object:
        form = Architecture((1, 8, 8), 10, layers).to_dict()
        return model.__class__(**{**vars(model), "form": form, "parameters": len(layers)})

    models = [
        with_layers(Conv(16, 3), Activation("relu"), Dense(64), Dropout(0.5)),
        with_layers(Conv(16, 3), MaxPool(2), Dropout(0.5)),
        with_layers(Conv(16, 3), Dropout(0.5)),
    ]
    found = common(models)
    assert (found.begin, found.end) == (("Conv(16, 3x3)",), ("Dropout(0.5)",))
    assert (found.layers, found.parameters) == ((2, 4), (2, 4))
    assert found.accuracy is None
    kinds = {kind.name: (kind.models, kind.least, kind.most) for kind in found.kinds}
    assert kinds["Conv"] == (3, 1, 1)
    assert kinds["MaxPool"] == (1, 0, 1)
    # Models of one architecture begin with all of it, and nothing is told twice.
    assert common(models[2:] * 2).end == ()
