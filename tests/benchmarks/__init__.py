"""What REMAP costs, measured beside the plainest code that does the same.

Each benchmark is a module named after what it measures, with ``measure(quick) -> Table``;
``quick`` makes it as small as still runs all of it. To add one, write the module and name it
in `NAMES`.
"""

from __future__ import annotations

from importlib import import_module

from tests.benchmarks.report import Table

__all__ = ["NAMES", "ON_GPU", "measure"]

NAMES = (
    "trainer",
    "threads",
    "structure",
    "predictions",
    "placing",
    "refit",
    "growth",
    "study",
    "queue",
    "short_queue",
    "cancelling",
    "page",
    "panning",
    "watching",
    "generating",
    "gpu",
    "shares",
)
"""The benchmarks, in the order in which they run and are reported."""

ON_GPU = ("gpu", "shares")
"""Those that say something only where there is a GPU: they run when they are named."""


def measure(name: str, quick: bool) -> Table:
    """Run one benchmark in this process; of all the others nothing is imported."""
    table: Table = import_module(f"tests.benchmarks.{name}").measure(quick)
    return table
