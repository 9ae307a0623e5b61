"""``python -m tests.benchmarks [NAME ...] [--quick] [--write] [--list]``, for ``make bench``."""

from __future__ import annotations

import argparse
import multiprocessing
import sys
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

from tests.benchmarks import NAMES, ON_GPU, measure
from tests.benchmarks.interruption import heed_signals
from tests.benchmarks.machine import busy_share, machine
from tests.benchmarks.report import page_with, section

PAGE = Path(__file__).parents[2] / "specs" / "benchmarks.md"

LOOK_SECONDS = 2.0
"""How long the machine is watched before and after a benchmark."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run benchmarks and print their tables; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help="default: all but those for a GPU")
    parser.add_argument("--quick", action="store_true", help="tiny sizes, to see that all works")
    parser.add_argument("--write", action="store_true", help="keep the tables in specs")
    parser.add_argument("--list", action="store_true", help="give the names and end")
    given = parser.parse_args(arguments)
    if unknown := set(given.names) - set(NAMES):
        parser.error(f"there is no benchmark {min(unknown)!r}; known are {', '.join(NAMES)}")
    if given.quick and given.write:
        parser.error("--quick tells nothing worth keeping: leave out --quick or --write")
    if given.list:
        sys.stdout.write("\n".join(NAMES) + "\n")
        return 0
    for name in given.names or [one for one in NAMES if one not in ON_GPU]:
        text = _measured(name, quick=given.quick)
        sys.stdout.write(text + "\n")
        sys.stdout.flush()
        if given.write:
            old = PAGE.read_text(encoding="utf-8") if PAGE.exists() else ""
            PAGE.write_text(page_with(old, name, text, NAMES), encoding="utf-8")
    return 0


def _measured(name: str, *, quick: bool) -> str:
    """Run one benchmark in a process of its own, and give its section.

    So none inherits the threads, the memory or the caches of another.
    """
    sys.stderr.write(f"measuring {name} ...\n")
    before = busy_share(LOOK_SECONDS)
    start = time.monotonic()
    spawn = multiprocessing.get_context("spawn")
    with ProcessPoolExecutor(1, mp_context=spawn, initializer=heed_signals) as processes:
        try:
            table = processes.submit(measure, name, quick).result()
        except KeyboardInterrupt:
            # It cleans up what it has started; the block waits for it.
            for process in multiprocessing.active_children():
                process.terminate()
            raise
    seconds = time.monotonic() - start
    after = busy_share(LOOK_SECONDS)
    return section(name, table, machine(), before, after, seconds)


if __name__ == "__main__":
    heed_signals()
    try:
        code = main()
    except KeyboardInterrupt:
        code = 130
    sys.exit(code)
