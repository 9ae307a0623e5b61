"""Where the files of a named data set may lie on this machine, and how they get there."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

import platformdirs

from remap_ray.errors import DataError
from remap_ray.training.download import Progress, fetch

__all__ = ["Origin", "Places", "found_or_downloaded", "found_or_fetched"]


@final
@dataclass(frozen=True)
class Origin:
    """Where files can be downloaded, and the SHA-256 of each as it is transferred, by its name.

    A file's address is ``address`` and its name.
    """

    address: str
    sha256: Mapping[str, str]


@final
@dataclass(frozen=True)
class Places:
    """Where files may lie.

    Parameters
    ----------
    installed
        Folders to look into, in this order, and never to write to.
    cache
        The folder to look into last, and to download into.
    """

    installed: tuple[Path, ...]
    cache: Path

    @staticmethod
    def of(name: str, *packaged: Path) -> Places:
        """Give ``$REMAP_DATA/NAME``, where packages put the set, and the user's cache."""
        given = os.environ.get("REMAP_DATA")
        ours = (Path(given).expanduser() / name,) if given else ()
        cache = platformdirs.user_cache_path("remap", appauthor=False) / name
        return Places((*ours, *packaged), cache)


def found_or_downloaded(
    title: str,
    places: Places,
    origin: Origin,
    missing: Callable[[Path], Sequence[str]],
    progress: Progress,
    ways_out: str,
) -> Path:
    """Give the folder that a data set's whole files lie in, downloading those that are in none.

    Parameters
    ----------
    missing
        Names the files that a folder lacks.
    title, ways_out
        As for `found_or_fetched`.

    Raises
    ------
    DataError
        Where it is nowhere and cannot be downloaded.
    """

    def fetch_into(folder: Path) -> None:
        for name in missing(folder):
            fetch(origin.address + name, folder / name, origin.sha256[name], progress=progress)

    return found_or_fetched(title, places, lambda one: not missing(one), fetch_into, ways_out)


def found_or_fetched(
    title: str,
    places: Places,
    is_here: Callable[[Path], bool],
    fetch_into: Callable[[Path], None],
    ways_out: str,
) -> Path:
    """Give the folder that a data set lies in, having downloaded it where it was in none.

    Parameters
    ----------
    title
        What people call the set, for the error.
    is_here
        Whether a folder holds all of it.
    fetch_into
        Downloads what a folder lacks.
    ways_out
        What a person can do where that fails, for the error.

    Raises
    ------
    DataError
        Where it is nowhere and cannot be downloaded.
    """
    folders = (*places.installed, places.cache)
    for folder in folders:
        if is_here(folder):
            return folder
    try:
        fetch_into(places.cache)
    except DataError as error:
        looked = ", ".join(map(str, folders))
        raise DataError(
            f"{title} is in none of {looked}, and {error}; {ways_out}", error.path
        ) from (error)
    return places.cache
