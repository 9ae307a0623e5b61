"""The promises in `specs/` and the tests that name them cover each other."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PROMISE = re.compile(r"^- \*\*([A-Z]+-\d+)\*\*", re.MULTILINE)
NAMED = re.compile(r"mark\.promise\(([^)]*)\)")


def promised() -> dict[str, str]:
    found: dict[str, str] = {}
    for page in sorted((ROOT / "specs").glob("*.md")):
        for name in PROMISE.findall(page.read_text(encoding="utf-8")):
            assert name not in found, f"{name} is promised twice"
            found[name] = page.name
    return found


def named() -> set[str]:
    found: set[str] = set()
    for path in sorted((ROOT / "tests").rglob("test_*.py")):
        for inside in NAMED.findall(path.read_text(encoding="utf-8")):
            found |= set(re.findall(r'"([A-Z]+-\d+)"', inside))
    return found


def test_there_are_promises_on_every_page() -> None:
    pages = {path.name for path in (ROOT / "specs").glob("*.md")}
    assert set(promised().values()) == pages - {"README.md", "benchmarks.md"}


@pytest.mark.parametrize("name", sorted(promised()))
def test_every_promise_is_named_by_a_test(name: str) -> None:
    assert name in named(), f"no test names {name} of specs/{promised()[name]}"


def test_no_test_names_a_promise_that_is_not_made() -> None:
    assert named() <= promised().keys()
