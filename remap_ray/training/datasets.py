"""Data sets by name or path: three parts of images, class names, thumbnails, a fingerprint."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from remap_ray.errors import DataError, InvalidRequest
from remap_ray.training import cifar10, image_folder, mnist_family, npz, quickdraw, tables
from remap_ray.training.download import Progress, quiet
from remap_ray.training.parts import DataSet, Images, Part, divided
from remap_ray.training.thumbnails import thumbnails, viewable

__all__ = ["NAMES", "DataSet", "Part", "fingerprint", "load", "scaled", "thumbnails", "viewable"]

FINGERPRINT_DIGITS = 16


def load(
    name_or_path: str,
    *,
    seed: int = 0,
    directory: Path | None = None,
    progress: Progress = quiet,
) -> DataSet:
    """Load a data set that comes with REMAP, or one of your own.

    A name that REMAP knows is tried first (write ``./digits`` for a folder of
    that name), then a path: a ``.npz`` file (`remap_ray.training.npz.read`), a
    folder of images per class (`remap_ray.training.image_folder.read`), or a
    folder with four files of the MNIST family, with CIFAR-10's binary version, or with
    a ``.npy`` per class as those of Quick Draw.

    Parameters
    ----------
    name_or_path
        ``digits``, ``fashion-mnist``, ``mnist``, ``kmnist``, ``cifar10``, ``quickdraw-paper``, a
        table (``breast-cancer``, ``wine``) or a path.
    seed
        Decides which image is in which part; the same seed gives the same
        parts on every machine.
    directory
        Where the files of a named data set are. Without it they are looked for in
        ``$REMAP_DATA/NAME``, in ``/usr/share/datasets/fashion-mnist`` and in the user's
        cache, and else downloaded into that cache.
    progress
        Told how far a download is.

    Raises
    ------
    DataError
        Where there is no such data set or it cannot be read.
    InvalidRequest
        For a negative seed.
    """
    if seed < 0:
        raise InvalidRequest(f"the seed must not be negative, not {seed}")
    if directory is not None:
        return _from_directory(name_or_path, _absolute(directory), seed)
    if name_or_path in _NAMED:
        return _NAMED[name_or_path](seed, progress)
    return _from_path(name_or_path, seed)


def scaled(images: Images) -> NDArray[np.float32]:
    """Turn images into a network's input: the one place that says how.

    uint8 becomes float32 from 0 to 1; float32 is given back as it is, the same
    array, since only its owner knows what its values mean.
    """
    if images.dtype == np.float32:
        return np.asarray(images, np.float32)
    if images.dtype == np.uint8:
        return np.divide(images, np.float32(255), dtype=np.float32)
    raise InvalidRequest(f"images must be uint8 or float32, not {images.dtype}")


def fingerprint(data_set: DataSet) -> str:
    """Sum up what the search sees of a data set, to notice when it has changed.

    Covers the class names and, of training and validation, the shapes, types,
    labels and images: a different seed gives different parts and so a different
    fingerprint. The same on every machine that decodes the images alike.

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    digest = hashlib.blake2b(digest_size=FINGERPRINT_DIGITS // 2)
    digest.update(repr(data_set.class_names).encode())
    if data_set.columns is not None:
        digest.update(repr(data_set.columns).encode())
    for part in (data_set.train, data_set.validation):
        digest.update(f"{part.images.shape} {part.images.dtype.name}".encode())
        for array in (part.labels, part.images):
            little_endian = np.ascontiguousarray(array, array.dtype.newbyteorder("<"))
            digest.update(little_endian.data)
    return digest.hexdigest()


def _absolute(path: Path) -> Path:
    # Path.resolve would follow links, and what a link points to may bear no ending.
    return Path(os.path.abspath(path.expanduser()))  # noqa: PTH100


def _from_directory(name: str, path: Path, seed: int) -> DataSet:
    for member in mnist_family.MEMBERS:
        if member.name == name:
            return mnist_family.read(path, seed, str(path), member)
    return _from_path(str(path), seed)


def _from_path(text: str, seed: int) -> DataSet:
    known = f"known are {', '.join(NAMES)}, and the path of a .npz or of a folder of images"
    if not text.strip():
        raise DataError(f"the name of the data set is empty; {known} per class")
    try:
        path = _absolute(Path(text))
        is_folder, is_file = path.is_dir(), path.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise DataError(f"there is no data set {text!r} ({error}); {known} per class") from error
    if is_folder:
        if mnist_family.is_here(path):
            return mnist_family.read_unknown(path, seed)
        if cifar10.is_here(path):
            return cifar10.read(path, seed, str(path))
        if quickdraw.is_here(path):
            return quickdraw.read(path, seed, str(path))
        return image_folder.read(path, seed)
    if is_file and path.suffix.lower() == ".npz":
        return npz.read(path, seed)
    if is_file:
        raise DataError(f"{path} is no .npz file and no folder; {known} per class", path)
    raise DataError(f"there is no data set {text!r}, and no such path; {known} per class", path)


def _digits(seed: int, _: Progress) -> DataSet:
    """Load scikit-learn's 1,797 digits, 8 x 8, their 17 greys as float32 from 0 to 1.

    Not as uint8, which 17 steps from 0 to 255 would not fit without rounding.
    """
    from sklearn.datasets import load_digits  # noqa: PLC0415 - takes a second, for this set only

    bunch = load_digits()
    images = (bunch.images[:, np.newaxis] / 16).astype(np.float32)
    labels = bunch.target.astype(np.int64)
    class_names = tuple(str(name) for name in bunch.target_names)
    return divided("digits", "digits", images, labels, class_names, seed)


def _member(member: mnist_family.Member, seed: int, progress: Progress) -> DataSet:
    return mnist_family.load(member, seed, progress=progress)


_NAMED: dict[str, Callable[[int, Progress], DataSet]] = {
    "digits": _digits,
    **{member.name: partial(_member, member) for member in mnist_family.MEMBERS},
    cifar10.NAME: lambda seed, progress: cifar10.load(seed, progress=progress),
    quickdraw.NAME: lambda seed, progress: quickdraw.load(seed, progress=progress),
    **{name: lambda seed, _, name=name: tables.load(name, seed) for name in tables.NAMES},  # type: ignore[misc]
}

NAMES = tuple(_NAMED)
"""The data sets that come with REMAP."""
