"""What each kill came to, kept as it comes: one line of JSON each, in a folder beside the source.

Kills take hours in all. Whoever runs them can stop at any time and go on later.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import final

from tests.faults.prepared import Outcome
from tests.faults.rows import Found

__all__ = ["Kept", "Result", "newest", "sources"]

ROOT = Path(__file__).parents[2]
LEFT_OUT = {"__main__.py", "conftest.py", "results.py", "table.py"}
"""Files of this folder that, as its tests, decide nothing over a kill."""


def sources() -> str:
    """Give 8 hex digits that change with REMAP's work and with the way in which it is killed."""
    digest = hashlib.sha256()
    for folder in ("remap_ray", "tests/faults"):
        for path in sorted((ROOT / folder).rglob("*.py")):
            decides = path.name not in LEFT_OUT and not path.name.startswith("test_")
            if folder == "remap_ray" or decides:
                digest.update(str(path.relative_to(ROOT)).encode() + path.read_bytes())
    return digest.hexdigest()[:8]


@final
@dataclass(frozen=True)
class Result:
    """One kill.

    Parameters
    ----------
    sources
        As `sources` gave it.
    found
        None where it failed; ``failure`` then says why.
    load
        Processes that wanted a processor, on an average over the last minute of the run.
    took
        Seconds of the whole run.
    """

    row: str
    seed: int
    sources: str
    found: Found | None
    failure: str
    load: float
    took: float


@final
class Kept:
    """The folder of results, and of what is prepared for the kills, by the state of the source."""

    def __init__(self, folder: Path) -> None:
        self._file = folder / "results.jsonl"
        self.prepared = folder / sources()

    def add(self, result: Result) -> None:
        """Add a kill's line."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(asdict(result)) + "\n")

    def results(self) -> list[Result]:
        """Read all, in the order in which they came."""
        if not self._file.exists():
            return []
        # The last line may have been cut off.
        whole = self._file.read_text(encoding="utf-8").rpartition("\n")[0]
        return [_result(line) for line in whole.splitlines()]

    def expected(self) -> Outcome | None:
        """Read how the study ends that nothing interrupts; None where it has not been trained."""
        path = self.prepared / "whole.json"
        if not path.exists():
            return None
        rows = json.loads(path.read_text(encoding="utf-8"))
        return [tuple(tuple(one) if isinstance(one, list) else one for one in row) for row in rows]

    def keep_expected(self, outcome: Outcome) -> None:
        """Keep it."""
        part = self.prepared / f"whole.json.{os.getpid()}"
        part.write_text(json.dumps(outcome), encoding="utf-8")
        part.rename(self.prepared / "whole.json")


def _result(line: str) -> Result:
    told = json.loads(line)
    found = None if told["found"] is None else Found(**told["found"])
    return Result(**{**told, "found": found})


def newest(results: Sequence[Result]) -> list[Result]:
    """Of several runs of the same kill give the last one."""
    return list({(one.row, one.seed): one for one in results}.values())
