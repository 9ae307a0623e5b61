"""CIFAR-10: its official binary version, which is bytes behind bytes, and no pickle.

Source: A. Krizhevsky, "Learning Multiple Layers of Features from Tiny Images", 2009.
"""

from __future__ import annotations

import os
import tarfile
import zlib
from pathlib import Path
from types import MappingProxyType
from typing import IO

import numpy as np

from remap_ray.errors import DataError
from remap_ray.training.download import Progress, quiet
from remap_ray.training.parts import DataSet, Images, Labels, Part, divide, take
from remap_ray.training.places import Origin, Places, found_or_downloaded

__all__ = ["ARCHIVE", "CLASS_NAMES", "FILES", "NAME", "OFFICIAL", "is_here", "load", "read"]

NAME = "cifar10"

CLASS_NAMES = (
    "airplane",
    "automobile",
    "bird",
    "cat",
    "deer",
    "dog",
    "frog",
    "horse",
    "ship",
    "truck",
)

TRAIN = tuple(f"data_batch_{number}.bin" for number in range(1, 6))
TEST = "test_batch.bin"
FILES = (*TRAIN, TEST)
FOLDER = "cifar-10-batches-bin"
ARCHIVE = "cifar-10-binary.tar.gz"

SHAPE = (3, 32, 32)
RECORD = 1 + 3 * 32 * 32
"""Bytes of an image: its label, then the red, the green and the blue values, row by row."""

SHARES = (9, 1)
"""Training and validation: 45,000 and 5,000 of the official 50,000."""

WAYS_OUT = (
    f"put the official {ARCHIVE}, or the {len(FILES)} files in it, into a folder and give that "
    "folder's path as the data set"
)


OFFICIAL = Origin(
    "https://www.cs.toronto.edu/~kriz/",
    MappingProxyType({ARCHIVE: "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9ddda3db29a59bca1dd"}),
)


def load(
    seed: int,
    places: Places | None = None,
    origin: Origin = OFFICIAL,
    progress: Progress = quiet,
) -> DataSet:
    """Read CIFAR-10 from where it lies on this machine, or download it first.

    Parameters
    ----------
    seed
        Decides which images are for validation.
    places
        Where to look; None is `Places.of` this machine.
    origin
        Where to download from.

    Raises
    ------
    DataError
        Where it is nowhere and cannot be downloaded, or is damaged.
    """
    places = places or Places.of(NAME)
    folder = found_or_downloaded("CIFAR-10", places, origin, _missing, progress, WAYS_OUT)
    return read(folder, seed, NAME)


def _missing(folder: Path) -> list[str]:
    return [] if is_here(folder) else [ARCHIVE]


def is_here(folder: Path) -> bool:
    """Say whether a folder holds the archive, or all files of it."""
    return (folder / ARCHIVE).is_file() or _unpacked(folder) is not None


def read(folder: Path, seed: int, source: str) -> DataSet:
    """Read the official archive or its files, or smaller ones of the same format.

    The official 10,000 are the test part; a seeded, stratified tenth of the official 50,000 is
    for validation.

    Parameters
    ----------
    source
        What the data set is to be loaded by again.

    Raises
    ------
    DataError
        Where a file is missing or damaged.
    """
    unpacked = _unpacked(folder)
    contents = _of_archive(folder / ARCHIVE) if unpacked is None else _of_folder(unpacked)
    parsed = {name: _records(folder / name, data) for name, data in contents.items()}
    images = np.concatenate([parsed[name][0] for name in TRAIN])
    labels = np.concatenate([parsed[name][1] for name in TRAIN])
    train, validation = divide(labels, SHARES, seed, CLASS_NAMES, folder)
    return DataSet(
        NAME,
        source,
        take(images, labels, train),
        take(images, labels, validation),
        Part(*parsed[TEST]),
        CLASS_NAMES,
    )


def _unpacked(folder: Path) -> Path | None:
    for place in (folder, folder / FOLDER):
        if all(os.access(place / name, os.R_OK) for name in FILES):
            return place
    return None


def _of_folder(folder: Path) -> dict[str, bytes]:
    try:
        return {name: (folder / name).read_bytes() for name in FILES}
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error}); {WAYS_OUT}", folder) from error


def _of_archive(path: Path) -> dict[str, bytes]:
    """Read the files out of the archive in memory: nothing in it can name a place to write to."""
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(path, "r:gz") as archive:
            for member in archive:
                name = Path(member.name).name
                file: IO[bytes] | None = archive.extractfile(member) if name in FILES else None
                if file is not None:
                    found[name] = file.read()
    except (OSError, EOFError, tarfile.TarError, zlib.error) as error:
        raise DataError(
            f"{path} cannot be read ({error}); delete it to have it downloaded again, or "
            f"{WAYS_OUT}",
            path,
        ) from error
    if missing := [name for name in FILES if name not in found]:
        raise DataError(f"{path} lacks {', '.join(missing)}; {WAYS_OUT}", path)
    return found


def _records(path: Path, data: bytes) -> tuple[Images, Labels]:
    if not data or len(data) % RECORD:
        raise DataError(
            f"{path} holds {len(data):,} bytes, no whole number of images of {RECORD:,} each; "
            f"{WAYS_OUT}",
            path,
        )
    table = np.frombuffer(data, np.uint8).reshape(-1, RECORD)
    labels = table[:, 0].astype(np.int64)
    if labels.max() >= len(CLASS_NAMES):
        raise DataError(
            f"{path} holds label {labels.max()}, the last class is {len(CLASS_NAMES) - 1}; "
            f"{WAYS_OUT}",
            path,
        )
    return table[:, 1:].reshape(-1, *SHAPE).copy(), labels
