"""A `.npz` gives the parts that it holds, and what is wrong with one is said."""

from __future__ import annotations

import pickle
import zipfile

import numpy as np
import pytest

from remap_ray.errors import DataError
from remap_ray.training import datasets


def arrays(count=40, shape=(1, 6, 5), classes=2, dtype=np.uint8, part="train"):
    rng = np.random.default_rng(7)
    images = rng.integers(0, 256, (count, *shape)).astype(dtype)
    return {f"x_{part}": images, f"y_{part}": np.arange(count) % classes}


@pytest.fixture
def path(tmp_path):
    return tmp_path / "shapes.v2.npz"


def sizes(data_set):
    return [len(part) for part in (data_set.train, data_set.validation, data_set.test)]


def test_a_file_with_training_images_alone_is_divided(path):
    np.savez_compressed(path, **arrays())
    data_set = datasets.load(str(path), seed=3)
    assert data_set.name == "shapes.v2"
    assert data_set.source == str(path)
    assert data_set.input_shape == (1, 6, 5)
    assert data_set.class_names == ("0", "1")
    assert sizes(data_set) == [28, 6, 6]
    assert data_set.train.labels.dtype == np.int64


def test_parts_that_are_there_are_taken_as_they_are(path):
    train, val, test = (arrays(n, part=p) for n, p in ((8, "train"), (6, "val"), (4, "test")))
    np.savez(path, **train, **val, **test, class_names=np.array(["ring", "Kreuz ×"]))
    data_set = datasets.load(str(path), seed=3)
    assert data_set.class_names == ("ring", "Kreuz ×")
    assert np.array_equal(data_set.train.images, train["x_train"])
    assert np.array_equal(data_set.validation.images, val["x_val"])
    assert np.array_equal(data_set.validation.labels, val["y_val"])
    assert np.array_equal(data_set.test.images, test["x_test"])


@pytest.mark.parametrize(("given", "expected"), [("val", [28, 10, 6]), ("test", [28, 6, 10])])
def test_a_part_that_is_not_there_is_taken_out_of_training(path, given, expected):
    there = arrays(10, part=given)
    np.savez(path, **arrays(34), **there)
    data_set = datasets.load(str(path))
    assert sizes(data_set) == expected
    part = data_set.validation if given == "val" else data_set.test
    assert np.array_equal(part.images, there[f"x_{given}"])


def test_images_without_channels_get_one(path):
    np.savez(path, **arrays(shape=(6, 5)))
    assert datasets.load(str(path)).input_shape == (1, 6, 5)


def test_float_images_keep_their_values_in_any_byte_order(path):
    floats = arrays(dtype=">f4", shape=(3, 6, 5))
    floats["x_train"] = np.asfortranarray(floats["x_train"] * -2.5)
    np.savez(path, **floats)
    data_set = datasets.load(str(path))
    images = data_set.train.images
    assert images.dtype == np.dtype("=f4")
    assert images.flags.c_contiguous
    assert {image.tobytes() for image in images} <= {
        image.astype("=f4").tobytes() for image in floats["x_train"]
    }


def test_a_seed_gives_the_same_parts_and_another_gives_others(path):
    np.savez(path, **arrays(count=200))
    first, same, other = (datasets.load(str(path), seed=seed) for seed in (1, 1, 2))
    assert np.array_equal(first.validation.images, same.validation.images)
    assert not np.array_equal(first.validation.images, other.validation.images)


def test_arrays_that_mean_nothing_here_are_not_even_read(path):
    np.savez(path, **arrays(), notes=np.array([{"an": "object"}], dtype=object))
    assert sizes(datasets.load(str(path))) == [28, 6, 6]


def test_a_link_to_a_file_of_another_name_is_a_npz_all_the_same(path, tmp_path):
    with (tmp_path / "blob").open("wb") as file:
        np.savez(file, **arrays())
    path.symlink_to(tmp_path / "blob")
    data_set = datasets.load(str(path))
    assert data_set.source == str(path)
    assert data_set.name == "shapes.v2"


def with_(**changes):
    return {**arrays(), **changes}


def nan_images():
    images = arrays(dtype=np.float32)["x_train"]
    images[3, 0, 2, 2] = np.nan
    return images


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ({}, "lacks x_train, y_train; it has no array"),
        ({"x_train": arrays()["x_train"]}, "lacks y_train"),
        (with_(x_val=arrays()["x_train"]), "lacks y_val"),
        (with_(y_test=np.arange(3)), "lacks x_test"),
        (with_(x_valid=arrays()["x_train"]), "x_valid, which means nothing here"),
        (with_(x_train=arrays(dtype=np.float64)["x_train"]), "x_train of .* is float64"),
        (with_(x_train=arrays(dtype=np.int16)["x_train"]), "x_train of .* is int16"),
        (with_(x_train=np.zeros(40, np.uint8)), r"shape \(40,\)"),
        (with_(x_train=np.zeros((0, 6, 5), np.uint8)), r"shape \(0, 6, 5\)"),
        (with_(x_train=np.zeros((40, 28, 28, 3), np.uint8)), "channels came last"),
        (with_(x_train=nan_images()), "infinite or no number"),
        (with_(y_train=np.arange(39) % 2), r"y_train of .* shape \(39,\)"),
        (with_(y_train=(np.arange(40) % 2)[:, None]), r"shape \(40, 1\)"),
        (with_(y_train=np.arange(40) % 2.0), "y_train of .* is float64"),
        (with_(y_train=np.arange(40) % 2 - 1), "label -1"),
        (with_(y_train=np.full(40, 2**63, np.uint64)), "label 9223372036854775808"),
        (with_(y_train=np.arange(40) % 2 * 2), "no training image of class 1, of classes 0 to 2"),
        (with_(y_train=np.arange(40) % 2 * 10**9), "no training image of class 1"),
        (with_(y_train=np.zeros(40, np.uint8)), "one class only"),
        (with_(**arrays(6, classes=3, part="val")), "no training image of class 2"),
        (with_(**arrays(6, shape=(1, 5, 6), part="test")), "x_test .* must be alike"),
        (with_(**arrays(6, dtype=np.float32, part="test")), "float32 .* must be alike"),
        (with_(class_names=np.array(["a"])), "label 1, but class_names only 1"),
        (with_(class_names=np.array(["a", "b", "c"])), "no training image of class 2"),
        (with_(class_names=np.array(["a", "a"])), "must be different"),
        (with_(class_names=np.array(["a", "b\n"])), "printable"),
        (with_(class_names=np.array([1, 2])), "must be a list of text"),
        (with_(class_names=np.array(["a", "b"], dtype=object)), "plain arrays .*allow_pickle"),
        (with_(x_train=np.array([{}], dtype=object)), "plain arrays"),
        (arrays(count=6), "class '0' of .* has 3 images"),
    ],
)
def test_what_is_wrong_is_said_with_the_file(path, content, words):
    np.savez(path, **content)
    with pytest.raises(DataError, match=words) as caught:
        datasets.load(str(path))
    assert caught.value.path == path
    assert str(path) in str(caught.value)


class Trap:
    """Unpickling it would write a file."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.promise("DATA-4")
def test_a_pickle_is_never_unpickled(path, tmp_path):
    sprung = tmp_path / "sprung"
    path.write_bytes(pickle.dumps(Trap(sprung)))
    with pytest.raises(DataError):
        datasets.load(str(path))
    np.savez(path, **with_(x_train=np.array([Trap(sprung)], dtype=object)))
    with pytest.raises(DataError):
        datasets.load(str(path))
    assert not sprung.exists()


def _truncated(path):
    path.write_bytes(path.read_bytes()[:-100])


def _flipped(path):
    with zipfile.ZipFile(path) as archive:
        start = archive.getinfo("x_train.npy").header_offset + 400
    content = bytearray(path.read_bytes())
    content[start] ^= 255
    path.write_bytes(content)


def _bare_array(path):
    with path.open("wb") as file:
        np.save(file, np.arange(3))


def _write_header(path, header):
    start = b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", start + header.encode())


def _boasting(path):
    shape = (10**15, 8, 8)
    _write_header(path, f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}}}")


def _unclosed(path):
    _write_header(path, "{'descr': '|u1', 'shape': (3, 8, 8)")


def _no_array_inside(path):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("x_train.npy", b"images, please")


@pytest.mark.parametrize(
    "damage",
    [
        _truncated,
        _flipped,
        _bare_array,
        _boasting,
        _unclosed,
        _no_array_inside,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"PK\x03\x04 and nothing else"),
    ],
    ids=lambda damage: damage.__name__,
)
def test_a_damaged_file_is_named_with_a_way_out(path, damage):
    np.savez(path, **arrays())
    damage(path)
    with pytest.raises(DataError, match=r"cannot be read .*numpy\.savez") as caught:
        datasets.load(str(path))
    assert caught.value.path == path
