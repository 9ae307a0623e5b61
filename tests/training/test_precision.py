"""bfloat16: how networks are computed in it, and when it is taken to pay."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from remap_ray.recipe import Recipe
from remap_ray.space import Activation, Architecture, BatchNorm, Conv, Dense, Dropout, MaxPool
from remap_ray.training.parts import Part
from remap_ray.training.precision import BATCHES, ROUNDS, pays
from remap_ray.training.tensors import Prepared, prepare
from remap_ray.training.trainer import EpochDone, Task, Trained, train

LAYERS = (Conv(4, 3), BatchNorm(), Activation("relu"), Dropout(0.25), MaxPool(2), Dense(6))


@pytest.fixture
def noise() -> Prepared:
    def part(count: int, seed: int) -> Part:
        rng = np.random.default_rng(seed)
        images = rng.integers(0, 256, (count, 2, 6, 6), dtype=np.uint8)
        return Part(images, rng.integers(0, 3, count))

    torch.set_num_threads(1)
    return prepare(part(33, 0), part(17, 1), "cpu")


def outcome(data: Prepared, *, bfloat16: bool, epochs: int = 3, **more: object) -> list[object]:
    architecture = Architecture((2, 6, 6), 3, LAYERS)
    recipe = Recipe(batch_size=8, learning_rate=0.01)
    task = Task(architecture, recipe, 11, epochs, bfloat16=bfloat16, **more)  # type: ignore[arg-type]
    return list(train(task, data, lambda: False))


@pytest.mark.promise("TRAIN-9")
def test_figures_and_weights_are_float32_and_close_to_those_without(noise: Prepared) -> None:
    from safetensors.torch import load

    without, within = outcome(noise, bfloat16=False), outcome(noise, bfloat16=True)
    assert [type(one) for one in without] == [type(one) for one in within]
    for one, other in zip(without, within, strict=True):
        if isinstance(one, EpochDone) and isinstance(other, EpochDone):
            assert one.validation_loss != other.validation_loss
            assert one.validation_loss == pytest.approx(other.validation_loss, rel=0.1)
    end = within[-1]
    assert isinstance(end, Trained)
    weights = load(end.weights)
    assert {one.dtype for one in weights.values()} <= {torch.float32, torch.int64}
    assert end.predictions.dtype == np.uint8


@pytest.mark.promise("TRAIN-9")
def test_a_training_in_bfloat16_goes_on_from_its_checkpoint_with_the_same_bits(
    noise: Prepared,
) -> None:
    whole = outcome(noise, bfloat16=True)[-1]
    checkpoint = outcome(noise, bfloat16=True, epochs=1)[-2]
    resumed = outcome(noise, bfloat16=True, checkpoint=checkpoint.data)[-1]  # type: ignore[attr-defined]
    assert resumed.weights == whole.weights  # type: ignore[attr-defined]


def ticks(float32: float, bfloat16: float) -> Iterator[float]:
    """What a clock shows at the beginning and at the end of each turn, either way by turns."""
    now = 0.0
    while True:
        for seconds in (float32, bfloat16):
            yield now
            now += seconds
            yield now


@pytest.mark.promise("TRAIN-9")
@pytest.mark.parametrize(
    ("float32", "bfloat16", "chosen"), [(1.0, 0.5, True), (1.0, 0.95, False), (1.0, 2.0, False)]
)
def test_bfloat16_is_chosen_where_it_is_clearly_quicker(
    noise: Prepared, float32: float, bfloat16: float, chosen: bool
) -> None:
    clock = ticks(float32, bfloat16)
    asked: list[float] = []

    def read() -> float:
        asked.append(next(clock))
        return asked[-1]

    assert pays(noise, 3, 8, read) is chosen
    assert len(asked) == 4 * (ROUNDS + 1)
    assert BATCHES * 8 <= 33
