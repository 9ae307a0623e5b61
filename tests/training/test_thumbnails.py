"""The validation images that a study keeps for the eye."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from remap_ray.training import thumbnails
from remap_ray.training.parts import DataSet, Part
from remap_ray.training.thumbnails import viewable


def data_of(images: np.ndarray) -> DataSet:
    part = Part(images, np.zeros(len(images), np.int64))
    return DataSet("toy", "toy", part, part, part, ("a",))


def test_small_grey_images_stay_as_they_are() -> None:
    images = np.random.default_rng(0).integers(0, 256, (5, 1, 8, 6), np.uint8)
    assert_array_equal(viewable(data_of(images)), images[:, 0])


def test_colours_come_last_and_other_channels_are_averaged() -> None:
    images = np.random.default_rng(0).integers(0, 256, (3, 3, 8, 8), np.uint8)
    assert_array_equal(viewable(data_of(images)), images.transpose(0, 2, 3, 1))
    two = np.stack([np.full((4, 4), 10), np.full((4, 4), 30)])[None].astype(np.uint8)
    assert_array_equal(viewable(data_of(two)), np.full((1, 4, 4), 20))


def test_float_images_are_spread_over_the_part() -> None:
    images = np.array([[[[-1.0, 0.0]]], [[[1.0, 3.0]]]], np.float32)
    assert viewable(data_of(images)).tolist() == [[[0, 64]], [[128, 255]]]
    assert not viewable(data_of(np.ones((2, 1, 2, 2), np.float32))).any()


def test_large_images_become_smaller_and_keep_their_form() -> None:
    images = np.zeros((2, 1, 200, 100), np.uint8)
    images[:, :, :, 50:] = 200
    found = viewable(data_of(images))
    assert found.shape == (2, 64, 32)
    assert (found[:, :, :16].max(), found[:, :, 16:].min()) == (0, 200)


def test_many_images_take_a_bounded_room(monkeypatch: pytest.MonkeyPatch) -> None:
    images = np.zeros((10, 3, 64, 64), np.uint8)
    monkeypatch.setattr(thumbnails, "MOST_BYTES", 10 * 3 * 32 * 32)
    assert viewable(data_of(images)).shape == (10, 32, 32, 3)
    monkeypatch.setattr(thumbnails, "MOST_BYTES", 1)
    assert viewable(data_of(images)).shape == (10, 16, 16, 3)
