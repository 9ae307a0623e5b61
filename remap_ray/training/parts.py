"""`DataSet` and its three parts, and how images without given parts are divided into them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from remap_ray.errors import DataError

__all__ = [
    "SHARES",
    "Columns",
    "DataSet",
    "Images",
    "Labels",
    "Part",
    "allot",
    "divide",
    "divided",
    "shuffled",
    "take",
]

Images: TypeAlias = NDArray[np.uint8] | NDArray[np.float32]
Labels: TypeAlias = NDArray[np.int64]

SHARES = (70, 15, 15)
"""Shares of training, validation and test where a set has no official parts."""


@final
@dataclass(frozen=True, eq=False)
class Part:
    """Images and what they show.

    Parameters
    ----------
    images
        (N, C, H, W), C-contiguous. uint8 from 0 to 255, or float32 that a
        network is to see as it is: `remap_ray.training.datasets.scaled`.
    labels
        (N,), int64, from 0 to the number of classes - 1.
    """

    images: Images
    labels: Labels

    def __len__(self) -> int:
        return len(self.labels)


@final
@dataclass(frozen=True)
class Columns:
    """The columns of a table by name, or groups of columns that are hidden and seen together.

    Parameters
    ----------
    names
        Of the groups, all different; of single columns their own.
    members
        For each group the indices of its columns.
    """

    names: tuple[str, ...]
    members: tuple[tuple[int, ...], ...]

    def indices(self, names: Sequence[str]) -> list[int]:
        """Give the columns of some groups, in the order of the table.

        Raises
        ------
        DataError
            There is no group of one of these names.
        """
        known = dict(zip(self.names, self.members, strict=True))
        if missing := [one for one in names if one not in known]:
            raise DataError(f"the data have no column {missing[0]!r}")
        return sorted(index for one in names for index in known[one])


@final
@dataclass(frozen=True, eq=False)
class DataSet:
    """Three parts of one set of images, or of the rows of a table.

    A row is an image of one pixel, with a channel for each column, in float32; what is missing
    is NaN.

    The search sees ``train`` and ``validation`` only: ``test`` is for the last
    look at the few networks that a person has chosen.

    Parameters
    ----------
    name
        How a person calls it.
    source
        What `load` needs to load the same again: the name of a set that comes
        with REMAP, or an absolute path.
    class_names
        One for each class, in the order of the labels.
    columns
        Of a table; None for images.
    """

    name: str
    source: str
    train: Part
    validation: Part
    test: Part
    class_names: tuple[str, ...]
    columns: Columns | None = None

    @property
    def input_shape(self) -> tuple[int, int, int]:
        """Channels, height and width of every image."""
        _, channels, height, width = self.train.images.shape
        return channels, height, width

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)


def take(images: Images, labels: Labels, indices: NDArray[np.intp]) -> Part:
    """Copy the images and labels at ``indices`` into a part of their own."""
    return Part(images[indices], labels[indices])


def shuffled(count: int, seed: int) -> NDArray[np.intp]:
    """Order ``count`` indices by ``seed``, the same on every machine and for every numpy.

    numpy promises (NEP 19) that a bit generator's raw stream stays as it is. Of
    `numpy.random.Generator.permutation` it promises no such thing.
    """
    return np.argsort(np.random.PCG64(seed).random_raw(count), kind="stable")


def allot(counts: Sequence[int], shares: Sequence[int]) -> list[tuple[int, ...]]:
    """Say how many items of each class each part gets.

    Every number is the exact share of its class, rounded down or up, so within
    one item of it. What is left of a class after rounding down goes first to
    parts that have none of this class, then to those that the classes before
    have given too little.

    Parameters
    ----------
    counts
        Items of each class.
    shares
        Whole-number weights of the parts.

    Returns
    -------
    list of tuple of int
        For each class, its items in each part.
    """
    total = sum(shares)
    owed = [0] * len(shares)
    allotted = []
    for count in counts:
        exact = [count * share for share in shares]
        given = [items // total for items in exact]
        owed = [debt + items % total for debt, items in zip(owed, exact, strict=True)]
        parts = [part for part, items in enumerate(exact) if items % total]
        parts.sort(key=lambda part: (given[part] > 0, -owed[part]))
        for part in parts[: count - sum(given)]:
            given[part] += 1
            owed[part] -= total
        allotted.append(tuple(given))
    return allotted


def divide(
    labels: Labels,
    shares: Sequence[int],
    seed: int,
    class_names: Sequence[str],
    path: Path | None = None,
) -> list[NDArray[np.intp]]:
    """Divide items into parts, at random but with each class's share in every part.

    Parameters
    ----------
    labels
        (N,), of the items to divide.
    shares
        Whole-number weights of the parts.
    seed
        The same seed gives the same parts on every machine.
    path
        Where the items come from, for the error.

    Returns
    -------
    list of ndarray
        For each part the ascending indices of its items; every item is in one.

    Raises
    ------
    DataError
        Where a part would have none of some class.
    """
    counts = [int(count) for count in np.bincount(labels, minlength=len(class_names))]
    allotted = allot(counts, shares)
    for name, count, given in zip(class_names, counts, allotted, strict=True):
        if 0 in given:
            least = next(n for n in range(1, sum(shares) + 1) if 0 not in allot([n], shares)[0])
            raise DataError(
                f"class {name!r}{f' of {path}' if path else ''} has {count} "
                f"image{'' if count == 1 else 's'}, too few to divide "
                f"{' : '.join(map(str, shares))}; every class needs at least {least}",
                path,
            )
    order = shuffled(len(labels), seed)
    parts: list[list[NDArray[np.intp]]] = [[] for _ in shares]
    for label, given in enumerate(allotted):
        members = order[labels[order] == label]
        for part, indices in zip(
            parts, np.split(members, np.cumsum(given)[:-1].tolist()), strict=True
        ):
            part.append(indices)
    return [np.sort(np.concatenate(part)) for part in parts]


def divided(
    name: str,
    source: str,
    images: Images,
    labels: Labels,
    class_names: tuple[str, ...],
    seed: int,
    path: Path | None = None,
    columns: Columns | None = None,
) -> DataSet:
    """Make a data set without official parts: 70 : 15 : 15, as `divide` divides it."""
    train, validation, test = (
        take(images, labels, indices) for indices in divide(labels, SHARES, seed, class_names, path)
    )
    return DataSet(name, source, train, validation, test, class_names, columns)
