"""The IDX format of the MNIST family: an array of bytes behind a short header, gzipped."""

from __future__ import annotations

import gzip
import zlib
from math import prod
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from remap_ray.errors import DataError

__all__ = ["read"]

UNSIGNED_BYTE = 0x08


def read(path: Path, dimensions: int, remedy: str) -> NDArray[np.uint8]:
    """Read the array out of a gzipped IDX file of unsigned bytes.

    The header is two zero bytes, one for the type of the values (8 is unsigned
    byte), one for the number of dimensions, and each dimension as a big-endian
    32-bit number (Y. LeCun, The MNIST database, "The IDX file format").

    Parameters
    ----------
    dimensions
        How many the array must have: 3 for images, 1 for labels.
    remedy
        What a person can do about a damaged file, for the error.

    Raises
    ------
    DataError
        Where the file cannot be read or is not such a file, with its path.
    """
    try:
        with gzip.open(path) as file:
            data = file.read()
    except (OSError, EOFError, zlib.error) as error:
        raise DataError(f"{path} cannot be read ({error}); {remedy}", path) from error
    header = 4 + 4 * dimensions
    magic = bytes([0, 0, UNSIGNED_BYTE, dimensions])
    if data[:4] != magic:
        raise DataError(
            f"{path} is no IDX file of {dimensions}-dimensional bytes: it begins with "
            f"{data[:4].hex() or 'nothing'} instead of {magic.hex()}; {remedy}",
            path,
        )
    if len(data) < header:
        raise DataError(f"{path} ends within its header; {remedy}", path)
    shape = tuple(int(size) for size in np.frombuffer(data, ">u4", dimensions, offset=4))
    if len(data) != header + prod(shape):
        raise DataError(
            f"{path} holds {len(data) - header:,} bytes after its header, which announces "
            f"{' x '.join(map(str, shape))} = {prod(shape):,}; {remedy}",
            path,
        )
    return np.frombuffer(data, np.uint8, offset=header).reshape(shape)
