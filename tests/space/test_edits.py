"""Ablations and variations: all of what was asked for, each right or explained."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remap_ray.errors import InvalidRequest
from remap_ray.space import (
    Activation,
    Architecture,
    Conv,
    Dense,
    Dropout,
    Limits,
    MaxPool,
    Space,
)
from remap_ray.space.edits import (
    NAMES,
    Prepend,
    Remove,
    Reparameterize,
    Replace,
    ablations,
    apply,
    describe,
    handcrafted,
    variations,
)
from remap_ray.space.layers import KINDS
from remap_ray.space.shapes import is_image
from tests.laws import law
from tests.space.drawn import ARCHITECTURES

RELU = Activation("relu")
ONE = Architecture(
    (1, 28, 28), 10, (Conv(16, 3), RELU, MaxPool(2), Conv(32, 3), Dropout(0.5), Dense(64))
)
DEEP = Architecture((1, 28, 28), 10, tuple(Conv(16, 1) if n % 2 else RELU for n in range(14)))


@given(ARCHITECTURES)
@law(50)
@pytest.mark.promise("SPACE-12")
def test_ablations_remove_each_layer_and_never_the_output(one: Architecture) -> None:
    children = ablations(one)
    assert [child.edits for child in children] == [(Remove(n),) for n in range(len(one.layers))]
    for at, child in enumerate(children):
        assert child.layers == one.layers[:at] + one.layers[at + 1 :]
        assert child.words == f"Removed {one.layers[at].name} at {at}"
        assert (child.architecture is None) <= (child.problem is not None)


def test_ablations_of_chosen_layers() -> None:
    assert [child.edits for child in ablations(ONE, [4, 1, 4])] == [(Remove(1),), (Remove(4),)]
    assert ablations(ONE, []) == ()
    assert ablations(Architecture((1, 8, 8), 2, ())) == ()
    (twelve,) = ablations(DEEP, [12])
    assert twelve.layers == DEEP.layers[:12] + DEEP.layers[13:]
    assert twelve.words == "Removed Activation at 12"


def test_ablations_of_the_output_layer_or_of_none_are_explained() -> None:
    output, beyond, before = ablations(ONE, [6]) + ablations(ONE, [7]) + ablations(ONE, [-1])
    assert "the output layer, can neither go nor change" in str(output.problem)
    assert "layer 7, does not exist" in str(beyond.problem)
    assert "layer -1, does not exist" in str(before.problem)


def test_ablations_that_need_no_training_say_so() -> None:
    twice = Architecture((1, 8, 8), 2, (RELU, RELU, Dropout(0), Dense(3)))
    children = ablations(twice)
    assert [child.problem for child in children] == [
        None, "same as proposal 0", "nothing would change", None,
    ]  # fmt: skip
    assert children[0].architecture is not None
    known = {children[0].architecture.identity: 17}
    assert [child.problem for child in ablations(twice, known=known)][:2] == [
        "already model m17",
        "already model m17",
    ]
    limited = ablations(twice, limits=Limits(parameters=100))
    assert limited[0].problem == "103 parameters over the limit of 100"
    assert limited[3].problem == "30 parameters over the limit of 100"


def check(one: Architecture, child: Any, changes: tuple[int, int], space: Space) -> None:
    assert child.problem is None
    assert child.architecture is not None
    assert child.architecture.identity != one.identity
    assert changes[0] <= len(child.edits) <= changes[1]
    assert apply(one, child.edits).architecture == child.architecture
    assert child.words == describe(one, child.edits)
    follow_the_table(one, child, space)


def follow_the_table(one: Architecture, child: Any, space: Space) -> None:
    """Find each new layer in the child, and see that its row has its kind, and its grid it."""
    gone = {edit.index for edit in child.edits if isinstance(edit, Remove)}
    new: list[int] = []
    at = 0
    for index in range(len(one.layers) + 1):
        for edit in child.edits:
            if isinstance(edit, Prepend) and edit.index == index:
                new.append(at)
                at += 1
        new += [at for edit in child.edits if isinstance(edit, Replace) and edit.index == index]
        at += index not in gone
    layers = child.architecture.layers
    shapes = (child.architecture.input_shape, *child.architecture.shapes)
    for at in new:
        row = space.row(layers[at - 1] if at else None, not is_image(shapes[at]))
        assert row.get(layers[at].kind), f"{layers[at].words} at {at} in {child.words}"
        assert space.fits(layers[at], shapes[at])
        for name, values in space.grids[layers[at].kind].items():
            assert getattr(layers[at], name) in values


@given(st.integers(0, 10_000), st.integers(1, 5), st.integers(0, 4))
@law(40)
@pytest.mark.promise("SPACE-13")
def test_variations_are_different_children_that_follow_the_table(
    seed: int, fewest: int, more: int
) -> None:
    changes = (fewest, fewest + more)
    space = Space.named("paper")
    children = variations(ONE, 6, changes, seed=seed)
    assert len(children) == 6
    for child in children:
        check(ONE, child, changes, space)
    assert len({child.architecture.identity for child in children if child.architecture}) == 6


@given(ARCHITECTURES, st.integers(0, 1000), st.data())
@law(40)
@pytest.mark.promise("SPACE-13")
def test_no_variation_of_any_network_is_invalid_without_saying_so(
    one: Architecture, seed: int, data: st.DataObject
) -> None:
    types = st.sets(st.sampled_from(sorted(NAMES)))
    allowed = data.draw(
        st.none() | st.dictionaries(st.integers(0, len(one.layers)), types, max_size=3)
    )
    children = variations(one, 3, (1, 3), allowed, Limits(20_000), seed)
    assert len(children) == 3
    found = set()
    for child in children:
        if child.problem is None:
            assert child.architecture is not None
            assert child.architecture.parameter_count <= 20_000
            check(one, child, (1, 3), Space.named("paper"))
            assert child.architecture.identity not in found
            found.add(child.architecture.identity)
        for edit in child.edits if allowed is not None else ():
            name = next(name for name, kind in NAMES.items() if isinstance(edit, kind))
            assert name in allowed[edit.index]


def test_the_number_of_changes_is_spread_over_its_range() -> None:
    counts = {len(child.edits) for child in variations(ONE, 20, (1, 4))}
    assert counts == {1, 2, 3, 4}


def test_the_same_seed_gives_the_same_variations() -> None:
    first = variations(ONE, 5, seed=3)
    assert variations(ONE, 5, seed=3) == first
    assert variations(ONE, 3, seed=3) == first[:3], "a longer list begins like a shorter one"
    assert variations(ONE, 5, seed=4) != first


@pytest.mark.promise("SPACE-13")
def test_a_variation_of_one_layer_alone() -> None:
    for child in variations(ONE, 10, (1, 2), {0: ["remove", "replace", "reparameterize"]}):
        assert child.problem is None
        assert {edit.index for edit in child.edits} == {0}
        assert child.layers[-5:] == ONE.layers[1:]
    for child in variations(ONE, 4, (1, 1), {0: ["reparameterize"]}):
        (edit,) = child.edits
        assert isinstance(edit, Reparameterize)
        assert edit.value != getattr(ONE.layers[0], edit.parameter)


def test_a_variation_of_layer_twelve() -> None:
    for child in variations(DEEP, 10, (1, 1), {12: list(NAMES)}):
        (edit,) = child.edits
        assert edit.index == 12
        assert child.layers[:12] == DEEP.layers[:12]


def test_before_the_output_layer_something_can_be_put_and_nothing_else_happens() -> None:
    for child in variations(ONE, 5, (1, 1), {6: list(NAMES)}):
        (edit,) = child.edits
        assert isinstance(edit, Prepend)
        assert edit.index == 6
        assert child.layers[:6] == ONE.layers
        assert edit.layer.kind in {"activation", "dropout", "dense"}


@pytest.mark.parametrize("allowed", [{}, {2: []}, {6: ["remove", "replace", "reparameterize"]}])
def test_where_everything_is_forbidden_the_children_say_so(allowed: Any) -> None:
    children = variations(ONE, 3, allowed=allowed)
    assert [child.problem for child in children] == [
        "nothing may be changed: every edit is forbidden"
    ] * 3
    assert all(child.architecture is None for child in children)


def test_where_no_more_children_can_be_found_the_last_say_why() -> None:
    only, *rest = variations(ONE, 3, allowed={1: ["remove"]})
    assert only.problem is None
    assert [child.problem for child in rest] == ["same as proposal 0"] * 2
    assert only.architecture is not None
    known = {only.architecture.identity: 4}
    assert variations(ONE, 1, allowed={1: ["remove"]}, known=known)[0].problem == (
        "already model m4"
    )
    over = variations(ONE, 1, limits=Limits(parameters=10))[0].problem
    assert over is not None
    assert over.endswith("parameters over the limit of 10")
    assert variations(ONE, 1, (2, 3), {1: ["remove"]})[0].problem == (
        "only 1 of at least 2 changes can be made here"
    )


def test_known_models_are_not_proposed_where_there_are_others() -> None:
    first = variations(ONE, 5)
    known = {child.architecture.identity: n for n, child in enumerate(first) if child.architecture}
    for child in variations(ONE, 5, known=known):
        assert child.problem is None
        assert child.architecture is not None
        assert child.architecture.identity not in known


def test_a_layer_of_a_kind_without_a_row_can_be_varied() -> None:
    few = Space.named("paper")
    table = {name: row for name, row in few.transitions.items() if name != "conv"}
    after = {"start": {"stop": 1}}
    sparse = Space("sparse", True, few.grids, table, after)
    for child in variations(ONE, 5, (1, 1), {1: ["prepend"]}, space=sparse):
        assert child.problem is None
        assert child.edits[0].layer.kind in KINDS
    (none,) = variations(ONE, 1, (1, 1), {6: ["prepend"]}, space=sparse)
    assert none.problem == "only 0 of at least 1 changes can be made here"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"count": -1}, "the number of variations must not be negative, not -1"),
        ({"count": 1, "changes": (0, 2)}, r"changes must be a range from at least 1, not \(0, 2\)"),
        ({"count": 1, "changes": (3, 2)}, "changes must be a range"),
        ({"count": 1, "allowed": {7: ["remove"]}}, "there is no layer 7; positions go from 0 to 6"),
        ({"count": 1, "allowed": {-1: []}}, "there is no layer -1"),
        ({"count": 1, "allowed": {0: ["swap"]}}, "unknown edit 'swap'; known are remove"),
    ],
)
def test_what_cannot_be_asked_for_is_refused(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        variations(ONE, **arguments)


def test_no_variations_at_all() -> None:
    assert variations(ONE, 0) == ()
    (only,) = variations(Architecture((1, 8, 8), 2, ()), 1, (1, 1))
    assert isinstance(only.edits[0], Prepend)
    assert len(only.layers) == 1


@pytest.mark.promise("SPACE-15")
def test_layers_that_are_to_stay_fixed_stay() -> None:
    for child in variations(ONE, 10, (1, 4), fixed=[0, 2, 3, 4, 5]):
        assert child.problem is None
        kept = iter(child.layers)
        assert all(layer in kept for layer in (ONE.layers[0], *ONE.layers[2:]))
        assert all(isinstance(edit, Prepend) or edit.index == 1 for edit in child.edits)
    nothing = {0: ["remove", "replace"]}
    (none,) = variations(ONE, 1, allowed=nothing, fixed=[0])
    assert none.problem == "nothing may be changed: every edit is forbidden"


def test_an_ablation_of_a_fixed_layer_says_so() -> None:
    children = ablations(ONE, fixed=[3])
    assert [child.problem for child in children] == [
        None, None, None, "Conv(32, 3x3) at 3 is to stay fixed", None, None,
    ]  # fmt: skip


@pytest.mark.parametrize("index", [6, -1])
def test_a_layer_that_is_not_there_cannot_stay_fixed(index: int) -> None:
    said = f"there is no layer {index} to stay fixed; there are 6"
    with pytest.raises(InvalidRequest, match=said):
        variations(ONE, 1, fixed=[index])
    with pytest.raises(InvalidRequest, match=said):
        ablations(ONE, fixed=[index])


@pytest.mark.promise("SPACE-15")
def test_children_keep_the_kinds_that_must_or_must_not_occur() -> None:
    limits = Limits(required=["conv", "max_pool"], forbidden=["avg_pool", "dropout"])
    parent = Architecture((1, 28, 28), 10, (Conv(16, 3), RELU, MaxPool(2)))
    for child in variations(parent, 10, limits=limits):
        assert child.problem is None
        assert limits.problem(child.architecture) is None
    assert [child.problem for child in ablations(parent, limits=limits)] == [
        "Conv must occur", None, "MaxPool must occur",
    ]  # fmt: skip


@pytest.mark.promise("SPACE-19")
def test_a_child_made_by_hand_may_have_any_legal_value_and_says_why_it_need_not_be_trained() -> (
    None
):
    edits = [Reparameterize(0, "filters", 17), Prepend(6, Dropout(0.3)), Remove(4)]
    child = handcrafted(ONE, edits)
    assert child.problem is None
    assert child.architecture is not None
    assert child.architecture.text == "conv17x3 relu max2 conv32x3 dense64 drop0.3"
    assert child.words == (
        "filters of Conv at 0 from 16 to 17; Added Dropout(0.3) at 6; Removed Dropout at 4"
    )
    count = child.architecture.parameter_count
    over = handcrafted(ONE, edits, Limits(count - 5))
    assert over.problem == f"5 parameters over the limit of {count - 5:,}"
    known = {child.architecture.identity: 17}
    assert handcrafted(ONE, edits, known=known).problem == "already model m17"
    impossible = handcrafted(ONE, [Reparameterize(3, "kernel_size", 14)])
    assert impossible.problem == "layer 3, Conv(32, 14x14): the image is only 13x13 here"
    nothing = Architecture((1, 28, 28), 10, ())
    assert handcrafted(nothing, []).problem == "nothing would change"
    assert handcrafted(nothing, [Prepend(0, Dense(33))]).layers == (Dense(33),)
