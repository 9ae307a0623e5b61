"""Each row of the fault table once; `make faults` runs each with 20 seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.prepared import Outcome, Prepared
from tests.faults.rows import ROWS, run

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]


@pytest.mark.parametrize(("seed", "row"), list(enumerate(ROWS)))
@pytest.mark.promise("FAULT-1", "FAULT-2", "FAULT-3", "FAULT-4", "QUEUE-3")
def test_a_kill_loses_nothing(
    row: str, seed: int, tmp_path: Path, prepared: Prepared, expected: Outcome
) -> None:
    found = run(row, tmp_path, prepared, seed, expected)
    assert found.seconds > 0
