"""Quick Draw: bitmaps of sketches, a ``.npy`` file per class, as Google gives them away.

Source: D. Ha, D. Eck, "A Neural Representation of Sketch Drawings", 2017; the bitmaps are those of
the Quick, Draw! data set under CC BY 4.0. The preset is that of Cashman et al., 2019, section 7.
"""

from __future__ import annotations

import io
import urllib.parse
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from remap_ray.errors import DataError
from remap_ray.training.download import Progress, fetch_start, quiet
from remap_ray.training.parts import DataSet, Images, Labels, Part, divide, take
from remap_ray.training.places import Places, found_or_fetched

__all__ = ["ADDRESS", "CLASS_NAMES", "NAME", "PER_CLASS", "is_here", "load", "read"]

NAME = "quickdraw-paper"

CLASS_NAMES = (
    "face",
    "moustache",
    "pear",
    "umbrella",
    "pineapple",
    "mouth",
    "nose",
    "wine bottle",
    "apple",
    "octopus",
)
"""The paper's ten, in its order."""

PER_CLASS = 20_000
"""Sketches of each class that the paper takes, the first ones."""

HELD_OUT = 5
"""One in so many of a class, the last ones, is for the test: the paper's 4,000 of 20,000."""

SHARES = (7, 1)
"""Training and validation: 14,000 and 2,000 of the paper's 16,000 per class."""

SIDE = 28
HEADER = 4_096
"""More bytes than the header of such a file takes."""

ADDRESS = "https://storage.googleapis.com/quickdraw_dataset/full/numpy_bitmap/"

WAYS_OUT = "put the classes' official .npy files into a folder and give that folder's path"


def load(
    seed: int,
    places: Places | None = None,
    address: str = ADDRESS,
    progress: Progress = quiet,
    per_class: int = PER_CLASS,
) -> DataSet:
    """Read the paper's ten classes from where they lie, or download what is wanted of them.

    Of each file, a hundred megabytes and more, only the beginning is asked for.

    Parameters
    ----------
    seed
        Decides which sketches are for validation.
    places
        Where to look; None is `Places.of` this machine.

    Raises
    ------
    DataError
        Where a class is nowhere and cannot be downloaded, or is damaged.
    """

    def fetch_into(folder: Path) -> None:
        for name in _lacking(folder):
            target = folder / f"{name}.npy"
            url = f"{address}{urllib.parse.quote(name)}.npy"
            fetch_start(
                url,
                HEADER + per_class * SIDE**2,
                target,
                partial(_first, target, most=per_class),
                progress=progress,
            )

    folder = found_or_fetched(
        NAME,
        places or Places.of(NAME),
        lambda folder: not _lacking(folder),
        fetch_into,
        WAYS_OUT,
    )
    return read(folder, seed, NAME, CLASS_NAMES, per_class)


def _lacking(folder: Path) -> list[str]:
    return [name for name in CLASS_NAMES if not (folder / f"{name}.npy").is_file()]


def is_here(folder: Path) -> bool:
    """Say whether a folder holds at least two classes as ``.npy`` files."""
    return len(_classes(folder)) >= 2


def read(
    folder: Path,
    seed: int,
    source: str,
    class_names: tuple[str, ...] | None = None,
    per_class: int = PER_CLASS,
) -> DataSet:
    """Read a folder with a ``.npy`` file per class, each uint8 (N, 784) or (N, H, W).

    Of each class the first ``per_class`` sketches are taken: the last fifth of them is the test
    part, and a seeded eighth of the others for validation.

    Parameters
    ----------
    source
        What the data set is to be loaded by again.
    class_names
        The files to read, in label order; by default all, in alphabetical order.

    Raises
    ------
    DataError
        Where a file is missing or damaged, has too few sketches, or they differ in size.
    """
    names = class_names or _classes(folder)
    known: list[NDArray[np.uint8]] = []
    unseen: list[NDArray[np.uint8]] = []
    for name in names:
        sketches = _sketches(folder / f"{name}.npy", per_class)
        if known and sketches.shape[1:] != known[0].shape[1:]:
            raise DataError(
                f"the sketches of {name}.npy and {names[0]}.npy in {folder} differ in size",
                folder / f"{name}.npy",
            )
        count = len(sketches) - len(sketches) // HELD_OUT
        known.append(sketches[:count])
        unseen.append(sketches[count:])
    labels = _labels(known)
    images: Images = np.concatenate(known)[:, np.newaxis]
    train, validation = divide(labels, SHARES, seed, names, folder)
    return DataSet(
        NAME if class_names == CLASS_NAMES else folder.name,
        source,
        take(images, labels, train),
        take(images, labels, validation),
        Part(np.concatenate(unseen)[:, np.newaxis], _labels(unseen)),
        tuple(names),
    )


def _classes(folder: Path) -> tuple[str, ...]:
    return tuple(sorted(one.stem for one in folder.glob("*.npy") if one.is_file()))


def _labels(parts: list[NDArray[np.uint8]]) -> Labels:
    return np.repeat(np.arange(len(parts)), [len(part) for part in parts]).astype(np.int64)


def _sketches(path: Path, most: int) -> NDArray[np.uint8]:
    try:
        found = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise DataError(f"{path} cannot be read ({error}); {WAYS_OUT}", path) from error
    if not isinstance(found, np.ndarray):
        raise DataError(f"{path} holds no array of sketches; {WAYS_OUT}", path)
    return np.array(_squared(path, found[:most]))


def _squared(path: Path, found: NDArray[np.uint8]) -> NDArray[np.uint8]:
    if found.ndim == 2 and found.shape[1] == SIDE**2:
        found = found.reshape(-1, SIDE, SIDE)
    if found.dtype != np.uint8 or found.ndim != 3 or 0 in found.shape[1:]:
        raise DataError(
            f"{path} holds {found.dtype} of shape {found.shape}; expected are uint8 of shape "
            f"(N, {SIDE**2}) or (N, H, W)",
            path,
        )
    if len(found) < HELD_OUT:
        raise DataError(f"{path} holds {len(found)} sketches; at least {HELD_OUT} are needed", path)
    return found


def _first(path: Path, data: bytes, most: int) -> bytes:
    """Give a ``.npy`` file of the first sketches out of the beginning of a larger one."""
    file = io.BytesIO(data)
    try:
        version = np.lib.format.read_magic(file)
        read_header = {
            (1, 0): np.lib.format.read_array_header_1_0,
            (2, 0): np.lib.format.read_array_header_2_0,
        }[version]
        shape, fortran, dtype = read_header(file)
    except (ValueError, KeyError, EOFError) as error:
        raise DataError(f"what was sent for {path.name} is no .npy file ({error})", path) from error
    if dtype != np.uint8 or len(shape) != 2 or shape[1] != SIDE**2 or fortran:
        raise DataError(
            f"what was sent for {path.name} holds {dtype} of shape {shape}; expected are uint8 "
            f"of shape (N, {SIDE**2})",
            path,
        )
    count = min(shape[0], most)
    values = np.frombuffer(data, np.uint8, offset=file.tell())
    if len(values) < count * SIDE**2:
        raise DataError(
            f"what was sent for {path.name} ends after {len(values) // SIDE**2:,} of {count:,} "
            "sketches",
            path,
        )
    made = io.BytesIO()
    np.save(made, values[: count * SIDE**2].reshape(count, SIDE**2), allow_pickle=False)
    return made.getvalue()
