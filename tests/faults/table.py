"""The fault table as Markdown, between two marks of its page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from statistics import median

from tests.faults.moments import NEAR_SECONDS
from tests.faults.results import Result

__all__ = ["BEGIN", "END", "page_with", "table"]

BEGIN = "<!-- faults: written by make faults -->"
END = "<!-- end of faults -->"

TITLES = (
    "| killed | kills of {} | failed | within 50 ms of a write | models lost | epochs twice | "
    "study equal | whole epochs trained again | recovered in, s |"
)


def table(rows: Sequence[str], results: Sequence[Result], kills: int, machine: str) -> str:
    """Write the table.

    Parameters
    ----------
    rows
        All that there are, in order; those without results too.
    results
        One of each kill that was made.
    kills
        How many were to be made in each row.
    """
    lines = [TITLES.format(kills), "| --- |" + " ---: |" * 8]
    for row in rows:
        made = [one for one in results if one.row == row]
        well = [one.found for one in made if one.found is not None]
        failed = len(made) - len(well)
        if not well:
            lines.append(f"| {row} | {len(made)} | {failed} | | | | | | |")
            continue
        seconds = [one.seconds for one in well]
        near = sum(one.since_write < NEAR_SECONDS for one in well)
        redone = [one.redone for one in well]
        # Of a kill that failed it is not known.
        lost = "?" if failed else "0"
        lines.append(
            f"| {row} | {len(made)} | {failed} | {near} | {lost} | {lost} | "
            f"{len(well)} of {len(made)} | {sum(redone)} (most {max(redone)}) | "
            f"{median(seconds):.1f} ({min(seconds):.1f} to {max(seconds):.1f}) |"
        )
    return "\n".join([*lines, "", *_notes(rows, results, kills), machine + "."])


def _notes(rows: Sequence[str], results: Sequence[Result], kills: int) -> list[str]:
    wanted = kills * len(rows)
    notes = []
    if len(results) < wanted:
        notes.append(
            f"{len(results)} of {wanted} kills have been made so far: `make faults` goes on."
        )
    if results:
        loads = [one.load for one in results]
        hours = sum(one.took for one in results) / 3600
        notes.append(
            f"The load average was {median(loads):.1f} ({min(loads):.1f} to {max(loads):.1f}), "
            f"and all runs took {hours:.1f} hours."
        )
        by_sources = Counter(one.sources for one in results)
        told = ", ".join(f"{count} of `{state}`" for state, count in by_sources.most_common())
        notes.append(f"Kills by the state of `remap_ray` and `tests/faults`: {told}.")
    return [" ".join(notes), ""] if notes else []


def page_with(old: str, text: str) -> str:
    """Put a table into the page, in the place of the earlier one."""
    before, begin, rest = old.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"the page has no place for the table: {BEGIN} ... {END}")
    return f"{before}{BEGIN}\n\n{text}\n\n{END}{after}"
