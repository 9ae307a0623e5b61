"""The fault table as Markdown, between two marks of its page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import median

from tests.faults.moments import NEAR_SECONDS
from tests.faults.rows import Found

__all__ = ["BEGIN", "END", "page_with", "table"]

BEGIN = "<!-- faults: written by make faults -->"
END = "<!-- end of faults -->"

TITLES = (
    "| killed | kills | within 50 ms of a write | models lost | epochs twice | study equal | "
    "whole epochs trained again | recovered in, s |"
)


def table(found: Mapping[str, Sequence[Found]], failed: Mapping[str, int], machine: str) -> str:
    """Write the table.

    Parameters
    ----------
    found
        By row, what each kill that went well came to.
    failed
        By row, how many did not.
    """
    lines = [TITLES, "| --- | ---: | ---: | ---: | ---: | ---: | ---: | ---: |"]
    for row, results in found.items():
        kills = len(results) + failed[row]
        if not results:
            lines.append(f"| {row} | {kills} | | | | 0 of {kills} | | |")
            continue
        seconds = [one.seconds for one in results]
        near = sum(one.since_write < NEAR_SECONDS for one in results)
        redone = [one.redone for one in results]
        lost = "0" if not failed[row] else "?"
        lines.append(
            f"| {row} | {kills} | {near} | {lost} | {lost} | {len(results)} of {kills} | "
            f"{sum(redone)} (most {max(redone)}) | {median(seconds):.1f} "
            f"({min(seconds):.1f} to {max(seconds):.1f}) |"
        )
    return "\n".join([*lines, "", machine + "."])


def page_with(old: str, text: str) -> str:
    """Put a table into the page, in the place of the earlier one."""
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no place for the table: {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"
