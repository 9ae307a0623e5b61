"""Data sets out of a folder with one subfolder of images for each class."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageOps

from remap_ray.errors import DataError
from remap_ray.training.parts import DataSet, Labels, divided

__all__ = ["DEEP_MODES", "ENDINGS", "joined", "pixels_of", "read"]

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".webp")

DEEP_MODES = ("I", "F")
"""How the names of Pillow's modes with more than 8 bits per channel begin."""


def read(folder: Path, seed: int) -> DataSet:
    """Read a data set from a folder of images per class.

    The subfolders are the classes, in the order of their names; of each, the
    files that end as an image, in the order of theirs. Whatever is hidden (its
    name begins with a dot) is passed over. Where every image is grey the set
    has one channel, else three. What is transparent becomes white; of an
    animation the first picture counts; a photograph's note on how to turn it
    is followed. Divided 70 : 15 : 15.

    Parameters
    ----------
    folder
        Absolute.
    seed
        Decides which image is in which part.

    Raises
    ------
    DataError
        Where there are no two classes with images, an image cannot be read, or
        one differs in size from the first.
    """
    files = _files(folder)
    class_names = tuple(files)
    paths = [path for members in files.values() for path in members]
    images = _stack(paths)
    labels: Labels = np.repeat(
        np.arange(len(files), dtype=np.int64), [len(members) for members in files.values()]
    )
    return divided(folder.name, str(folder), images, labels, class_names, seed, folder)


def _files(folder: Path) -> dict[str, list[Path]]:
    """List the image files of each class."""
    try:
        classes = sorted(
            entry.name
            for entry in folder.iterdir()
            if entry.is_dir() and not entry.name.startswith(".")
        )
        files = {
            name: sorted(
                file
                for file in (folder / name).iterdir()
                if file.suffix.lower() in ENDINGS
                and not file.name.startswith(".")
                and file.is_file()
            )
            for name in classes
        }
    except OSError as error:
        raise DataError(f"{folder} cannot be read ({error})", folder) from error
    if unnamed := [name for name in classes if not name.isprintable()]:
        raise DataError(
            f"{folder} has a class {unnamed[0]!r}, which cannot be shown; rename that subfolder",
            folder,
        )
    if len(files) < 2:
        raise DataError(
            f"{folder} is no folder of images per class: it must have a subfolder for each of at "
            f"least two classes, and has {len(files)}",
            folder,
        )
    for name, members in files.items():
        if not members:
            raise DataError(
                f"{folder / name} holds no image ({', '.join(ENDINGS)}); give the folder whose "
                "subfolders are the classes, or remove the empty one",
                folder / name,
            )
    return files


def _stack(paths: list[Path]) -> NDArray[np.uint8]:
    """Read images of one size into (N, C, H, W)."""
    first = _read_image(paths[0])
    images = [first]
    for path in paths[1:]:
        image = _read_image(path)
        if image.shape[1:] != first.shape[1:]:
            raise DataError(
                f"{path} is {image.shape[2]} x {image.shape[1]} pixels and {paths[0]} "
                f"{first.shape[2]} x {first.shape[1]}; all images must have one size",
                path,
            )
        images.append(image)
    return joined(images)


def joined(images: Sequence[NDArray[np.uint8]]) -> NDArray[np.uint8]:
    """Make (N, C, H, W) of images of one size, each (1, H, W) or (3, H, W)."""
    channels = max(len(image) for image in images)
    stacked = np.empty((len(images), channels, *images[0].shape[1:]), np.uint8)
    for index, image in enumerate(images):
        stacked[index] = image
    return stacked


def _read_image(path: Path) -> NDArray[np.uint8]:
    """Read one image into (1, H, W) where it is grey, else into (3, H, W)."""
    try:
        with Image.open(path) as file:
            mode = file.mode
            pixels = None if mode.startswith(DEEP_MODES) else pixels_of(file)
    except (
        OSError,
        SyntaxError,
        ValueError,
        struct.error,
        zlib.error,
        Image.DecompressionBombError,
    ) as error:
        raise DataError(
            f"{path} cannot be read as an image ({error}); repair it, or remove it from the folder",
            path,
        ) from error
    if pixels is None:
        raise DataError(
            f"{path} has more than 8 bits per channel (mode {mode}); save it with 8, or give the "
            "set as a .npz of float32",
            path,
        )
    return pixels


def pixels_of(file: Image.Image) -> NDArray[np.uint8]:
    """Give an image as a viewer would show it: (1, H, W) where it is grey, else (3, H, W)."""
    upright = ImageOps.exif_transpose(file)
    if upright.has_transparency_data:
        clear = upright.convert("RGBA")
        upright = Image.new("RGBA", clear.size, "white")
        upright.alpha_composite(clear)
    pixels = np.asarray(upright.convert("RGB")).transpose(2, 0, 1)
    grey = bool((pixels == pixels[:1]).all())
    return np.ascontiguousarray(pixels[:1] if grey else pixels)
