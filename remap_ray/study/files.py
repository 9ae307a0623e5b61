"""Files of a study, whole or not there at all."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import sqlite3
from pathlib import Path

from sqlalchemy.exc import DBAPIError

from remap_ray.errors import DiskFull, StudyReadOnly

__all__ = ["PART", "checksum", "is_full", "is_read_only", "metadata_at", "write_whole"]

PART = ".part"
"""End of the name of a file that is being written."""

FULL = {errno.ENOSPC, errno.EDQUOT}


def checksum(data: bytes) -> str:
    """Give the SHA-256 of a file's data in hex digits."""
    return hashlib.sha256(data).hexdigest()


def is_full(error: DBAPIError | sqlite3.Error) -> bool:
    """Whether SQLite found no room on the disk."""
    # Where the file that it shares among processes cannot grow, it says that it cannot be read.
    return _code(error) in {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR_SHMSIZE}


def is_read_only(error: DBAPIError) -> bool:
    """Whether SQLite was not allowed to write."""
    return (_code(error) or 0) & 0xFF == sqlite3.SQLITE_READONLY


def _code(error: DBAPIError | sqlite3.Error) -> int | None:
    told = error.orig if isinstance(error, DBAPIError) else error
    return getattr(told, "sqlite_errorcode", None)


def metadata_at(path: Path) -> dict[str, str]:
    """Read what a safetensors file says of itself, and nothing more of it; empty where it cannot.

    Only what is shown depends on it: whoever uses the weights checks them.
    """
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
            header = json.loads(file.read(min(length, _HEADER)))
    except (OSError, ValueError):
        return {}
    found = header.get("__metadata__") if isinstance(header, dict) else None
    return {str(key): str(value) for key, value in found.items()} if found else {}


_HEADER = 10_000_000
"""Bytes of a header at most that are read."""


def write_whole(path: Path, data: bytes) -> None:
    """Write a file so that a crash leaves the old one, the new one, but never a part.

    The data reach the disk before the name does, and the name before this returns.

    Raises
    ------
    DiskFull, StudyReadOnly
        The old file, if there was one, is as it was.
    """
    try:
        _write(path, data)
    except OSError as error:
        if error.errno in FULL:
            raise DiskFull(path.parents[1]) from error
        if error.errno == errno.EROFS:
            raise StudyReadOnly(path.parents[1]) from error
        raise


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}{PART}")
    try:
        with part.open("wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError:
        # A part would hold on to the room that a full disk lacks.
        part.unlink(missing_ok=True)
        raise
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
