"""Measuring several ways of doing one thing in turn, so that a busy machine is fair to all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median
from typing import TypeVar

from tests.benchmarks.report import quantity

__all__ = ["ratio", "seconds_in_turn", "speed_ratio", "timed"]

Name = TypeVar("Name", bound=str)


def timed(
    run: Callable[[], object], clock: Callable[[], float] = time.perf_counter
) -> Callable[[], float]:
    """Make what runs something and gives the seconds that it took.

    Parameters
    ----------
    clock
        Gives seconds. What keeps one core busy and waits for nothing is better measured by
        `time.process_time`, which others on the machine disturb less.
    """

    def measured() -> float:
        start = clock()
        run()
        return clock() - start

    return measured


def seconds_in_turn(
    ways: Mapping[Name, Callable[[], float]], rounds: int
) -> dict[Name, list[float]]:
    """Measure each way once a round: A B A B ..., after one round that does not count.

    Parameters
    ----------
    ways
        Each gives its seconds, as `timed` makes them.

    Returns
    -------
    dict
        By way, the seconds of each round.
    """
    seconds: dict[Name, list[float]] = {name: [] for name in ways}
    for counted in (False, *[True] * rounds):
        for name, run in ways.items():
            took = run()
            if counted:
                seconds[name].append(took)
    return seconds


def speed_ratio(ours: Sequence[float], plain: Sequence[float]) -> str:
    """Write how many times faster ours was, of the seconds of each round."""
    return ratio([theirs / mine for mine, theirs in zip(ours, plain, strict=True)])


def ratio(rounds: Sequence[float]) -> str:
    """Write the ratio of each round as their median, with the least and the most."""
    return f"**{quantity(median(rounds))}** ({quantity(min(rounds))} to {quantity(max(rounds))})"
