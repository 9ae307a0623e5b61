"""Commands as real processes, for tests: started, waited for, killed with all that they started."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import psutil

from remap_ray.errors import RemapError
from remap_ray.study import Status, open_study

REMAP = (sys.executable, "-m", "remap_panel")
RAY = (sys.executable, "-m", "ray.scripts.scripts")


def remap(*arguments: str | Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*REMAP, *map(str, arguments)], capture_output=True, text=True, check=check, timeout=400
    )


def wait_for(condition: Callable[[], bool], what: str, seconds: float = 120) -> None:
    deadline, pause = time.monotonic() + seconds, threading.Event()
    while not condition():
        assert time.monotonic() < deadline, f"waited too long for {what}"
        pause.wait(0.05)


def with_study(path: Path, ask: Callable[..., object]) -> bool:
    """Whether ``ask`` of the study at ``path`` is true; False while there is none yet."""
    try:
        study = open_study(path)
    except RemapError:
        return False
    with study:
        return bool(ask(study))


def inside_an_epoch(path: Path) -> bool:
    """Whether a model trains that has an epoch behind it and one before it."""
    return with_study(
        path,
        lambda study: any(
            one.status is Status.TRAINING and 1 <= one.epochs < one.wanted_epochs
            for one in study.models()
        ),
    )


class Started:
    """A command in a process group of its own, with all that it starts, Ray included."""

    def __init__(
        self,
        *arguments: str | Path,
        command: Sequence[str] = REMAP,
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        self.process = subprocess.Popen(
            [*command, *map(str, arguments)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            cwd=folder,
            env=None if env is None else dict(env),
        )

    def family(self) -> list[psutil.Process]:
        try:
            me = psutil.Process(self.process.pid)
            return [me, *me.children(recursive=True)]
        except psutil.NoSuchProcess:
            return []

    def kill_all(self) -> None:
        family = self.family()
        for one in family:
            try:
                one.kill()
            except psutil.NoSuchProcess:
                continue
        psutil.wait_procs(family, timeout=20)
        self.process.wait(20)

    def end(self) -> str:
        out, _ = self.process.communicate(timeout=400)
        return out


def listening(family: list[psutil.Process]) -> set[str]:
    """Give the addresses on which a family of processes listens, by the kernel's own tables."""
    inodes = set()
    for one in family:
        try:
            for entry in Path(f"/proc/{one.pid}/fd").iterdir():
                found = re.fullmatch(r"socket:\[(\d+)\]", str(entry.readlink()))
                if found:
                    inodes.add(found[1])
        except OSError:
            continue
    addresses = set()
    for table in ("tcp", "tcp6"):
        for line in Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            local, state, inode = line.split()[1], line.split()[3], line.split()[9]
            if state == "0A" and inode in inodes:
                addresses.add(local.split(":")[0])
    return addresses


LOOPBACK = {"0100007F", "00000000000000000000000001000000", "0000000000000000FFFF00000100007F"}


def free_port() -> int:
    """Give a port of loopback that nobody uses now."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port: int = free.getsockname()[1]
    return port


def answers(port: int) -> bool:
    """Whether something listens at a port of loopback."""
    with socket.socket() as one:
        return one.connect_ex(("127.0.0.1", port)) == 0
