"""Each story fails where its handler is removed: it looks at what it says it looks at."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.browser.handlers import PAGE, REMOVED, Removed, run_without, table

HERE = Path(__file__).parent
MEASURES = {
    "test_handlers.py",
    "test_accessibility.py",
    "test_dragging.py",
    "test_snac_looks.py",
}
"""Modules without stories: nothing there is done by a person."""


def stories() -> set[str]:
    found = set()
    for path in HERE.glob("test_*.py"):
        if path.name in MEASURES:
            continue
        module = path.stem.removeprefix("test_")
        for one in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(one, ast.FunctionDef) and one.name.startswith("test_"):
                found.add(f"{module}::{one.name.removeprefix('test_')}")
    return found


@pytest.mark.promise("STORY-1")
def test_a_handler_is_named_for_every_story():
    assert {one.story for one in REMOVED} == stories()
    # What was renamed or moved since must be named anew.
    assert all(one.source() for one in REMOVED)
    assert table() in PAGE.read_text(encoding="utf-8"), "write tests.browser.handlers.table() there"


@pytest.mark.nightly
@pytest.mark.browser
@pytest.mark.timeout(900)
@pytest.mark.promise("STORY-1")
@pytest.mark.parametrize("one", REMOVED, ids=lambda one: f"{one.story} without {one.what}")
def test_without_its_handler_the_story_fails(one: Removed, tmp_path: Path):
    run_without(one, tmp_path)
