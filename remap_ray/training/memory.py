"""When memory runs out: foreseen where it is certain, recognised where it happens.

PyTorch is loaded only where an error is looked at.
"""

from __future__ import annotations

import os
from math import prod
from pathlib import Path

from remap_ray.space import Architecture, Conv, Dense
from remap_ray.space.layers import Layer

__all__ = ["installed", "kills", "least", "problem", "ran_out"]

_NUMBER = 4
"""Bytes of a float32."""

_COPIES = 4
"""A parameter, its gradient and Adam's two moments."""

_SIGNS = (
    "can't allocate memory",
    "not enough memory",
    "bad_alloc",
    "ALLOC_FAILED",
    "CUDA error: out of memory",
)
"""How PyTorch's plain RuntimeErrors tell of memory: CPU allocator, Windows, C++, CUDA's."""

_CGROUP_LIMIT = Path("/sys/fs/cgroup/memory.max")
_VMSTAT = Path("/proc/vmstat")


def ran_out(error: BaseException) -> bool:
    """Whether an error of Python or PyTorch says that there was no memory left."""
    # Not for the scheduler, which asks for `kills`: it would stand still for seconds.
    from torch import OutOfMemoryError  # noqa: PLC0415

    if isinstance(error, MemoryError | OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _SIGNS)


def least(architecture: Architecture, batch_size: int) -> int:
    """Give a lower bound of the bytes that training takes, data set and PyTorch apart.

    Parameters, gradients and Adam's moments, and for the backward pass of each convolution,
    pool and dense layer what entered it.
    """
    shapes = (architecture.input_shape, *architecture.shapes)
    layers = (*architecture.layers, Dense(architecture.classes))
    kept = sum(
        prod(shape) for layer, shape in zip(layers, shapes, strict=True) if _keeps_input(layer)
    )
    return _NUMBER * (_COPIES * architecture.parameter_count + batch_size * kept)


def _keeps_input(layer: Layer) -> bool:
    return layer.needs_image or isinstance(layer, Conv | Dense)


def installed() -> int | None:
    """Give the bytes of main memory that this machine or container has; None where unknown."""
    try:
        total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return None
    try:
        limit = _CGROUP_LIMIT.read_text(encoding="ascii").strip()
    except OSError:
        return total
    return min(total, int(limit)) if limit.isdigit() else total


def kills(counters: Path = _VMSTAT) -> int:
    """Count the processes that this machine's kernel has killed since no memory was left.

    0 where the kernel does not tell.
    """
    try:
        lines = counters.read_text(encoding="ascii").splitlines()
    except OSError:
        return 0
    return sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))


def problem(architecture: Architecture, batch_size: int, memory: int | None) -> str | None:
    """Say by how much training cannot fit into ``memory`` bytes, or None where it may.

    Needed because Linux grants memory that it does not have, and ends the process, or
    another one, when it is used.
    """
    needed = least(architecture, batch_size)
    if memory is None or needed <= memory:
        return None
    return (
        f"the network needs at least {needed / 1e9:,.1f} GB of memory to train "
        f"({architecture.parameter_count:,} parameters, {batch_size} images per batch), there "
        f"are {memory / 1e9:,.1f} GB; use fewer parameters or a smaller batch"
    )
