"""``python -m tests.faults [ROW ...] [--seeds N] [--write]``, for ``make faults``."""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
import traceback
from collections.abc import Sequence
from pathlib import Path

from tests.benchmarks.machine import machine
from tests.faults.prepared import long_data
from tests.faults.rows import ROWS, Found, run, uninterrupted
from tests.faults.table import page_with, table

PAGE = Path(__file__).parents[2] / "specs" / "reliability.md"


def main(arguments: Sequence[str] | None = None) -> int:
    """Kill each victim once a seed and print the table; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of: {', '.join(ROWS)}")
    parser.add_argument("--seeds", type=int, default=20, metavar="N", help="kills of each row")
    parser.add_argument("--first", type=int, default=0, metavar="S", help="the first seed")
    parser.add_argument("--write", action="store_true", help="keep the table in specs")
    given = parser.parse_args(arguments)
    if unknown := set(given.rows) - set(ROWS):
        parser.error(f"there is no row {min(unknown)!r}; known are {', '.join(ROWS)}")
    found: dict[str, list[Found]] = {}
    failed: dict[str, int] = {}
    with tempfile.TemporaryDirectory(prefix="remap-faults-") as name:
        folder = Path(name)
        _say("training the study that is not interrupted ...")
        data = long_data(folder / "long.npz")
        (folder / "whole").mkdir()
        expected = uninterrupted(folder / "whole", data)
        for row in given.rows or ROWS:
            found[row], failed[row] = [], 0
            for seed in range(given.first, given.first + given.seeds):
                began = time.monotonic()
                scene = folder / f"{row} {seed}"
                scene.mkdir()
                try:
                    found[row].append(run(row, scene, data, seed, expected))
                except AssertionError:
                    failed[row] += 1
                    traceback.print_exc()
                said = found[row][-1] if not failed[row] else f"{failed[row]} failed"
                _say(f"{row}, seed {seed}: {said}, {time.monotonic() - began:.0f} s in all")
    text = table(found, failed, machine())
    sys.stdout.write(text + "\n")
    if given.write:
        PAGE.write_text(page_with(PAGE.read_text(encoding="utf-8"), text), encoding="utf-8")
    return 1 if any(failed.values()) else 0


def _say(what: str) -> None:
    sys.stderr.write(f"{what}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    sys.exit(main())
