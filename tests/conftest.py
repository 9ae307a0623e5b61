from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import settings

from remap_ray.study import Study
from tests import laws, synthetic
from tests.official_files import Site, serving
from tests.processes import REMAP, Started

# Ray's workers step back behind all others: on a busy machine tests would wait minutes for them.
os.environ.setdefault("RAY_worker_niceness", "0")

# On a busy machine every example may take long, and no test asserts a time. By day the examples
# are the same each time, so that no change is refused for what another one did; at night new ones.
settings.register_profile("daily", deadline=None, derandomize=True)
settings.load_profile("daily")
# Here, so that `--hypothesis-profile nightly` finds it before any test is read.
settings.register_profile("nightly", max_examples=laws.NIGHTLY, deadline=None)


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


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """A web site on this machine that may break off."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    with serving() as found:
        yield found


@pytest.fixture
def start() -> Iterator[Callable[..., Started]]:
    running: list[Started] = []

    def make(
        *arguments: str | Path,
        command: Sequence[str] = REMAP,
        folder: Path | None = None,
        env: Mapping[str, str] | None = None,
    ) -> Started:
        running.append(Started(*arguments, command=command, folder=folder, env=env))
        return running[-1]

    yield make
    for one in running:
        one.kill_all()
        if one.process.stdout is not None:
            one.process.stdout.close()
