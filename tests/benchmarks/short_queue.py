"""The same as `queue`, of networks that are trained in a quarter of a second each.

There what the queue does for a model weighs as much as the training: places on two maps, commits
that survive a loss of power, weights and checkpoints as whole files.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

from tests.benchmarks.queue import compared
from tests.benchmarks.report import Table

__all__ = ["measure"]


def measure(quick: bool) -> Table:
    """Let ``remap sample`` and the others train the same networks on digits as they are."""
    models, epochs, most = (3, 1, 0) if quick else (20, 3, 3)
    with tempfile.TemporaryDirectory(prefix="remap-") as name:
        return compared(Path(name), "digits", "digits (8 x 8)", models, epochs, most)
