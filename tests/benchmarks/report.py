"""Tables of figures as Markdown, and the page that keeps them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

__all__ = ["Table", "page_with", "quantity", "section"]

HEAD = """# Benchmarks

Written by `make bench BENCH=--write`, not by hand. Speed is told as the ratio of ours to the
plain code's beside it: above 1 ours is faster. Both are measured in turn in one run (A B A B ...)
after a round that does not count; a ratio is the median of the rounds' ratios, with the least and
the most in brackets, other figures are medians. They say of what order a cost is on the machine
that is named, and nothing about another.
"""

SHARED = 0.1
"""Share of the processors in use around a benchmark from which the machine counts as shared."""


@final
@dataclass(frozen=True)
class Table:
    """What a benchmark found.

    Parameters
    ----------
    says
        What is measured, and what against: one paragraph.
    columns
        Their titles.
    rows
        As many texts each as there are columns.
    """

    says: str
    columns: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]

    def __post_init__(self) -> None:
        for row in self.rows:
            if len(row) != len(self.columns):
                raise ValueError(f"a row of {len(row)} in a table of {len(self.columns)} columns")


def quantity(value: float) -> str:
    """Write a number with the three digits that a measurement is worth."""
    return f"{value:,.0f}" if abs(value) >= 100 else f"{value:.3g}"


def section(
    name: str, table: Table, machine: str, before: float, after: float, seconds: float
) -> str:
    """Write a benchmark's section: what it is, its table, and where it was measured.

    Parameters
    ----------
    machine
        In words.
    before, after
        Share of the processors that was in use just before and just after, by others.
    seconds
        How long the benchmark took.
    """
    shared = "The machine was shared with others" if max(before, after) > SHARED else "It was idle"
    where = (
        f"{machine}. {shared}: {before:.0%} of its processors were in use just before, "
        f"{after:.0%} just after. Took {seconds:.0f} s."
    )
    lines = [
        f"## {name}",
        "",
        table.says,
        "",
        _line(table.columns),
        _line(["---", *["---:"] * (len(table.columns) - 1)]),
        *map(_line, table.rows),
        "",
        where,
        "",
    ]
    return "\n".join(lines)


def page_with(old: str, name: str, text: str, names: Sequence[str]) -> str:
    """Put a section into the page, in the place of that benchmark's earlier one.

    Parameters
    ----------
    old
        The page so far, or nothing.
    names
        The benchmarks, in their order; sections of others are dropped.
    """
    parts = re.split(r"^(?=## )", old, flags=re.MULTILINE)[1:]
    sections = {part.splitlines()[0].removeprefix("## "): part for part in parts} | {name: text}
    kept = [sections[one].rstrip() for one in names if one in sections]
    return "\n\n".join([HEAD.rstrip(), *kept]) + "\n"


def _line(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"
