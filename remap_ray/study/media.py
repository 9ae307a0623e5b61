"""What a study lies on: whether it can be written, and whether its host shares it with others."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["NETWORK", "file_system", "is_network", "is_read_only", "reading_uri"]

NETWORK = frozenset(
    {
        *("9p", "afs", "beegfs", "ceph", "cifs", "coda", "gfs2", "glusterfs", "gpfs", "lustre"),
        *("ncpfs", "nfs", "nfs4", "ocfs2", "orangefs", "pvfs2", "smb2", "smb3", "smbfs"),
        *("fuse.cephfs", "fuse.glusterfs", "fuse.s3fs", "fuse.sshfs", "virtiofs"),
    }
)
"""File systems that several hosts may see: SQLite's shared memory does not reach across them."""

MOUNTS = Path("/proc/self/mountinfo")


def is_read_only(path: Path) -> bool:
    """Whether nothing can be written at ``path``: a mount that is read-only, or no right to."""
    return not os.access(path, os.W_OK)


def reading_uri(database: Path) -> str:
    """Give the URI by which SQLite opens a database that lies where nothing can be written.

    Where its last writes wait in a log, SQLite must look into that; else nobody can be writing,
    and it is told so (``immutable``), since it would want files of its own otherwise.
    """
    log = database.with_name(f"{database.name}-wal")
    waits = log.exists() and log.stat().st_size
    return f"{database.absolute().as_uri()}?mode=ro" + ("" if waits else "&immutable=1")


def is_network(path: Path) -> bool:
    """Whether ``path`` lies on a file system that other hosts may write to as well."""
    return file_system(path) in NETWORK


def file_system(path: Path, mounts: str | None = None) -> str:
    """Name the type of the file system that holds ``path``, such as ``ext4``; empty if unknown.

    Parameters
    ----------
    mounts
        The kernel's table of mounts in the form of ``/proc/self/mountinfo``; by default
        that of this process.
    """
    if mounts is None:
        try:
            mounts = MOUNTS.read_text(encoding="utf-8", errors="surrogateescape")
        except OSError:
            return ""
    where = path.absolute().resolve()
    best, kind = -1, ""
    for line in mounts.splitlines():
        left, _, right = line.partition(" - ")
        mounted, told = left.split()[4:5], right.split()
        if not mounted or not told:
            continue
        at = Path(_unescaped(mounted[0]))
        # Of two mounts at one place the later one covers the earlier.
        if where.is_relative_to(at) and len(at.parts) >= best:
            best, kind = len(at.parts), told[0]
    return kind


def _unescaped(text: str) -> str:
    # The kernel writes blanks and the like as three octal digits.
    for code in ("\\040", "\\011", "\\012", "\\134"):
        text = text.replace(code, chr(int(code[1:], 8)))
    return text
