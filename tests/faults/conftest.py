from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.prepared import Outcome, long_data
from tests.faults.rows import uninterrupted


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return long_data(tmp_path_factory.mktemp("data") / "long.npz")


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Outcome:
    """The study that nothing interrupted: one for all rows and seeds."""
    return uninterrupted(tmp_path_factory.mktemp("whole"), data)
