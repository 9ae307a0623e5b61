"""How many trainers there are, and what each may use. Pure."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace
from typing import final

from remap_ray.errors import InvalidRequest
from remap_ray.study import Wished
from remap_ray.study.wishes import check_share

__all__ = ["Plan", "Wanted", "check_local", "cpus_here", "plan", "with_wishes"]

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
    """The number of trainers, and the CPUs and GPUs of each.

    Trainers that share a GPU may be more than the CPUs, of which each then has a fraction:
    they only feed the GPU.
    """

    workers: int
    cpus_each: float
    gpus_each: float

    @property
    def threads(self) -> int:
        """How many threads each trainer computes with: one for each of its CPUs."""
        return max(1, int(self.cpus_each))


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
    fit = max(1, int(gpus / share + 1e-9)) if share else cpus
    workers = wanted.workers or fit
    if share and workers > fit:
        raise InvalidRequest(
            f"--workers {workers} with --gpus-per-model {share:g} is more than {gpus:g} "
            f"{'GPU' if gpus == 1 else 'GPUs'} can hold: at most {fit}"
        )
    if not share and workers > cpus:
        raise InvalidRequest(
            f"--workers {workers} is more than the {cpus} CPUs here; "
            "more threads than cores only slow each other down"
        )
    if workers > cpus:
        return Plan(workers, math.floor(100 * cpus / workers) / 100, share)
    return Plan(workers, 1 if wanted.address else cpus // workers, share)


def with_wishes(wanted: Wanted, wished: Wished) -> Wanted:
    """Fill in what the command left open with what the study's people wish."""
    return replace(
        wanted,
        workers=wished.workers if wanted.workers is None else wanted.workers,
        gpus_per_model=(
            wished.gpus_per_model if wanted.gpus_per_model is None else wanted.gpus_per_model
        ),
    )


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
