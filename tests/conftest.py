from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from remap_ray.study import Study
from tests import synthetic


@pytest.fixture
def toy_study(tmp_path: Path) -> Iterator[Study]:
    """An empty study of 8x8 images with ten classes."""
    with synthetic.empty_study(tmp_path / "toy") as study:
        yield study


@pytest.fixture
def toy_study_full(tmp_path: Path) -> Iterator[Study]:
    """A study with 30 trained and mapped models and three waiting ones."""
    with synthetic.full_study(tmp_path / "toy") as study:
        yield study
