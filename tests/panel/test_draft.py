"""A handcraft while it is made: every step can be taken back, and nothing half-made is lost."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remap_panel import draft as drafts
from remap_panel.check import check
from remap_panel.draft import Draft
from remap_ray.errors import InvalidArchitecture, InvalidRequest
from remap_ray.space import (
    KINDS,
    Activation,
    Architecture,
    Conv,
    Dense,
    Dropout,
    GlobalAvgPool,
    Layer,
    Limits,
    MaxPool,
)
from remap_ray.space.edits import apply
from remap_ray.space.layer import LARGEST
from remap_ray.space.layers import from_dict
from tests.laws import law
from tests.space.drawn import LAYER_FORMS, LAYERS

SHAPE = (1, 28, 28)
LENET = Architecture.from_text("conv16x3 relu max2 conv32x3 relu max2 dense64 relu", SHAPE, 10)

ANY_LAYER = st.builds(from_dict, LAYER_FORMS)
INDICES = st.lists(st.integers(-2, 12), max_size=5)

Step = Callable[[Draft], Draft]


@st.composite
def steps(draw: st.DrawFn) -> Step:
    """Any step, at places that there may or may not be."""
    at, indices = draw(st.integers(0, 12)), draw(INDICES)
    layers = draw(st.lists(LAYERS, max_size=3))
    text = " ".join(layer.text for layer in layers)
    size = draw(st.integers(1, LARGEST))
    made: dict[str, Step] = {
        "insert": lambda one: drafts.insert(one, min(at, len(one.layers)), layers),
        "paste": lambda one: drafts.paste(one, min(at, len(one.layers)), text),
        "run": lambda one: drafts.from_run(one, min(at, len(one.layers)), layers, indices),
        "move": lambda one: drafts.move(one, indices, min(at, len(one.layers))),
        "remove": lambda one: drafts.remove(one, indices),
        "change": lambda one: drafts.change(
            one,
            [at for at, layer in enumerate(one.layers) if isinstance(layer, Dense)],
            "units",
            size,
        ),
        "text": lambda one: drafts.from_text(one, text),
        "nothing": drafts.from_nothing,
        "restore": lambda one: drafts.restore(one, LENET.layers),
    }
    return made[draw(st.sampled_from(sorted(made)))]


@st.composite
def handcrafts(draw: st.DrawFn) -> Draft:
    """A draft with a history."""
    draft = drafts.begin(draw(st.lists(LAYERS, max_size=8)), 17)
    for step in draw(st.lists(steps(), max_size=6)):
        draft = step(draft)
    for _ in range(draw(st.integers(0, 2))):
        draft = drafts.undo(draft)
    return draft


@pytest.mark.promise("EDITOR-4")
@law()
@given(handcrafts(), st.lists(steps(), min_size=1, max_size=6))
def test_undo_takes_every_step_back_and_redo_makes_it_again(draft: Draft, some: list[Step]) -> None:
    seen = [draft]
    for step in some:
        made = step(seen[-1])
        if made.layers != seen[-1].layers:
            assert made.future == ()
            seen.append(made)
    now = seen[-1]
    for before in reversed(seen[:-1]):
        now = drafts.undo(now)
        assert now.layers == before.layers
    for after in seen[1:]:
        now = drafts.redo(now)
        assert now.layers == after.layers
    assert (now.layers, now.past, now.future) == (
        seen[-1].layers, seen[-1].past, seen[-1].future
    )  # fmt: skip


@law()
@given(handcrafts(), INDICES, st.integers(0, 12))
def test_a_move_loses_and_makes_nothing_and_keeps_both_orders(
    draft: Draft, indices: list[int], to: int
) -> None:
    to = min(to, len(draft.layers))
    made = drafts.move(draft, indices, to)
    assert Counter(made.layers) == Counter(draft.layers)
    moved = {one for one in indices if 0 <= one < len(draft.layers)}
    assert drafts.copied(made, made.chosen) == drafts.copied(draft, moved)
    rest = set(range(len(draft.layers)))
    assert drafts.copied(made, rest - set(made.chosen)) == drafts.copied(draft, rest - moved)
    assert len(made.chosen) == len(moved)
    # What is moved stands together, before what was at the place.
    if moved:
        assert list(made.chosen) == list(range(made.chosen[0], made.chosen[0] + len(moved)))
        assert made.chosen[0] == sum(at not in moved for at in range(to))


@law()
@given(handcrafts(), st.lists(ANY_LAYER, min_size=1, max_size=3), st.integers(0, 12))
def test_what_is_put_in_is_chosen_and_removing_it_gives_what_was(
    draft: Draft, layers: list[Any], at: int
) -> None:
    at = min(at, len(draft.layers))
    made = drafts.insert(draft, at, layers)
    assert drafts.copied(made, made.chosen) == tuple(layers)
    assert drafts.remove(made, made.chosen).layers == draft.layers


@law()
@given(handcrafts(), st.lists(ANY_LAYER, max_size=4), INDICES)
def test_a_draft_is_the_same_after_its_json(
    draft: Draft, layers: list[Any], chosen: list[int]
) -> None:
    draft = drafts.choose(drafts.insert(draft, 0, layers), chosen)
    assert drafts.from_json(json.loads(json.dumps(drafts.to_json(draft)))) == draft


@law()
@given(handcrafts(), steps())
def test_an_old_draft_never_changes(draft: Draft, step: Step) -> None:
    form = drafts.to_json(draft)
    step(draft)
    drafts.undo(draft)
    assert drafts.to_json(draft) == form


def built(layers: Sequence[Layer]) -> tuple[Architecture | None, InvalidArchitecture | None]:
    try:
        return Architecture(SHAPE, 10, tuple(layers)), None
    except InvalidArchitecture as error:
        return None, error


@law()
@given(handcrafts())
def test_the_check_agrees_with_the_space(draft: Draft) -> None:
    found = check(draft, SHAPE, 10, baseline=LENET)
    made, error = built(draft.layers)
    assert found.architecture == made
    if made is None:
        assert error is not None
        assert error.layer is not None
        assert (found.problem, found.fault) == (str(error), error.layer)
        # Up to the fault every size is known.
        assert all(found.shapes[: error.layer])
        assert not any(found.shapes[error.layer :])
        assert (found.parameters, found.multiply_adds) == (None, None)
    else:
        assert found.fault is None
        assert found.shapes == made.shapes
        cost = (made.parameter_count, made.multiply_adds)
        assert (found.parameters, found.multiply_adds) == cost
    assert apply(LENET, found.edits).layers == draft.layers
    assert len(found.shapes) == len(draft.layers)


def test_a_half_made_handcraft_is_kept_and_told_where_it_fails() -> None:
    draft = drafts.insert(drafts.begin(LENET.layers, 17), 3, [Dense(64)])
    found = check(draft, SHAPE, 10, baseline=LENET)
    assert found.fault == 4
    assert "made the data flat" in (found.problem or "")
    assert found.words == "Added Dense(64) at 3"
    assert found.changed == {3: "added"}
    assert found.shapes[:4] == ((16, 26, 26), (16, 26, 26), (16, 13, 13), (64,))
    assert found.shapes[4:] == ((),) * 5


@pytest.mark.promise("EDITOR-5")
def test_the_check_says_what_need_not_or_must_not_be_trained() -> None:
    begun = drafts.begin(LENET.layers, 17)
    assert check(begun, SHAPE, 10, baseline=LENET).problem == "nothing would change"
    wide = drafts.change(begun, [6], "units", 999)
    there = check(wide, SHAPE, 10, baseline=LENET)
    assert there.problem is None
    assert there.words == "units of Dense at 6 from 64 to 999"
    assert there.architecture is not None
    known = {there.architecture.identity: 5}
    assert check(wide, SHAPE, 10, None, known, LENET).problem == "already model m5"
    limit = Limits(parameters=1000)
    assert "over the limit of 1,000" in (check(wide, SHAPE, 10, limit, {}, LENET).problem or "")


def test_the_marks_say_what_is_not_as_in_the_baseline() -> None:
    draft = drafts.remove(drafts.begin(LENET.layers), [2])
    draft = drafts.change(draft, [0], "filters", 20)
    draft = drafts.insert(draft, 7, [Dropout(0.3)])
    found = check(draft, SHAPE, 10, baseline=LENET)
    assert found.changed == {0: "changed", 7: "added"}
    assert found.gaps == (2,)


def test_without_a_baseline_a_draft_begins_with_nothing() -> None:
    empty = check(Draft(), SHAPE, 10)
    assert empty.problem == "there is no layer yet"
    made = check(drafts.from_text(Draft(), "conv16x3 relu"), SHAPE, 10)
    assert made.problem is None
    assert made.words == "Added Conv(16, 3x3) at 0; Added Activation(relu) at 0"


def test_the_first_conv_becomes_three_and_all_is_taken_back() -> None:
    begun = drafts.begin(LENET.layers, 17)
    draft = drafts.insert(begun, 1, drafts.copied(begun, [0]))
    draft = drafts.paste(draft, 2, "conv16x3")
    assert [type(one) for one in draft.layers[:4]] == [Conv, Conv, Conv, Activation]
    assert drafts.undo(drafts.undo(draft)).layers == begun.layers
    assert drafts.undo(begun) == begun
    assert drafts.redo(draft) == draft


def test_the_way_back_is_bounded() -> None:
    draft = Draft()
    for units in range(1, drafts.STEPS + 20):
        draft = drafts.from_text(draft, f"dense{units}")
    assert len(draft.past) == drafts.STEPS
    assert len(json.dumps(drafts.to_json(draft))) < 5_000


def test_every_kind_begins_with_legal_values() -> None:
    made = {kind: drafts.layer_of(kind).words for kind in KINDS}
    assert made["conv"] == "Conv(16, 3x3)"
    assert made["max_pool"] == "MaxPool(2)"
    assert made["dense"] == "Dense(64)"
    assert made["dropout"] == "Dropout(0.25)"
    assert made["activation"] == "Activation(relu)"
    assert made.keys() == KINDS.keys()


@pytest.mark.parametrize(
    ("step", "words"),
    [
        (lambda one: drafts.insert(one, 9, [Dense(1)]), "no place 9"),
        (lambda one: drafts.insert(one, -1, [Dense(1)]), "no place -1"),
        (lambda one: drafts.move(one, [0], 10), "no place 10"),
        (lambda one: drafts.change(one, [0], "units", 5), "has no 'units'"),
        (lambda one: drafts.change(one, [0], "filters", 0), "between 1 and"),
        (lambda one: drafts.change(one, [0], "filters", "16"), "whole number"),
        (lambda one: drafts.paste(one, 0, "conv16x3 colv"), "did you mean"),
        (lambda one: drafts.insert(one, 0, [Dense(1)] * 200), "at most 200 layers"),
        (lambda one: drafts.layer_of("window"), "no kind 'window'"),
    ],
)
def test_what_cannot_be_done_is_said(step: Step, words: str) -> None:
    with pytest.raises((InvalidRequest, InvalidArchitecture), match=words):
        step(drafts.begin(LENET.layers))


@pytest.mark.parametrize(
    "form",
    [
        None,
        {},
        {"version": 2, "layers": ""},
        {"version": 1},
        {"version": 1, "layers": "window"},
        {"version": 1, "layers": "relu", "baseline": "x"},
        {"version": 1, "layers": "relu", "past": [3]},
        {"version": 1, "layers": "relu", "past": "relu"},
    ],
)
def test_what_is_no_draft_is_refused(form: object) -> None:
    with pytest.raises(InvalidRequest):
        drafts.from_json(form)


def test_a_run_of_another_model_is_taken_as_it_is() -> None:
    other = (Conv(64, 5), GlobalAvgPool(), MaxPool(3))
    draft = drafts.from_run(drafts.begin(LENET.layers), 1, other, [2, 0, 7])
    assert draft.layers[1:3] == (Conv(64, 5), MaxPool(3))
    assert draft.chosen == (1, 2)
