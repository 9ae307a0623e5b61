"""Every target that the Makefile announces does something."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
ANNOUNCED = re.search(r"^\.PHONY: (demo .*)$", (ROOT / "Makefile").read_text(), re.MULTILINE)
TARGETS = {
    "demo": "remap demo",
    "test": "-m pytest",
    "nightly": "-m pytest -m nightly",
    "check": "lint-imports",
    "bench": "tests.benchmarks",
    "faults": "tests.faults",
    "format": "ruff format",
    "clean": "rm -rf",
}


def test_all_announced_targets_are_known_here() -> None:
    assert ANNOUNCED
    assert set(ANNOUNCED[1].split()) == TARGETS.keys()


@pytest.mark.parametrize("target", TARGETS)
def test_a_target_does_what_it_is_for(target: str) -> None:
    said = subprocess.run(
        ["make", "--dry-run", "--no-print-directory", target, "CHROMIUM=there"],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    assert TARGETS[target] in said
