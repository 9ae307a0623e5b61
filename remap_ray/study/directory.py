"""The directory of a study: how it comes into being, and whether there is one."""

from __future__ import annotations

import fcntl
import io
import os
import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import insert
from sqlalchemy.exc import OperationalError

from remap_ray.errors import (
    DiskFull,
    InvalidRequest,
    NotAStudy,
    RemapError,
    StudyExists,
    StudyTooNew,
    StudyTooOld,
)
from remap_ray.study import files, media, migration, schema
from remap_ray.study.files import write_whole
from remap_ray.study.records import Thumbnail
from remap_ray.version import VERSION

__all__ = [
    "DATA",
    "DATABASE",
    "IMAGES",
    "SPACE",
    "WEIGHTS",
    "bring_up_to_date",
    "check",
    "check_free",
    "create",
    "is_read_only",
    "read_images",
    "unreadable",
]

DATABASE = "study.db"
WEIGHTS = "weights"
SPACE = "space.toml"
"""What the study's models are sampled from, so that a later version draws the same ones."""
IMAGES = "validation.npy"
"""The validation part's images as a person sees them, uint8 (n, H, W) or (n, H, W, 3)."""

DATA = "data.npz"
"""The data set itself, where it came from memory and can be found nowhere else."""

PART = f"{DATABASE}.part"
LEFTOVERS = frozenset(
    [f"{PART}{suffix}" for suffix in ("", "-wal", "-shm", "-journal")]
    + [f"{name}{suffix}" for name in (SPACE, IMAGES, DATA) for suffix in ("", ".part")]
)
"""What a crash while creating may leave; the next attempt starts from these anew."""


def create(
    path: Path,
    values: Mapping[str, Any],
    thumbnails: Iterable[Thumbnail],
    space: str,
    images: NDArray[np.uint8] | None = None,
    arrays: Mapping[str, NDArray[Any]] | None = None,
) -> None:
    """Make the directory and database of a new study.

    The database gets its name only when it is complete, so a crash leaves no
    half-made study.

    Parameters
    ----------
    path
        Absolute; does not exist yet, or is an empty directory.
    values
        The columns of the table ``study``.
    space
        What is kept as `SPACE`; nothing is where it is empty.
    images
        What is kept as `IMAGES`; without it there is no such file.
    arrays
        What is kept as `DATA`, likewise.

    Raises
    ------
    StudyExists
        There is a study, or something else, at ``path``.
    InvalidRequest
        The directory cannot be made or written. As after any other error, nothing is left
        behind.
    """
    check_free(path)
    missing = [one for one in (path / WEIGHTS, path, *path.parents) if not one.exists()]
    try:
        (path / WEIGHTS).mkdir(parents=True, exist_ok=True)
        with _alone_in(path):
            # Another process may have been quicker.
            check_free(path)
            try:
                _fill(path / PART, path.name, values, thumbnails)
                if space:
                    write_whole(path / SPACE, space.encode())
                if images is not None:
                    write_whole(path / IMAGES, _npy(images))
                if arrays is not None:
                    write_whole(path / DATA, _npz(arrays))
                (path / PART).rename(path / DATABASE)
            except BaseException:
                _remove_leftovers(path)
                _remove_empty(missing)
                raise
    except (OSError, OperationalError) as error:
        if isinstance(error, RemapError):
            raise
        _remove_empty(missing)
        reason = error.orig if isinstance(error, OperationalError) else error.strerror
        raise InvalidRequest(
            f"{path} cannot be created ({reason}); name a directory that can be written"
        ) from error


def _fill(
    database: Path, name: str, values: Mapping[str, Any], thumbnails: Iterable[Thumbnail]
) -> None:
    _remove_leftovers(database.parent)
    engine = schema.connect(database)
    try:
        with engine.execution_options(writes=True).begin() as connection:
            schema.METADATA.create_all(connection)
            connection.execute(
                insert(schema.study).values(id=1, name=name, remap=VERSION, **values)
            )
            connection.execute(insert(schema.counter).values(id=1, number=0))
            connection.execute(insert(schema.queue).values(id=1, paused=False))
            for one in thumbnails:
                connection.execute(insert(schema.thumbnails).values(label=one.label, png=one.png))
            connection.exec_driver_sql(f"PRAGMA application_id = {schema.APPLICATION_ID}")
            connection.exec_driver_sql(f"PRAGMA user_version = {schema.FORMAT}")
    finally:
        # Closing the last connection moves the log into the one file that is renamed.
        engine.dispose()


def _npy(array: NDArray[np.uint8]) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()


def _npz(arrays: Mapping[str, NDArray[Any]]) -> bytes:
    file = io.BytesIO()
    named: dict[str, Any] = dict(arrays)
    np.savez_compressed(file, **named)
    return file.getvalue()


def read_images(path: Path) -> NDArray[np.uint8] | None:
    """Give the images kept at ``path`` without reading them; None where there are none.

    What is cut short or no array of images counts as none: only pictures are missing then.
    """
    try:
        found = np.load(path / IMAGES, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return found if found.dtype == np.uint8 and found.ndim in {3, 4} else None


def _remove_leftovers(path: Path) -> None:
    for name in LEFTOVERS:
        (path / name).unlink(missing_ok=True)


def _remove_empty(directories: Iterable[Path]) -> None:
    for one in directories:
        # What is not there, or holds something by now, is not ours to remove.
        with suppress(OSError):
            one.rmdir()


@contextmanager
def _alone_in(path: Path) -> Iterator[None]:
    """Keep other processes from creating a study here; a dead one's lock is free."""
    folder = os.open(path, os.O_RDONLY)
    try:
        # A file system that knows no locks is no reason not to create.
        with suppress(OSError):
            fcntl.flock(folder, fcntl.LOCK_EX)
        yield
    finally:
        os.close(folder)


def check_free(path: Path) -> None:
    """Make sure that a study could be created at ``path``, or raise `StudyExists`."""
    if path.exists() and not path.is_dir():
        raise StudyExists(path, "is a file; name a directory that does not exist yet")
    if (path / DATABASE).exists():
        try:
            check(path)
        except NotAStudy:
            raise StudyExists(
                path, f"has a {DATABASE} that is no study; name another directory"
            ) from None
        except StudyTooNew:
            # A study all the same; opening it says the rest.
            pass
        raise StudyExists(path)
    if path.exists() and not all(_is_leftover(one) for one in path.iterdir()):
        raise StudyExists(path, "is not empty and no study; name another directory")


def _is_leftover(one: Path) -> bool:
    if one.name == WEIGHTS:
        return one.is_dir() and not any(one.iterdir())
    return one.name in LEFTOVERS


def check(path: Path) -> int:
    """Make sure that ``path`` holds a study of a format that is known; nothing is changed.

    Returns
    -------
    int
        Its format, which may be an older one: `bring_up_to_date` makes it this one.

    Raises
    ------
    NotAStudy, StudyTooNew
    """
    if not path.exists():
        raise NotAStudy(path, "does not exist")
    if not path.is_dir():
        raise NotAStudy(path, "is a file", "a study is a directory: name that one")
    if not (path / DATABASE).is_file():
        raise NotAStudy(path)
    found = _format_of(path)
    if found > schema.FORMAT:
        raise StudyTooNew(path, found, schema.FORMAT)
    return found


def bring_up_to_date(path: Path) -> None:
    """Migrate a study of an older format, on a copy that then takes its place.

    Raises
    ------
    StudyTooOld
        It cannot be; the study is as it was.
    """
    if media.is_read_only(path):
        raise StudyTooOld(path, check(path), schema.FORMAT, "it is read-only")
    with _alone_in(path):
        # Another process may have been quicker.
        found = check(path)
        if found < schema.FORMAT:
            migration.migrate(path / DATABASE, found)


def is_read_only(path: Path) -> bool:
    """Whether the study at ``path`` can be looked at only."""
    return media.is_read_only(path) or media.is_read_only(path / DATABASE)


def unreadable(path: Path, reason: object) -> NotAStudy:
    """Make the error for a study whose database is damaged or closed to us."""
    return NotAStudy(
        path,
        f"has a {DATABASE} that cannot be read ({reason})",
        "make sure that nothing else holds it, or put a copy of it back",
    )


def _format_of(path: Path) -> int:
    # Never read by hand: closing any other descriptor of the file would drop, unseen, the locks
    # of this process's connections to it, and another process would take itself for the last
    # one and delete the log under them.
    database = path / DATABASE
    looked_at = media.reading_uri(database) if is_read_only(path) else database.absolute().as_uri()
    try:
        connection = sqlite3.connect(looked_at, uri=True)
        try:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        if files.is_full(error):
            # SQLite needs a little room even to look.
            raise DiskFull(path) from error
        raise unreadable(path, error) from error
    if application != schema.APPLICATION_ID:
        raise NotAStudy(path, f"has a {DATABASE} that is no study", "name another directory")
    return int(version)
