"""Edits as values: applied together, undone, said in words, compared, as JSON."""

from __future__ import annotations

import json
from collections import deque
from dataclasses import replace
from itertools import product
from typing import Any

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from remap_ray.errors import InvalidArchitecture
from remap_ray.space import Activation, Architecture, Conv, Dense, Dropout, Layer, MaxPool, edit
from remap_ray.space.edits import (
    Edit,
    Prepend,
    Remove,
    Reparameterize,
    Replace,
    apply,
    describe,
    difference,
    inverse,
)
from tests.laws import law
from tests.space.drawn import ARCHITECTURES, LAYERS, edits_of

RELU = Activation("relu")
ONE = Architecture(
    (1, 28, 28), 10, (Conv(16, 3), RELU, MaxPool(2), Conv(32, 3), Dropout(0.5), Dense(64))
)


def layer_by_layer(layers: tuple[Layer, ...], edits: list[Edit]) -> tuple[Layer, ...] | None:
    """Work out the outcome from the last position to the first, where nothing can drift."""
    outcome = list(layers)
    for at in range(len(layers), -1, -1):
        here = [one for one in edits if one.index == at]
        new = [one.layer for one in here if isinstance(one, Prepend)]
        others = [one for one in here if not isinstance(one, Prepend)]
        names = [one.parameter for one in others if isinstance(one, Reparameterize)]
        if len(others) > 1 and (len(names) < len(others) or len(set(names)) < len(names)):
            return None
        for one in others:
            if isinstance(one, Reparameterize):
                outcome[at] = replace(outcome[at], **{one.parameter: one.value})
            else:
                outcome[at : at + 1] = [one.layer] if isinstance(one, Replace) else []
        outcome[at:at] = new
    return tuple(outcome)


@given(st.data())
@law()
@pytest.mark.promise("SPACE-9")
def test_edits_are_applied_together_against_the_positions_of_the_original(
    data: st.DataObject,
) -> None:
    one = data.draw(ARCHITECTURES)
    edits = data.draw(edits_of(one))
    expected = layer_by_layer(one.layers, edits)
    proposal = apply(one, edits)
    assert proposal.edits == tuple(edits)
    if expected is None:
        assert proposal.architecture is None
        assert "contradict" in str(proposal.problem)
        return
    assert proposal.layers == expected
    if proposal.architecture is None:
        with pytest.raises(InvalidArchitecture) as caught:
            Architecture(one.input_shape, one.classes, expected)
        assert proposal.problem == str(caught.value)
        assert proposal.fault == caught.value.layer
        return
    outcome = Architecture(one.input_shape, one.classes, expected)
    assert proposal.architecture == outcome
    unchanged = outcome.identity == one.identity
    assert proposal.problem == ("nothing would change" if unchanged else None)
    assert proposal.fault is None


@given(st.data())
@law()
@pytest.mark.promise("SPACE-9")
def test_the_order_of_edits_at_different_places_does_not_matter(data: st.DataObject) -> None:
    one = data.draw(ARCHITECTURES)
    edits = data.draw(edits_of(one))
    turned = sorted(edits, key=lambda edit: -edit.index)
    first, second = apply(one, edits), apply(one, turned)
    assert (first.architecture, first.layers) == (second.architecture, second.layers)


@given(st.data())
@law()
@pytest.mark.promise("SPACE-9")
def test_the_inverse_undoes(data: st.DataObject) -> None:
    one = data.draw(ARCHITECTURES)
    edits = data.draw(edits_of(one))
    child = apply(one, edits).architecture
    assume(child is not None)
    assert apply(child, inverse(one, edits)).architecture == one


@given(ARCHITECTURES, LAYERS, st.data())
@law()
@pytest.mark.promise("SPACE-9")
def test_remove_undoes_prepend(one: Architecture, layer: Layer, data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(one.layers)))
    child = apply(one, [Prepend(at, layer)]).architecture
    assume(child is not None)
    assert apply(child, [Remove(at)]).architecture == one
    assert inverse(one, [Prepend(at, layer)]) == (Remove(at),)


def test_the_inverse_of_what_cannot_be_applied_is_refused() -> None:
    with pytest.raises(InvalidArchitecture, match="layer 9, does not exist"):
        inverse(ONE, [Remove(9)])


@pytest.mark.parametrize(
    ("edits", "says", "fault"),
    [
        ([Remove(6)], "layer 6, the output layer, can neither go nor change", 6),
        ([Replace(6, RELU)], "layer 6, the output layer, can neither go nor change", 6),
        ([Reparameterize(6, "units", 3)], "layer 6, the output layer, can neither", 6),
        ([Remove(7)], "layer 7, does not exist: there are 6 layers, from 0", 7),
        ([Remove(-1)], "layer -1, does not exist", -1),
        ([Prepend(7, RELU)], "layer 7, does not exist", 7),
        ([Remove(2), Replace(2, RELU)], "layer 2, two edits contradict each other", 2),
        ([Remove(2), Remove(2)], "layer 2, two edits contradict", 2),
        ([Reparameterize(0, "filters", 3), Remove(0)], "layer 0, two edits contradict", 0),
        (
            [Reparameterize(0, "filters", 3), Reparameterize(0, "filters", 4)],
            "layer 0, two edits contradict",
            0,
        ),
        ([Reparameterize(2, "rate", 0.5)], r"layer 2, MaxPool\(2\) has no 'rate' \(it has", 2),
        ([Reparameterize(4, "rate", "0.5")], "layer 4, Dropout: rate must be a number", 4),
        ([Reparameterize(0, "filters", 0)], "layer 0, Conv: filters must lie between 1", 0),
        ([Prepend(6, Conv(8, 3))], r"layer 6, Conv\(8, 3x3\): an image is needed", 6),
        ([Remove(1), Replace(2, MaxPool(27))], r"layer 1, MaxPool\(27\): the image is only", 1),
    ],
)
def test_what_cannot_be_says_why(edits: list[Edit], says: str, fault: int) -> None:
    proposal = apply(ONE, edits)
    assert proposal.architecture is None
    assert proposal.fault == fault
    with pytest.raises(InvalidArchitecture, match=says):
        raise InvalidArchitecture(str(proposal.problem))


def test_two_parameters_of_one_layer_can_change_at_once() -> None:
    both = [Reparameterize(0, "filters", 8), Reparameterize(0, "kernel_size", 5)]
    child = apply(ONE, both).architecture
    assert child is not None
    assert child.layers == (Conv(8, 5), *ONE.layers[1:])
    assert apply(child, inverse(ONE, both)).architecture == ONE


@pytest.mark.parametrize("edits", [[], [Prepend(0, Dropout(0))], [Replace(1, RELU)]])
def test_a_change_of_nothing_is_called_so(edits: list[Edit]) -> None:
    assert apply(ONE, edits).problem == "nothing would change"


def test_any_legal_value_can_be_set_by_hand() -> None:
    child = apply(ONE, [Reparameterize(0, "filters", 17), Reparameterize(4, "rate", 0.33)])
    assert child.architecture is not None
    assert child.architecture.layers[0] == Conv(17, 3)
    from_nothing = Architecture((1, 28, 28), 10, ())
    edits = [Prepend(0, Conv(7, 3, 2, 1)), Prepend(0, Dense(33))]
    grown = apply(from_nothing, edits).architecture
    assert grown is not None
    assert grown.layers == (Conv(7, 3, 2, 1), Dense(33))


@pytest.mark.promise("SPACE-10")
def test_edits_in_words() -> None:
    edits = [
        Remove(2),
        Prepend(6, Dropout(0.25)),
        Replace(0, MaxPool(2)),
        Reparameterize(3, "filters", 64),
        Reparameterize(4, "rate", 0.125),
    ]
    assert describe(ONE, edits) == (
        "Removed MaxPool at 2; Added Dropout(0.25) at 6; Replaced Conv(16, 3x3) at 0 with "
        "MaxPool(2); filters of Conv at 3 from 32 to 64; rate of Dropout at 4 from 0.5 to 0.125"
    )
    assert apply(ONE, edits).words == describe(ONE, edits)
    assert describe(ONE, []) == ""


@given(ARCHITECTURES, ARCHITECTURES)
@law()
@pytest.mark.promise("SPACE-11")
def test_the_difference_turns_one_into_the_other(one: Architecture, other: Architecture) -> None:
    other = replace_data(other, one)
    assume(other is not None)
    found = difference(one, other)
    assert found.architecture == other
    assert apply(one, found.edits).architecture == other
    assert found.words == describe(one, found.edits)
    assert len(found.edits) <= max(len(one.layers), len(other.layers))
    assert difference(one, one).edits == ()


def replace_data(one: Architecture, data: Architecture) -> Any:
    try:
        return Architecture(data.input_shape, data.classes, one.layers)
    except InvalidArchitecture:
        return None


LETTERS: list[Layer] = [RELU, Activation("tanh"), Dropout(0.25), Dropout(0.5)]


def fewest(old: tuple[Layer, ...]) -> dict[tuple[Layer, ...], int]:
    """Find by breadth-first search how many edits, one after the other, lead where."""
    found = {old: 0}
    waiting = deque([old])
    while waiting:
        now = waiting.popleft()
        if found[now] == 3:
            continue
        for at in range(len(now) + 1):
            nexts = [(*now[:at], one, *now[at:]) for one in LETTERS if len(now) < 3]
            if at < len(now):
                nexts.append(now[:at] + now[at + 1 :])
                nexts += [(*now[:at], one, *now[at + 1 :]) for one in LETTERS]
            for one in nexts:
                if one not in found:
                    found[one] = found[now] + 1
                    waiting.append(one)
    return found


@pytest.mark.promise("SPACE-11")
def test_no_shorter_script_is_found_by_brute_force() -> None:
    sequences = [one for length in range(4) for one in product(LETTERS, repeat=length)]
    for old in sequences[::7]:
        best = fewest(old)
        for new in sequences:
            a, b = Architecture((1, 4, 4), 2, old), Architecture((1, 4, 4), 2, new)
            assert len(difference(a, b).edits) == best[new], (old, new)


def test_the_difference_prefers_to_keep_kinds() -> None:
    old = Architecture((1, 8, 8), 2, (Conv(8, 3), RELU, Dropout(0.5)))
    new = Architecture((1, 8, 8), 2, (RELU, Conv(9, 3), Dropout(0.25)))
    assert difference(old, replace(old, layers=(Conv(8, 5), RELU, Dropout(0.5)))).words == (
        "kernel_size of Conv at 0 from 3 to 5"
    )
    assert difference(old, replace(old, layers=(Conv(9, 5), RELU, Dropout(0.5)))).words == (
        "Replaced Conv(8, 3x3) at 0 with Conv(9, 5x5)"
    )
    assert len(difference(old, new).edits) == 3


@pytest.mark.parametrize("other", [((3, 8, 8), 10), ((1, 8, 8), 2), ((1, 8, 9), 10)])
def test_networks_for_other_data_have_no_difference(other: tuple[Any, int]) -> None:
    found = difference(Architecture((1, 8, 8), 10, ()), Architecture(*other, ()))
    assert found.architecture is None
    assert found.edits == ()
    assert f"classes into one for {other[0]} and {other[1]}" in str(found.problem)


@given(st.data())
@law()
def test_edits_survive_json(data: st.DataObject) -> None:
    for one in data.draw(edits_of(data.draw(ARCHITECTURES))):
        assert edit.from_dict(json.loads(json.dumps(edit.to_dict(one)))) == one


def test_edits_as_json() -> None:
    assert [edit.to_dict(one) for one in (Remove(2), Reparameterize(0, "filters", 8))] == [
        {"edit": "remove", "index": 2},
        {"edit": "reparameterize", "index": 0, "parameter": "filters", "value": 8},
    ]
    layer = {"kind": "dense", "units": 3}
    assert edit.to_dict(Replace(1, Dense(3))) == {"edit": "replace", "index": 1, "layer": layer}
    assert edit.to_dict(Prepend(1, Dense(3))) == {"edit": "prepend", "index": 1, "layer": layer}


@pytest.mark.parametrize(
    ("form", "says"),
    [
        (None, "an edit must be an object, not None"),
        ("remove", "an edit must be an object"),
        ({}, "unknown edit None; known are remove, replace, prepend, reparameterize"),
        ({"edit": ["remove"], "index": 0}, "unknown edit"),
        ({"edit": "swap", "index": 0}, "unknown edit 'swap'"),
        ({"edit": "remove"}, "an edit 'remove' has edit, index"),
        ({"edit": "remove", "index": 0, "layer": {}}, "an edit 'remove' has edit, index"),
        ({"edit": "replace", "index": 0}, "an edit 'replace' has edit, index, layer"),
        ({"edit": "remove", "index": "0"}, "index of an edit must be a whole number, not '0'"),
        ({"edit": "remove", "index": -1}, "index of an edit must be a whole number, not -1"),
        ({"edit": "remove", "index": True}, "index of an edit must be a whole number, not True"),
        ({"edit": "prepend", "index": 0, "layer": {"kind": "lstm"}}, "unknown kind 'lstm'"),
        (
            {"edit": "reparameterize", "index": 0, "parameter": ["rate"], "value": 1},
            r"a parameter is a name, not \['rate'\]",
        ),
    ],
)
def test_what_is_no_edit_is_refused(form: object, says: str) -> None:
    with pytest.raises(InvalidArchitecture, match=says):
        edit.from_dict(form)
