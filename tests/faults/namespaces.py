"""Two hosts on one machine: network namespaces with a cable between them that can be cut."""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

__all__ = ["Hosts", "may_make_hosts", "two_hosts"]


def _ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


def may_make_hosts() -> bool:
    """Whether this process may make network namespaces: as root, where nothing forbids it."""
    if os.geteuid() != 0 or shutil.which("ip") is None:
        return False
    name = f"remap-try-{secrets.token_hex(3)}"
    if subprocess.run(["ip", "netns", "add", name], capture_output=True, check=False).returncode:
        return False
    _ip("netns", "delete", name)
    return True


@final
@dataclass(frozen=True)
class Hosts:
    """The two: their namespaces and their addresses; the cable hangs on the first."""

    names: tuple[str, str]
    addresses: tuple[str, str]
    cable: str

    def on(self, host: int) -> tuple[str, ...]:
        """Give what a command begins with that shall run on a host."""
        return ("ip", "netns", "exec", self.names[host])

    def pids(self, host: int) -> list[int]:
        """Give the processes that run on a host."""
        found = subprocess.run(
            ["ip", "netns", "pids", self.names[host]], check=True, capture_output=True, text=True
        )
        return [int(one) for one in found.stdout.split()]

    def cut(self) -> None:
        """Pull the cable."""
        _ip("-n", self.names[0], "link", "set", self.cable, "down")

    def join(self) -> None:
        """Put the cable back, and what the kernel forgot with it."""
        _ip("-n", self.names[0], "link", "set", self.cable, "up")
        _ip("-n", self.names[0], "route", "replace", "default", "via", self.addresses[1])


@contextmanager
def two_hosts() -> Iterator[Hosts]:
    """Make two hosts that reach each other, and nothing else."""
    key = secrets.token_hex(3)
    names = (f"remap-{key}-a", f"remap-{key}-b")
    cables = (f"rm{key}a", f"rm{key}b")
    addresses = ("10.213.7.1", "10.213.7.2")
    made: list[str] = []
    try:
        for name in names:
            _ip("netns", "add", name)
            made.append(name)
        _ip("link", "add", cables[0], "type", "veth", "peer", "name", cables[1])
        for host, (name, cable, address) in enumerate(zip(names, cables, addresses, strict=True)):
            _ip("link", "set", cable, "netns", name)
            _ip("-n", name, "address", "add", f"{address}/24", "dev", cable)
            _ip("-n", name, "link", "set", cable, "up")
            _ip("-n", name, "link", "set", "lo", "up")
            # Ray asks which address it would have towards the internet.
            _ip("-n", name, "route", "add", "default", "via", addresses[1 - host])
        yield Hosts(names, addresses, cables[0])
    finally:
        for name in made:
            left = subprocess.run(
                ["ip", "netns", "pids", name], check=True, capture_output=True, text=True
            )
            for pid in left.stdout.split():
                os.kill(int(pid), signal.SIGKILL)
            _ip("netns", "delete", name)
