"""Files of a study: whole or not there at all."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from remap_ray.errors import DiskFull
from remap_ray.study.files import write_whole
from tests.study.children import child, names

WRITER = """
import os, signal, sys
from pathlib import Path
from remap_ray.study import files

at, path = sys.argv[1:]

def die(*arguments):
    os.kill(os.getpid(), signal.SIGKILL)

if at == "fsync":
    files.os.fsync = die
else:
    files.Path.replace = die
files.write_whole(Path(path), b"new" * 1000)
"""


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "m1.safetensors"
    write_whole(path, b"old")
    assert path.read_bytes() == b"old"
    write_whole(path, b"new and longer")
    assert path.read_bytes() == b"new and longer"
    write_whole(path, b"")
    assert path.read_bytes() == b""
    assert names(tmp_path) == ["m1.safetensors"]


@pytest.mark.parametrize("at", ["fsync", "replace"])
def test_a_crash_leaves_the_old_file(tmp_path: Path, at: str) -> None:
    path = tmp_path / "m1.safetensors"
    path.write_bytes(b"old")
    with child(WRITER, at, path) as one:
        assert one.process.wait() == -9
    assert path.read_bytes() == b"old"
    # What the crash left is no obstacle.
    write_whole(path, b"new")
    assert path.read_bytes() == b"new"
    assert names(tmp_path) == ["m1.safetensors"]


def test_a_full_disk_leaves_the_old_file_and_no_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "m1.safetensors"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(DiskFull, match="is full; what was recorded is whole: make room"):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert names(tmp_path) == ["m1.safetensors"]


def test_data_reach_the_disk_before_the_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "m1.safetensors"
    path.write_bytes(b"old")
    seen: list[tuple[bool, bytes]] = []
    really = os.fsync

    def watched(descriptor: int) -> None:
        really(descriptor)
        seen.append((Path(f"/proc/self/fd/{descriptor}").is_dir(), path.read_bytes()))

    monkeypatch.setattr(os, "fsync", watched)
    write_whole(path, b"new")
    # First the data, while the old file is still there; then the name.
    assert seen == [(False, b"old"), (True, b"new")]
