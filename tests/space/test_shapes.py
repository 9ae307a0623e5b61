"""Shapes and costs of networks, and why a sequence of layers cannot be one."""

from __future__ import annotations

from math import prod
from typing import Any

import pytest
from hypothesis import given

from remap_ray.errors import InvalidArchitecture
from remap_ray.space import (
    Activation,
    Architecture,
    AvgPool,
    BatchNorm,
    Conv,
    Cost,
    Dense,
    DepthwiseConv,
    Dropout,
    GlobalAvgPool,
    MaxPool,
)
from tests.laws import law
from tests.space.drawn import architecture_forms

EXAMPLE = {
    "input_shape": [1, 28, 28],
    "classes": 10,
    "layers": [
        {"kind": "conv", "filters": 16, "kernel_size": 3},
        {"kind": "activation", "function": "relu"},
        {"kind": "max_pool", "size": 2},
        {"kind": "avg_pool", "size": 3},
        {"kind": "dropout", "rate": 0.25},
        {"kind": "dense", "units": 64},
    ],
}


def _windows(size: int, window: int, stride: int, padding: int) -> int:
    """Count the places of a window by laying it down at each."""
    return len(range(0, size + 2 * padding - window + 1, stride))


def _by_hand(form: dict[str, Any]) -> tuple[list[tuple[int, ...]], int, int]:
    """Work out shapes, parameters and multiply-adds of JSON, the output layer's included."""
    shape, shapes = tuple(form["input_shape"]), []
    parameters = multiply_adds = 0
    for layer in [*form["layers"], {"kind": "dense", "units": form["classes"]}]:
        match layer["kind"]:
            case "conv":
                k, s, p = layer["kernel_size"], layer.get("stride", 1), layer.get("padding", 0)
                sides = [_windows(side, k, s, p) for side in shape[1:]]
                weights = layer["filters"] * shape[0] * k * k
                parameters += weights + layer["filters"]
                multiply_adds += weights * prod(sides)
                shape = (layer["filters"], *sides)
            case "depthwise_conv":
                k, s, p = layer["kernel_size"], layer.get("stride", 1), layer.get("padding", 0)
                sides = [_windows(side, k, s, p) for side in shape[1:]]
                depthwise, pointwise = shape[0] * k * k, shape[0] * layer["filters"]
                parameters += depthwise + shape[0] + pointwise + layer["filters"]
                multiply_adds += (depthwise + pointwise) * prod(sides)
                shape = (layer["filters"], *sides)
            case "batch_norm":
                parameters += 2 * shape[0]
            case "global_avg_pool":
                shape = (shape[0],)
            case "max_pool" | "avg_pool":
                k, s = layer["size"], layer.get("stride", 2)
                shape = (shape[0], *(_windows(side, k, s, 0) for side in shape[1:]))
            case "dense":
                weights = prod(shape) * layer["units"]
                parameters += weights + layer["units"]
                multiply_adds += weights
                shape = (layer["units"],)
        shapes.append(shape)
    return shapes[:-1], parameters, multiply_adds


def test_the_example_of_the_issue() -> None:
    one = Architecture.from_dict(EXAMPLE)
    assert one.shapes == ((16, 26, 26), (16, 26, 26), (16, 13, 13), (16, 6, 6), (16, 6, 6), (64,))
    assert one.parameter_count == 37_738
    # 26 x 26 places of 16 kernels of 9 weights, then 576 inputs to 64 units, then 64 to 10.
    assert one.multiply_adds == 26 * 26 * 16 * 9 + 576 * 64 + 64 * 10
    assert one.flops == 2 * one.multiply_adds


def test_the_cost_of_the_example() -> None:
    cost = Architecture.from_dict(EXAMPLE).cost
    assert cost == Cost(
        parameters=37_738,
        multiply_adds=134_848,
        activation_bytes=4 * (16 * (2 * 26 * 26 + 13 * 13 + 2 * 6 * 6) + 64 + 10),
        weights_bytes=4 * 37_738,
    )
    assert cost.flops == 2 * 134_848
    with pytest.raises(AttributeError):
        cost.parameters = 3  # type: ignore[misc]


def test_running_figures_are_in_the_file_but_are_no_parameters() -> None:
    plain = Architecture((3, 8, 8), 2, (Conv(4, 3),)).cost
    normed = Architecture((3, 8, 8), 2, (Conv(4, 3), BatchNorm())).cost
    assert normed.parameters - plain.parameters == 8
    assert normed.weights_bytes - plain.weights_bytes == 4 * 8 + 2 * 4 * 4 + 8


@given(architecture_forms())
@law(50)
def test_shapes_and_costs_are_those_worked_out_by_hand(form: dict[str, Any]) -> None:
    shapes, parameters, multiply_adds = _by_hand(form)
    one = Architecture.from_dict(form)
    assert one.shapes == tuple(shapes)
    assert one.parameter_count == parameters
    assert one.multiply_adds == multiply_adds
    assert all(min(shape) >= 1 for shape in one.shapes)


def test_a_network_without_hidden_layers() -> None:
    one = Architecture((1, 8, 8), 10, ())
    assert one.shapes == ()
    assert (one.parameter_count, one.multiply_adds) == (650, 640)
    assert one.words == "no hidden layer"


def test_global_pooling_makes_the_data_flat() -> None:
    one = Architecture((3, 9, 5), 2, (Conv(4, 3), GlobalAvgPool(), BatchNorm(), Dense(7)))
    assert one.shapes == ((4, 7, 3), (4,), (4,), (7,))
    assert one.parameter_count == 4 * 28 + 8 + 7 * 5 + 2 * 8


def test_height_and_width_are_told_apart() -> None:
    one = Architecture((3, 9, 5), 2, (Conv(4, 3, stride=2), MaxPool(2, stride=1)))
    assert one.shapes == ((4, 4, 2), (4, 3, 1))
    with pytest.raises(InvalidArchitecture, match=r"MaxPool\(5\): the image is only 4x9 here"):
        Architecture((3, 9, 4), 2, (MaxPool(5),))


@pytest.mark.parametrize("layer", [Conv(8, 5), MaxPool(5), AvgPool(5)])
def test_a_window_as_large_as_the_image_is_valid(layer: Any) -> None:
    assert Architecture((1, 5, 5), 2, (layer,)).shapes[0][1:] == (1, 1)
    for smaller in [(1, 4, 5), (1, 5, 4)]:
        with pytest.raises(InvalidArchitecture):
            Architecture(smaller, 2, (layer,))


def test_padding_makes_room() -> None:
    assert Architecture((1, 3, 3), 2, (Conv(8, 5, padding=1),)).shapes == ((8, 1, 1),)
    with pytest.raises(InvalidArchitecture, match="only 2x2 plus a padding of 1 here") as caught:
        Architecture((1, 2, 2), 2, (Conv(8, 5, padding=1),))
    assert caught.value.layer == 0


@pytest.mark.parametrize(
    ("layers", "at", "says"),
    [
        ([Dense(8), Conv(8, 1)], 1, r"Conv\(8, 1x1\): an image is needed, but a Dense or Glob"),
        ([Dense(8), Activation("relu"), MaxPool(1)], 2, r"MaxPool\(1\): an image is needed"),
        ([Dense(8), Dropout(0.5), AvgPool(2)], 2, r"AvgPool\(2\): an image is needed"),
        (
            [Activation("relu"), MaxPool(2), MaxPool(2), MaxPool(2), Dropout(0.5), MaxPool(3)],
            5,
            r"MaxPool\(3\): the image is only 1x1 here",
        ),
        ([GlobalAvgPool(), DepthwiseConv(8, 1)], 1, r"DepthwiseConv\(8, 1x1\): an image is"),
        ([GlobalAvgPool(), BatchNorm(), GlobalAvgPool()], 2, "GlobalAvgPool: an image is needed"),
        ([Conv(8, 3), Conv(8, 7), Conv(8, 7)], 1, r"Conv\(8, 7x7\): the image is only 6x6 here"),
    ],
)
@pytest.mark.promise("SPACE-2")
def test_the_first_impossible_layer_is_named(layers: list[Any], at: int, says: str) -> None:
    with pytest.raises(InvalidArchitecture, match=f"^layer {at}, {says}") as caught:
        Architecture((1, 8, 8), 10, tuple(layers))
    assert caught.value.layer == at
    assert not caught.value.reason.startswith("layer")
