"""Memory that a training process frees is kept for its next batch, and given back after a model.

glibc gives every large block back to the kernel when it is freed: a network whose activations are
large gets each of its pages anew in every batch, zeroed, which has taken more than half of a
training's time. That is settled here for glibc, by its manual's `mallopt(3)`; another C library
keeps what it does.

One heap for all threads is what lets large blocks be kept: those of further heaps cannot grow
beyond 64 MiB. It can only be had from a process's beginning, by `ONE_HEAP`.
"""

from __future__ import annotations

import ctypes
import platform
from typing import Final

__all__ = ["ONE_HEAP", "give_back", "keep"]

ONE_HEAP: Final = ("MALLOC_ARENA_MAX", "1")
"""The variable of the environment, and its value, with which a process has one heap."""

_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
"""As in glibc's ``malloc.h``."""

_MOST = 2**31 - 1
_PAD = 64 * 2**20
"""By how much the heap grows at once, so that it does not grow with every block."""


def keep() -> bool:
    """Have this process keep what it frees, until `give_back`.

    Returns
    -------
    bool
        Whether its C library can.
    """
    if not _glibc():
        return False
    library = ctypes.CDLL(None)
    wishes = ((_MMAP_THRESHOLD, _MOST), (_TRIM_THRESHOLD, _MOST), (_TOP_PAD, _PAD))
    return all(library.mallopt(*wish) for wish in wishes)


def give_back() -> None:
    """Give what is free to the kernel."""
    if _glibc():
        ctypes.CDLL(None).malloc_trim(0)


def _glibc() -> bool:
    return platform.libc_ver()[0] == "glibc"
