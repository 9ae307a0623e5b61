"""What kills came to is kept, gone on with, and told as it is."""

from __future__ import annotations

from pathlib import Path

from tests.faults.results import Kept, Result, newest, sources
from tests.faults.rows import ROWS, Found
from tests.faults.table import BEGIN, END, page_with, table


def result(row: str, seed: int, found: Found | None, state: str = "1234abcd") -> Result:
    return Result(row, seed, state, found, "" if found else "AssertionError: no", 1.5, 60.0)


def test_results_are_kept_as_they_come(tmp_path: Path) -> None:
    kept = Kept(tmp_path / "faults")
    assert kept.results() == []
    given = [result("trainer", 0, Found(1.0, 0, 0.01)), result("web app", 0, None)]
    for one in given:
        kept.add(one)
    assert Kept(tmp_path / "faults").results() == given
    # One that was cut off by a kill is made again.
    with (tmp_path / "faults" / "results.jsonl").open("a", encoding="utf-8") as file:
        file.write('{"row": "trainer", "se')
    assert kept.results() == given


def test_of_two_runs_of_a_kill_the_later_counts() -> None:
    before = [result("trainer", 0, None), result("trainer", 1, Found(1.0, 0, 1.0))]
    after = result("trainer", 0, Found(2.0, 1, 0.02), state=sources())
    assert newest([*before, after]) == [after, before[1]]


def test_the_table_tells_how_many_kills_were_made() -> None:
    results = [
        *(result("trainer", seed, Found(2.0 + seed, seed, 0.04)) for seed in range(3)),
        result("scheduler", 0, Found(3.0, 0, 1.0), state="feed1234"),
        result("scheduler", 1, None, state="feed1234"),
        result("projector", 0, None),
    ]
    text = table(list(ROWS), results, 20, "A machine")
    rows = {one.split(" | ")[0].strip("| "): one for one in text.splitlines() if "|" in one}
    assert rows["trainer"] == (
        "| trainer | 3 | 0 | 3 | 0 | 0 | 3 of 3 | 3 (most 2) | 3.0 (2.0 to 4.0) |"
    )
    assert rows["scheduler"] == (
        "| scheduler | 2 | 1 | 0 | ? | ? | 1 of 2 | 0 (most 0) | 3.0 (3.0 to 3.0) |"
    )
    assert rows["projector"].startswith("| projector | 1 | 1 |")
    assert rows["web app"].startswith("| web app | 0 | 0 |")
    assert "6 of 140 kills have been made so far" in text
    assert "4 of `1234abcd`, 2 of `feed1234`" in text
    page = f"before\n{BEGIN}\n\nold\n\n{END}\nafter\n"
    assert page_with(page, text) == f"before\n{BEGIN}\n\n{text}\n\n{END}\nafter\n"
