"""How many trainers there are, and what each may use. Pure."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import final

from remap_ray.errors import InvalidRequest

__all__ = ["Plan", "Wanted", "check_local", "cpus_here", "plan"]

DEFAULT_FRACTION = 0.25
"""Share of a GPU that a model gets unless a person says otherwise."""


@final
@dataclass(frozen=True)
class Wanted:
    """What a person asks for; None leaves the choice to REMAP.

    Parameters
    ----------
    workers
        Models trained at the same time.
    gpus_per_model
        0 (train on CPUs), a fraction 1/k, or a whole number of GPUs.
    address
        An existing Ray cluster's; None starts a Ray of our own on loopback.
    logical_gpus
        GPUs to declare that do not exist, for tests of the scheduling.
    """

    workers: int | None = None
    gpus_per_model: float | None = None
    address: str | None = None
    logical_gpus: int = 0


@final
@dataclass(frozen=True)
class Plan:
    """The number of trainers, and the CPUs (also threads) and GPUs of each."""

    workers: int
    cpus_each: int
    gpus_each: float


def plan(wanted: Wanted, cpus: int, gpus: float) -> Plan:
    """Divide a machine or cluster with ``cpus`` CPUs and ``gpus`` GPUs among trainers.

    Raises
    ------
    InvalidRequest
        More is asked for than there is, or a fraction that does not divide a GPU.
    """
    if wanted.workers is not None and wanted.workers < 1:
        raise InvalidRequest(f"--workers must be at least 1, not {wanted.workers}")
    share = wanted.gpus_per_model
    if share is None:
        share = DEFAULT_FRACTION if gpus >= 1 else 0.0
    check_share(share)
    if share > gpus:
        there = f"there are {gpus:g}" if gpus else "there is no GPU"
        raise InvalidRequest(
            f"--gpus-per-model {share:g} is more than there is ({there}); "
            "leave it out to train on what is there"
        )
    fit = min(cpus, int(min(gpus / share, cpus) + 1e-9)) if share else cpus
    workers = wanted.workers or max(fit, 1)
    if workers > cpus:
        raise InvalidRequest(
            f"--workers {workers} is more than the {cpus} CPUs here; "
            "more threads than cores only slow each other down"
        )
    return Plan(workers, 1 if wanted.address else cpus // workers, share)


def cpus_here() -> int:
    """Count the CPUs that this process may use."""
    return len(os.sched_getaffinity(0))


def gpus_here() -> int:
    """Count the GPUs that this process could train on; loads torch."""
    import torch

    return torch.cuda.device_count()


def check_local(wanted: Wanted) -> None:
    """Refuse what no machine can give, or not this one, before anything is written or started.

    What a cluster has only Ray knows: `plan` checks it once attached.
    """
    check_share(wanted.gpus_per_model or 0.0)
    if wanted.address is None:
        asked = wanted.gpus_per_model and not wanted.logical_gpus
        plan(wanted, cpus_here(), gpus_here() if asked else wanted.logical_gpus)


def check_share(share: float) -> None:
    """Refuse a share of a GPU that Ray could not fill: only 0, 1/k and whole numbers are."""
    whole = share if share >= 1 else 1 / share if share > 0 else 0.0
    if share < 0 or abs(whole - round(whole)) > 1e-6:
        raise InvalidRequest(
            f"--gpus-per-model must be 0, a fraction such as 0.5 or 0.25 that divides a GPU, "
            f"or a whole number, not {share:g}"
        )
