"""MNIST and its family: four IDX files under the same names, where they lie, and their parts.

Sources: Y. LeCun, C. Cortes, C. Burges, "The MNIST database of handwritten digits"; H. Xiao,
K. Rasul, R. Vollgraf, "Fashion-MNIST", 2017; T. Clanuwat et al., "Deep Learning for Classical
Japanese Literature" (KMNIST, CC BY-SA 4.0), 2018; G. Cohen et al., "EMNIST", 2017.
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
from remap_ray.training.download import Progress, quiet
from remap_ray.training.parts import DataSet, Images, Labels, Part, divide, take
from remap_ray.training.places import Origin, Places, found_or_downloaded

__all__ = [
    "FASHION",
    "FILES",
    "KMNIST",
    "MEMBERS",
    "MNIST",
    "Member",
    "is_here",
    "load",
    "missing",
    "read",
    "read_unknown",
]

TRAIN_IMAGES = "train-images-idx3-ubyte.gz"
TRAIN_LABELS = "train-labels-idx1-ubyte.gz"
TEST_IMAGES = "t10k-images-idx3-ubyte.gz"
TEST_LABELS = "t10k-labels-idx1-ubyte.gz"
FILES = (TRAIN_IMAGES, TRAIN_LABELS, TEST_IMAGES, TEST_LABELS)

EMNIST = "emnist-"
"""How the names of EMNIST's files begin; its images lie on their side."""

SHARES = (5, 1)
"""Training and validation: 50,000 and 10,000 of the official 60,000."""

OFFICIAL_COUNT = 60_000

REMEDY = "put the official file there"
AGAIN = "delete it to have it downloaded again"


@final
@dataclass(frozen=True)
class Member:
    """One of the family.

    Parameters
    ----------
    name
        What `remap_ray.training.datasets.load` knows it by.
    title
        What people call it.
    class_names
        In label order.
    official
        Where it can be downloaded.
    packaged
        Folders that a package of the system puts it into.
    package
        The name of that package, as Debian has it.
    labels
        SHA-256 of the official training labels, one byte each, without header or gzip, by which
        repacked files are known; empty where that is not known.
    """

    name: str
    title: str
    class_names: tuple[str, ...]
    official: Origin
    packaged: tuple[Path, ...] = ()
    package: str = ""
    labels: str = ""

    @property
    def ways_out(self) -> str:
        """What a person can do where it is not there."""
        install = f"install Debian's package with `apt install {self.package}`, or "
        return (
            f"{install if self.package else ''}put the four official *-ubyte.gz files into a "
            "folder and give that folder's path as the data set"
        )

    @property
    def remedy(self) -> str:
        """What a person can do about a damaged file."""
        again = (
            f", or run `apt install --reinstall {self.package}` where it comes from that package"
        )
        return f"{REMEDY}{again if self.package else ''}"


def _origin(address: str, *sums: str) -> Origin:
    return Origin(address, MappingProxyType(dict(zip(FILES, sums, strict=True))))


FASHION = Member(
    "fashion-mnist",
    "Fashion-MNIST",
    (
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
    ),
    # The address in the authors' README. It offers no https; the checksums make up for it.
    _origin(
        "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
        "3aede38d61863908ad78613f6a32ed271626dd12800ba2636569512369268a84",
        "a04f17134ac03560a47e3764e11b92fc97de4d1bfaf8ba1a3aa29af54cc90845",
        "346e55b948d973a97e58d2351dde16a484bd415d4595297633bb08f03db6a073",
        "67da17c76eaffca5446c3361aaab5c3cd6d1c2608764d35dfb1850b086bf8dd5",
    ),
    (Path("/usr/share/datasets/fashion-mnist"),),
    "dataset-fashion-mnist",
    "657fbd221bfc9f4198cc14b5619cc33ec57c58dd0e47af4d99d6650759e869a7",
)

MNIST = Member(
    "mnist",
    "MNIST",
    tuple("0123456789"),
    # The site of its authors no longer gives the files away; this is the copy that torchvision
    # takes.
    _origin(
        "https://ossci-datasets.s3.amazonaws.com/mnist/",
        "440fcabf73cc546fa21475e81ea370265605f56be210a4024d2ca8f203523609",
        "3552534a0a558bbed6aed32b30c495cca23d567ec52cac8be1a0730e8010255c",
        "8d422c7b0a1c1c79245a5bcf07fe86e33eeafee792b84584aec276f5a2dbc4e6",
        "f7ae60f92e00ec6debd23a6088c31dbd2371eca3ffa0defaefb259924204aec6",
    ),
)

KMNIST = Member(
    "kmnist",
    "KMNIST",
    ("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
    _origin(
        "https://codh.rois.ac.jp/kmnist/dataset/kmnist/",
        "51467d22d8cc72929e2a028a0428f2086b092bb31cfb79c69cc0a90ce135fde4",
        "e38f9ebcd0f3ebcdec7fc8eabdcdaef93bb0df8ea12bee65224341c8183d8e17",
        "edd7a857845ad6bb1d0ba43fe7e794d164fe2dce499a1694695a792adfac43c5",
        "20bb9a0ef54c7db3efc55a92eef5582c109615df22683c380526788f98e42a1c",
    ),
)

MEMBERS = (FASHION, MNIST, KMNIST)


def load(
    member: Member,
    seed: int,
    places: Places | None = None,
    origin: Origin | None = None,
    progress: Progress = quiet,
) -> DataSet:
    """Read one of the family from where it lies on this machine, or download it first.

    Parameters
    ----------
    seed
        Decides which images are for validation.
    places
        Where to look; None is `Places.of` this machine.
    origin
        Where to download from; None is the official place.

    Raises
    ------
    DataError
        Where it is nowhere and cannot be downloaded, or is damaged.
    """
    places = places or Places.of(member.name, *member.packaged)
    folder = found_or_downloaded(
        member.title, places, origin or member.official, missing, progress, member.ways_out
    )
    remedy = AGAIN if folder == places.cache else member.remedy
    return read(folder, seed, member.name, member, remedy)


def missing(folder: Path) -> list[str]:
    """Name the files of the four that ``folder`` lacks, or that may not be read."""
    return [name for name in FILES if not os.access(folder / name, os.R_OK)]


def is_here(folder: Path) -> bool:
    """Say whether a folder holds a file that is named as those of the family."""
    return any(_alike(folder, name) for name in FILES)


def read(
    folder: Path, seed: int, source: str, member: Member, remedy: str | None = None
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
    remedy = member.remedy if remedy is None else remedy
    if lacking := missing(folder):
        raise DataError(
            f"{folder} lacks {', '.join(lacking)} of {member.title}; {member.ways_out}",
            folder / lacking[0],
        )
    paths = {name: folder / name for name in FILES}
    return _read(paths, seed, source, member, remedy)


def read_unknown(folder: Path, seed: int) -> DataSet:
    """Read four files of the family from a folder, whichever set they are.

    The official files of `MEMBERS` are recognised by their checksums. Of others the classes are
    called by their numbers, and the set by the folder; names may begin with more, as EMNIST's do
    (``emnist-letters-train-images-idx3-ubyte.gz``).

    Raises
    ------
    DataError
        As `read`, and where the folder holds more than one set.
    """
    paths: dict[str, Path] = {}
    for name in FILES:
        found = _alike(folder, name)
        if len(found) > 1:
            raise DataError(
                f"{folder} holds more than one set: {', '.join(one.name for one in found)}; put "
                "the four files of one set into a folder of its own",
                folder,
            )
        if not found or not os.access(found[0], os.R_OK):
            raise DataError(
                f"{folder} lacks {name}; a set of the MNIST family is four files: "
                f"{', '.join(FILES)}",
                folder / name,
            )
        paths[name] = found[0]
    return _read(paths, seed, str(folder), None, f"{REMEDY}, or remove the folder's")


def _alike(folder: Path, name: str) -> list[Path]:
    """Find the files of a folder that end as an official one; EMNIST calls ``t10k`` ``test``."""
    endings = {name, name.replace("t10k", "test")}
    return sorted(one for ending in endings for one in folder.glob(f"*{ending}"))


def _read(
    paths: Mapping[str, Path], seed: int, source: str, member: Member | None, remedy: str
) -> DataSet:
    images, labels = _pair(paths[TRAIN_IMAGES], paths[TRAIN_LABELS], remedy)
    test_images, test_labels = _pair(paths[TEST_IMAGES], paths[TEST_LABELS], remedy)
    known = _recognised(paths[TRAIN_LABELS], labels)
    if member is None and known is None:
        # EMNIST's letters count from 1; a class is called by what stands in the file.
        values = np.unique(np.concatenate([labels, test_labels]))
        labels, test_labels = np.searchsorted(values, labels), np.searchsorted(values, test_labels)
        name, class_names = paths[TRAIN_LABELS].parent.name, tuple(map(str, values.tolist()))
    else:
        one = member or known
        assert one is not None
        _check(one, known, paths, labels, test_labels, remedy)
        name, class_names = one.name, one.class_names
    if images.shape[1:] != test_images.shape[1:]:
        raise DataError(
            f"the images of {paths[TRAIN_IMAGES]} and {paths[TEST_IMAGES].name} differ in size; "
            f"{remedy}",
            paths[TEST_IMAGES],
        )
    train, validation = divide(labels, SHARES, seed, class_names, paths[TRAIN_LABELS])
    return DataSet(
        name,
        source,
        take(images, labels, train),
        take(images, labels, validation),
        Part(test_images.copy(), test_labels),  # The buffer of a file is read-only.
        class_names,
    )


def _check(
    member: Member,
    known: Member | None,
    paths: Mapping[str, Path],
    labels: Labels,
    test_labels: Labels,
    remedy: str,
) -> None:
    """See that labels are those of a member, as far as can be said."""
    for name, these in ((TRAIN_LABELS, labels), (TEST_LABELS, test_labels)):
        if these.max() >= len(member.class_names):
            raise DataError(
                f"{paths[name]} holds label {these.max()}, the last class is "
                f"{len(member.class_names) - 1}; {remedy}",
                paths[name],
            )
    # What is as large as an official set is one: only which is the question.
    another = known is not None and known is not member
    if another or (member.labels and known is None and len(labels) == OFFICIAL_COUNT):
        raise DataError(
            f"{paths[TRAIN_LABELS]} does not hold {member.title}'s labels (MNIST and others of its "
            "family name their files alike, and would get the wrong class names); give the "
            "folder's path as the data set",
            paths[TRAIN_LABELS],
        )


def _recognised(path: Path, labels: Labels) -> Member | None:
    """Say which of the family official training labels belong to."""
    if len(labels) != OFFICIAL_COUNT or labels.max() > 255:
        return None
    unpacked = hashlib.sha256(labels.astype(np.uint8).tobytes()).hexdigest()
    with path.open("rb") as file:
        packed = hashlib.file_digest(file, "sha256").hexdigest()
    for member in MEMBERS:
        if unpacked == member.labels or packed == member.official.sha256[TRAIN_LABELS]:
            return member
    return None


def _pair(images_path: Path, labels_path: Path, remedy: str) -> tuple[Images, Labels]:
    """Read images (N, 1, H, W) and their labels, and see that they belong together."""
    images = idx.read(images_path, 3, remedy)
    labels = idx.read(labels_path, 1, remedy)
    if len(images) != len(labels) or not images.size:
        raise DataError(
            f"{images_path} holds {len(images):,} images and {labels_path.name} "
            f"{len(labels):,} labels; {remedy}",
            labels_path,
        )
    if images_path.name.startswith(EMNIST):
        images = np.ascontiguousarray(images.transpose(0, 2, 1))
    return images[:, np.newaxis], labels.astype(np.int64)
