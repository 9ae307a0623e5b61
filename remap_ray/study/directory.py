"""The directory of a study: how it comes into being, and whether there is one."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from remap_ray.errors import NotAStudy, StudyExists, StudyTooNew
from remap_ray.study import schema
from remap_ray.study.records import Thumbnail
from remap_ray.version import VERSION

__all__ = ["DATABASE", "WEIGHTS", "check", "check_free", "create"]

DATABASE = "study.db"
WEIGHTS = "weights"

PART = f"{DATABASE}.part"
LEFTOVERS = frozenset(f"{PART}{suffix}" for suffix in ("", "-wal", "-shm", "-journal"))
"""What a crash while creating may leave; the next attempt starts from these anew."""


def create(path: Path, values: Mapping[str, Any], thumbnails: Iterable[Thumbnail]) -> None:
    """Make the directory and database of a new study.

    The database gets its name only when it is complete, so a crash leaves no
    half-made study.

    Parameters
    ----------
    path
        Absolute; does not exist yet, or is an empty directory.
    values
        The columns of the table ``study``.

    Raises
    ------
    StudyExists
        There is a study, or something else, at ``path``.
    """
    check_free(path)
    (path / WEIGHTS).mkdir(parents=True, exist_ok=True)
    for name in LEFTOVERS:
        (path / name).unlink(missing_ok=True)
    engine = schema.connect(path / PART)
    with engine.execution_options(writes=True).begin() as connection:
        schema.METADATA.create_all(connection)
        connection.execute(
            insert(schema.study).values(id=1, name=path.name, remap=VERSION, **values)
        )
        connection.execute(insert(schema.counter).values(id=1, number=0))
        for one in thumbnails:
            connection.execute(insert(schema.thumbnails).values(label=one.label, png=one.png))
        connection.exec_driver_sql(f"PRAGMA application_id = {schema.APPLICATION_ID}")
        connection.exec_driver_sql(f"PRAGMA user_version = {schema.FORMAT}")
    # Closing the last connection moves the log into the one file that is renamed.
    engine.dispose()
    (path / PART).rename(path / DATABASE)


def check_free(path: Path) -> None:
    """Make sure that a study could be created at ``path``, or raise `StudyExists`."""
    if (path / DATABASE).exists():
        raise StudyExists(path)
    if path.exists() and not path.is_dir():
        raise StudyExists(path, "is a file; name a directory that does not exist yet")
    if path.exists() and any(one.name not in LEFTOVERS | {WEIGHTS} for one in path.iterdir()):
        raise StudyExists(path, "is not empty and no study; name another directory")


def check(path: Path) -> None:
    """Make sure that ``path`` holds a study of a format that is known; nothing is changed.

    Raises
    ------
    NotAStudy, StudyTooNew
    """
    if not path.exists():
        raise NotAStudy(path, "does not exist")
    if not path.is_dir() or not (path / DATABASE).is_file():
        raise NotAStudy(path)
    found = _format_of(path)
    if found > schema.FORMAT:
        raise StudyTooNew(path, found, schema.FORMAT)


def _format_of(path: Path) -> int:
    uri = f"{(path / DATABASE).as_uri()}?mode=ro"
    try:
        connection = sqlite3.connect(uri, uri=True)
        try:
            (application,) = connection.execute("PRAGMA application_id").fetchone()
            (version,) = connection.execute("PRAGMA user_version").fetchone()
        finally:
            connection.close()
    except sqlite3.DatabaseError as error:
        raise NotAStudy(path, f"has a {DATABASE} that cannot be read ({error})") from error
    if application != schema.APPLICATION_ID:
        raise NotAStudy(path, f"has a {DATABASE} that is no study")
    return int(version)
