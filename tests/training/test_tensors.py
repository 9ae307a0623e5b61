"""Arrays become tensors as the network needs them, once, without touching the arrays."""

import numpy as np
import pytest
import torch

from remap_ray.errors import DataError
from remap_ray.training.datasets import scaled
from remap_ray.training.parts import Part
from remap_ray.training.tensors import prepare

RNG = np.random.default_rng(0)


def part(dtype=np.uint8, count=9, channels=3):
    images = RNG.integers(0, 256, (count, channels, 4, 5)).astype(dtype)
    labels = np.arange(count) % 4
    images.flags.writeable = labels.flags.writeable = False
    return Part(images, labels)


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("channels", [1, 3])
def test_read_only_images_become_scaled_tensors_of_their_own(dtype, channels):
    train, validation = part(dtype, 9, channels), part(dtype, 3, channels)
    prepared = prepare(train, validation, "cpu")
    for tensors, arrays in ((prepared.train, train), (prepared.validation, validation)):
        assert tensors.images.dtype == torch.float32
        assert tensors.labels.dtype == torch.int64
        assert tensors.images.is_contiguous(memory_format=torch.channels_last)
        np.testing.assert_array_equal(tensors.images, scaled(arrays.images))
        np.testing.assert_array_equal(tensors.labels, arrays.labels)
        assert not np.shares_memory(tensors.images.numpy(), arrays.images)
        assert not np.shares_memory(tensors.labels.numpy(), arrays.labels)
        assert len(tensors) == len(arrays)
    assert prepared.classes == 4
    assert prepared.device == torch.device("cpu")


def test_a_batch_is_what_stands_at_its_indices():
    tensors = prepare(part(), part(), "cpu").train
    indices = torch.tensor([5, 0, 5, 8])
    images, labels = tensors.batch(indices)
    assert torch.equal(images, tensors.images[indices])
    assert torch.equal(labels, tensors.labels[indices])
    assert images.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize("which", ["training", "validation"])
def test_a_part_that_nothing_can_be_learned_from_is_refused(which):
    good = part()
    bad = {
        "no images": Part(good.images[:0], good.labels[:0]),
        "9 labels": Part(good.images[:5], good.labels),
        "expected are": Part(good.images[:, 0], good.labels),
        "labels from -1 to 2": Part(good.images, good.labels - 1),
        "labels from 300 to 303": Part(good.images, good.labels + 300),
    }
    for reason, one in bad.items():
        parts = (one, good) if which == "training" else (good, one)
        with pytest.raises(DataError, match=f"{which} part.* {reason}"):
            prepare(*parts, "cpu")


def test_parts_of_different_shapes_are_refused():
    with pytest.raises(DataError, match="must be alike"):
        prepare(part(channels=1), part(channels=3), "cpu")
