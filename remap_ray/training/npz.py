"""Data sets out of one ``.npz`` file of arrays. Nothing in it is ever unpickled."""

from __future__ import annotations

import tokenize
import zipfile
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from remap_ray.errors import DataError
from remap_ray.training import tables
from remap_ray.training.parts import SHARES, DataSet, Images, Labels, Part, divide, take
from remap_ray.training.tables import of

__all__ = ["of_arrays", "read"]

KEYS = ("x_train", "y_train", "x_val", "y_val", "x_test", "y_test")
CLASS_NAMES = "class_names"
NAMES = (CLASS_NAMES, *tables.KEYS)
"""What may be there besides parts: names of classes, and of the columns of a table."""

UNREADABLE = (
    OSError,
    EOFError,
    ValueError,
    zipfile.BadZipFile,
    zlib.error,
    RuntimeError,  # A member that is encrypted, or packed in a way that zipfile cannot unpack.
    tokenize.TokenError,  # numpy parses the header of an array as an expression of Python.
    MemoryError,  # A damaged header announces a size that nobody has.
)
"""What reading a damaged or foreign file may raise."""


def read(path: Path, seed: int) -> DataSet:
    """Read a data set from arrays.

    ``x_train`` and ``y_train`` must be there. A part that is not there is taken
    out of them, stratified: validation and test together as 15 and 15 of 100,
    either of them alone as 15 of 85, so that it stands to the training part as
    it would without the other given. Parts that are there are taken as they are.

    Images are uint8 or float32, (N, H, W) or (N, C, H, W); labels whole numbers
    from 0, (N,), and every class has training images; ``class_names``, where
    given, is an array of text with one name for each class.

    Where ``x_train`` has two dimensions, the file is a table: `remap_ray.training.tables` says
    what it may hold.

    Parameters
    ----------
    path
        Absolute.
    seed
        Decides which images are in a part that is not given.

    Raises
    ------
    DataError
        Where the file or an array in it is not as above, naming it.
    """
    return of_arrays(_read_arrays(path), seed, path.stem, str(path), path)


def of_arrays(
    arrays: Mapping[str, NDArray[Any]],
    seed: int,
    name: str,
    source: str = "",
    path: Path | None = None,
) -> DataSet:
    """Make a data set of arrays, by the keys and rules of `read`.

    Parameters
    ----------
    name, source
        Of the data set.
    path
        Where the arrays come from, for the errors; None where from memory.

    Raises
    ------
    DataError
        Where an array is not as `read` says, naming it.
    """
    _check_keys(path, arrays)
    is_table = arrays["x_train"].ndim == 2
    columns = tables.columns_of(path, arrays) if is_table else None
    given: dict[str, tuple[Images, Labels]] = {}
    for part in ("train", "val", "test"):
        if f"x_{part}" in arrays:
            key = f"x_{part}"
            images = (tables.rows_of if is_table else _images)(path, key, arrays[key])
            given[part] = images, _labels(path, f"y_{part}", arrays[f"y_{part}"], len(images))
    _check_alike(path, given)
    class_names = _class_names(path, arrays.get(CLASS_NAMES), given)
    parts = _parts(path, given, seed, class_names)
    return DataSet(name, source, *parts, class_names, columns)


def _read_arrays(path: Path) -> Mapping[str, NDArray[Any]]:
    """Read the arrays that mean something here: images, labels and class names."""
    arrays = {}
    try:
        # Not by numpy.load, which takes other kinds of files than zip as well.
        with zipfile.ZipFile(path) as archive:
            for member in archive.namelist():
                key = member.removesuffix(".npy")
                if key.startswith(("x_", "y_")) or key in NAMES:
                    with archive.open(member) as file:
                        arrays[key] = np.lib.format.read_array(file, allow_pickle=False)
    except UNREADABLE as error:
        raise DataError(
            f"{path} cannot be read as a .npz of plain arrays ({error}); save the set again "
            "with numpy.savez_compressed, without arrays of objects",
            path,
        ) from error
    return arrays


def _check_keys(path: Path | None, arrays: Mapping[str, NDArray[Any]]) -> None:
    present = [key for key in arrays if key.startswith(("x_", "y_"))]
    if unknown := [key for key in present if key not in KEYS]:
        raise DataError(
            f"{of(path)} has {', '.join(unknown)}, which means nothing here; the keys are "
            f"{', '.join(KEYS)} and {CLASS_NAMES}",
            path,
        )
    wanted = {"x_train", "y_train"}
    wanted |= {f"{'y' if key[0] == 'x' else 'x'}{key[1:]}" for key in present}
    if missing := [key for key in KEYS if key in wanted and key not in arrays]:
        raise DataError(
            f"{of(path)} lacks {', '.join(missing)}; it has {', '.join(arrays) or 'no array'}",
            path,
        )


def _images(path: Path | None, key: str, images: NDArray[Any]) -> Images:
    """Give images as (N, C, H, W) in this machine's byte order."""
    if (images.dtype.kind, images.dtype.itemsize) not in {("u", 1), ("f", 4)}:
        raise DataError(
            f"{key} of {of(path)} is {images.dtype}; images must be uint8 (0 to 255) or float32 "
            '(used as they are): images.astype("float32")',
            path,
        )
    if images.ndim not in {3, 4} or 0 in images.shape:
        raise DataError(
            f"{key} of {of(path)} has shape {images.shape}; images must be (N, H, W) or "
            "(N, C, H, W) and none of these 0",
            path,
        )
    if images.ndim == 3:
        images = images[:, np.newaxis]
    _, channels, height, width = images.shape
    if width in {1, 3, 4} and min(channels, height) > 4:
        raise DataError(
            f"{key} of {of(path)} has shape {images.shape}, which looks as if the channels came "
            "last; they must come second: images.transpose(0, 3, 1, 2)",
            path,
        )
    if images.dtype.kind == "f" and not np.isfinite(images).all():
        raise DataError(f"{key} of {of(path)} holds values that are infinite or no number", path)
    if images.dtype.kind == "u":
        return np.ascontiguousarray(images, np.uint8)
    return np.ascontiguousarray(images, np.float32)


def _labels(path: Path | None, key: str, labels: NDArray[Any], count: int) -> Labels:
    if labels.dtype.kind not in "iu" or labels.shape != (count,):
        raise DataError(
            f"{key} of {of(path)} is {labels.dtype} of shape {labels.shape}; labels must be whole "
            f"numbers of shape ({count},), one for each image",
            path,
        )
    if labels.min() < 0 or labels.max() > np.iinfo(np.int32).max:
        wrong = labels.min() if labels.min() < 0 else labels.max()
        raise DataError(f"{key} of {of(path)} holds label {wrong}; the classes count from 0", path)
    return labels.astype(np.int64)


def _check_alike(path: Path | None, given: Mapping[str, tuple[Images, Labels]]) -> None:
    train = given["train"][0]
    for part, (images, _) in given.items():
        if images.shape[1:] != train.shape[1:] or images.dtype != train.dtype:
            raise DataError(
                f"x_{part} of {of(path)} has {images.dtype} images of shape {images.shape[1:]}, "
                f"x_train {train.dtype} images of shape {train.shape[1:]}; they must be alike",
                path,
            )


def _class_names(
    path: Path | None, names: NDArray[Any] | None, given: Mapping[str, tuple[Images, Labels]]
) -> tuple[str, ...]:
    """Give one name for each class, having seen that each class has training images."""
    present = np.unique(given["train"][1])
    last = max(int(labels.max()) for _, labels in given.values())
    if names is not None and (names.dtype.kind != "U" or names.ndim != 1):
        raise DataError(
            f"{CLASS_NAMES} of {of(path)} is {names.dtype} of shape {names.shape}; it must be a "
            "list of text",
            path,
        )
    if names is not None and len(names) <= last:
        raise DataError(
            f"{of(path)} holds label {last}, but {CLASS_NAMES} only {len(names)} names, for "
            f"labels 0 to {len(names) - 1}",
            path,
        )
    classes = last + 1 if names is None else len(names)
    if len(present) != classes:
        wrong = np.flatnonzero(present != np.arange(len(present)))
        missing = int(wrong[0]) if len(wrong) else len(present)
        raise DataError(
            f"{of(path)} has no training image of class {missing}, of classes 0 to {classes - 1}",
            path,
        )
    if classes < 2:
        raise DataError(f"{of(path)} has one class only; there must be at least two", path)
    chosen = tuple(str(n) for n in (range(classes) if names is None else names.tolist()))
    if len(set(chosen)) != classes or not all(n and n.isprintable() for n in chosen):
        raise DataError(
            f"{CLASS_NAMES} of {of(path)} must be different and printable, not {list(chosen)!r}",
            path,
        )
    return chosen


def _parts(
    path: Path | None,
    given: Mapping[str, tuple[Images, Labels]],
    seed: int,
    class_names: Sequence[str],
) -> tuple[Part, Part, Part]:
    """Give training, validation and test, taking what is missing out of training."""
    images, labels = given["train"]
    absent = [part for part in ("val", "test") if part not in given]
    parts = {part: Part(*pair) for part, pair in given.items()}
    if absent:
        shares = SHARES[: 1 + len(absent)]
        indices = divide(labels, shares, seed, class_names, path)
        for part, members in zip(("train", *absent), indices, strict=True):
            parts[part] = take(images, labels, members)
    return parts["train"], parts["val"], parts["test"]
