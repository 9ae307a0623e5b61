"""The exact solver behind the structural distance: POT's network simplex, one problem a call."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from remap_ray.errors import RemapError

__all__ = ["UnsolvedTransport", "least_cost"]

Floats = NDArray[np.float64]

MOST_PIVOTS = 1_000_000
"""Pivots after which the solver gives up, far more than two chains of nodes ever need."""

OPTIMAL = 1
FAILURES = {0: "found it infeasible", 2: "found it unbounded", 3: "ran out of pivots"}

BACKENDS = {
    "torch": "POT_BACKEND_DISABLE_PYTORCH",
    "jax": "POT_BACKEND_DISABLE_JAX",
    "cupy": "POT_BACKEND_DISABLE_CUPY",
    "tensorflow": "POT_BACKEND_DISABLE_TENSORFLOW",
}
"""Array libraries that POT imports where they are installed, and what makes it not do so."""


class UnsolvedTransport(RemapError, ArithmeticError):
    """The solver gave up on one transport problem. A defect of ours, never a person's.

    Raised by `least_cost`; caught by nobody.

    Parameters
    ----------
    code
        POT's result code.
    shape
        How many nodes send and how many receive.
    """

    def __init__(self, code: int, shape: tuple[int, ...]) -> None:
        super().__init__(
            f"the transport solver {FAILURES.get(code, f'ended with code {code}')} on a problem "
            f"of {shape[0]} x {shape[1]} nodes; please report the two architectures"
        )
        self.code = code
        self.shape = shape


@cache
def _solver() -> Callable[..., tuple[Any, ...]]:
    # POT would import torch, which costs seconds and hundreds of megabytes that this
    # process may have no other use for. A library that is loaded already stays usable.
    unwanted = [key for name, key in BACKENDS.items() if name not in sys.modules]
    before = {key: os.environ.get(key) for key in unwanted}
    os.environ.update(dict.fromkeys(unwanted, "1"))
    try:
        solver: Callable[..., tuple[Any, ...]] = importlib.import_module("ot.lp.emd_wrap").emd_c
    finally:
        for key, value in before.items():
            if value is None:
                del os.environ[key]
            else:
                os.environ[key] = value
    return solver


def least_cost(supply: Floats, demand: Floats, costs: Floats) -> float:
    """Give the least cost of sending all the supply to the demand.

    Parameters
    ----------
    supply, demand
        float64 (n,) and (m,), non-negative, each with the sum 1 up to rounding: the
        solver's tolerances are absolute.
    costs
        float64 (n, m), finite, per unit sent.

    Raises
    ------
    UnsolvedTransport
        The solver did not end with an optimum.
    """
    _, cost, _, _, code = _solver()(supply, demand, np.ascontiguousarray(costs), MOST_PIVOTS, 1)
    if code != OPTIMAL:
        raise UnsolvedTransport(code, costs.shape)
    return float(cost)
