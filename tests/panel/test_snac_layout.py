"""Blocks stand where they should, at heights that compare between chips."""

from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remap_panel.snac import SCALE, SIZES, Scale, blocks
from remap_panel.snac.layout import MANY
from remap_panel.theme import OUTPUT
from remap_ray.errors import InvalidRequest
from remap_ray.space import (
    Activation,
    Architecture,
    AvgPool,
    Conv,
    Dense,
    Dropout,
    Limits,
    MaxPool,
    Space,
    sample,
)

PAPER = Architecture(
    (1, 28, 28),
    10,
    (Conv(16, 3), Activation("relu"), MaxPool(2), AvgPool(3), Dropout(0.25), Dense(64)),
)


@st.composite
def architectures(draw):
    shape = draw(st.sampled_from([(1, 8, 8), (1, 28, 28), (3, 32, 32)]))
    rng = Random(draw(st.integers(0, 2**32)))
    return next(sample(Space.named("paper"), rng, shape, draw(st.integers(2, 20)), Limits(None)))


sizes = st.sampled_from(sorted(SIZES))


def test_there_are_four_sizes_from_large_to_tiny():
    chips = [blocks(PAPER, size) for size in ("large", "medium", "small", "tiny")]
    assert set(SIZES) == {"large", "medium", "small", "tiny"}
    assert sorted(((chip.width, chip.height) for chip in chips), reverse=True) == [
        (chip.width, chip.height) for chip in chips
    ]


@pytest.mark.promise("PAGE-10")
def test_one_block_per_layer_and_the_output_last():
    made = blocks(PAPER).blocks
    assert [block.index for block in made] == list(range(7))
    assert [block.kind for block in made] == [
        "conv", "activation", "max_pool", "avg_pool", "dropout", "dense", "dense"
    ]  # fmt: skip
    assert [block.mark for block in made] == ["C", "relu", "M", "A", "", "D", "D"]
    assert [block.style == OUTPUT for block in made] == [False] * 6 + [True]


def test_blocks_tell_what_they_are():
    assert [block.tooltip for block in blocks(PAPER).blocks] == [
        "0: Conv(16, 3x3) -> 16x26x26, 160 parameters",
        "1: Activation(relu) -> 16x26x26",
        "2: MaxPool(2) -> 16x13x13",
        "3: AvgPool(3) -> 16x6x6",
        "4: Dropout(0.25) -> 16x6x6",
        "5: Dense(64) -> 64, 36,928 parameters",
        "output: Dense(10) -> 10, 650 parameters",
    ]


@given(architectures(), sizes, st.booleans())
def test_blocks_follow_each_other_inside_the_chip(architecture, size, fixed):
    chip = blocks(architecture, size, fixed_height=fixed)
    assert len(chip.blocks) == len(architecture.layers) + 1
    assert sum(block.parameters for block in chip.blocks) == architecture.parameter_count
    ends = [block.x + block.width for block in chip.blocks]
    starts = [block.x for block in chip.blocks]
    assert starts[0] == 0
    assert ends[-1] == chip.width
    assert all(0 < start - end <= 2 for end, start in zip(ends, starts[1:], strict=False))
    for block in chip.blocks:
        above, below = block.y, chip.height - block.y - block.height
        assert 0 <= above <= below <= above + 1


@given(architectures(), architectures(), sizes)
@pytest.mark.promise("PAGE-10")
def test_heights_grow_with_the_tensor_on_one_scale_for_all_chips(one, other, size):
    both = [*blocks(one, size).blocks, *blocks(other, size).blocks]
    both.sort(key=lambda block: block.values)
    heights = [block.height for block in both]
    assert heights == sorted(heights)
    assert SIZES[size].least <= heights[0]
    assert heights[-1] <= SIZES[size].most
    known = {}
    assert all(known.setdefault(block.values, block.height) == block.height for block in both)


@given(architectures(), sizes)
def test_a_fixed_height_is_the_same_for_all(architecture, size):
    chip = blocks(architecture, size, fixed_height=True)
    assert {block.height for block in chip.blocks} == {chip.height} == {SIZES[size].equal}


@settings(max_examples=200)
@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_the_scale_is_bounded_and_grows(one, other):
    least, most = sorted((one, other))
    assert 0 <= SCALE.share(least) <= SCALE.share(most) <= 1


def test_the_scale_is_logarithmic_and_clamped():
    scale = Scale(10, 1000)
    assert [scale.share(values) for values in (1, 10, 100, 1000, 10**6)] == pytest.approx(
        [0, 0, 0.5, 1, 1]
    )


def test_a_large_tensor_reaches_the_top_and_goes_no_further():
    wide = Architecture((3, 64, 64), 10, (Conv(128, 1), Conv(256, 1)))
    assert [block.height for block in blocks(wide).blocks[:2]] == [SIZES["large"].most] * 2


@pytest.mark.parametrize(("low", "high"), [(0, 10), (10, 10), (20, 10)])
def test_an_impossible_scale_is_refused(low, high):
    with pytest.raises(InvalidRequest, match="low < high"):
        Scale(low, high)


def test_long_chips_have_narrow_blocks_where_there_is_width_to_save():
    few, many = (
        Architecture((1, 8, 8), 2, (Activation("relu"),) * count) for count in (MANY - 1, MANY)
    )
    assert blocks(many).blocks[0].width < blocks(few).blocks[0].width
    assert blocks(many).mark < blocks(few).mark
    assert blocks(many, "small").blocks[0].width == blocks(few, "small").blocks[0].width


def test_an_unknown_size_is_refused_with_those_there_are():
    with pytest.raises(InvalidRequest, match=r"'huge'.*large, medium, small, tiny"):
        blocks(PAPER, "huge")
