"""Hugging Face ``datasets`` objects as arrays, by what their columns say they are.

Nothing here imports that package: who has such an object has it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from remap_ray.errors import DataError
from remap_ray.training.image_folder import DEEP_MODES, joined, pixels_of

__all__ = ["from_huggingface", "is_dataset", "name_of"]

SPLITS = {
    "train": "train",
    "validation": "val",
    "valid": "val",
    "val": "val",
    "dev": "val",
    "test": "test",
}
"""What the splits of a ``DatasetDict`` are for us."""

ARRAYS = frozenset({"Array2D", "Array3D"})
WAY_OUT = "name it: from_huggingface(dataset, image=..., label=...)"


def is_dataset(data: object) -> bool:
    """Whether this is an object of the package ``datasets``."""
    return type(data).__module__.split(".")[0] == "datasets"


def name_of(dataset: Any) -> str:
    """Give the name that a data set bears, or what it is."""
    one = next(iter(dataset.values()), None) if isinstance(dataset, Mapping) else dataset
    info = getattr(one, "info", None)
    return getattr(info, "dataset_name", None) or "huggingface"


def from_huggingface(
    dataset: Any, *, image: str | None = None, label: str | None = None
) -> dict[str, NDArray[Any]]:
    """Turn a ``Dataset`` or ``DatasetDict`` into arrays, as `remap_ray.create_study` takes them.

    A ``DatasetDict`` has a split ``train`` and may have ``validation`` (``valid``, ``val``,
    ``dev``) and ``test``; what there is not is taken out of ``train``, as of a ``.npz``.

    Parameters
    ----------
    image
        The column of the images: of type ``Image``, or ``Array2D`` (H, W) or ``Array3D``
        (C, H, W) of uint8 or float32. By default the only one of these types.
    label
        The column of the classes: a ``ClassLabel``, whole numbers from 0, or text, whose values
        in alphabetical order are then the classes. By default the only ``ClassLabel``, or else
        the only one of whole numbers.

    Returns
    -------
    dict
        By the keys of `remap_ray.training.npz.read`.

    Raises
    ------
    DataError
        Where there is no such column, or more than one, or it holds something else; the message
        names it.
    """
    splits = _splits(dataset)
    features = splits["train"].features
    image = image or _only("images", _images_in(features), features)
    label = label or _only("labels", _labels_in(features), features)
    for split, rows in splits.items():
        for column in (image, label):
            if column not in rows.features:
                raise DataError(
                    f"there is no column {column!r} in the split {split!r}; its columns are "
                    f"{', '.join(rows.features)}"
                )
        if not len(rows):
            raise DataError(f"the split {split!r} is empty; leave it out")
    kind = type(features[label]).__name__
    values = {split: list(rows.with_format(None)[label]) for split, rows in splits.items()}
    names = _class_names(features[label], kind, label, values)
    arrays: dict[str, NDArray[Any]] = {}
    for split, rows in splits.items():
        arrays[f"x_{SPLITS[split]}"] = _images(rows, split, image)
        arrays[f"y_{SPLITS[split]}"] = _labels(values[split], split, label, names)
    if names:
        arrays["class_names"] = np.array(names, np.str_)
    return arrays


def _splits(dataset: Any) -> dict[str, Any]:
    splits = dict(dataset) if isinstance(dataset, Mapping) else {"train": dataset}
    for split, rows in splits.items():
        if split not in SPLITS:
            raise DataError(
                f"the split {split!r} means nothing here: leave it out, or name it train, "
                "validation or test"
            )
        if not hasattr(rows, "__len__") or getattr(rows, "features", None) is None:
            raise DataError(
                f"the split {split!r} is a {type(rows).__name__}, which cannot be kept whole; load "
                "the data set without streaming"
            )
    if "train" not in splits:
        raise DataError(
            f"there is no split 'train'; there are {', '.join(splits) or 'no splits at all'}"
        )
    parts = [SPLITS[split] for split in splits]
    if twice := next((one for one in splits if parts.count(SPLITS[one]) > 1), None):
        raise DataError(f"the split {twice!r} is there under another name too; leave one out")
    return splits


def _images_in(features: Mapping[str, Any]) -> list[str]:
    return [name for name, one in features.items() if type(one).__name__ in {"Image", *ARRAYS}]


def _labels_in(features: Mapping[str, Any]) -> list[str]:
    named = [name for name, one in features.items() if type(one).__name__ == "ClassLabel"]
    whole = [name for name, one in features.items() if "int" in str(getattr(one, "dtype", ""))]
    return named or [one for one in whole if type(features[one]).__name__ == "Value"]


def _only(what: str, found: Sequence[str], features: Mapping[str, Any]) -> str:
    if len(found) == 1:
        return found[0]
    seen = ", ".join(f"{name} ({type(one).__name__})" for name, one in features.items())
    which = f"the columns {', '.join(found)} may all hold" if found else "no column holds"
    raise DataError(f"{which} the {what}, of {seen}; {WAY_OUT}")


def _class_names(
    feature: Any, kind: str, label: str, values: Mapping[str, Sequence[Any]]
) -> tuple[str, ...]:
    """Give the names of the classes, none where they are mere numbers."""
    if kind == "ClassLabel":
        return tuple(feature.names)
    dtype = str(getattr(feature, "dtype", kind))
    if kind == "Value" and "string" in dtype:
        there = {one for column in values.values() for one in column if one is not None}
        return tuple(sorted(there))
    if kind == "Value" and "int" in dtype:
        return ()
    raise DataError(
        f"the column {label!r} is {kind} of {dtype}; labels are a ClassLabel, whole numbers or text"
    )


def _labels(
    column: Sequence[Any], split: str, label: str, names: Sequence[str]
) -> NDArray[np.int64]:
    numbers = {name: number for number, name in enumerate(names)}
    found = np.empty(len(column), np.int64)
    for row, value in enumerate(column):
        number = numbers.get(value, -1) if isinstance(value, str) else value
        if number is None or number < 0:
            raise DataError(
                f"row {row} of the column {label!r} in the split {split!r} holds {value!r}, which "
                "is no class; leave such rows out"
            )
        found[row] = number
    return found


def _images(rows: Any, split: str, image: str) -> NDArray[Any]:
    feature = rows.features[image]
    kind = type(feature).__name__
    where = f"the column {image!r} in the split {split!r}"
    if kind in ARRAYS:
        if feature.dtype not in {"uint8", "float32"}:
            raise DataError(
                f"{where} is of {feature.dtype}; images must be uint8 (0 to 255) or float32"
            )
        return np.stack(list(rows.with_format("numpy")[image])).astype(feature.dtype)
    if kind != "Image":
        raise DataError(
            f"{where} is {kind}; images are of type Image, or Array2D or Array3D of uint8 or "
            "float32"
        )
    found: list[NDArray[np.uint8]] = []
    for row, one in enumerate(rows.select_columns([image]).with_format(None)):
        found.append(_pixels(one[image], row, where))
        if found[row].shape[1:] != found[0].shape[1:]:
            (_, first, wide), (_, height, width) = found[0].shape, found[row].shape
            raise DataError(
                f"row {row} of {where} is {width} x {height} pixels and row 0 {wide} x {first}; "
                "all images must have one size"
            )
    return joined(found)


def _pixels(picture: Any, row: int, where: str) -> NDArray[np.uint8]:
    if picture is None:
        raise DataError(f"row {row} of {where} holds no image; leave such rows out")
    if not hasattr(picture, "mode"):
        raise DataError(f"{where} is not decoded; cast it to Image(decode=True)")
    if picture.mode.startswith(DEEP_MODES):
        raise DataError(
            f"row {row} of {where} has more than 8 bits per channel (mode {picture.mode}); make "
            "it 8, or give arrays of float32"
        )
    return pixels_of(picture)
