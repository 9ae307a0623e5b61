"""Each row of the fault table once; `make faults` runs each with 20 seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.prepared import Outcome, long_data
from tests.faults.rows import ROWS, run, uninterrupted

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return long_data(tmp_path_factory.mktemp("data") / "long.npz")


@pytest.fixture(scope="module")
def expected(tmp_path_factory: pytest.TempPathFactory, data: Path) -> Outcome:
    return uninterrupted(tmp_path_factory.mktemp("whole"), data)


@pytest.mark.parametrize(("seed", "row"), list(enumerate(ROWS)))
@pytest.mark.promise("FAULT-1", "FAULT-2", "FAULT-3", "FAULT-4")
def test_a_kill_loses_nothing(
    row: str, seed: int, tmp_path: Path, data: Path, expected: Outcome
) -> None:
    found = run(row, tmp_path, data, seed, expected)
    assert found.seconds > 0
