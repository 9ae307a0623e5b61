"""Fetch one file with a known checksum, whole or not at all."""

from __future__ import annotations

import hashlib
import http.client
import logging
import os
import tempfile
import urllib.request
from pathlib import Path
from typing import IO

from remap_ray.errors import DataError

__all__ = ["fetch"]

SILENCE = 30.0
"""Seconds without a byte after which a transfer has failed."""

CHUNK = 1 << 18

_log = logging.getLogger(__name__)


def fetch(url: str, target: Path, sha256: str, *, timeout: float = SILENCE) -> None:
    """Download ``url`` into ``target``.

    What arrives goes to a temporary file in the same folder, which takes the
    target's name once its checksum is right: at no time does ``target`` hold
    half a file, however many processes download it at once.

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
        content is another one, or ``target`` cannot be written. Nothing is
        left behind.
    """
    if not url.startswith(("https://", "http://")):
        raise DataError(f"{url} is no http or https address", target)
    _log.info("downloading %s to %s", url, target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    except OSError as error:
        raise DataError(f"{target.parent} cannot be written to ({error})", target) from error
    partial = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            found = _transfer(url, file, timeout)
        if found != sha256:
            raise DataError(
                f"what {url} sent is not the expected file: its SHA-256 is {found}, "
                f"expected {sha256}",
                target,
            )
        partial.replace(target)
    except (OSError, http.client.HTTPException) as error:
        raise DataError(f"{url} could not be downloaded ({error})", target) from error
    finally:
        partial.unlink(missing_ok=True)


def _transfer(url: str, file: IO[bytes], timeout: float) -> str:
    """Copy what ``url`` sends into ``file`` and give its SHA-256."""
    digest = hashlib.sha256()
    received = 0
    with urllib.request.urlopen(url, timeout=timeout) as response:  # noqa: S310 - http(s) only
        announced = response.headers.get("Content-Length")
        while chunk := response.read(CHUNK):
            file.write(chunk)
            digest.update(chunk)
            received += len(chunk)
    # Read in chunks, a connection that closes early looks like the end of the file.
    if announced is not None and announced != str(received):
        raise ConnectionError(f"it broke off after {received} of {announced} bytes")
    return digest.hexdigest()
