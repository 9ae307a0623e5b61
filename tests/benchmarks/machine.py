"""The machine that measures, in words, and how busy it is."""

from __future__ import annotations

import os
import platform
from importlib.metadata import version
from pathlib import Path

import psutil

__all__ = ["busy_share", "file_system", "machine"]


def machine() -> str:
    """Name what decides over speed: processor, cores, memory and versions; nothing personal."""
    cores = len(os.sched_getaffinity(0))
    memory = psutil.virtual_memory().total / 2**30
    versions = ", ".join(f"{name} {version(name)}" for name in ("numpy", "torch", "ray", "panel"))
    return (
        f"{_processor()}, {cores} cores, {memory:.0f} GiB of memory; {platform.system()} "
        f"{platform.machine()}, Python {platform.python_version()}, {versions}"
    )


def busy_share(seconds: float) -> float:
    """Watch the processors for a while and say which share of them is in use, from 0 to 1."""
    return psutil.cpu_percent(interval=seconds) / 100


def file_system(path: Path) -> str:
    """Give the type of the file system that holds a path."""
    holding = [
        one
        for one in psutil.disk_partitions(all=True)
        if path.resolve().is_relative_to(one.mountpoint)
    ]
    return max(holding, key=lambda one: len(one.mountpoint)).fstype


def _processor() -> str:
    # The family and model tell apart what a hypervisor calls just "Processor".
    lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    told = {key.strip(): value.strip() for key, _, value in (one.partition(":") for one in lines)}
    name = told.get("model name", platform.processor())
    return (
        f"{name} (family {told['cpu family']}, model {told['model']})" if "model" in told else name
    )
