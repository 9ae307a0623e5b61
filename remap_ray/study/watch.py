"""A cheap way to ask whether a study was written to."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import final

from remap_ray.study.media import reading_uri

__all__ = ["Watch"]


@final
class Watch:
    """Says whether a study was written to since the last time it was asked.

    SQLite's ``data_version`` compares within one connection only, so a watch
    owns one. Use it from one thread.
    """

    def __init__(self, database: Path, *, read_only: bool = False) -> None:
        uri = reading_uri(database) if read_only else f"{database.absolute().as_uri()}?mode=ro"
        self._connection = sqlite3.connect(uri, uri=True, check_same_thread=False)
        self._seen: int | None = None

    def changed(self) -> bool:
        """Whether anything was committed since the last call; True at the first."""
        (version,) = self._connection.execute("PRAGMA data_version").fetchone()
        before, self._seen = self._seen, int(version)
        return before != self._seen

    def close(self) -> None:
        """Let go of the connection."""
        self._connection.close()
