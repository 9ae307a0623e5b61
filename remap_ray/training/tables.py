"""Tables: rows of numbers with named columns, out of a ``.npz`` or of scikit-learn.

In a ``.npz``, ``x_train`` is (rows, columns) of numbers, NaN where one is missing, and besides
what images may have there may be

``feature_names``
    An array of text: the name of each column, ``x0``, ``x1`` … where it is left out.
``feature_groups``
    An array of text: for each column the name of the group that it belongs to. A group is hidden
    and seen together, as a measurement and its square should be.

Without groups every column is its own, and above `MOST_ALONE` of them neighbours are put together.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from remap_ray.errors import DataError
from remap_ray.training.parts import Columns, DataSet, divided

__all__ = ["KEYS", "MOST_ALONE", "NAMES", "columns_of", "load", "rows_of"]

FEATURES, GROUPS = "feature_names", "feature_groups"
KEYS = (FEATURES, GROUPS)

MOST_ALONE = 64
"""Columns up to which each is its own group: more could be told apart neither by eye nor by
ablations."""

_LOADERS = {"breast-cancer": "load_breast_cancer", "wine": "load_wine"}

NAMES = tuple(_LOADERS)
"""The tables that come with scikit-learn, without a download."""


def load(name: str, seed: int) -> DataSet:
    """Load one of `NAMES`, divided 70 : 15 : 15."""
    from sklearn import datasets  # noqa: PLC0415 - takes a second, for these sets only

    bunch = getattr(datasets, _LOADERS[name])()
    rows = np.ascontiguousarray(bunch.data, np.float32)[:, :, np.newaxis, np.newaxis]
    columns = _grouped([str(one) for one in bunch.feature_names])
    labels = bunch.target.astype(np.int64)
    classes = tuple(str(one) for one in bunch.target_names)
    return divided(name, name, rows, labels, classes, seed, columns=columns)


def of(path: Path | None) -> str:
    """Say where arrays come from: a file, or memory."""
    return "the arrays" if path is None else str(path)


def rows_of(path: Path | None, key: str, rows: NDArray[Any]) -> NDArray[np.float32]:
    """Give the rows of a part as float32 (N, columns, 1, 1).

    Raises
    ------
    DataError
        They are no numbers, none, of another shape, or infinite.
    """
    if rows.ndim != 2 or 0 in rows.shape:
        raise DataError(
            f"{key} of {of(path)} has shape {rows.shape}; a table must be (rows, columns) and none "
            "of these 0",
            path,
        )
    if rows.dtype.kind not in "fiub":
        raise DataError(
            f"{key} of {of(path)} is {rows.dtype}; a table must be of numbers: write categories as "
            "numbers, or as a column of 0 and 1 for each",
            path,
        )
    with np.errstate(over="ignore"):
        small = np.ascontiguousarray(rows, np.float32)
    if np.isinf(small).any():
        raise DataError(
            f"{key} of {of(path)} holds values that are infinite, or too large for float32; NaN "
            "may stand for what is missing",
            path,
        )
    return small[:, :, np.newaxis, np.newaxis]


def columns_of(path: Path | None, arrays: Mapping[str, NDArray[Any]]) -> Columns:
    """Give the columns of a table by the names and groups that a file has of them.

    Raises
    ------
    DataError
        Names that are no text, too few or too many, or twice the same.
    """
    count = arrays["x_train"].shape[1]
    given: dict[str, list[str]] = {}
    for key in KEYS:
        if key not in arrays:
            continue
        text = arrays[key]
        if text.dtype.kind != "U" or text.shape != (count,):
            raise DataError(
                f"{key} of {of(path)} is {text.dtype} of shape {text.shape}; it must be text of "
                f"shape ({count},), one for each column",
                path,
            )
        given[key] = text.tolist()
    names = [_name(one) for one in given.get(FEATURES, [f"x{index}" for index in range(count)])]
    if not all(names):
        raise DataError(f"{FEATURES} of {of(path)} holds a name that is empty", path)
    if twice := [one for at, one in enumerate(names) if one in names[:at]]:
        raise DataError(f"{FEATURES} of {of(path)} has {twice[0]!r} twice", path)
    if GROUPS not in given:
        return _grouped(names)
    groups = [_name(one) for one in given[GROUPS]]
    if not all(groups):
        raise DataError(f"{GROUPS} of {of(path)} holds a name that is empty", path)
    return _together(groups)


def _grouped(names: Sequence[str]) -> Columns:
    if len(names) <= MOST_ALONE:
        return _together(names)
    shares = np.array_split(np.arange(len(names)), MOST_ALONE)
    return Columns(
        tuple(f"{names[one[0]]} to {names[one[-1]]}" for one in shares),
        tuple(tuple(one.tolist()) for one in shares),
    )


def _together(groups: Sequence[str]) -> Columns:
    members: dict[str, list[int]] = {}
    for index, group in enumerate(groups):
        members.setdefault(group, []).append(index)
    return Columns(tuple(members), tuple(map(tuple, members.values())))


def _name(given: str) -> str:
    """Give a name in a form that can be typed: one line, no quotes, no blanks around it."""
    plain = " ".join(given.replace("'", "\N{RIGHT SINGLE QUOTATION MARK}").split())
    return "".join(one for one in plain if one.isprintable())
