"""Networks as people type them."""

from __future__ import annotations

import re

import pytest
from hypothesis import given

from remap_ray import Architecture
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
    Layer,
    MaxPool,
    text,
)
from remap_ray.space.layers import KINDS
from tests.laws import law
from tests.space.drawn import ARCHITECTURES


@given(ARCHITECTURES)
@law()
@pytest.mark.promise("SPACE-14")
def test_an_architecture_survives_its_text(one: Architecture) -> None:
    assert Architecture.from_text(one.text, one.input_shape, one.classes) == one


def test_the_example_of_the_issue() -> None:
    line = "conv16x3 relu max2 drop0.25 dense64"
    one = Architecture.from_text(line, (1, 28, 28), 10)
    assert one.layers == (
        Conv(16, 3), Activation("relu"), MaxPool(2), Dropout(0.25), Dense(64),
    )  # fmt: skip
    assert one.text == line
    assert Architecture.from_text("", (1, 28, 28), 10).layers == ()
    assert Architecture((1, 28, 28), 10, ()).text == ""


@pytest.mark.parametrize(
    ("word", "layer"),
    [
        ("conv16x3s2p1", Conv(16, 3, 2, 1)),
        ("conv16x3p1s2", Conv(16, 3, 2, 1)),
        ("conv16x3", Conv(16, 3)),
        ("conv16x5same", Conv(16, 5, 1, 2)),
        ("conv16x5s2same", Conv(16, 5, 2, 2)),
        ("conv16x5psame", Conv(16, 5, 1, 2)),
        ("depthwise8x3same", DepthwiseConv(8, 3, 1, 1)),
        ("max3s1", MaxPool(3, 1)),
        ("MaxPool3", MaxPool(3)),
        ("max_pool3", MaxPool(3)),
        ("avg2", AvgPool(2)),
        ("avgpool2s2", AvgPool(2)),
        ("globalavg", GlobalAvgPool()),
        ("global_avg_pool", GlobalAvgPool()),
        ("batchnorm", BatchNorm()),
        ("batch_norm", BatchNorm()),
        ("ReLU", Activation("relu")),
        ("tanh", Activation("tanh")),
        ("sigmoid", Activation("sigmoid")),
        ("drop.5", Dropout(0.5)),
        ("drop0", Dropout(0)),
        ("dropout5e-1", Dropout(0.5)),
        ("dense64", Dense(64)),
    ],
)
def test_a_word_is_a_layer(word: str, layer: Layer) -> None:
    assert text.read(word) == (layer,)
    assert text.read(layer.text) == (layer,)


def test_words_may_be_parted_by_commas_and_lines() -> None:
    assert text.read(" conv8x3,\n relu ,dense3\t") == (Conv(8, 3), Activation("relu"), Dense(3))


@pytest.mark.parametrize(
    ("line", "layer", "says"),
    [
        ("conv16x3 rleu dense3", 1, "'rleu' at character 9: unknown layer; did you mean relu?"),
        ("lstm5", 0, "'lstm5' at character 0: unknown layer; known are conv, depthwise"),
        ("5", 0, "'5' at character 0: unknown layer; known are"),
        ("relu conv16", 1, "at character 5: Conv needs kernel_size, as in conv{"),
        ("conv", 0, "Conv needs filters and kernel_size, as in"),
        ("conv16x3q1", 0, "with the options s{stride} and p{padding}"),
        ("conv16x3q1", 0, "Conv has no 'q1'; it is written conv{filters}x{kernel_size}"),
        ("dense" + "9" * 5000, 0, "9…' cannot be read; it is written dense{units}"),
        ("conv16x3x5", 0, "kernel_size is given twice"),
        ("conv16x3p1same", 0, "padding is given twice"),
        ("conv16x4same", 0, "Conv: same needs an odd kernel_size, not 4"),
        ("conv16x2.5same", 0, "Conv: same needs an odd kernel_size, not 2.5"),
        ("conv-16x3", 0, "'-16x3' cannot be read; it is written conv{filters}"),
        ("max2same", 0, "MaxPool has no 'same'"),
        ("conv16xsame", 0, "Conv has no 'xsame'"),
        ("conv16.5x3", 0, "Conv: filters must be a whole number, not 16.5"),
        ("dense0", 0, "Dense: units must lie between 1 and 65536, not 0"),
        ("drop1", 0, "Dropout: rate must lie between 0 and 0.999, not 1"),
        ("drop", 0, "Dropout needs rate, as in drop{rate}"),
        ("relu3", 0, "Activation has no '3'; it is written relu or tanh or sigmoid"),
        ("batchnorm3", 0, "BatchNorm has no '3'; it is written batchnorm"),
        ("dense64 relu!", 1, "'relu!' at character 8: '!' cannot be read"),
        ("conv¹x3", 0, "cannot be read"),
    ],
)  # fmt: skip
@pytest.mark.promise("SPACE-14")
def test_what_cannot_be_read_names_the_word(line: str, layer: int, says: str) -> None:
    with pytest.raises(InvalidArchitecture, match=re.escape(says)) as caught:
        Architecture.from_text(line, (1, 28, 28), 10)
    assert caught.value.layer == layer
    assert str(caught.value).startswith(f"layer {layer}, ")


def test_what_cannot_stand_there_is_refused_as_ever() -> None:
    with pytest.raises(InvalidArchitecture, match=r"layer 1, MaxPool\(5\): the image is only 4x4"):
        Architecture.from_text("conv8x5 max5", (1, 8, 8), 2)


def test_every_kind_has_a_word_of_its_own() -> None:
    words = [kind.word for kind in KINDS.values() if kind.word]
    assert len(set(words)) == len(words) == len(KINDS) - 1
    for kind in KINDS.values():
        symbols = [one.symbol for one in kind.parameters().values()]
        assert len(set(symbols)) == len(symbols)
