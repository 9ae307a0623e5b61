"""The paper's space: its table of transitions, its grids, and samples of it under limits."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from fractions import Fraction
from itertools import islice, pairwise
from random import Random
from typing import Any

import pytest
from scipy.stats import chisquare

from remap_ray.errors import InvalidRequest
from remap_ray.space import (
    Activation,
    Architecture,
    AvgPool,
    Conv,
    Dense,
    Dropout,
    Layer,
    Limits,
    MaxPool,
    Space,
    sample,
    sampling,
)

SHAPE, CLASSES = (1, 28, 28), 10
NAMES = {
    "C": "conv", "A": "activation", "D": "dense", "R": "dropout",
    "P": "avg_pool", "M": "max_pool", "S": "stop",
}  # fmt: skip
LAYERS: dict[str, Layer | None] = {
    "None": None, "C": Conv(16, 3), "A": Activation("relu"), "D": Dense(16),
    "R": Dropout(0.5), "P": AvgPool(2), "M": MaxPool(2),
}  # fmt: skip
IMAGE_KINDS = (Conv, MaxPool, AvgPool)

# The authors' table as it stands: successors with their parts of a row.
BEFORE_DENSE = {
    "None": {"C": 6, "D": 1, "P": 1, "M": 1, "R": 1, "A": 1, "S": 1},
    "C": {"A": 3, "C": 1, "R": 1, "P": 1, "D": 1, "S": 1},
    "D": {"A": 3, "R": 1, "P": 1, "D": 1, "S": 1},
    "P": {"C": 2, "D": 1, "R": 1, "P": 1, "A": 1, "S": 1},
    "M": {"C": 2, "D": 1, "R": 1, "P": 1, "A": 1, "S": 1},
    "R": {"C": 2, "P": 1, "D": 1, "S": 1},
    "A": {"C": 3, "P": 1, "D": 1, "R": 1, "S": 1},
}
AFTER_DENSE = {
    "None": {"D": 1, "R": 1, "A": 1, "S": 1},
    "D": {"A": 3, "R": 1, "D": 1, "S": 1},
    "P": {"D": 1, "R": 1, "A": 1, "S": 1},
    "M": {"D": 1, "R": 1, "A": 1, "S": 1},
    "R": {"D": 1, "S": 1},
    "A": {"D": 1, "R": 1, "S": 1},
}


def _shares(name: str, parts: dict[str, int]) -> dict[str, Fraction]:
    """Give a row's shares by kind, average pool split in halves after the first layer."""
    total = sum(parts.values())
    found: dict[str, Fraction] = {}
    for letter, part in parts.items():
        share = Fraction(part, total)
        if letter == "P" and name != "None":
            found["avg_pool"] = found["max_pool"] = share / 2
        else:
            found[NAMES[letter]] = share
    return found


ROWS = [
    (after_dense, name, _shares(name, parts))
    for after_dense, table in ((False, BEFORE_DENSE), (True, AFTER_DENSE))
    for name, parts in table.items()
]


@pytest.fixture
def paper() -> Space:
    return Space.named("paper")


def take(count: int, seed: int = 0, **options: Any) -> list[Architecture]:
    space, shape = options.pop("space", Space.named("paper")), options.pop("shape", SHAPE)
    return list(islice(sample(space, Random(seed), shape, CLASSES, **options), count))


@pytest.mark.parametrize(("after_dense", "name", "expected"), ROWS)
@pytest.mark.promise("SPACE-5")
def test_the_table_is_the_papers(
    paper: Space, after_dense: bool, name: str, expected: dict[str, Fraction]
) -> None:
    row = paper.row(LAYERS[name], after_dense)
    found = {kind: Fraction(part, sum(row.values())) for kind, part in row.items()}
    assert found == expected
    assert sum(found.values()) == 1


def test_the_table_has_no_other_rows(paper: Space) -> None:
    kinds = {"start", "conv", "dense", "avg_pool", "max_pool", "dropout", "activation"}
    assert set(paper.transitions) == kinds
    # No convolution can stand after a dense layer, so nothing can follow one there.
    assert set(paper.transitions_after_dense) == kinds - {"conv"}


@pytest.mark.promise("SPACE-5")
def test_the_grids_are_the_papers(paper: Space) -> None:
    grids = {
        kind: {parameter: sorted(values) for parameter, values in grid.items()}
        for kind, grid in paper.grids.items()
    }
    assert grids == {
        "conv": {"kernel_size": [1, 3, 5], "filters": [16, 32, 64, 128]},
        "max_pool": {"size": [2, 3, 5]},
        "avg_pool": {"size": [2, 3, 5]},
        "dense": {"units": [16, 64, 128, 256]},
        "activation": {"function": ["relu", "sigmoid", "tanh"]},
        "dropout": {"rate": [0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875]},
    }
    assert MaxPool(2).stride == AvgPool(2).stride == 2
    assert (Conv(16, 3).stride, Conv(16, 3).padding) == (1, 0)


@pytest.mark.parametrize(("after_dense", "name", "expected"), ROWS)
@pytest.mark.promise("SPACE-5")
def test_raw_draws_have_the_papers_shares(
    paper: Space, after_dense: bool, name: str, expected: dict[str, Fraction]
) -> None:
    rng, draws = Random(7), 4000
    row = paper.row(LAYERS[name], after_dense)
    made = (paper.draw(rng, row) for _ in range(draws))
    found = Counter("stop" if one is None else one.kind for one in made)
    assert set(found) <= set(expected)
    observed = [found[kind] for kind in expected]
    wanted = [float(share) * draws for share in expected.values()]
    assert chisquare(observed, wanted).pvalue > 1e-3


def test_whole_walks_have_the_papers_shares(paper: Space) -> None:
    """On an image where all fits, so that nothing is drawn again."""
    rng = Random(11)
    tallies: dict[tuple[bool, str], Counter[str]] = defaultdict(Counter)
    for _ in range(3000):
        walked = paper.walk(rng, (1, 2**40, 2**40), CLASSES)
        after_dense = False
        for before, after in pairwise((None, *walked.layers, "stop")):
            letter = "None" if before is None else before.letter or before.kind[0]
            after_dense = after_dense or isinstance(before, Dense)
            name = {"d": "R", "a": "A"}.get(letter, "P" if isinstance(before, AvgPool) else letter)
            tallies[after_dense, name][after if isinstance(after, str) else after.kind] += 1
    reached = 0
    for after_dense, name, expected in ROWS:
        found = tallies.pop((after_dense, name), Counter())
        if not (count := found.total()):
            continue
        reached += 1
        assert set(found) <= set(expected)
        observed = [found[kind] for kind in expected]
        wanted = [float(share) * count for share in expected.values()]
        assert chisquare(observed, wanted).pvalue > 1e-3, (after_dense, name)
    assert not tallies
    # Before a dense layer all rows but its own; after one its own, dropout and activation.
    assert reached == 9


@pytest.mark.slow
@pytest.mark.promise("SPACE-5", "SPACE-6")
def test_ten_thousand_samples_have_the_papers_shares_in_their_raw_draws(
    paper: Space, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is drawn, before anything is drawn again, and what comes out in the end."""
    rows = {id(paper.row(LAYERS[name], after)): (after, name) for after, name, _ in ROWS}
    tallies: dict[tuple[bool, str], Counter[str]] = defaultdict(Counter)
    draw = Space.draw

    def counted(space: Space, rng: Random, row: Any) -> Layer | None:
        layer = draw(space, rng, row)
        tallies[rows[id(row)]]["stop" if layer is None else layer.kind] += 1
        return layer

    monkeypatch.setattr(Space, "draw", counted)
    drawn = take(10_000)
    assert len({one.identity for one in drawn}) == 10_000
    reached = 0
    for after_dense, name, expected in ROWS:
        found = tallies.pop((after_dense, name), Counter())
        if not (count := found.total()):
            continue
        reached += 1
        assert set(found) <= set(expected)
        wanted = [float(share) * count for share in expected.values()]
        observed = [found[kind] for kind in expected]
        assert chisquare(observed, wanted).pvalue > 1e-3, (after_dense, name)
    assert not tallies
    assert reached == 9
    for one in drawn:
        kinds = [layer.kind for layer in one.layers]
        if "dense" in kinds:
            assert not {"conv", "max_pool", "avg_pool"} & set(kinds[kinds.index("dense") :])


def test_parameters_are_uniform_over_their_grids(paper: Space) -> None:
    rng = Random(5)
    for kind, grid in paper.grids.items():
        made = [paper.draw(rng, {kind: 1}) for _ in range(3000)]
        for name, values in grid.items():
            found = Counter(getattr(one, name) for one in made)
            assert set(found) == set(values)
            assert chisquare([found[value] for value in values]).pvalue > 1e-3, (kind, name)


@pytest.mark.promise("SPACE-6")
def test_samples_keep_the_rules_of_the_space(paper: Space) -> None:
    drawn = take(400, shape=(1, 8, 8))
    assert len({one.identity for one in drawn}) == 400
    for one in drawn:
        assert one.input_shape == (1, 8, 8)
        assert one.classes == CLASSES
        assert one.parameter_count <= 1_000_000
        flat, shape = False, one.input_shape
        for layer, after in zip(one.layers, one.shapes, strict=True):
            assert paper.grids[layer.kind].keys() <= layer.to_dict().keys()
            for name, values in paper.grids[layer.kind].items():
                assert getattr(layer, name) in values
            if isinstance(layer, IMAGE_KINDS):
                assert not flat, f"{layer.words} after a dense layer in {one.words}"
                assert min(shape[1:]) > layer.window, one.words
            flat, shape = flat or isinstance(layer, Dense), after
    assert any(isinstance(layer, Dense) for one in drawn for layer in one.layers[:-1])


@pytest.mark.parametrize("layer", [Conv(16, 5), MaxPool(5), AvgPool(5)])
@pytest.mark.promise("SPACE-5")
def test_the_sampler_wants_images_strictly_larger_than_a_window(paper: Space, layer: Layer) -> None:
    loose = replace(paper, strictly_larger=False)
    assert paper.fits(layer, (1, 6, 6))
    for shape in [(1, 5, 5), (1, 6, 5), (1, 5, 6)]:
        assert not paper.fits(layer, shape)
        assert loose.fits(layer, shape)
        assert Architecture(shape, 2, (layer,)).layers == (layer,), "a person may have it"
    assert not loose.fits(layer, (1, 4, 6))
    assert not loose.fits(layer, (16,))


def test_what_needs_no_image_fits_everywhere(paper: Space) -> None:
    for layer in (Dense(16), Dropout(0.5), Activation("relu")):
        assert paper.fits(layer, (1, 1, 1))
        assert paper.fits(layer, (7,))


def test_the_smallest_image_can_be_sampled() -> None:
    drawn = take(30, shape=(1, 1, 1))
    assert not any(isinstance(layer, IMAGE_KINDS) for one in drawn for layer in one.layers)


@pytest.mark.promise("SPACE-7")
def test_the_same_seed_gives_the_same_samples() -> None:
    assert take(25, seed=4) == take(25, seed=4)
    assert take(25, seed=4) != take(25, seed=5)


@pytest.mark.promise("SPACE-7")
def test_a_longer_run_begins_like_a_shorter_one() -> None:
    whole = take(40)
    for count in (0, 1, 7, 39):
        assert take(count) == whole[:count]


def test_what_is_known_only_leaves_gaps() -> None:
    whole = take(40)
    known = {one.identity for one in whole[1:30:3]}
    expected = [one for one in whole if one.identity not in known]
    assert take(len(expected), known=known) == expected


@pytest.mark.parametrize("already", [0, 1, 15, 22])
def test_a_run_that_goes_on_ends_where_one_at_once_does(
    monkeypatch: pytest.MonkeyPatch, already: int
) -> None:
    """However many are known: drawing those again is no lack of patience."""
    monkeypatch.setattr(sampling, "PATIENCE", 60)
    few = Limits(layers=1)

    def collect(known: set[str]) -> list[str]:
        found: list[str] = []
        drawn = sample(Space.named("paper"), Random(1), SHAPE, CLASSES, few, known)
        with pytest.raises(InvalidRequest, match="no further architecture"):
            found.extend(one.identity for one in drawn)
        return found

    whole = collect(set())
    assert len(whole) == 22
    assert collect(set(whole[:already])) == whole[already:]


@pytest.mark.promise("SPACE-8")
def test_an_impossible_wish_ends_with_a_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sampling, "PATIENCE", 100)
    with pytest.raises(InvalidRequest) as caught:
        take(1, limits=Limits(parameters=19))
    said = str(caught.value)
    assert "no further architecture within the limits in 100 draws (0 found)" in said
    assert "allow more parameters, multiply-adds, layers or kinds, or ask for fewer models" in said


@pytest.mark.parametrize(
    "limits",
    [
        Limits(),
        Limits(parameters=5_000),
        Limits(None, multiply_adds=20_000),
        Limits(layers=3),
        Limits(30_000, 100_000, 5),
        Limits(required={"conv", "dropout"}),
        Limits(forbidden=["dense", "avg_pool"]),
        Limits(layers=6, required=["max_pool"], forbidden=["dropout"]),
    ],
)
@pytest.mark.promise("SPACE-8")
def test_samples_keep_the_limits(limits: Limits) -> None:
    drawn = take(25, limits=limits)
    assert len(drawn) == 25
    for one in drawn:
        assert limits.problem(one) is None
        assert one.parameter_count <= (limits.parameters or one.parameter_count)
        assert one.multiply_adds <= (limits.multiply_adds or one.multiply_adds)
        assert len(one.layers) <= (limits.layers or len(one.layers))
        kinds = {layer.kind for layer in one.layers}
        assert kinds >= set(limits.required)
        assert not kinds & set(limits.forbidden)


def test_limits_only_leave_gaps() -> None:
    limits = Limits(20_000)
    loose = take(60, limits=Limits(None))
    kept = [one for one in loose if limits.problem(one) is None]
    assert take(len(kept), limits=limits) == kept


def test_a_limit_that_is_passed_says_by_how_much() -> None:
    one = Architecture(SHAPE, CLASSES, (Dense(16), Dropout(0.5)))
    parameters, multiply_adds = 785 * 16 + 17 * 10, 784 * 16 + 160
    assert Limits(parameters, multiply_adds, 2).problem(one) is None
    assert Limits(parameters - 1, None, None).problem(one) == (
        f"1 parameters over the limit of {parameters - 1:,}"
    )
    assert Limits(None, 1000, 2).problem(one) == (
        f"{multiply_adds - 1000:,} multiply-adds over the limit of 1,000"
    )
    assert Limits(None, None, 1).problem(one) == "1 layers over the limit of 1"
    assert Limits(None, None, None).problem(one) is None


@pytest.mark.parametrize("name", ["parameters", "multiply_adds", "layers"])
def test_a_negative_limit_is_refused(name: str) -> None:
    with pytest.raises(InvalidRequest, match=f"limit on {name} must not be negative, not -1"):
        Limits(**{name: -1})


def test_a_limit_of_nothing_is_kept_by_no_hidden_layer_alone() -> None:
    none = Limits(None, None, layers=0)
    assert none.problem(Architecture(SHAPE, 2, ())) is None
    assert none.problem(Architecture(SHAPE, 2, (Dense(1),))) is not None


def test_a_kind_that_must_or_must_not_occur_is_named() -> None:
    one = Architecture(SHAPE, CLASSES, (Dropout(0.25), Dense(16)))
    assert Limits(required=["dense", "dropout"], forbidden=["conv"]).problem(one) is None
    assert Limits(forbidden=["dense"]).problem(one) == (
        "Dense(16) at 1 is of a kind that must not occur"
    )
    assert Limits(required=["batch_norm", "dense", "conv"]).problem(one) == (
        "Conv and BatchNorm must occur"
    )


@pytest.mark.parametrize(
    ("wishes", "says"),
    [
        ({"required": ["lstm"]}, r"required must be layer kinds, not \['lstm'\]; known are conv"),
        ({"forbidden": "conv"}, "forbidden must be layer kinds, not 'conv'"),
        ({"required": ["conv"], "forbidden": {"conv"}}, "conv cannot be both required and forb"),
    ],
)
def test_kinds_that_cannot_be_wished_for_are_refused(wishes: Any, says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        Limits(**wishes)
