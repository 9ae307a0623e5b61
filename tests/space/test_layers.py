"""The layer kinds: what they may be, what they are called, what is said where they may not be."""

from __future__ import annotations

import json
from math import inf, nan
from typing import Any

import pytest
from hypothesis import given

from remap_ray.errors import InvalidArchitecture
from remap_ray.space import (
    Activation,
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    GlobalAvgPool,
    MaxPool,
    layers,
)
from tests.laws import law
from tests.space.drawn import LARGEST, LAYER_FORMS

NO_WHOLE = [0, -1, LARGEST + 1, 1.5, 3.0, "3", True, None, [3], nan]
NO_RATE = [-0.1, 1, 1.0, 0.9999, "0.5", True, None, nan, inf]
NO_FUNCTION = ["gelu", "ReLU", "", 1, None, ["relu"]]

LEGAL = {
    "conv": {"filters": 16, "kernel_size": 3, "stride": 1, "padding": 0},
    "depthwise_conv": {"filters": 16, "kernel_size": 3, "stride": 1, "padding": 0},
    "global_avg_pool": {},
    "batch_norm": {},
    "max_pool": {"size": 2, "stride": 2},
    "avg_pool": {"size": 2, "stride": 2},
    "dense": {"units": 64},
    "dropout": {"rate": 0.5},
    "activation": {"function": "relu"},
}


def _illegal() -> list[tuple[str, str, Any]]:
    found = []
    for kind, values in LEGAL.items():
        for name in values:
            bad = {"rate": NO_RATE, "function": NO_FUNCTION}.get(name, NO_WHOLE)
            if name == "padding":
                bad = [one for one in bad if one != 0]
            found += [(kind, name, one) for one in bad]
    return found


def test_the_kinds_are_the_papers_and_three_more() -> None:
    assert set(layers.KINDS) == set(LEGAL)


@given(LAYER_FORMS)
@law()
def test_a_layer_survives_json(form: dict[str, Any]) -> None:
    layer = layers.from_dict(form)
    again = layers.from_dict(json.loads(json.dumps(layer.to_dict())))
    assert again == layer
    assert hash(again) == hash(layer)
    assert again.to_dict() == layer.to_dict()
    assert form.items() <= layer.to_dict().items()


@pytest.mark.parametrize(
    ("given", "full"),
    [
        (
            {"kind": "conv", "filters": 16, "kernel_size": 3},
            {"kind": "conv", "filters": 16, "kernel_size": 3, "stride": 1, "padding": 0},
        ),
        ({"kind": "max_pool", "size": 3}, {"kind": "max_pool", "size": 3, "stride": 2}),
        ({"kind": "avg_pool", "size": 3}, {"kind": "avg_pool", "size": 3, "stride": 2}),
        ({"kind": "dense", "units": 7}, {"kind": "dense", "units": 7}),
        ({"kind": "dropout", "rate": 0}, {"kind": "dropout", "rate": 0.0}),
        (
            {"kind": "activation", "function": "tanh"},
            {"kind": "activation", "function": "tanh"},
        ),
    ],
)
def test_defaults_are_filled_in(given: dict[str, Any], full: dict[str, Any]) -> None:
    # As text: 0 and 0.0 are equal, yet not the same JSON.
    assert json.dumps(layers.from_dict(given).to_dict()) == json.dumps(full)


@pytest.mark.parametrize(("kind", "name", "value"), _illegal())
def test_an_illegal_value_is_named(kind: str, name: str, value: Any) -> None:
    form = {"kind": kind, **LEGAL[kind], name: value}
    with pytest.raises(InvalidArchitecture) as caught:
        layers.from_dict(form)
    assert layers.KINDS[kind].name in str(caught.value)
    assert f"{name} must" in str(caught.value)
    assert f"not {value!r}" in str(caught.value)
    with pytest.raises(InvalidArchitecture, match=f"{name} must"):
        layers.KINDS[kind](**{**LEGAL[kind], name: value})


@pytest.mark.parametrize(
    ("kind", "name"), [(k, n) for k, form in LEGAL.items() for n in form if n != "function"]
)
def test_both_ends_of_a_range_are_legal(kind: str, name: str) -> None:
    low, high = {"rate": (0.0, 0.999), "padding": (0, LARGEST)}.get(name, (1, LARGEST))
    for value in (low, high):
        made = layers.from_dict({"kind": kind, **LEGAL[kind], name: value})
        assert getattr(made, name) == value


@pytest.mark.parametrize(
    ("form", "says"),
    [
        ({}, "unknown kind None"),
        ({"kind": "lstm"}, "unknown kind 'lstm'; known are conv, depthwise_conv, max_pool"),
        ({"kind": ["conv"]}, r"unknown kind \['conv'\]"),
        ({"kind": "Conv", "filters": 16, "kernel_size": 3}, "unknown kind 'Conv'"),
        ("conv", "must be an object with a kind, not 'conv'"),
        (None, "must be an object with a kind, not None"),
        ([("kind", "conv")], "must be an object with a kind"),
        ({"kind": "conv"}, "Conv needs filters and kernel_size"),
        ({"kind": "conv", "filters": 16}, "Conv needs kernel_size"),
        ({"kind": "dense"}, "Dense needs units"),
        ({"kind": "dense", "units": 16, "bias": False}, "Dense has no parameter 'bias'"),
        ({"kind": "dropout", "rate": 0.5, 3: 1, "p": 2}, "Dropout has no parameter"),
        ({"kind": "global_avg_pool", "size": 3}, "GlobalAvgPool has no parameter 'size'"),
        ({"kind": "batch_norm", "units": 3}, "BatchNorm has no parameter 'units'"),
        ({"kind": "depthwise_conv", "filters": 3}, "DepthwiseConv needs kernel_size"),
    ],
)
@pytest.mark.promise("SPACE-3")
def test_what_is_no_layer_is_refused(form: object, says: str) -> None:
    with pytest.raises(InvalidArchitecture, match=says) as caught:
        layers.from_dict(form)
    assert caught.value.layer is None


@pytest.mark.parametrize(
    ("layer", "words"),
    [
        (Conv(16, 3), "Conv(16, 3x3)"),
        (Conv(16, 3, stride=2, padding=1), "Conv(16, 3x3, stride 2, padding 1)"),
        (DepthwiseConv(16, 3, padding=1), "DepthwiseConv(16, 3x3, padding 1)"),
        (GlobalAvgPool(), "GlobalAvgPool"),
        (BatchNorm(), "BatchNorm"),
        (MaxPool(2), "MaxPool(2)"),
        (MaxPool(3, stride=1), "MaxPool(3, stride 1)"),
        (AvgPool(5), "AvgPool(5)"),
        (Dense(64), "Dense(64)"),
        (Dropout(0.25), "Dropout(0.25)"),
        (Dropout(0.125), "Dropout(0.125)"),
        (Dropout(0), "Dropout(0)"),
        (Activation("relu"), "Activation(relu)"),
    ],
)
def test_a_layer_in_words(layer: layers.Layer, words: str) -> None:
    assert layer.words == words


def test_layers_are_values() -> None:
    assert Conv(16, 3) == Conv(16, 3, 1, 0)
    assert MaxPool(2) != AvgPool(2)
    with pytest.raises(AttributeError):
        Dense(3).units = 4  # type: ignore[misc]
