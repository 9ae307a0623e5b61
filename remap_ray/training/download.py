"""Fetch one file: checked, whole or not at all, and from where an earlier attempt broke off."""

from __future__ import annotations

import fcntl
import hashlib
import http.client
import logging
import os
import sys
import urllib.error
import urllib.request
from collections.abc import Callable
from io import FileIO
from pathlib import Path
from typing import TypeAlias

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

    def settle(file: FileIO, partial: Path) -> None:
        file.seek(0)
        found = hashlib.file_digest(file, "sha256").hexdigest()
        if found != sha256:
            raise DataError(
                f"what {url} sent is not the expected file: its SHA-256 is {found}, "
                f"expected {sha256}",
                target,
            )
        partial.replace(target)

    _fetch(url, target, None, lambda: _is_whole(target, sha256), settle, timeout, progress)


def fetch_start(
    url: str,
    count: int,
    target: Path,
    make: Callable[[bytes], bytes],
    *,
    timeout: float = SILENCE,
    progress: Progress = quiet,
) -> None:
    """Download the first ``count`` bytes of ``url``, or all where there are fewer, for ``target``.

    They are kept and gone on with as by `fetch`. A target that is there is left as it is.

    Parameters
    ----------
    make
        Makes what is written of what was sent. It raises `DataError` where that is wrong, and
        nothing of it is kept then.

    Raises
    ------
    DataError
        As `fetch`.
    """

    def settle(file: FileIO, partial: Path) -> None:
        file.seek(0)
        # Not into the same file: half of it would be gone on with as if it had been sent.
        made = target.with_name(f".{target.name}.made")
        made.write_bytes(make(file.read(count)))
        made.replace(target)
        partial.unlink()

    _fetch(url, target, count, target.exists, settle, timeout, progress)


def _fetch(
    url: str,
    target: Path,
    count: int | None,
    is_done: Callable[[], bool],
    settle: Callable[[FileIO, Path], None],
    timeout: float,
    progress: Progress,
) -> None:
    """Download ``count`` bytes, or all, beside ``target``, and have ``settle`` make it of them.

    Parameters
    ----------
    is_done
        Whether the target is there and needs nothing.
    settle
        Takes the file and its path, and puts it at the target.
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
                return _fetch(url, target, count, is_done, settle, timeout, progress)
            if is_done():
                # Another has finished between our caller's look and our lock.
                partial.unlink(missing_ok=True)
                return None
            _transfer(url, file, count, timeout, progress, target.name)
            os.fsync(file.fileno())
            try:
                settle(file, partial)
            except DataError:
                partial.unlink(missing_ok=True)
                raise
        except (OSError, http.client.HTTPException) as error:
            if not file.closed and os.fstat(file.fileno()).st_size == 0:
                partial.unlink(missing_ok=True)
            raise DataError(f"{url} could not be downloaded ({error})", target) from error


def _check_address(url: str, target: Path) -> None:
    if not url.startswith(("https://", "http://")):
        raise DataError(f"{url} is no http or https address", target)


def _is_at(file: FileIO, path: Path) -> bool:
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


def _transfer(
    url: str,
    file: FileIO,
    count: int | None,
    timeout: float,
    progress: Progress,
    name: str,
) -> None:
    """Append what ``url`` sends to what ``file`` holds of it already, up to ``count`` bytes."""
    received = file.seek(0, os.SEEK_END)
    if count is not None and received >= count:
        return
    last = "" if count is None else f"{count - 1}"
    headers = {"Range": f"bytes={received}-{last}"} if received or last else {}
    request = urllib.request.Request(url, headers=headers)  # noqa: S310 - http(s) only
    try:
        response = urllib.request.urlopen(request, timeout=timeout)  # noqa: S310 - http(s) only
    except urllib.error.HTTPError as error:
        if error.code == NOTHING_LEFT and received:
            # It was all here; whether it is what is wanted is seen next.
            error.close()
            return
        raise
    with response:
        announced = _announced(response)
        if response.status != http.client.PARTIAL_CONTENT and received:
            # The server begins anew, and so do we.
            file.truncate(received := 0)
        total = None if announced is None else received + announced
        if count is not None:
            total = count if total is None else min(count, total)
        most = sys.maxsize if count is None else count
        # A server that knows no ranges sends more than is wanted, which is left there.
        while received < most and (chunk := response.read(min(CHUNK, most - received))):
            file.write(chunk)
            received += len(chunk)
            progress(name, received, total)
    # Read in chunks, a connection that closes early looks like the end of the file.
    if announced is not None and total != received:
        raise ConnectionError(f"it broke off after {received} of {total} bytes")


def _announced(response: http.client.HTTPResponse) -> int | None:
    length = response.headers.get("Content-Length")
    return int(length) if length and length.isdigit() else None
