"""`Architecture` as JSON, and its identity."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, reject
from hypothesis import strategies as st

from remap_ray import Architecture
from remap_ray.errors import InvalidArchitecture, RemapError
from remap_ray.space import Activation, AvgPool, Conv, Dense, Dropout, MaxPool
from tests.laws import law
from tests.space.drawn import architecture_forms
from tests.space.test_shapes import EXAMPLE

CANONICAL = (
    '{"classes":10,"input_shape":[1,28,28],"layers":['
    '{"filters":16,"kernel_size":3,"kind":"conv","padding":0,"stride":1},'
    '{"function":"relu","kind":"activation"},'
    '{"kind":"max_pool","size":2,"stride":2},'
    '{"kind":"avg_pool","size":3,"stride":2},'
    '{"kind":"dropout","rate":0.25},'
    '{"kind":"dense","units":64}],"space":"layers","version":1}'
)
IDENTITY = "4942ce6c9d5e"

NOTHING = [
    {"kind": "dropout", "rate": 0},
    {"kind": "dropout", "rate": 0.0},
    {"kind": "max_pool", "size": 1, "stride": 1},
    {"kind": "avg_pool", "size": 1, "stride": 1},
]


@given(architecture_forms())
@law(50)
@pytest.mark.promise("SPACE-3")
def test_an_architecture_survives_json(form: dict[str, Any]) -> None:
    one = Architecture.from_dict(form)
    text = json.dumps(one.to_dict())
    again = Architecture.from_dict(json.loads(text))
    assert again == one
    assert hash(again) == hash(one)
    assert json.dumps(again.to_dict()) == text
    assert again.identity == one.identity


def test_the_json_form_says_its_version_and_space_and_every_default() -> None:
    form = Architecture.from_dict(EXAMPLE).to_dict()
    assert form["version"] == 1
    assert form["space"] == "layers"
    assert form["layers"][0] == {
        "kind": "conv", "filters": 16, "kernel_size": 3, "stride": 1, "padding": 0
    }  # fmt: skip
    assert form["layers"][2] == {"kind": "max_pool", "size": 2, "stride": 2}
    assert len(form["layers"]) == 6, "the output layer is implied"


@pytest.mark.promise("SPACE-4")
def test_identity_is_of_the_canonical_json() -> None:
    one = Architecture.from_dict(EXAMPLE)
    assert hashlib.sha256(CANONICAL.encode()).hexdigest()[:12] == IDENTITY
    assert one.identity == IDENTITY


@given(architecture_forms(), st.data())
@law(50)
@pytest.mark.promise("SPACE-4")
def test_what_does_nothing_does_not_change_the_identity(
    form: dict[str, Any], data: st.DataObject
) -> None:
    one = Architecture.from_dict(form)
    layers = form["layers"]
    ends = {"dense", "global_avg_pool"}
    flat = next((n for n, layer in enumerate(layers) if layer["kind"] in ends), len(layers))
    added = data.draw(st.sampled_from(NOTHING))
    at = data.draw(st.integers(0, len(layers) if added["kind"] == "dropout" else flat))
    longer = Architecture.from_dict({**form, "layers": [*layers[:at], added, *layers[at:]]})
    assert longer.identity == one.identity
    assert longer != one, "only the identity forgets it"
    assert len(longer.to_dict()["layers"]) == len(layers) + 1


@given(architecture_forms(), st.data())
@law(50)
@pytest.mark.promise("SPACE-4")
def test_what_does_something_changes_the_identity(
    form: dict[str, Any], data: st.DataObject
) -> None:
    """Nothing else is dropped: no layer that is a no-op only for some data or some neighbours."""
    more = [
        Dropout(0.001),
        MaxPool(1),
        AvgPool(1, stride=2),
        MaxPool(2, stride=1),
        Conv(form["input_shape"][0], 1),
        Activation("relu"),
        Activation("tanh"),
        Dense(form["classes"]),
    ]
    one = Architecture.from_dict(form)
    added = data.draw(st.sampled_from(more))
    try:
        longer = Architecture(one.input_shape, one.classes, (added, *one.layers))
    except InvalidArchitecture:
        reject()
    assert longer.identity != one.identity


def test_identity_knows_the_data() -> None:
    shapes = [(1, 8, 8), (3, 8, 8), (1, 8, 9), (1, 9, 8)]
    found = {Architecture(shape, n, (Dense(4),)).identity for shape in shapes for n in (2, 10)}
    assert len(found) == 8


@pytest.mark.promise("SPACE-4")
def test_identity_is_equal_in_every_process() -> None:
    code = (
        "import json, sys; from random import Random; from itertools import islice\n"
        "from remap_ray.space import Architecture, Space, sample\n"
        "drawn = sample(Space.named('paper'), Random(3), (1, 28, 28), 10)\n"
        "print(Architecture.from_dict(json.load(sys.stdin)).identity,"
        " *(one.identity for one in islice(drawn, 30)))"
    )
    said = set()
    for seed in ("1", "2"):
        ended = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(EXAMPLE),
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        )
        said.add(ended.stdout)
    assert len(said) == 1
    assert said.pop().split()[0] == IDENTITY


def test_the_order_of_keys_does_not_matter() -> None:
    turned = {key: EXAMPLE[key] for key in reversed(EXAMPLE)}
    turned["layers"] = [dict(reversed(layer.items())) for layer in EXAMPLE["layers"]]
    assert Architecture.from_dict(turned).identity == IDENTITY


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"version": 2}, "version 2 is not known, only 1"),
        ({"version": "1"}, "version '1' is not known"),
        ({"version": None}, "version None is not known"),
        ({"space": "cells"}, "space 'cells' is not known, only 'layers'"),
        ({"depth": 3}, "has no 'depth'"),
        ({"depth": 3, 7: 1}, "has no"),
        ({"input_shape": [28, 28]}, "three positive whole numbers"),
        ({"input_shape": [1, 28, 0]}, "three positive whole numbers"),
        ({"input_shape": [1, 28, -28]}, "three positive whole numbers"),
        ({"input_shape": [1, 28, 28.0]}, "three positive whole numbers"),
        ({"input_shape": [True, 28, 28]}, "three positive whole numbers"),
        ({"input_shape": "abc"}, "must be lists"),
        ({"input_shape": None}, "must be lists"),
        ({"input_shape": [[1], 28, 28]}, "three positive whole numbers"),
        ({"classes": 1}, "classes must be a whole number of at least 2, not 1"),
        ({"classes": -3}, "at least 2, not -3"),
        ({"classes": True}, "at least 2, not True"),
        ({"classes": 10.0}, "at least 2, not 10.0"),
        ({"classes": None}, "at least 2, not None"),
        ({"layers": None}, "must be lists"),
        ({"layers": "conv"}, "must be lists"),
        ({"layers": {"kind": "conv"}}, "must be lists"),
    ],
)
@pytest.mark.promise("SPACE-3")
def test_what_is_no_architecture_is_refused(changes: dict[Any, Any], says: str) -> None:
    with pytest.raises(InvalidArchitecture, match=says) as caught:
        Architecture.from_dict({**EXAMPLE, **changes})
    assert caught.value.layer is None


@pytest.mark.parametrize("missing", ["input_shape", "classes", "layers"])
def test_what_is_missing_is_named(missing: str) -> None:
    form = {key: value for key, value in EXAMPLE.items() if key != missing}
    with pytest.raises(InvalidArchitecture, match=f"needs {missing}"):
        Architecture.from_dict(form)


@pytest.mark.parametrize("form", [None, 3, "{}", [], [EXAMPLE]])
def test_what_is_no_object_is_refused(form: object) -> None:
    with pytest.raises(InvalidArchitecture, match="must be an object"):
        Architecture.from_dict(form)


@pytest.mark.parametrize(
    ("at", "layer", "says"),
    [
        (0, {"kind": "conv", "filters": 0, "kernel_size": 3}, "filters must lie between 1 and"),
        (3, {"kind": "lstm"}, "unknown kind 'lstm'"),
        (5, {"kind": "dense"}, "Dense needs units"),
        (2, "max_pool", "must be an object"),
        (4, {"kind": "dropout", "rate": 1.0}, "rate must lie between 0 and 0.999"),
    ],
)
def test_a_fault_in_a_layer_says_which(at: int, layer: Any, says: str) -> None:
    layers = [*EXAMPLE["layers"]]
    layers[at] = layer
    with pytest.raises(InvalidArchitecture, match=says) as caught:
        Architecture.from_dict({**EXAMPLE, "layers": layers})
    assert caught.value.layer == at
    assert str(caught.value).startswith(f"layer {at}, ")
    assert isinstance(caught.value, RemapError)
    assert isinstance(caught.value, ValueError)


def test_an_architecture_in_words() -> None:
    assert Architecture.from_dict(EXAMPLE).words == (
        "Conv(16, 3x3), Activation(relu), MaxPool(2), AvgPool(3), Dropout(0.25), Dense(64)"
    )


def test_an_architecture_is_a_value() -> None:
    one = Architecture([1, 8, 8], 10, [Dense(3)])  # type: ignore[arg-type]
    assert one == Architecture((1, 8, 8), 10, (Dense(3),))
    with pytest.raises(AttributeError):
        one.classes = 3  # type: ignore[misc]
