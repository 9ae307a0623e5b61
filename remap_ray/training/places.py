"""Where the files of a named data set may lie on this machine."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

__all__ = ["cache_of", "given_for"]


def given_for(name: str) -> tuple[Path, ...]:
    """Give ``$REMAP_DATA/NAME``, or nothing where that is not set: only ever read."""
    given = os.environ.get("REMAP_DATA")
    return (Path(given).expanduser() / name,) if given else ()


def cache_of(name: str) -> Path:
    """Give the folder of a data set in the user's cache, which takes downloads."""
    return platformdirs.user_cache_path("remap", appauthor=False) / name
