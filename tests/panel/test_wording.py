"""Figures and origins in words."""

from __future__ import annotations

import pytest

from remap_panel import wording
from remap_ray.study import Origin, Study, Submission
from tests import synthetic


@pytest.mark.parametrize(
    ("count", "words"),
    [
        (0, "0"),
        (950, "950"),
        (999, "999"),
        (1000, "1.0k"),
        (1594, "1.6k"),
        (412_800, "412.8k"),
        (999_949, "999.9k"),
        (999_950, "1.0M"),
        (1_250_000_000, "1.2G"),
        (3e15, "3000.0T"),
    ],
)
def test_counts_are_short(count: float, words: str) -> None:
    assert wording.compact(count) == words


def test_flops_carry_their_unit() -> None:
    assert wording.flops(832) == "832 FLOP"
    assert wording.flops(1_100_000) == "1.1 MFLOP"


def test_accuracy_has_three_decimals_and_may_be_unknown() -> None:
    assert wording.accuracy(0.90251) == "0.903"
    assert wording.accuracy(None) == "–"


def test_origins_are_told_in_words(toy_study: Study) -> None:
    (parent,) = synthetic.queue_samples(toy_study, 1)
    architecture = toy_study.model(parent).architecture
    words = "Removed MaxPool(2) at 2"
    toy_study.submit(
        [
            Submission(architecture, Origin.ABLATION, parent, words=words, repeat=1),
            Submission(architecture, Origin.HANDCRAFTED, repeat=2),
            Submission(architecture, Origin.VARIATION, parent, repeat=3),
        ]
    )
    assert [wording.origin(model) for model in toy_study.models()] == [
        "sampled",
        f"child of m{parent}: {words}",
        "handcrafted",
        f"child of m{parent}",
    ]
