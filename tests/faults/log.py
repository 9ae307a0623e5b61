"""What the trainers told of their epochs, read from outside."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

__all__ = ["Inside", "Log", "environment"]

OBSERVED = Path(__file__).parent / "observed"
ROOT = Path(__file__).parents[2]


@final
@dataclass(frozen=True)
class Inside:
    """An epoch that a process was training at some moment; seconds are monotonic."""

    pid: int
    model: str
    epoch: int
    began: float


def environment(log: Path, *, often: bool) -> dict[str, str]:
    """Give the environment in which trainers keep their log in ``log``.

    Parameters
    ----------
    often
        They give a checkpoint after each epoch, instead of after 10 s.
    """
    path = os.pathsep.join([str(OBSERVED), str(ROOT)])
    env = {**os.environ, "REMAP_FAULTS_LOG": str(log), "PYTHONPATH": path}
    # Ray's workers step back behind all others, which on a busy machine is a standstill.
    env["RAY_worker_niceness"] = "0"
    return env | ({"REMAP_FAULTS_OFTEN": "1"} if often else {})


@final
class Log:
    """The lines of one log, in their order, as far as they have been written."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def lines(self) -> list[dict[str, Any]]:
        """Read what was told so far."""
        if not self.path.exists():
            return []
        whole = self.path.read_text(encoding="utf-8").rpartition("\n")[0]
        return [json.loads(line) for line in whole.splitlines()]

    def inside(self, pids: Sequence[int]) -> tuple[Inside, ...]:
        """Give the epochs that the processes ``pids`` are inside now."""
        now: dict[int, Inside] = {}
        for line in self.lines():
            pid = line["pid"]
            if "begins" in line:
                now[pid] = Inside(pid, line["model"], line["begins"], line["at"])
            else:
                now.pop(pid, None)
        return tuple(one for pid, one in now.items() if pid in pids)

    def begun(self, after: float, not_by: Sequence[int] = ()) -> list[tuple[str, int]]:
        """Give the epochs begun after a moment, as (model, epoch), in order.

        Parameters
        ----------
        not_by
            Processes whose lines do not count.
        """
        lines = self.lines()
        return [
            (line["model"], line["begins"])
            for line in lines
            if "begins" in line and line["at"] > after and line["pid"] not in not_by
        ]

    def resumed(self, after: float) -> Mapping[str, int]:
        """Give the epoch from which each model went on when first begun after a moment."""
        found: dict[str, int] = {}
        for line in self.lines():
            if "resumed" in line and line["at"] > after:
                found.setdefault(line["model"], line["resumed"])
        return found

    def redone(self, after: float) -> int:
        """Count the epochs that were complete before a moment and begun again after it."""
        lines = self.lines()
        complete = {
            (line["model"], line["ends"]) for line in lines if "ends" in line and line["at"] < after
        }
        return sum(one in complete for one in self.begun(after))

    def seconds(self) -> Mapping[str, float]:
        """Give, of each model, the seconds of its shortest epoch."""
        found: dict[str, float] = {}
        for line in self.lines():
            if "seconds" in line:
                seconds = min(found.get(line["model"], float("inf")), line["seconds"])
                found[line["model"]] = seconds
        return found
