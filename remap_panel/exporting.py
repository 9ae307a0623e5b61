"""Exports wished from the page: `remap export` as a process of its own, then a zip to download."""

from __future__ import annotations

import logging
import re
import signal
import subprocess
import sys
import tempfile
import threading
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Final, final

from remap_ray.study import Study

__all__ = ["FOLDER", "Export", "Exports", "archive_name"]

FOLDER = "exports"
"""Folder of a study that takes what is exported from the page."""

NAMED: Final = re.compile(r"m(\d+)(?:-(\d+))?")
"""A folder of an export: the model's name, and which time it is from the second on."""

STOP_SECONDS = 5.0

LOG = logging.getLogger(__name__)


@final
@dataclass(frozen=True)
class Export:
    """Where the last export of a model stands.

    Parameters
    ----------
    words
        What is being done now, or why it failed; empty where it is done.
    running
        Whether it goes on.
    folder
        Where all of it is, once it is done; beside it is a zip of the same.
    """

    words: str = ""
    running: bool = False
    folder: Path | None = None

    @property
    def archive(self) -> Path | None:
        """The zip of the folder."""
        return None if self.folder is None else self.folder.with_name(f"{self.folder.name}.zip")


def archive_name(study: Study, number: int) -> str:
    """Give what a download of a model is called: letters and digits, whatever the study's name."""
    plain = re.sub(r"[^A-Za-z0-9]+", "-", study.name).strip("-")
    return f"{plain or 'study'}-m{number}.zip"


@final
class Exports:
    """The exports of one study that this process has made, and those that lie in its directory.

    Parameters
    ----------
    tell
        Called, from a thread, whenever `known` has changed.
    """

    def __init__(self, study: Study, tell: Callable[[], None]) -> None:
        self._study = study
        self._tell = tell
        self._guard = threading.Lock()
        self._processes: set[subprocess.Popen[str]] = set()
        self._threads: list[threading.Thread] = []
        self._ended = False
        self.known: Mapping[int, Export] = MappingProxyType(_lying(study.path / FOLDER))

    def begin(self, number: int) -> bool:
        """Export a model, beside the caller; gives False where that goes on already."""
        with self._guard:
            if self._ended or (number in self.known and self.known[number].running):
                return False
            self._set(number, Export("it begins", running=True))
        thread = threading.Thread(target=self._run, args=(number,), name=f"export m{number}")
        self._threads.append(thread)
        thread.start()
        return True

    def close(self) -> None:
        """End what still goes on; what is not whole leaves nothing behind."""
        with self._guard:
            self._ended = True
            running = tuple(self._processes)
        for one in running:
            one.send_signal(signal.SIGINT)
        for one in running:
            try:
                one.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                one.kill()
        for thread in self._threads:
            thread.join()

    def _set(self, number: int, export: Export) -> None:
        self.known = MappingProxyType({**self.known, number: export})

    def _change(self, number: int, export: Export) -> None:
        with self._guard:
            self._set(number, export)
        self._tell()

    def _run(self, number: int) -> None:
        self._tell()
        try:
            export = self._export(number)
        except OSError as error:
            export = Export(f"{error.strerror or error}: {error.filename}")
        except Exception:
            LOG.exception("m%d could not be exported", number)
            export = Export("something went wrong that REMAP does not know; its log has it")
        self._change(number, export)

    def _export(self, number: int) -> Export:
        folder = self._free(number)
        command = [sys.executable, "-m", "remap_panel", "export", str(self._study.path)]
        with tempfile.TemporaryFile("w+", encoding="utf-8") as said:
            with self._guard:
                if self._ended:
                    return Export("the page's server ended before it began")
                process = subprocess.Popen(
                    [*command, f"m{number}", "-o", str(folder), "--progress"],
                    stdin=subprocess.DEVNULL,
                    stdout=subprocess.PIPE,
                    stderr=said,
                    text=True,
                    # Ctrl-C in the terminal is for the server, which then ends this in order.
                    start_new_session=True,
                )
                self._processes.add(process)
            with process:
                for line in process.stdout or ():
                    self._change(number, replace(self.known[number], words=line.strip()))
            with self._guard:
                self._processes.discard(process)
            if process.returncode:
                said.seek(0)
                lines = said.read().strip().splitlines() or ["it ended without a word"]
                return Export(lines[-1].removeprefix("remap: "))
        _pack(folder)
        return Export(folder=folder)

    def _free(self, number: int) -> Path:
        """Give a folder for an export of this model that is not there yet."""
        if self._study.read_only:
            return Path(tempfile.mkdtemp(prefix="remap-")) / f"m{number}"
        place = self._study.path / FOLDER
        times = [_time(one.name) for one in _exported(place, number)]
        last = max(times, default=0)
        return place / (f"m{number}-{last + 1}" if last else f"m{number}")


def _exported(place: Path, number: int) -> list[Path]:
    found = [one for one in place.glob(f"m{number}*") if NAMED.fullmatch(one.name)]
    return [one for one in found if one.is_dir() and _number(one.name) == number]


def _number(name: str) -> int:
    found = NAMED.fullmatch(name)
    return int(found[1]) if found else 0


def _time(name: str) -> int:
    found = NAMED.fullmatch(name)
    return int(found[2] or 1) if found else 0


def _lying(place: Path) -> dict[int, Export]:
    """Find the last whole export of each model."""
    there = [one for one in place.glob("m*") if one.is_dir() and NAMED.fullmatch(one.name)]
    there.sort(key=lambda one: _time(one.name))
    whole = [one for one in there if one.with_name(f"{one.name}.zip").is_file()]
    return {_number(one.name): Export(folder=one) for one in whole}


def _pack(folder: Path) -> None:
    """Write a zip of a folder beside it, whole or not at all."""
    target = folder.with_name(f"{folder.name}.zip")
    part = target.with_name(f".{target.name}.part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            for file in sorted(folder.iterdir()):
                archive.write(file, f"{folder.name}/{file.name}")
        part.replace(target)
    finally:
        part.unlink(missing_ok=True)
