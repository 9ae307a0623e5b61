"""Each row of the fault table once, all but one at night; `make faults` runs each with 20 seeds."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.faults.prepared import Outcome, Prepared
from tests.faults.rows import ROWS, run

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(900)]


DAILY = "trainer"
"""The row that every run of the tests has time for."""


@pytest.mark.parametrize(
    ("seed", "row"),
    [
        pytest.param(seed, row, marks=[] if row == DAILY else [pytest.mark.nightly])
        for seed, row in enumerate(ROWS)
    ],
)
@pytest.mark.promise("FAULT-1", "FAULT-2", "FAULT-3", "FAULT-4")
def test_a_kill_loses_nothing(
    row: str, seed: int, tmp_path: Path, prepared: Prepared, expected: Outcome
) -> None:
    found = run(row, tmp_path, prepared, seed, expected)
    assert found.seconds > 0
