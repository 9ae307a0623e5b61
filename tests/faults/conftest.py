from __future__ import annotations

import os
import subprocess
import sys

import pytest

from remap_ray.training.heap import ONE_HEAP
from tests.faults.prepared import Outcome, Prepared
from tests.faults.results import ROOT
from tests.faults.rows import uninterrupted

# How much data makes an epoch long is measured in a process like a trainer's: the one of the tests,
# which keeps no memory and has run hundreds of them, finds the same work up to twice as slow.
PREPARE = """
import sys
from pathlib import Path
from remap_ray.training import heap
from tests.faults import prepared
heap.keep()
prepared.AIM_SECONDS = 6.0
prepared.Prepared(Path(sys.argv[1])).study(Path(sys.argv[2]), done=False)
"""


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    folder, tried = tmp_path_factory.mktemp("prepared"), tmp_path_factory.mktemp("tried")
    env = {**os.environ, "PYTHONPATH": str(ROOT), ONE_HEAP[0]: ONE_HEAP[1]}
    command = [sys.executable, "-c", PREPARE, folder, tried / "study"]
    subprocess.run(command, cwd=ROOT, env=env, check=True)
    return Prepared(folder)


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory, prepared: Prepared) -> Outcome:
    """The study that nothing interrupted: one for all rows and seeds."""
    return uninterrupted(tmp_path_factory.mktemp("whole"), prepared)
