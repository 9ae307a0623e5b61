"""Hugging Face data sets, small real ones made in memory, become studies of their own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from remap_ray import create_study, from_huggingface, open_study
from remap_ray.errors import DataError
from remap_ray.training import datasets as ours

# Nothing is asked of the hub.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("HF_DATASETS_OFFLINE", "1")
theirs = pytest.importorskip("datasets", reason="needs remap-nas[huggingface]")

PIXELS = np.random.default_rng(0).integers(0, 256, (60, 6, 5, 3), np.uint8)
LABELS = [row % 3 for row in range(60)]
NAMES = ["cat", "dog", "it's <b>"]


def made(count: int = 60, **columns: Any) -> Any:
    """Make a data set of pictures with class labels, and what else is asked for."""
    content = {
        "picture": [Image.fromarray(one) for one in PIXELS[:count]],
        "kind": LABELS[:count],
        **{name: values for name, (values, _) in columns.items()},
    }
    features = {
        "picture": theirs.Image(),
        "kind": theirs.ClassLabel(names=NAMES),
        **{name: feature for name, (_, feature) in columns.items()},
    }
    return theirs.Dataset.from_dict(content, features=theirs.Features(features))


@pytest.mark.promise("DATA-11")
def test_columns_are_found_by_their_types() -> None:
    arrays = from_huggingface(made(text=(["a"] * 60, theirs.Value("string"))))
    np.testing.assert_array_equal(arrays["x_train"], PIXELS.transpose(0, 3, 1, 2))
    assert arrays["y_train"].tolist() == LABELS
    assert arrays["class_names"].tolist() == NAMES


def test_grey_pictures_have_one_channel() -> None:
    grey = [Image.fromarray(one[..., 0]) for one in PIXELS]
    given = made(grey=(grey, theirs.Image())).remove_columns("picture")
    arrays = from_huggingface(given)
    np.testing.assert_array_equal(arrays["x_train"], PIXELS[:, np.newaxis, :, :, 0])


def test_splits_are_the_parts() -> None:
    given = theirs.DatasetDict({"train": made(), "dev": made(12), "test": made(9)})
    arrays = from_huggingface(given)
    assert {key: len(one) for key, one in arrays.items() if key != "class_names"} == {
        "x_train": 60, "y_train": 60, "x_val": 12, "y_val": 12, "x_test": 9, "y_test": 9,
    }  # fmt: skip


@pytest.mark.parametrize(("dtype", "shape"), [("uint8", (6, 5)), ("float32", (2, 6, 5))])
def test_arrays_and_numbers_do_too(dtype: str, shape: tuple[int, ...]) -> None:
    values = np.random.default_rng(1).integers(0, 9, (60, *shape)).astype(dtype)
    kind = theirs.Array2D if len(shape) == 2 else theirs.Array3D
    given = theirs.Dataset.from_dict(
        {"values": list(values), "number": LABELS, "word": [NAMES[one] for one in LABELS]},
        features=theirs.Features(
            {
                "values": kind(shape, dtype),
                "number": theirs.Value("int64"),
                "word": theirs.Value("string"),
            }
        ),
    )
    arrays = from_huggingface(given)
    assert arrays["x_train"].dtype == dtype
    np.testing.assert_array_equal(arrays["x_train"], values)
    assert "class_names" not in arrays
    # Text is taken where it is named.
    named = from_huggingface(given, label="word")
    assert named["class_names"].tolist() == sorted(NAMES)
    np.testing.assert_array_equal(named["class_names"][named["y_train"]], [*given["word"]])


@pytest.mark.promise("DATA-11")
def test_a_study_keeps_them_and_finds_them_wherever_it_is(tmp_path: Path) -> None:
    with create_study(tmp_path / "first", made(), seed=3) as study:
        data = study.data
        assert data.class_names == tuple(NAMES)
        assert data.input_shape == (3, 6, 5)
        assert data.source == str(tmp_path / "first" / "data.npz")
    (tmp_path / "first").rename(tmp_path / "second")
    with open_study(tmp_path / "second") as study:
        assert study.data.source == str(tmp_path / "second" / "data.npz")
        again = ours.load(study.data.source, seed=study.seed)
        assert ours.fingerprint(again) == data.fingerprint
        assert (len(again.train), len(again.validation), len(again.test)) == data.sizes


@pytest.mark.promise("DATA-11")
def test_arrays_make_a_study(tmp_path: Path) -> None:
    arrays = {"x_train": PIXELS[..., 0], "y_train": np.array(LABELS)}
    with create_study(tmp_path / "s", arrays, standardize=True) as study:
        assert study.data.name == "arrays"
        assert ours.fingerprint(ours.load(study.data.source)) == study.data.fingerprint
    with pytest.raises(DataError, match="the arrays lacks y_train"):
        create_study(tmp_path / "t", {"x_train": PIXELS})
    assert not (tmp_path / "t").exists()


def two(feature: Any, values: list[Any]) -> Any:
    return made(2, other=(values, feature))


@pytest.mark.promise("DATA-11")
@pytest.mark.parametrize(
    ("given", "named", "says"),
    [
        (lambda: made().remove_columns("picture"), {}, r"no column holds the images, of kind \("),
        (
            lambda: two(theirs.Image(), [Image.fromarray(PIXELS[0])] * 2),
            {},
            "the columns picture, other may all hold the images",
        ),
        (made, {"image": "photo"}, "there is no column 'photo' in the split 'train'"),
        (made, {"image": "kind"}, "the column 'kind' in the split 'train' is ClassLabel"),
        (
            lambda: two(theirs.Image(), [Image.fromarray(PIXELS[0]), None]),
            {"image": "other"},
            "row 1 of the column 'other' in the split 'train' holds no image",
        ),
        (
            lambda: two(theirs.Image(), [Image.new("L", (3, 2)), Image.new("L", (2, 3))]),
            {"image": "other"},
            "row 1 of the column 'other' .* is 2 x 3 pixels and row 0 3 x 2",
        ),
        (
            lambda: two(theirs.Value("int32"), [1, -1]),
            {"label": "other"},
            "row 1 of the column 'other' in the split 'train' holds -1, which is no class",
        ),
        (
            lambda: two(theirs.Value("float32"), [1.0, 0.0]),
            {"label": "other"},
            "the column 'other' is Value of float32; labels are",
        ),
        (
            lambda: two(theirs.Array2D((2, 2), "int64"), [[[1, 2], [3, 4]]] * 2),
            {"image": "other"},
            "the column 'other' in the split 'train' is of int64",
        ),
        (
            lambda: theirs.DatasetDict({"train": made(), "extra": made()}),
            {},
            "the split 'extra' means nothing here",
        ),
        (
            lambda: theirs.DatasetDict({"train": made(), "val": made(), "dev": made()}),
            {},
            "the split 'val' is there under another name too",
        ),
        (lambda: theirs.DatasetDict({"test": made()}), {}, "there is no split 'train'"),
        (lambda: made().to_iterable_dataset(), {}, "load the data set without streaming"),
    ],
)
def test_what_does_not_fit_is_named(given: Any, named: dict[str, str], says: str) -> None:
    with pytest.raises(DataError, match=says):
        from_huggingface(given(), **named)
