"""Data sets by name or path, and what a study keeps of them."""

from __future__ import annotations

import io
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from remap_ray.errors import DataError, InvalidRequest
from remap_ray.training import datasets
from remap_ray.training.datasets import DataSet, Part


@pytest.fixture(scope="module")
def digits():
    return datasets.load("digits")


def made_of(images, labels, classes=2):
    part = Part(images, np.asarray(labels, np.int64))
    return DataSet("made", "made", part, part, part, tuple("abcdefgh"[:classes]))


def picture(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_loading_data_sets_needs_neither_torch_nor_ray_nor_scikit_learn():
    program = "import sys, remap_ray.training.datasets; print(*sys.modules)"
    seen = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    loaded = set(seen.stdout.split())
    assert "remap_ray.training.datasets" in loaded
    assert not loaded & {"torch", "ray", "sqlalchemy", "sklearn"}


@pytest.mark.promise("DATA-1")
def test_digits_come_in_three_stratified_parts(digits):
    assert digits.name == digits.source == "digits"
    assert digits.class_names == tuple("0123456789")
    assert digits.input_shape == (1, 8, 8)
    sizes = [len(part) for part in (digits.train, digits.validation, digits.test)]
    assert sum(sizes) == 1797
    assert np.all(np.abs(np.array(sizes) - 1797 * np.array([0.7, 0.15, 0.15])) <= 1)
    of_each = np.bincount(load_digits().target)
    for part, share in ((digits.train, 70), (digits.validation, 15), (digits.test, 15)):
        assert np.all(np.abs(np.bincount(part.labels) - of_each * share / 100) < 1)


def test_digits_are_scikit_learns_in_sixteenths_none_lost_none_twice(digits):
    bunch = load_digits()
    expected = sorted(
        (int(label), (image / 16).astype(np.float32).tobytes())
        for image, label in zip(bunch.images, bunch.target, strict=True)
    )
    seen = sorted(
        (int(label), image.tobytes())
        for part in (digits.train, digits.validation, digits.test)
        for image, label in zip(part.images, part.labels, strict=True)
    )
    assert seen == expected
    assert digits.train.images.dtype == np.float32
    assert digits.train.images.max() == 1


def test_a_seed_gives_the_same_parts_and_another_gives_others(digits):
    again, other = datasets.load("digits", seed=0), datasets.load("digits", seed=1)
    assert np.array_equal(digits.validation.images, again.validation.images)
    assert not np.array_equal(digits.validation.images, other.validation.images)


def test_parts_and_sets_are_frozen(digits):
    with pytest.raises(FrozenInstanceError):
        digits.train.labels = digits.test.labels
    with pytest.raises(FrozenInstanceError):
        digits.train = digits.test


@pytest.mark.parametrize("name", ["nope", "no/such/place.npz", "nul\0", "Digits"])
def test_what_does_not_exist_is_answered_with_what_does(name):
    with pytest.raises(DataError, match=r"digits, fashion-mnist, .*path of a \.npz") as caught:
        datasets.load(name)
    assert repr(name) in str(caught.value)


@pytest.mark.parametrize("name", ["", " "])
def test_an_empty_name_is_not_the_current_folder(name):
    with pytest.raises(DataError, match="is empty"):
        datasets.load(name)


def test_a_file_of_another_kind_is_refused(tmp_path):
    path = tmp_path / "table.csv"
    path.write_text("1,2")
    with pytest.raises(DataError, match=r"no \.npz file and no folder") as caught:
        datasets.load(str(path))
    assert caught.value.path == path


def test_a_known_name_wins_over_a_path_and_a_dot_makes_it_a_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits").mkdir()
    assert datasets.load("digits").source == "digits"
    with pytest.raises(DataError, match="subfolder") as caught:
        datasets.load("./digits")
    assert caught.value.path == tmp_path / "digits"


def test_a_relative_path_has_an_absolute_source(tmp_path, monkeypatch):
    np.savez(tmp_path / "mine.npz", x_train=np.zeros((8, 3, 3), np.uint8), y_train=np.arange(8) % 2)
    (tmp_path / "below").mkdir()
    monkeypatch.chdir(tmp_path / "below")
    assert datasets.load("../mine.npz").source == str(tmp_path / "mine.npz")


def test_a_negative_seed_is_refused(digits):
    with pytest.raises(InvalidRequest, match="-1"):
        datasets.load("digits", seed=-1)
    with pytest.raises(InvalidRequest, match="-1"):
        datasets.thumbnails(digits, seed=-1)


def test_bytes_become_floats_from_0_to_1_and_floats_stay():
    values = np.array([0, 51, 255], np.uint8)
    assert datasets.scaled(values).dtype == np.float32
    assert datasets.scaled(values).tolist() == [0, np.float32(51) / np.float32(255), 1]
    floats = np.array([-3, 700], np.float32)
    assert datasets.scaled(floats) is floats


@pytest.mark.parametrize("dtype", [np.float64, np.int64, bool])
def test_other_types_are_not_guessed_at(dtype):
    with pytest.raises(InvalidRequest, match="uint8 or float32"):
        datasets.scaled(np.zeros(3, dtype))


def test_thumbnails_are_training_images_of_each_class_in_order(digits):
    drawn = datasets.thumbnails(digits, per_class=3, seed=4)
    assert [label for label, _ in drawn] == [label for label in range(10) for _ in range(3)]
    of = {
        np.rint(image[0] * 255).astype(np.uint8).tobytes(): int(label)
        for image, label in zip(digits.train.images, digits.train.labels, strict=True)
    }
    for label, png in drawn:
        pixels = picture(png)
        assert pixels.shape == (8, 8)
        assert of[pixels.tobytes()] == label
    assert len({png for _, png in drawn}) == 30


def test_thumbnails_hang_on_the_seed_alone(digits):
    assert datasets.thumbnails(digits, seed=1) == datasets.thumbnails(digits, seed=1)
    assert datasets.thumbnails(digits, seed=1) != datasets.thumbnails(digits, seed=2)


def test_a_class_with_fewer_images_gives_what_it_has():
    drawn = datasets.thumbnails(made_of(np.zeros((4, 1, 5, 5), np.uint8), [0, 0, 0, 1]))
    assert [label for label, _ in drawn] == [0, 0, 0, 1]
    assert datasets.thumbnails(made_of(np.zeros((1, 1, 5, 5), np.uint8), [0]), per_class=0) == []
    with pytest.raises(InvalidRequest, match="-2"):
        datasets.thumbnails(made_of(np.zeros((1, 1, 5, 5), np.uint8), [0]), per_class=-2)


def test_thumbnails_keep_colours_and_bytes():
    images = np.arange(2 * 3 * 4 * 5, dtype=np.uint8).reshape(2, 3, 4, 5)
    for label, png in datasets.thumbnails(made_of(images, [0, 1])):
        assert np.array_equal(picture(png), images[label].transpose(1, 2, 0))


def test_thumbnails_spread_floats_from_the_least_to_the_greatest():
    images = np.array([-1, 0, 1, 3], np.float32).reshape(1, 1, 2, 2)
    ((_, png),) = datasets.thumbnails(made_of(images, [0]))
    assert picture(png).tolist() == [[0, 64], [128, 255]]


def test_thumbnails_of_floats_without_contrast_or_with_other_channels_can_be_seen():
    flat = made_of(np.full((1, 1, 2, 2), 7, np.float32), [0])
    assert picture(datasets.thumbnails(flat)[0][1]).tolist() == [[0, 0], [0, 0]]
    planes = np.stack([np.zeros((2, 2)), np.full((2, 2), 100)]).astype(np.uint8)
    assert picture(datasets.thumbnails(made_of(planes[None], [0]))[0][1]).tolist() == [[50, 50]] * 2


def test_large_images_become_small_thumbnails():
    ((_, png),) = datasets.thumbnails(made_of(np.zeros((1, 1, 256, 128), np.uint8), [0]))
    assert picture(png).shape == (64, 32)


def test_a_fingerprint_is_short_and_the_same_again(digits):
    assert datasets.fingerprint(digits) == datasets.fingerprint(datasets.load("digits"))
    assert len(bytes.fromhex(datasets.fingerprint(digits))) == 8


def changed(array, index):
    array = array.copy()
    array[index] = (array[index] + 1) % 3
    return array


@pytest.mark.parametrize("part", ["train", "validation"])
@pytest.mark.parametrize("field", ["images", "labels"])
def test_a_fingerprint_notices_a_change_of_one_image_or_label(digits, part, field):
    old = getattr(digits, part)
    for index in (0, len(old) // 3, -1):
        new = replace(old, **{field: changed(getattr(old, field), index)})
        assert datasets.fingerprint(replace(digits, **{part: new})) != datasets.fingerprint(digits)


def test_a_fingerprint_notices_other_shapes_types_and_names(digits):
    images = np.zeros((4, 1, 2, 8), np.uint8)
    sets = [
        made_of(images, [0, 0, 1, 1]),
        made_of(images.reshape(4, 1, 4, 4), [0, 0, 1, 1]),
        made_of(images.view(np.float32), [0, 0, 1, 1]),
        replace(made_of(images, [0, 0, 1, 1]), class_names=("x", "y")),
        digits,
    ]
    assert len({datasets.fingerprint(data_set) for data_set in sets}) == len(sets)


@pytest.mark.promise("DATA-2")
def test_the_test_part_is_none_of_the_searchs_business(digits):
    other = replace(digits, test=digits.validation)
    assert datasets.fingerprint(other) == datasets.fingerprint(digits)
