"""Safetensors without torch, of which equal content is equal bytes."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load, save

from remap_ray.errors import DataError

__all__ = ["LENGTH", "metadata_of", "read", "sorted_header", "written"]

LENGTH = 8
"""Bytes of the number, at the start of a safetensors file, that tells its header's length."""


def sorted_header(data: bytes) -> bytes:
    """Give the same file with its metadata in order: safetensors writes them in random order."""
    body = LENGTH + int.from_bytes(data[:LENGTH], "little")
    header = json.loads(data[LENGTH:body])
    header["__metadata__"] = dict(sorted(header.get("__metadata__", {}).items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % LENGTH)
    return len(text).to_bytes(LENGTH, "little") + text + data[body:]


def metadata_of(data: bytes) -> dict[str, str]:
    """Give the metadata of a whole file, or of its start up to the end of its header."""
    header = json.loads(data[LENGTH : LENGTH + int.from_bytes(data[:LENGTH], "little")])
    found: dict[str, str] = header.get("__metadata__", {})
    return found


def written(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, str]) -> bytes:
    """Write arrays and metadata."""
    plain = {name: np.ascontiguousarray(one) for name, one in arrays.items()}
    return sorted_header(save(plain, dict(metadata)))


def read(
    data: bytes, expected: Mapping[str, str]
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Read arrays and metadata.

    Raises
    ------
    DataError
        No whole safetensors, or metadata that are not as expected.
    """
    try:
        arrays = load(data)
    except SafetensorError as error:
        raise DataError(f"no whole safetensors ({error})") from None
    metadata = metadata_of(data)
    for key, value in expected.items():
        found = metadata.get(key, "unknown")
        if found != value:
            raise DataError(f"the {key} is {found}, this model's is {value}")
    return arrays, metadata
