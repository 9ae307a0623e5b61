"""Fetch one file: checked, whole or not at all, and from where an earlier attempt broke off."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import logging
import os
import urllib.error
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import IO, TypeAlias

from remap_ray.errors import DataError

__all__ = ["Progress", "fetch", "fetch_start", "quiet"]

SILENCE = 30.0
"""Seconds without a byte after which a transfer has failed."""

CHUNK = 1 << 18

Progress: TypeAlias = Callable[[str, int, int | None], None]
"""Told the name of a file, how many bytes are here, and how many there are, where that is known."""

NOTHING_LEFT = 416

_log = logging.getLogger(__name__)


def quiet(name: str, received: int, total: int | None) -> None:
    """Tell nobody."""


def fetch(
    url: str,
    target: Path,
    sha256: str,
    *,
    timeout: float = SILENCE,
    progress: Progress = quiet,
) -> None:
    """Download ``url`` into ``target``.

    What arrives goes to a file beside it, which takes the target's name once its checksum is
    right: at no time does ``target`` hold half a file. What an interrupted transfer has left
    there is gone on with; of several processes one downloads, and the others wait for it. A
    target that has the checksum already is left as it is.

    Parameters
    ----------
    sha256
        Of the file as it is transferred, in hexadecimal digits.
    timeout
        Seconds without a byte after which the transfer has failed.

    Raises
    ------
    DataError
        Where the address cannot be reached, the transfer breaks off, the
        content is another one, or ``target`` cannot be written. What broke off is kept for
        the next attempt; what is wrong is not.
    """
    _check_address(url, target)
    _log.info("downloading %s to %s", url, target)
    partial = target.with_name(f".{target.name}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        # Unbuffered: what has arrived counts, whatever happens next.
        file = partial.open("ab+", buffering=0)
    except OSError as error:
        raise DataError(f"{target.parent} cannot be written to ({error})", target) from error
    with file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not _is_at(file, partial):
                # Whoever held the lock has finished, or thrown away what was wrong.
                if target.exists():
                    return None
                return fetch(url, target, sha256, timeout=timeout, progress=progress)
            if _is_whole(target, sha256):
                # Another has finished between our caller's look and our lock.
                partial.unlink(missing_ok=True)
                return None
            _transfer(url, file, timeout, progress, target.name)
            os.fsync(file.fileno())
            file.seek(0)
            found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha256:
                partial.unlink(missing_ok=True)
                raise DataError(
                    f"what {url} sent is not the expected file: its SHA-256 is {found}, "
                    f"expected {sha256}",
                    target,
                )
            partial.replace(target)
        except (OSError, http.client.HTTPException) as error:
            if not file.closed and os.fstat(file.fileno()).st_size == 0:
                partial.unlink(missing_ok=True)
            raise DataError(f"{url} could not be downloaded ({error})", target) from error


def fetch_start(
    url: str, count: int, target: Path, *, timeout: float = SILENCE, progress: Progress = quiet
) -> bytes:
    """Download the first ``count`` bytes of ``url``, or all where there are fewer.

    Parameters
    ----------
    target
        What they are for: told in errors and to ``progress``, and not written.

    Raises
    ------
    DataError
        Where the address cannot be reached or the transfer breaks off.
    """
    _check_address(url, target)
    request = urllib.request.Request(url, headers={"Range": f"bytes=0-{count - 1}"})  # noqa: S310
    parts: list[bytes] = []
    received = 0
    try:
        with urllib.request.urlopen(request, timeout=timeout) as response:  # noqa: S310
            announced = _announced(response)
            total = count if announced is None else min(count, announced)
            while received < count and (chunk := response.read(min(CHUNK, count - received))):
                parts.append(chunk)
                received += len(chunk)
                progress(target.name, received, total)
        if announced is not None and received < min(count, announced):
            raise ConnectionError(f"it broke off after {received} of {total} bytes")
    except (OSError, http.client.HTTPException) as error:
        raise DataError(f"{url} could not be downloaded ({error})", target) from error
    return b"".join(parts)


def _check_address(url: str, target: Path) -> None:
    if not url.startswith(("https://", "http://")):
        raise DataError(f"{url} is no http or https address", target)


def _is_at(file: IO[bytes], path: Path) -> bool:
    """Whether an open file is still the one of that name."""
    try:
        return os.path.samestat(os.fstat(file.fileno()), path.stat())
    except FileNotFoundError:
        return False


def _is_whole(target: Path, sha256: str) -> bool:
    try:
        with target.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest() == sha256
    except OSError:
        return False


def _transfer(url: str, file: IO[bytes], timeout: float, progress: Progress, name: str) -> None:
    """Append what ``url`` sends to what ``file`` holds of it already."""
    received = file.seek(0, os.SEEK_END)
    headers = {"Range": f"bytes={received}-"} if received else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http(s) only
    try:
        response = urllib.request.urlopen(request, timeout=timeout)  # noqa: S310 - http(s) only
    except urllib.error.HTTPError as error:
        if error.code == NOTHING_LEFT and received:
            # It was all here; the checksum says whether it is what is wanted.
            error.close()
            return
        raise
    with response:
        announced = _announced(response)
        if response.status != http.client.PARTIAL_CONTENT and received:
            # The server begins anew, and so do we.
            file.truncate(received := 0)
        total = None if announced is None else received + announced
        while chunk := response.read(CHUNK):
            file.write(chunk)
            received += len(chunk)
            progress(name, received, total)
    # Read in chunks, a connection that closes early looks like the end of the file.
    if total is not None and total != received:
        raise ConnectionError(f"it broke off after {received} of {total} bytes")


def _announced(response: http.client.HTTPResponse) -> int | None:
    length = response.headers.get("Content-Length")
    return int(length) if length and length.isdigit() else None
