"""``python -m tests.faults [ROW ...] [--seeds N] [--write]``, for ``make faults``.

Each kill's result is kept in a folder as it comes, so that the same command goes on where it
was stopped; a kill is made again where REMAP or the test has changed since. All rows have their
first seed, then all their second: a table written early is even.
"""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

import psutil

from remap_ray.errors import RemapError
from tests.benchmarks.interruption import heed_signals
from tests.benchmarks.machine import machine
from tests.faults.prepared import Outcome, Prepared
from tests.faults.results import ROOT, Kept, Result, newest, sources
from tests.faults.rows import ROWS, run, uninterrupted
from tests.faults.table import page_with, table

PAGE = ROOT / "specs" / "reliability.md"
KILLS = 20
FAILURES = (AssertionError, OSError, RemapError, psutil.Error, subprocess.SubprocessError)
"""What counts as a failure of a kill, after which the next one is made."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill each victim once a seed and print the table; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {', '.join(ROWS)}")
    parser.add_argument("--seeds", type=int, default=KILLS, metavar="N", help="kills of each row")
    parser.add_argument("--first", type=int, default=0, metavar="S", help="the first seed")
    parser.add_argument("--again", action="store_true", help="make those again that failed")
    parser.add_argument("--write", action="store_true", help="keep the table in specs")
    parser.add_argument(
        "--results", type=Path, default=ROOT / ".faults", metavar="FOLDER", help="where they lie"
    )
    given = parser.parse_args(arguments)
    if unknown := set(given.rows) - set(ROWS):
        parser.error(f"there is no row {min(unknown)!r}; known are {', '.join(ROWS)}")
    kept, now = Kept(given.results), sources()
    made = {
        (one.row, one.seed)
        for one in newest(kept.results())
        if one.sources == now and (one.found is not None or not given.again)
    }
    wanted = [
        (row, seed)
        for seed in range(given.first, given.first + given.seeds)
        for row in given.rows or ROWS
        if (row, seed) not in made
    ]
    if wanted:
        prepared = Prepared(kept.prepared)
        expected = _expected(kept, prepared)
    for row, seed in wanted:
        result = _killed(row, seed, prepared, expected, now)
        kept.add(result)
        said = result.failure or result.found
        _say(f"{row}, seed {seed}: {said}, {result.took:.0f} s in all, load {result.load:.0f}")
    results = [one for one in newest(kept.results()) if one.seed < KILLS]
    text = table(list(ROWS), results, KILLS, machine())
    sys.stdout.write(text + "\n")
    if given.write:
        PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    return 1 if any(one.found is None for one in results) else 0


def _killed(row: str, seed: int, prepared: Prepared, expected: Outcome, now: str) -> Result:
    began = time.monotonic()
    found, failure = None, ""
    folder = Path(tempfile.mkdtemp(prefix="remap-faults-"))
    try:
        found = run(row, folder, prepared, seed, expected)
    except FAILURES as error:
        failure = f"{type(error).__name__}: {str(error)[:500]}"
        traceback.print_exc()
        if (folder / "log").exists():
            shutil.copy(folder / "log", prepared.folder / f"{row} {seed}.log")
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return Result(row, seed, now, found, failure, os.getloadavg()[0], time.monotonic() - began)


def _expected(kept: Kept, prepared: Prepared) -> Outcome:
    known = kept.expected()
    if known is None:
        _say("training the study that is not interrupted ...")
        with tempfile.TemporaryDirectory(prefix="remap-faults-") as name:
            known = uninterrupted(Path(name), prepared)
        kept.keep_expected(known)
    return known


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    # What a kill has started ends with it, and the next command goes on.
    heed_signals()
    try:
        code = main()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
