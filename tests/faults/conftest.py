from __future__ import annotations

import pytest

from tests.faults.prepared import Outcome, Prepared
from tests.faults.rows import uninterrupted


@pytest.fixture(scope="session")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return Prepared(tmp_path_factory.mktemp("prepared"))


@pytest.fixture(scope="session")
def expected(tmp_path_factory: pytest.TempPathFactory, prepared: Prepared) -> Outcome:
    """The study that nothing interrupted: one for all rows and seeds."""
    return uninterrupted(tmp_path_factory.mktemp("whole"), prepared)
