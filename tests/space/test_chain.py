"""Spaces as data: those that come with REMAP, and those that people write."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remap_ray.errors import InvalidRequest
from remap_ray.space import (
    Architecture,
    BatchNorm,
    Conv,
    Dense,
    DepthwiseConv,
    GlobalAvgPool,
    Limits,
    Space,
    sample,
)
from remap_ray.space.chain import LONGEST, SPACES
from remap_ray.space.edits import variations
from remap_ray.space.layers import KINDS
from tests.laws import law

SMALL = """
name = "small"
[grids]
conv = { filters = [4, 8], kernel_size = [3] }
dense = { units = [5] }
activation = { function = ["relu"] }
[transitions]
start = { conv = 1 }
conv = { activation = 2.5, dense = 1 }
activation = { conv = 1, stop = 1 }
dense = { activation = 1, stop = 1 }
[limits]
layers = 4
required = ["conv"]
"""


def load(tmp_path: Path, text: str) -> Space:
    path = tmp_path / "mine.toml"
    path.write_text(text, encoding="utf-8")
    return Space.load(path)


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.parametrize("shape", [(3, 32, 32), (1, 8, 8), (1, 1, 1)])
@pytest.mark.promise("SPACE-16")
def test_the_spaces_that_come_with_remap_can_be_sampled(
    name: str, shape: tuple[int, int, int]
) -> None:
    drawn = list(islice(sample(Space.named(name), Random(3), shape, 10), 40))
    assert len({one.identity for one in drawn}) == 40
    assert all(len(one.layers) < LONGEST for one in drawn)
    assert all(one.parameter_count <= 1_000_000 for one in drawn)


def test_modern_networks_keep_its_habits() -> None:
    drawn = list(islice(sample(Space.named("modern"), Random(3), (3, 32, 32), 10), 100))
    kinds = {layer.kind for one in drawn for layer in one.layers}
    assert kinds == set(KINDS)
    for one in drawn:
        for layer, after in zip(one.layers, (*one.layers[1:], None), strict=True):
            if isinstance(layer, Conv | DepthwiseConv):
                assert after is not None
                assert after.kind in {"batch_norm", "activation"}
                assert layer.padding == (layer.kernel_size - 1) // 2
            if isinstance(layer, BatchNorm):
                assert after is not None
    ends_pooled = sum(any(isinstance(one, GlobalAvgPool) for one in net.layers) for net in drawn)
    assert ends_pooled > 80


def test_children_of_modern_networks_follow_its_table() -> None:
    modern = Space.named("modern")
    parent = Architecture.from_text("conv16x3p1 batchnorm relu globalavg", (3, 16, 16), 10)
    for child in variations(parent, 10, (1, 2), space=modern):
        assert child.problem is None
        for edit in child.edits:
            if hasattr(edit, "layer"):
                assert edit.layer.kind in modern.grids


def test_the_paper_is_as_ever() -> None:
    """Its file has the form that all have, and its draws are those that they always were."""
    first = next(sample(Space.named("paper"), Random(0), (1, 28, 28), 10))
    assert Space.named("paper").limits == Limits()
    assert first.identity == "40a0f974e34c"


def test_a_space_of_ones_own(tmp_path: Path) -> None:
    mine = load(tmp_path, SMALL)
    assert mine.name == "small"
    assert not mine.strictly_larger
    assert mine.limits == Limits(layers=4, required=["conv"])
    assert mine.grids["conv"] == {"filters": (4, 8), "kernel_size": (3,)}
    # The second table is the first without what needs an image.
    assert mine.transitions_after_dense == {
        "start": {"stop": 1},
        "conv": {"activation": 2.5, "dense": 1},
        "activation": {"stop": 1},
        "dense": {"activation": 1, "stop": 1},
    }
    drawn = list(islice(sample(mine, Random(1), (1, 9, 9), 3), 14))
    for one in drawn:
        assert len(one.layers) <= 4
        assert isinstance(one.layers[0], Conv)
        assert not any(isinstance(layer, Dense) for layer in one.layers[:1])
    more = list(islice(sample(mine, Random(1), (1, 9, 9), 3, Limits(layers=6)), 30))
    assert max(len(one.layers) for one in more) > 4, "asked for limits take the place of the file's"


def test_a_walk_ends_where_nothing_fits(tmp_path: Path) -> None:
    text = SMALL.replace("kernel_size = [3]", "kernel_size = [9]").replace("dense = 1 }", "}")
    text = text.replace("2.5, }", "2.5 }").replace("conv = 1, stop = 1", "conv = 999, stop = 0.001")
    mine = load(tmp_path, text)
    assert mine.walk(Random(1), (1, 4, 4), 2).layers == ()
    assert len(mine.walk(Random(1), (1, 20, 20), 2).layers) <= 4


def test_a_walk_ends_however_seldom_it_may(tmp_path: Path) -> None:
    text = SMALL.replace("kernel_size = [3]", "kernel_size = [1]")
    text = text.replace("start = { conv = 1 }", "start = { conv = 1 }").replace(
        "activation = { conv = 1, stop = 1 }", "activation = { conv = 1e9, stop = 1e-9 }"
    )
    mine = load(tmp_path, text.replace("activation = 2.5, dense = 1", "activation = 1"))
    assert len(mine.walk(Random(1), (1, 2, 2), 2).layers) == LONGEST


def changed(old: str, new: str) -> str:
    assert old in SMALL
    return SMALL.replace(old, new)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = ", "is no TOML"),
        ("", "the file has no grids"),
        (changed('name = "small"', ""), "the file has no name"),
        (changed('name = "small"', 'name = "small"\ndepth = 3'), "unknown entry 'depth'; it may"),
        (changed('"small"', "3"), "name must be a text, not 3"),
        (changed('"small"', '" "'), "name must be a text"),
        (changed("[grids]", "strictly_larger = 1\n[grids]"), "strictly_larger must be true or fal"),
        (changed("[grids]", "[grids]\nlstm = {}"), "grids: unknown kind 'lstm'; known are conv"),
        (changed("units = [5]", "units = 5"), "grids.dense.units must be a list of values, not 5"),
        (changed("units = [5]", "units = []"), "grids.dense.units must be a list of values"),
        (changed("units = [5]", ""), "grids.dense has no units"),
        (changed("units = [5]", "units = [5], bias = [1]"), "grids.dense has an unknown entry"),
        (changed("{ units = [5] }", "[5]"), r"grids.dense must be a table, not \[5\]"),
        (changed("units = [5]", "units = [5, 0]"), "each value must lie between 1 and 65536, not"),
        (changed("units = [5]", "units = [5, 5]"), "grids.dense.units: 5 is listed twice"),
        (changed('["relu"]', '["gelu"]'), "grids.activation.function: each value must be one of"),
        (changed("start = { conv = 1 }", ""), "transitions has no row for start"),
        (changed("start = { conv = 1 }", "start = 3"), "transitions.start must be a table, not 3"),
        (changed("start = { conv", "start = { dropout"), "transitions.start: 'dropout' has no ent"),
        (changed("start = {", "dropout = { stop = 1 }\nstart = {"), "has a row for 'dropout', whi"),
        (
            changed("start = { conv = 1 }", "start = { conv = -1 }"),
            "a number of at least 0, not -1",
        ),
        (changed("start = { conv = 1 }", "start = { conv = nan }"), "start.conv must be a number"),
        (changed("start = { conv = 1 }", "start = { conv = inf }"), "start.conv must be a number"),
        (changed("start = { conv = 1 }", "start = { conv = true }"), "start.conv must be a number"),
        (changed("start = { conv = 1 }", "start = { conv = 0 }"), "start must have a weight above"),
        (changed("start = { conv = 1 }", "start = {}"), "transitions.start must have a weight"),
        (
            changed("conv = { activation = 2.5, dense = 1 }", ""),
            "transitions has no row for conv, ",
        ),
        (
            changed("activation = { conv = 1, stop = 1 }", "activation = { conv = 1 }").replace(
                ", dense = 1", ""
            ),
            "transitions.activation leads to no stop: a network could never end",
        ),
        (
            changed("[limits]", "[transitions_after_dense]\ndense = { conv = 1 }\n[limits]"),
            "transitions_after_dense.dense: 'conv' needs an image",
        ),
        (
            changed("[limits]", "[transitions_after_dense]\nstart = { stop = 1 }\n[limits]"),
            "transitions_after_dense has no row for dense, which can occur there",
        ),
        (changed("layers = 4", "depth = 4"), "limits has an unknown entry 'depth'"),
        (changed("layers = 4", "layers = 4.5"), 'a whole number or "any", not 4.5'),
        (changed("layers = 4", "layers = true"), "limits.layers must be a whole number"),
        (changed("layers = 4", "layers = -4"), "the limit on layers must not be negative, not -4"),
        (changed('["conv"]', '"conv"'), "limits.required must be a list of kinds, not 'conv'"),
        (changed('["conv"]', '["lstm"]'), "required must be layer kinds"),
        (changed('["conv"]', "[[1]]"), "required must be layer kinds"),
    ],
)
@pytest.mark.promise("SPACE-16")
def test_what_is_no_space_names_the_file_and_the_entry(
    tmp_path: Path, text: str, says: str
) -> None:
    with pytest.raises(InvalidRequest, match=says) as caught:
        load(tmp_path, text)
    assert str(caught.value).startswith(str(tmp_path / "mine.toml"))


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match=r"none\.toml cannot be read: No such file"):
        Space.load(tmp_path / "none.toml")
    with pytest.raises(InvalidRequest, match="cannot be read: Is a directory"):
        Space.load(tmp_path)
    (tmp_path / "binary.toml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InvalidRequest, match=r"binary\.toml is no text file in UTF-8"):
        Space.load(tmp_path / "binary.toml")


def test_a_space_that_there_is_not_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="no space 'big'; known are paper, modern"):
        Space.named("big")


WEIGHTS = st.dictionaries(
    st.sampled_from([*KINDS, "stop"]), st.sampled_from([0, 1, 0.5, 7]), max_size=5
)


@given(st.dictionaries(st.sampled_from([*KINDS, "start"]), WEIGHTS, max_size=8), st.integers(0, 99))
@law(100)
@pytest.mark.promise("SPACE-16")
def test_whatever_the_table_a_space_is_refused_or_its_walks_end(
    table: dict[str, dict[str, float]], seed: int
) -> None:
    """Every walk is an `Architecture`, which cannot be one that is not possible."""
    from remap_ray.space import space_file

    grids = {
        kind: {name: list(one.grid) for name, one in cls.parameters().items() if one.grid}
        for kind, cls in KINDS.items()
    }
    form = {"name": "any", "grids": grids, "transitions": {"start": {"stop": 1}, **table}}
    try:
        space = Space(**space_file.checked(form))
    except InvalidRequest:
        return
    one = space.walk(Random(seed), (2, 6, 6), 3)
    assert len(one.layers) <= LONGEST


# A space as a text again


@pytest.mark.parametrize("name", SPACES)
@pytest.mark.promise("SPACE-20")
def test_a_space_is_read_back_from_its_text(name: str, tmp_path: Path) -> None:
    space = Space.named(name)
    again = load(tmp_path, space.toml)
    assert again == space
    drawn, drawn_again = (
        list(islice(sample(one, Random(1), (1, 28, 28), 10), 30)) for one in (space, again)
    )
    assert drawn == drawn_again


@law(100)
@given(
    st.text(min_size=1).filter(str.strip),
    st.lists(st.integers(1, 9), min_size=1, max_size=3, unique=True),
    st.floats(1e-9, 9e8),
    st.sampled_from([None, 7]),
    st.sets(st.sampled_from(["conv", "dense"])),
)
@pytest.mark.promise("SPACE-20")
def test_whatever_a_space_is_called_and_holds_it_is_read_back(
    tmp_path_factory: pytest.TempPathFactory,
    name: str,
    sizes: list[int],
    weight: float,
    most: int | None,
    forbidden: set[str],
) -> None:
    limits = Limits(most, None, most, required=["activation"], forbidden=forbidden)
    grids = {"max_pool": {"size": tuple(sizes)}, "dropout": {"rate": (0.1, weight / 1e10)}}
    rows = {"start": {"max_pool": weight, "stop": 1}, "max_pool": {"stop": 3}}
    space = Space(name, True, grids, rows, {"start": {"stop": 1}}, limits)
    try:
        text = space.toml.encode()
    except UnicodeEncodeError:
        # Half of a pair of surrogates is no text, and no file can hold it.
        return
    path = tmp_path_factory.getbasetemp() / "one.toml"
    path.write_bytes(text)
    assert Space.load(path) == space


def test_a_space_is_found_by_its_name_or_its_path(tmp_path: Path) -> None:
    assert Space.find("modern") is Space.named("modern")
    path = tmp_path / "mine.toml"
    path.write_text(SMALL)
    assert Space.find(str(path)).name == "small"
    with pytest.raises(InvalidRequest, match=r"no space 'mordern', and no such file; known are"):
        Space.find("mordern")
