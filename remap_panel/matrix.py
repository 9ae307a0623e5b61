"""A confusion matrix as a table: read aloud, walked through by keyboard, each cell a button."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

import numpy as np
from numpy.typing import NDArray

from remap_panel import theme
from remap_ray.space.terms import LAYERS
from remap_ray.study.metrics import class_accuracies, never_predicted

__all__ = ["MOST_CLASSES", "STYLE", "difference_html", "matrix_html", "share"]

MOST_CLASSES = 24
"""Classes up to which a table is sent; more are a picture (`remap_panel.confusion`)."""

LONGEST = 14
"""Letters of a class name at the edges of the table; its title tells the whole name."""

SHORTEST = 3
"""Letters of class names that need not be turned."""


def _shades() -> str:
    return "\n".join(
        f".{letter}{step} {{ background: var(--remap-{name}-{step}); "
        f"color: var(--remap-{name}-{step}-ink); }}"
        for letter, name in (("r", "right"), ("w", "wrong"))
        for step in range(theme.SHADES)
    )


STYLE = f"""
.matrix-place {{ overflow-x: auto; padding: 2px; }}
.matrix {{
  border-spacing: 2px; font: 12px/1.2 var(--remap-sans); font-variant-numeric: tabular-nums;
}}
.matrix caption {{ text-align: left; padding: 0 0 4px; font-weight: 600; }}
.matrix th {{ font-weight: 400; color: var(--remap-muted); white-space: nowrap; }}
.matrix tbody th {{ text-align: right; padding-right: 6px; }}
.matrix thead th {{ vertical-align: bottom; padding: 0 0 2px; font-size: 11px; }}
.matrix thead th.name > span {{
  display: block; width: 34px; writing-mode: vertical-rl; transform: rotate(180deg);
  text-align: left; line-height: 34px; max-height: 96px; overflow: hidden;
}}
.matrix.is-short thead th.name:not(.last) > span {{
  writing-mode: initial; transform: none; text-align: center; line-height: 1.4;
}}
.matrix thead th.never {{ color: var(--remap-bad); font-weight: 700; }}
.matrix td {{
  width: 34px; min-width: 34px; height: 26px; padding: 0; text-align: center; border-radius: 4px;
}}
.matrix td button {{
  display: block; width: 100%; height: 26px; text-align: center; border-radius: 4px;
}}
.matrix td button:hover {{ box-shadow: inset 0 0 0 2px currentcolor; }}
.matrix td button[aria-pressed="true"] {{
  box-shadow: inset 0 0 0 2px currentcolor, 0 0 0 2px var(--remap-highlight);
}}
.matrix td.never {{ background: repeating-linear-gradient(
  45deg, transparent 0 4px, color-mix(in srgb, var(--remap-bad) 35%, transparent) 4px 5px); }}
.matrix td.recall {{ color: var(--remap-text); padding-left: 8px; }}
.matrices .matrix td {{ width: 27px; min-width: 27px; height: 22px; font-size: 11px; }}
.matrices .matrix td.recall {{ padding-left: 4px; }}
.matrices .matrix thead th.name > span {{ width: 27px; line-height: 27px; }}
{_shades()}
"""


def share(count: float, total: float) -> str:
    """Write a share of a row as whole percents; 0 only for none, 100 only for all."""
    if not total:
        return "–"
    percent = 100 * count / total
    if 0 < percent < 1:
        return "<1%"
    return ">99%" if 99 < percent < 100 else f"{percent:.0f}%"


def matrix_html(
    matrix: NDArray[np.int64],
    names: Sequence[str],
    model: str,
    *,
    shares: bool = False,
    act: str = "",
    caption: str = "",
    items: str = LAYERS.items,
) -> str:
    """Write a confusion matrix (classes, classes), rows true, as an HTML table.

    Parameters
    ----------
    model
        Whose it is, for the words of its cells.
    shares
        Shares of each row in percents, instead of counts.
    act
        What a cell with a count sends when it is pressed, with the two labels as its value;
        empty where it cannot be pressed.
    """
    never = never_predicted(matrix)
    recalls = class_accuracies(matrix)
    totals = matrix.sum(axis=1).tolist()
    # One cell is the table's stop for the Tab key: the first that can be pressed.
    stop = int(np.flatnonzero(matrix)[0]) if matrix.any() else 0
    rows = []
    for true, counts in enumerate(matrix.tolist()):
        total = totals[true]
        cells = []
        for predicted, count in enumerate(counts):
            if not count:
                mark = "never" if never[predicted] else f"{'r' if true == predicted else 'w'}0"
                cells.append(f'<td class="{mark}"></td>')
                continue
            text = share(count, total) if shares else f"{count}"
            words = (
                f"Of the {total:,} {items} of {names[true]}, {model} labels {count:,} "
                f"({share(count, total)}) as {names[predicted]}"
            )
            tab = 0 if true * len(names) + predicted == stop else -1
            inside = (
                f'<button type="button" data-act="{act}" data-value="{true},{predicted}" '
                f'data-key="{act} {true},{predicted}" tabindex="{tab}" aria-pressed="false" '
                f'title="{escape(words)}">{escape(text)}</button>'
                if act
                else f'<span title="{escape(words)}">{escape(text)}</span>'
            )
            cells.append(f'<td class="{_shade(count / total, true == predicted)}">{inside}</td>')
        recall = "–" if np.isnan(recalls[true]) else f"{recalls[true]:.2f}"
        rows.append(
            f'<tr>{_row_head(names[true])}{"".join(cells)}<td class="recall">{recall}</td></tr>'
        )
    label = f"Confusion matrix of {model}"
    return _table(names, "".join(rows), caption, label, never.tolist(), "correct", act)


def difference_html(
    first: NDArray[np.int64],
    second: NDArray[np.int64],
    names: Sequence[str],
    caption: str,
    items: str = LAYERS.items,
) -> str:
    """Write by how much the second matrix differs from the first, cell by cell.

    What is better (more on the diagonal, less beside it) has the one colour and a full sign, what
    is worse the other.
    """
    totals = first.sum(axis=1).tolist()
    rows = []
    for true, changes in enumerate((second - first).tolist()):
        cells = []
        for predicted, change in enumerate(changes):
            if not change:
                cells.append('<td class="r0"></td>')
                continue
            better = (change > 0) == (true == predicted)
            words = (
                f"{names[true]} labelled as {names[predicted]}: {change:+,} {items}, "
                f"{'better' if better else 'worse'}"
            )
            shade = _shade(min(1.0, 4 * abs(change) / max(totals[true], 1)), better)
            sign = "+" if change > 0 else "−"
            cells.append(
                f'<td class="{shade}"><span title="{escape(words)}">{sign}{abs(change)}</span></td>'
            )
        rows.append(f"<tr>{_row_head(names[true])}{''.join(cells)}</tr>")
    label = f"Difference of the confusion matrices {caption}"
    return _table(names, "".join(rows), caption, label, [False] * len(names), "", "")


def _table(
    names: Sequence[str],
    rows: str,
    caption: str,
    label: str,
    never: Sequence[bool],
    last: str,
    act: str,
) -> str:
    heads = "".join(
        f'<th scope="col" class="name{" never" if flagged else ""}" title="{escape(name)}'
        f'{": never predicted" if flagged else ""}"><span>{"! " if flagged else ""}'
        f"{escape(_cut(name))}</span></th>"
        for name, flagged in zip(names, never, strict=True)
    )
    tail = f'<th scope="col" class="name last"><span>{last}</span></th>' if last else ""
    grid = ' data-grid="matrix"' if act else ""
    short = " is-short" if max(map(len, names)) <= SHORTEST else ""
    said = f"<caption>{escape(caption)}</caption>" if caption else ""
    return (
        f'<div class="matrix-place" data-scroll="matrix"><table class="matrix{short}"{grid} '
        f'aria-label="{escape(label)}">{said}<thead><tr>'
        f'<th scope="col">true ↓ as →</th>{heads}{tail}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _row_head(name: str) -> str:
    return f'<th scope="row" title="{escape(name)}">{escape(_cut(name))}</th>'


def _shade(part: float, right: bool) -> str:
    step = min(int(part * theme.SHADES), theme.SHADES - 1)
    return f"{'r' if right else 'w'}{max(step, 1)}"


def _cut(name: str) -> str:
    return name if len(name) <= LONGEST else f"{name[: LONGEST - 1]}…"
