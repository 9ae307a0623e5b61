"""Studies of older formats: brought to this one on a copy, which then takes their place.

The old database stays beside the new one, as it was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing
from pathlib import Path

from remap_ray.errors import StudyTooOld
from remap_ray.study import schema

__all__ = ["kept_name", "migrate"]

WAIT_SECONDS = 5.0
"""How long others who have the study open may take to leave it."""


def kept_name(name: str, found: int) -> str:
    """Name the file that keeps the database of an older format."""
    return f"{name}.format-{found}"


def migrate(
    database: Path,
    found: int,
    steps: Mapping[int, tuple[str, ...]] = schema.STEPS,
    wanted: int = schema.FORMAT,
) -> None:
    """Bring a database to a newer format.

    The copy gets the name only when it is complete and whole; a crash leaves the old
    database, under its name. Call it while nobody else migrates the same one.

    Parameters
    ----------
    database
        That nobody has open.
    found, wanted
        Its format, and the one to bring it to.
    steps
        By format, the statements that make the next one of it.

    Raises
    ------
    StudyTooOld
        There is no step from its format, the copy would not be whole, or it is in use.
    """
    missing = [one for one in range(found, wanted) if one not in steps]
    if missing:
        raise StudyTooOld(database.parent, found, wanted, "this REMAP knows no way from there")
    part = database.with_name(f"{database.name}.part")
    part.unlink(missing_ok=True)
    try:
        with closing(sqlite3.connect(database, WAIT_SECONDS, isolation_level=None)) as old:
            # Refused while anyone has it open, and moves the log into the file.
            old.execute("PRAGMA journal_mode = DELETE")
            # No writer comes in between; SQLite copies through a connection that does not write.
            old.execute("BEGIN IMMEDIATE")
            with closing(sqlite3.connect(database)) as read, closing(sqlite3.connect(part)) as new:
                read.backup(new)
            _step(part, found, wanted, steps)
            kept = database.with_name(kept_name(database.name, found))
            kept.unlink(missing_ok=True)
            kept.hardlink_to(database)
            part.replace(database)
            old.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        part.unlink(missing_ok=True)
        why = "it is in use" if "locked" in str(error) else str(error)
        raise StudyTooOld(database.parent, found, wanted, why) from error
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _step(part: Path, found: int, wanted: int, steps: Mapping[int, tuple[str, ...]]) -> None:
    with closing(sqlite3.connect(part, isolation_level=None)) as new:
        new.execute("PRAGMA synchronous = FULL")
        new.execute("BEGIN IMMEDIATE")
        for version in range(found, wanted):
            for statement in steps[version]:
                new.execute(statement)
        new.execute(f"PRAGMA user_version = {int(wanted)}")
        new.execute("COMMIT")
        told = [row[0] for row in new.execute("PRAGMA integrity_check").fetchall()]
        broken = new.execute("PRAGMA foreign_key_check").fetchall()
        if told != ["ok"] or broken:
            raise sqlite3.OperationalError(
                f"its copy is not whole: {(told + [str(one) for one in broken])[0]}"
            )
