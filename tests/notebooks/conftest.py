"""Notebooks as people run them: every one in a kernel of its own, in an empty folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

import remap_ray
from tests.browser.training import train_inline
from tests.processes import wait_for


@pytest.fixture(scope="session")
def tour(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained study on digits that several notebooks look at."""
    path = tmp_path_factory.mktemp("notebooks") / "tour"
    with remap_ray.create_study(path, data="digits", models=6, epochs=2) as study:
        train_inline(study)
    return path


@pytest.fixture(autouse=True)
def nothing_stays(tmp_path: Path) -> Iterator[None]:
    """What a notebook started of training ends with it."""

    def left() -> list[psutil.Process]:
        return [
            one
            for one in psutil.process_iter(["cmdline"])
            if str(tmp_path) in " ".join(one.info["cmdline"] or ())
        ]

    yield
    try:
        # It was told to end by a kernel that may have been ended itself before it had.
        wait_for(lambda: not left(), "the end of what the notebook has started")
    finally:
        for one in left():
            one.kill()
