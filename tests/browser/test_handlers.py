"""Each story fails where its handler is removed: it looks at what it says it looks at."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.browser.handlers import PAGE, REMOVED, Removed, failure, run_without, with_day

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
    page = PAGE.read_text(encoding="utf-8")
    assert [one.row for one in REMOVED if one.row not in page] == []
    assert page.count("` |") == len(REMOVED)


SAID = """
=================================== ERRORS ====================================
_________________ ERROR at teardown of test_a_circle_is_clicked _________________
tests/browser/conftest.py:58: in page
    assert not wrong, wrong
E   AssertionError: ['asked the drawer']
=================================== FAILURES ===================================
___________________________ test_a_circle_is_clicked ___________________________
tests/browser/test_some.py:34: in test_a_circle_is_clicked
    explorer.wait(
tests/browser/page.py:80: in wait
    assert time.monotonic() < deadline, f"waited too long for {what}"
E   AssertionError: waited too long for m3 in the drawer
----------------------------- Captured stdout call -----------------------------
what the server said
=========================== short test summary info ============================
"""


def test_where_a_story_failed_is_read_from_what_pytest_prints():
    test = "tests/browser/test_some.py::test_a_circle_is_clicked"
    where = failure(SAID, test)
    assert where.startswith("explorer.wait( → ")
    assert where.endswith("waited too long for m3 in the drawer")
    # What was made ready for it, and what else is printed, is not the story.
    assert failure(SAID.replace("test_some.py:34", "conftest.py:34"), test) == ""
    assert failure(SAID, test.replace("circle", "row")) == ""


def test_the_day_on_which_a_story_was_seen_to_fail_is_kept():
    one, other = REMOVED[:2]
    page = f"{one.row} |\n{other.row} 2026-01-02 |\n"
    seen = with_day(page, one, "2026-03-04")
    assert seen == f"{one.row} 2026-03-04 |\n{other.row} 2026-01-02 |\n"
    assert with_day(seen, other, "") == f"{one.row} 2026-03-04 |\n{other.row} |\n"


@pytest.mark.nightly
@pytest.mark.browser
@pytest.mark.timeout(900)
@pytest.mark.promise("STORY-1")
@pytest.mark.parametrize("one", REMOVED, ids=lambda one: f"{one.story} without {one.what}")
def test_without_its_handler_the_story_fails(one: Removed, tmp_path: Path):
    run_without(one, tmp_path)
