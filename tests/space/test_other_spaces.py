"""What every space of models must give, tried on each of them; and boosting's own rules."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from remap_ray.errors import InvalidArchitecture, InvalidRequest
from remap_ray.projection.structures import STRUCTURES, distances
from remap_ray.space import BoostedTrees, BoostingSpace, Design, Limits, ModelSpace, sample, spaces
from remap_ray.space.boosting import Bins, Boost, Column, Tree
from remap_ray.space.edit import Prepend, Remove, apply, from_dict, inverse, to_dict
from remap_ray.space.edits import ablations, difference, variations
from remap_ray.training.ways import WAYS
from tests.laws import law

COLUMNS = ("age", "x2", "x10", "mean radius", "Größe")
DATA = {
    "paper": ((1, 12, 12), 4, ()),
    "modern": ((3, 16, 16), 10, ()),
    "boosting": ((len(COLUMNS), 1, 1), 3, COLUMNS),
}
"""For each space that comes with REMAP, data that it is for: shape, classes, columns."""

NAMES = st.sampled_from(sorted(DATA))
SEEDS = st.integers(0, 2**32)


def space_of(name: str) -> ModelSpace:
    return spaces.find(name).fitted(DATA[name][2])


def drawn(name: str, seed: int, count: int = 1, limits: Limits | None = None) -> list[Design]:
    shape, classes, _ = DATA[name]
    return list(islice(sample(space_of(name), Random(seed), shape, classes, limits), count))


def test_every_space_has_its_entries_everywhere() -> None:
    assert {spaces.find(name).kind for name in spaces.NAMED} == spaces.ENTRIES.keys()
    assert set(DATA) == set(spaces.NAMED)
    assert STRUCTURES.keys() == WAYS.keys() == spaces.ENTRIES.keys()


@pytest.mark.promise("OTHER-1")
@law(60)
@given(NAMES, SEEDS)
def test_a_design_is_told_by_its_json_and_its_text(name: str, seed: int) -> None:
    (design,) = drawn(name, seed)
    shape, classes, _ = DATA[name]
    again = spaces.design_from_dict(design.to_dict())
    assert again == design
    assert again.identity == design.identity
    assert hash(again) == hash(design)
    read = spaces.design_from_text(design.text, design.space, shape, classes)
    assert read.identity == design.identity
    assert design.with_parts(design.parts).identity == design.identity
    assert len(design.sizes) == len(design.parts) + 2
    assert design.to_dict()["space"] == design.space
    assert type(design) is spaces.entry(design.space).design


@pytest.mark.promise("OTHER-1")
@law(40)
@given(NAMES, SEEDS, st.integers(0, 400), st.integers(1, 4))
def test_samples_keep_limits_and_follow_from_their_seed(
    name: str, seed: int, parameters: int, count: int
) -> None:
    limits = Limits(parameters=parameters + 400)
    found = drawn(name, seed, count, limits)
    assert drawn(name, seed, count + 2, limits)[:count] == found
    assert len({one.identity for one in found}) == count
    for one in found:
        assert limits.problem(one) is None
        assert one.parameter_count <= parameters + 400
        assert f"over the limit of {one.parameter_count - 1:,}" in str(
            Limits(parameters=one.parameter_count - 1).problem(one)
        )


@pytest.mark.promise("OTHER-1")
@law(60)
@given(NAMES, SEEDS, SEEDS)
def test_edits_have_words_make_another_design_and_can_be_undone(
    name: str, seed: int, other: int
) -> None:
    (design,) = drawn(name, seed)
    proposals = [*ablations(design)]
    proposals += variations(design, 3, seed=other, space=space_of(name))
    for one in proposals:
        if one.problem is not None or one.architecture is None:
            continue
        assert one.words
        assert one.architecture.identity != design.identity
        assert tuple(from_dict(to_dict(edit)) for edit in one.edits) == one.edits
        back = apply(one.architecture, inverse(design, one.edits)).architecture
        assert back is not None
        assert back.identity == design.identity
        least = difference(design, one.architecture)
        assert len(least.edits) <= len(one.edits)
        again = apply(design, least.edits).architecture
        assert again is not None
        assert again.identity == one.architecture.identity


@pytest.mark.promise("OTHER-2")
@law(60)
@given(NAMES, SEEDS, SEEDS, SEEDS)
def test_the_structural_distance_is_a_metric(name: str, a: int, b: int, c: int) -> None:
    designs = [drawn(name, seed)[0] for seed in (a, b, c)]
    table = np.stack([distances(one, designs) for one in designs])
    assert (table >= 0).all()
    assert (table <= 1).all()
    np.testing.assert_allclose(table, table.T, atol=1e-9)
    np.testing.assert_allclose(np.diag(table), 0, atol=1e-9)
    assert table[0, 2] <= table[0, 1] + table[1, 2] + 1e-9
    if name == "boosting":
        same = [one.identity for one in designs]
        for i in range(3):
            for j in range(3):
                assert (table[i, j] == 0) == (same[i] == same[j])


@pytest.mark.promise("OTHER-1")
@pytest.mark.parametrize("name", sorted(DATA))
def test_a_space_is_a_file(name: str, tmp_path: Path) -> None:
    kept = tmp_path / "space.toml"
    kept.write_text(space_of(name).toml, encoding="utf-8")
    assert spaces.load(kept) == space_of(name)


def test_a_space_is_for_its_data_alone() -> None:
    with pytest.raises(InvalidRequest, match="is for tables, and these data are images"):
        spaces.find("boosting").fitted(())
    with pytest.raises(InvalidRequest, match="are a table; use --space boosting"):
        spaces.find("paper").fitted(COLUMNS)


# Gradient boosting


BASE = BoostedTrees((5, 1, 1), 3, Boost(10), Tree(16), Bins(255), COLUMNS)


def test_the_order_of_columns_means_nothing() -> None:
    turned = replace(BASE, columns=COLUMNS[::-1])
    assert turned == BASE
    assert turned.identity == BASE.identity
    assert BASE.columns == ("age", "Größe", "mean radius", "x2", "x10")
    assert BASE.text == "boost10 tree16 bins255 'age' 'Größe' 'mean radius' 'x2' 'x10'"


def test_size_and_work_are_those_of_a_round() -> None:
    assert BASE.parameter_count == 10 * 3 * 16
    assert BASE.multiply_adds == BASE.flops == 10 * 3 * 4
    two = replace(BASE, classes=2, tree=Tree(31, depth=3))
    assert two.parameter_count == 10 * 8
    assert BASE.terms.size == "leaves per round"


def test_an_ablation_hides_a_column_and_nothing_else() -> None:
    found = ablations(BASE)
    assert [one.words for one in found] == [f"Removed column {name}" for name in BASE.columns]
    assert all(one.problem is None for one in found)
    (setting,) = ablations(BASE, [1])
    assert setting.architecture is None
    assert "boosting needs Tree" in str(setting.problem)
    last = replace(BASE, columns=("age",))
    (gone,) = ablations(last)
    assert "at least one column" in str(gone.problem)


def test_a_column_that_is_put_back_stands_where_it_was() -> None:
    without = apply(BASE, [Remove(4)]).architecture
    assert isinstance(without, BoostedTrees)
    found = difference(without, BASE)
    assert found.edits == (Prepend(4, Column("Größe")),)
    assert found.words == "Added column Größe"
    space = BoostingSpace().fitted(COLUMNS)
    drawn = variations(without, 30, (1, 1), {len(without.parts): ["prepend"]}, space=space)
    assert drawn[0].edits == found.edits


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("boost10 tree16 bins255", "at least one column"),
        ("boost10 tree16 'age'", "boosting needs Bins, as in bins255"),
        ("boost10 boost5 tree16 bins255 'age'", "part 1, there is one Boost only"),
        ("boost10 tree16 bins255 'age' 'age'", "part 4, column age is there twice"),
        ("boost10 tree16 bins999 'age'", "bins must lie between 2 and 255"),
        ("boost10 tree16 bins255 age", "a column's name in 'quotes'"),
        ("boost10r2 tree16 bins255 'age'", "rate must lie between 0.001 and 1"),
    ],
)
def test_what_is_wrong_with_a_text_is_said(text: str, said: str) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        spaces.design_from_text(text, "boosting", (5, 1, 1), 3)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"version": 2}, "version 2"),
        ({"columns": ["age", 3]}, "column must be a name"),
        ({"trees": 3}, "has no 'trees'"),
        ({"boost": {"trees": 0}}, "trees must lie between 1 and 1000"),
        ({"input_shape": [5, 2, 2]}, "takes the rows of a table"),
        ({"space": "svm"}, "space 'svm' is not known, only layers, boosting"),
    ],
)
def test_what_is_wrong_with_json_is_said(change: dict[str, object], said: str) -> None:
    with pytest.raises(InvalidArchitecture) as caught:
        spaces.design_from_dict({**BASE.to_dict(), **change})
    assert said in str(caught.value)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ('kind = "svm"', "kind 'svm' is not known"),
        ('kind = "boosting"\nseed = 3', "unknown entry 'seed'"),
        ('kind = "boosting"\nall_columns = 2', "all_columns must be a number from 0 to 1"),
        ('kind = "boosting"\n[grids.tree]\nleaves = [1]', "must lie between 2 and 4096"),
        ('kind = "boosting"\n[grids.leaf]\nleaves = [1]', "grids has no 'leaf'"),
        ('kind = "boosting"\n[limits]\nforbidden = ["conv"]', "are for layers"),
    ],
)
def test_what_is_wrong_with_a_file_is_said(tmp_path: Path, lines: str, said: str) -> None:
    path = tmp_path / "own.toml"
    path.write_text(lines, encoding="utf-8")
    with pytest.raises(InvalidRequest) as caught:
        spaces.load(path)
    assert said in str(caught.value)
