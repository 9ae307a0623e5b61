"""Twelve architectures at four sizes look as they did when someone last looked at them."""

from __future__ import annotations

import pytest

from tests.panel.chips import GOLDEN, architectures, pictures

PICTURES = dict(pictures())


def test_the_twelve_have_every_kind_of_layer() -> None:
    from remap_ray.space.layers import KINDS

    layers = [layer for one in architectures().values() for layer in one.layers]
    assert len(architectures()) == 12
    assert {layer.kind for layer in layers} == set(KINDS)
    functions = {layer.function for layer in layers if layer.kind == "activation"}
    assert functions == set(KINDS["activation"].parameters()["function"].choices)


def test_there_is_a_golden_picture_of_each_and_no_other() -> None:
    assert {path.name for path in GOLDEN.glob("*.svg")} == set(PICTURES)


@pytest.mark.promise("SNAC-1")
@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_the_golden_one(name: str) -> None:
    golden = (GOLDEN / name).read_text(encoding="utf-8")
    assert PICTURES[name] + "\n" == golden, (
        "where that is meant: python -m tests.panel.chips, and look at what changed"
    )
