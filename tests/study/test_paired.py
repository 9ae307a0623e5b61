from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from remap_ray.errors import InvalidRequest
from remap_ray.study import paired
from tests.laws import law

RIGHT = arrays(bool, st.tuples(st.integers(1, 4), st.just(30)))


@law()
@given(parent=RIGHT, child=RIGHT)
def test_the_interval_lies_around_what_was_seen_and_turns_with_its_sides(parent, child) -> None:
    one = paired.delta(parent, child)
    assert one.low - 1e-9 <= one.value * 30 / 32 <= one.high + 1e-9
    assert -1 <= one.low <= one.high <= 1
    assert one.value == pytest.approx(child.mean() - parent.mean())
    other = paired.delta(child, parent)
    assert (other.value, other.low, other.high) == pytest.approx((-one.value, -one.high, -one.low))


def test_one_run_each_gives_bonett_and_prices_formula() -> None:
    # Of 21 images both get 1 right, the first alone 1, the second alone 7, neither 12.
    first = np.repeat([True, True, False, False], [1, 1, 7, 12])
    second = np.repeat([True, False, True, False], [1, 1, 7, 12])
    found = paired.delta(second, first)
    assert found.value == pytest.approx(-6 / 21)
    gained, lost = (1 + 1) / (21 + 2), (7 + 1) / (21 + 2)
    reach = 1.959964 * ((gained + lost - (gained - lost) ** 2) / (21 + 2)) ** 0.5
    middle = gained - lost
    assert (found.low, found.high) == pytest.approx((middle - reach, middle + reach), abs=1e-6)


def _answers(rng, discordance: float, effect: float, images: int, times: int):
    """Draw pairs of answers whose accuracies truly differ by ``effect``."""
    gains, losses = (discordance + effect) / 2, (discordance - effect) / 2
    drawn = rng.random((times, images))
    parent = (drawn < losses) | (drawn > 0.6)
    child = ((drawn >= losses) & (drawn < losses + gains)) | (drawn > 0.6)
    return parent, child


@pytest.mark.promise("PAGE-73")
@pytest.mark.parametrize("images", [27, 270])
@pytest.mark.parametrize(("discordance", "effect"), [(0.05, 0.0), (0.2, 0.1), (0.4, -0.2)])
def test_the_interval_of_one_run_each_holds_the_truth_as_often_as_it_says(
    images: int, discordance: float, effect: float
) -> None:
    rng = np.random.default_rng(1)
    times = 1500
    parents, children = _answers(rng, discordance, effect, images, times)
    found = [paired.delta(*pair) for pair in zip(parents, children, strict=True)]
    held = np.mean([one.low <= effect <= one.high for one in found])
    # Of 1500 draws at 0.95, the standard error is 0.006; it may be careful, never rash.
    assert held >= paired.LEVEL - 0.02
    assert {one.knows_luck for one in found} == {False}


@pytest.mark.promise("PAGE-73")
@pytest.mark.parametrize("runs", [(2, 2), (3, 3), (1, 3), (5, 5)])
def test_with_repeats_the_interval_knows_the_luck_of_trainings(runs: tuple[int, int]) -> None:
    rng = np.random.default_rng(2)
    effect, luck, images, times = 0.05, 0.04, 400, 600
    held, blind = [], []
    for _ in range(times):
        # Each image has a chance to be got right, which each training shifts by its own luck.
        ease = rng.random(images) * 0.4

        def answers(runs: int, skill: float, ease=ease):
            chance = skill + ease + rng.normal(0, luck, (runs, 1))
            return rng.random((runs, images)) < chance

        parent, child = answers(runs[0], 0.4), answers(runs[1], 0.4 + effect)
        one = paired.delta(parent, child)
        held.append(one.low <= effect <= one.high)
        alone = paired.delta(parent[0], child[0])
        blind.append(alone.low <= effect <= alone.high)
        assert one.knows_luck
        assert one.runs == runs
    # Of 600 draws the standard error is 0.009.
    assert np.mean(held) >= paired.LEVEL - 0.025
    # What one run each leaves out is real: its interval is too narrow for such luck.
    assert np.mean(blind) < 0.85


def test_classes_are_weighed() -> None:
    parent = np.array([[True, False, False, True]])
    child = np.array([[True, True, False, False]])
    parts = [(parent[:, :2], child[:, :2]), (parent[:, 2:], child[:, 2:])]
    assert paired.weighted(parts, [1, 1]).value == pytest.approx(0.0)
    assert paired.weighted(parts, [3, 1]).value == pytest.approx(0.25)
    whole = paired.weighted([(parent, child)], [2.0])
    assert whole == paired.delta(parent, child)


@pytest.mark.parametrize(
    ("parent", "child"),
    [
        (np.zeros((1, 0), bool), np.zeros((1, 0), bool)),
        (np.zeros((1, 3), bool), np.zeros((1, 4), bool)),
        (np.zeros((0, 3), bool), np.zeros((1, 3), bool)),
    ],
)
def test_what_cannot_be_compared_is_refused(parent, child) -> None:
    with pytest.raises(InvalidRequest):
        paired.delta(parent, child)


def test_weights_that_weigh_nothing_are_refused() -> None:
    part = (np.ones((1, 2), bool), np.ones((1, 2), bool))
    with pytest.raises(InvalidRequest):
        paired.weighted([part], [0.0])
