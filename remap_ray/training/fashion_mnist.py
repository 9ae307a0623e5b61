"""Fashion-MNIST: where its four files are, where they come from, and its three parts.

Source: H. Xiao, K. Rasul, R. Vollgraf, "Fashion-MNIST: a Novel Image Dataset for
Benchmarking Machine Learning Algorithms", 2017.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import final

import numpy as np

from remap_ray.errors import DataError
from remap_ray.training import idx
from remap_ray.training.download import Progress, fetch, quiet
from remap_ray.training.parts import DataSet, Images, Labels, Part, divide, take
from remap_ray.training.places import cache_of, given_for

__all__ = [
    "CLASS_NAMES",
    "FILES",
    "NAME",
    "OFFICIAL",
    "Origin",
    "Places",
    "load",
    "missing",
    "read",
]

NAME = "fashion-mnist"

CLASS_NAMES = (
    "T-shirt/top",
    "Trouser",
    "Pullover",
    "Dress",
    "Coat",
    "Sandal",
    "Shirt",
    "Sneaker",
    "Bag",
    "Ankle boot",
)

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

SHARES = (5, 1)
"""Training and validation: 50,000 and 10,000 of the official 60,000."""

OFFICIAL_COUNT = 60_000
OFFICIAL_LABELS = "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7"
"""SHA-256 of the official training labels, one byte each, without header or gzip."""

DEBIAN = Path("/usr/share/datasets") / NAME
WAYS_OUT = (
    "install Debian's package with `apt install dataset-fashion-mnist`, or put the four "
    "official *-ubyte.gz files into a folder and give that folder's path as the data set"
)


@final
@dataclass(frozen=True)
class Origin:
    """Where the files can be downloaded, and the SHA-256 of each as it is transferred."""

    address: str
    sha256: Mapping[str, str]


OFFICIAL = Origin(
    "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    MappingProxyType(
        {
            TRAIN_IMAGES: "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
            TRAIN_LABELS: "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
            TEST_IMAGES: "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
            TEST_LABELS: "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
        }
    ),
)
"""The address in the authors' README. It offers no https; the checksums make up for it."""


@final
@dataclass(frozen=True)
class Places:
    """Where the files may lie.

    Parameters
    ----------
    installed
        Folders to look into, in this order, and never to write to.
    cache
        The folder to look into last, and to download into.
    """

    installed: tuple[Path, ...]
    cache: Path

    @staticmethod
    def of_this_machine() -> Places:
        """Give ``$REMAP_DATA/fashion-mnist``, Debian's folder, and the user's cache."""
        return Places((*given_for(NAME), DEBIAN), cache_of(NAME))


def load(
    seed: int,
    places: Places | None = None,
    origin: Origin = OFFICIAL,
    progress: Progress = quiet,
) -> DataSet:
    """Read Fashion-MNIST from where it lies on this machine, or download it first.

    Parameters
    ----------
    seed
        Decides which images are for validation.
    places
        Where to look; None is `Places.of_this_machine`.
    origin
        Where to download from.

    Raises
    ------
    DataError
        Where it is nowhere and cannot be downloaded, or is damaged.
    """
    places = Places.of_this_machine() if places is None else places
    for folder in places.installed:
        if not missing(folder):
            return read(folder, seed, NAME)
    for name in missing(places.cache):
        try:
            fetch(
                origin.address + name, places.cache / name, origin.sha256[name], progress=progress
            )
        except DataError as error:
            looked = ", ".join(str(folder) for folder in (*places.installed, places.cache))
            raise DataError(
                f"Fashion-MNIST is in none of {looked}, and {error}; {WAYS_OUT}", error.path
            ) from error
    return read(places.cache, seed, NAME, "delete it to have it downloaded again")


def read(
    folder: Path,
    seed: int,
    source: str,
    remedy: str = "put the official file there, or run "
    "`apt install --reinstall dataset-fashion-mnist` where it comes from that package",
) -> DataSet:
    """Read the four official files, or smaller ones of the same format, from one folder.

    The official 10,000 are the test part; a seeded, stratified sixth of the
    official 60,000 is for validation.

    Parameters
    ----------
    source
        What the data set is to be loaded by again.
    remedy
        What a person can do about a damaged file, for the errors.

    Raises
    ------
    DataError
        Where a file is missing or damaged, or the files do not fit each other.
    """
    if lacking := missing(folder):
        raise DataError(
            f"{folder} lacks {', '.join(lacking)} of Fashion-MNIST; {WAYS_OUT}",
            folder / lacking[0],
        )
    images, labels = _read_pair(folder / TRAIN_IMAGES, folder / TRAIN_LABELS, remedy)
    test_images, test_labels = _read_pair(folder / TEST_IMAGES, folder / TEST_LABELS, remedy)
    if images.shape[1:] != test_images.shape[1:]:
        raise DataError(
            f"the images of {folder / TRAIN_IMAGES} and {TEST_IMAGES} differ in size; {remedy}",
            folder / TEST_IMAGES,
        )
    train, validation = divide(labels, SHARES, seed, CLASS_NAMES, folder / TRAIN_LABELS)
    return DataSet(
        NAME,
        source,
        take(images, labels, train),
        take(images, labels, validation),
        Part(test_images.copy(), test_labels),  # The buffer of a file is read-only.
        CLASS_NAMES,
    )


def missing(folder: Path) -> list[str]:
    """Name the files of the four that ``folder`` lacks, or that may not be read."""
    return [name for name in FILES if not os.access(folder / name, os.R_OK)]


def _read_pair(images_path: Path, labels_path: Path, remedy: str) -> tuple[Images, Labels]:
    """Read images (N, 1, H, W) and their labels, and see that they belong together."""
    images = idx.read(images_path, 3, remedy)
    labels = idx.read(labels_path, 1, remedy)
    if len(images) != len(labels) or not images.size:
        raise DataError(
            f"{images_path} holds {len(images):,} images and {labels_path.name} "
            f"{len(labels):,} labels; {remedy}",
            labels_path,
        )
    if labels.max() >= len(CLASS_NAMES):
        raise DataError(
            f"{labels_path} holds label {labels.max()}, the last class is "
            f"{len(CLASS_NAMES) - 1}; {remedy}",
            labels_path,
        )
    if (
        labels_path.name == TRAIN_LABELS
        and len(labels) == OFFICIAL_COUNT
        and hashlib.sha256(labels.tobytes()).hexdigest() != OFFICIAL_LABELS
    ):
        raise DataError(
            f"{labels_path} does not hold Fashion-MNIST's labels (MNIST and others of its family "
            "name their files alike, and would get the wrong class names); give such a set as "
            "a .npz",
            labels_path,
        )
    return images[:, np.newaxis], labels.astype(np.int64)
