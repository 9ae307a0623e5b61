"""Images changed at random and standardized: what a network sees, and that it can be had again."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from remap_ray.errors import InvalidRequest, TrainingFailed
from remap_ray.recipe import Recipe
from remap_ray.space import Architecture, BatchNorm, Conv, Dense, Dropout
from remap_ray.training import passes
from remap_ray.training.augmentation import changed, draw
from remap_ray.training.checkpoint import load_weights
from remap_ray.training.parts import Part
from remap_ray.training.statistics import CHUNK, channels_of
from remap_ray.training.tensors import prepare, standardizer, tensors
from remap_ray.training.trainer import Checkpoint, EpochDone, Prepared, Task, Trained, train

HEIGHT, WIDTH = 5, 7


def never() -> bool:
    return False


def part(count: int, seed: int, channels: int = 2) -> Part:
    rng = np.random.default_rng(seed)
    images = rng.integers(0, 256, (count, channels, HEIGHT, WIDTH), dtype=np.uint8)
    return Part(images, rng.integers(0, 3, count))


def plainly(image: np.ndarray, mirrored: int, down: int, right: int) -> np.ndarray:
    """Change one image (C, H, W) as a person would: mirror, widen its border, cut out."""
    if mirrored:
        image = image[:, :, ::-1]
    by = max(abs(down), abs(right))
    wide = np.pad(image, ((0, 0), (by, by), (by, by)), mode="edge")
    return wide[:, by - down : by - down + HEIGHT, by - right : by - right + WIDTH]


@pytest.mark.promise("TRAIN-10")
@pytest.mark.parametrize("channels", [1, 3])
def test_images_are_mirrored_and_moved_one_by_one(channels: int) -> None:
    given = tensors(part(40, 0, channels), "cpu")
    torch.manual_seed(3)
    changes = draw(40, flip=True, shift=3)
    indices = torch.randperm(40)[:25]
    found, labels = given.batch(indices, changes)
    assert found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(labels, given.labels[indices])
    for image, index in zip(found.numpy(), indices.tolist(), strict=True):
        expected = plainly(given.images[index].numpy(), *changes[index].tolist())
        np.testing.assert_array_equal(image, expected)
    # Each way, both mirrored and not.
    assert set(changes[:, 0].tolist()) == {0, 1}
    for axis in (1, 2):
        assert set(changes[:, axis].tolist()) == set(range(-3, 4))


def test_what_is_not_asked_for_does_not_change() -> None:
    given = tensors(part(30, 1), "cpu")
    everything = torch.arange(30)
    moved = draw(30, flip=False, shift=2)
    mirrored = draw(30, flip=True, shift=0)
    assert not moved[:, 0].any()
    assert not mirrored[:, 1:].any()
    still = changed(given.images, everything, torch.zeros((30, 3), dtype=torch.int64))
    assert torch.equal(still, given.images)


ARCHITECTURE = Architecture(
    (2, HEIGHT, WIDTH), 3, (Conv(3, 3), BatchNorm(), Dropout(0.25), Dense(6))
)
FULL = Recipe(
    batch_size=8,
    learning_rate=0.01,
    flip=True,
    shift=2,
    channels=((0.5, 0.3), (0.25, 0.2)),
)


@pytest.fixture(scope="module")
def noise() -> Prepared:
    return prepare(part(41, 2), part(17, 3), "cpu")


def task(recipe: Recipe = FULL, checkpoint: bytes | None = None, epochs: int = 4) -> Task:
    return Task(ARCHITECTURE, recipe, 5, epochs, checkpoint)


@pytest.mark.promise("TRAIN-10")
def test_a_training_on_changed_images_goes_on_to_the_bit(noise: Prepared) -> None:
    whole = list(train(task(), noise, never))
    assert whole[-1].weights == list(train(task(), noise, never))[-1].weights
    *_, kept, last = train(task(epochs=2), noise, never)
    assert isinstance(kept, Checkpoint)
    resumed = list(train(task(checkpoint=kept.data), noise, never))
    assert isinstance(resumed[-1], Trained)
    assert resumed[-1].weights == whole[-1].weights
    assert resumed[-1].weights != last.weights
    losses = [one.train_loss for one in whole if isinstance(one, EpochDone)]
    assert [one.train_loss for one in resumed if isinstance(one, EpochDone)] == losses[2:]


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(8, 8, 0.01, flip=True),
        Recipe(8, 8, 0.01, shift=1),
        Recipe(8, 8, 0.01, channels=FULL.channels),
    ],
)
def test_each_of_them_makes_a_difference(noise: Prepared, recipe: Recipe) -> None:
    plain = list(train(task(Recipe(8, 8, 0.01), epochs=1), noise, never))[-1]
    assert list(train(task(recipe, epochs=1), noise, never))[-1].weights != plain.weights


@pytest.mark.promise("TRAIN-10")
def test_validation_sees_images_as_they_are_but_standardized(noise: Prepared) -> None:
    *_, epoch, _, trained = train(task(), noise, never)
    assert isinstance(trained, Trained)
    network = load_weights(ARCHITECTURE, trained.weights)
    mean = torch.tensor([0.5, 0.25]).view(1, 2, 1, 1)
    deviation = torch.tensor([0.3, 0.2]).view(1, 2, 1, 1)
    with torch.inference_mode():
        expected = network((noise.validation.images - mean) / deviation).argmax(1).numpy()
    np.testing.assert_array_equal(trained.predictions, expected)
    assert epoch.validation_accuracy == np.mean(expected == noise.validation.labels.numpy())


@pytest.mark.promise("TRAIN-10")
def test_training_accuracy_is_of_the_images_as_they_were_changed(noise: Prepared) -> None:
    """With steps too small to change a weight, by what a network says of each changed image."""
    still = Recipe(batch_size=8, learning_rate=1e-20, flip=True, shift=2)
    architecture = Architecture((2, HEIGHT, WIDTH), 3, (Conv(3, 3), Dense(6)))
    epoch, _, trained = train(Task(architecture, still, 5, 1), noise, never)
    assert isinstance(trained, Trained)
    network = load_weights(architecture, trained.weights)
    seen: list[tuple[torch.Tensor, torch.Tensor]] = []
    network.register_forward_hook(lambda _, given, logits: seen.append((given[0], logits)))
    figures = passes.train_epoch(
        network,
        torch.optim.SGD(network.parameters(), lr=1e-20),
        noise.train,
        8,
        1,
        never,
        flip=True,
        shift=2,
    )
    assert figures is not None
    assert len(seen) == 6
    images = torch.cat([one for one, _ in seen])
    unchanged = {image.numpy().tobytes() for image in noise.train.images}
    assert sum(image.numpy().tobytes() in unchanged for image in images) < len(images) / 2
    assert isinstance(epoch, EpochDone)
    assert 0 <= figures.accuracy <= 1
    logits = torch.cat([one for _, one in seen])
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        order = torch.randperm(len(noise.train))
    right = (logits.argmax(1) == noise.train.labels[order]).double().mean().item()
    assert figures.accuracy == right


# What is measured of the training part


@pytest.mark.promise("DATA-10")
@pytest.mark.parametrize("count", [1, 50, CHUNK + 3])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_channels_are_measured_over_all_pixels(count: int, dtype: type) -> None:
    rng = np.random.default_rng(7)
    images = rng.integers(0, 256, (count, 3, 4, 4)).astype(dtype)
    found = channels_of(Part(images, np.zeros(count, np.int64)))
    values = images / 255 if dtype is np.uint8 else images.astype(np.float64)
    expected = [(values[:, one].mean(), values[:, one].std()) for one in range(3)]
    np.testing.assert_allclose(found, expected, rtol=1e-6)


@pytest.mark.promise("DATA-10")
@pytest.mark.parametrize("value", [0.0, 0.1, -1e6, 1e-3])
def test_a_constant_channel_is_not_divided_by_zero(value: float) -> None:
    images = np.full((9, 2, 4, 4), value, np.float32)
    images[:, 1] = np.random.default_rng(0).random((9, 4, 4))
    channels = channels_of(Part(images, np.zeros(9, np.int64)))
    assert channels[0] == (pytest.approx(value), 1.0)
    assert 0.2 < channels[1][1] < 0.4
    seen = standardizer(channels, "cpu")(torch.from_numpy(images))
    assert seen.isfinite().all()
    assert seen[:, 0].abs().max() < 1e-1
    assert seen[:, 1].mean().abs() < 1e-5
    assert seen[:, 1].std(correction=0) == pytest.approx(1, abs=1e-5)


def test_without_channels_images_stay_as_they_are() -> None:
    images = torch.rand(2, 1, 3, 3)
    assert standardizer((), "cpu")(images) is images


# Where it makes no sense


@pytest.mark.promise("TRAIN-10")
@pytest.mark.parametrize(
    ("recipe", "shape", "says"),
    [
        (Recipe(shift=5), (1, 5, 7), "5 x 7 pixels cannot be shifted by 5: choose a shift below 5"),
        (Recipe(shift=8), (1, 28, 7), "choose a shift below 7"),
        (Recipe(flip=True), (1, 5, 1), "look the same when they are mirrored"),
        (Recipe(channels=((0, 1),)), (3, 5, 5), "standardizes 1 channels, the images have 3"),
    ],
)
def test_what_does_not_fit_the_images_is_refused(
    recipe: Recipe, shape: tuple[int, int, int], says: str
) -> None:
    with pytest.raises(InvalidRequest, match=says):
        recipe.check_fits(shape)
    data = Part(np.zeros((4, *shape), np.float32), np.arange(4) % 2)
    architecture = Architecture(shape, 2, ())
    with pytest.raises(TrainingFailed, match=says):
        next(train(Task(architecture, recipe, 0, 1), prepare(data, data, "cpu"), never))
