"""A curve so small that it fits a line of text: how a loss or an accuracy went."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from math import isfinite

from remap_ray.errors import InvalidRequest

__all__ = ["curve"]

STROKE = 1.4
DOT = 1.8


def curve(
    values: Sequence[float],
    width: int = 90,
    height: int = 24,
    low: float | None = 0,
    high: float | None = None,
    *,
    slots: int | None = None,
    label: str = "loss",
) -> str:
    """Draw a curve as SVG text in the colour of the text around it, its last value as a dot.

    Parameters
    ----------
    values
        One value per epoch, oldest first. Where one is not finite, the line has a gap.
    width, height
        In px.
    low, high
        Values at the lower and the upper edge; what lies beyond is drawn on the edge. None is the
        least or the greatest finite value.
    slots
        Places along the width, such as the epochs that a model gets: a curve that is still
        growing then ends before the right edge. At least as many as values; None is as many.
    label
        What the values are, for screen readers.

    Raises
    ------
    InvalidRequest
        Less than 4 px either way, or edges that are not finite or the wrong way round.
    """
    if width < 4 or height < 4:
        raise InvalidRequest(f"a curve needs room, not {width}x{height} px")
    for edge in (low, high):
        if edge is not None and not isfinite(edge):
            raise InvalidRequest(f"the edges of a curve must be finite, not {edge}")
    if low is not None and high is not None and low >= high:
        raise InvalidRequest(f"the lower edge {low:g} must lie below the upper edge {high:g}")
    finite = [value for value in values if isfinite(value)]
    bottom = min(finite, default=0.0) if low is None else low
    top = max(finite, default=bottom) if high is None else high
    # Halves, since the distance of two finite numbers need not be finite.
    span = top / 2 - bottom / 2
    places = max(len(values), slots or 0)

    def point(index: int, value: float) -> tuple[float, float]:
        inside = min(max(value, bottom), top) if top > bottom else bottom
        share = (inside / 2 - bottom / 2) / span if span > 0 else 0.0
        along = index / (places - 1) if places > 1 else 0.0
        # The dot stays inside the picture at every edge.
        return DOT + along * (width - 2 * DOT), DOT + (1 - share) * (height - 2 * DOT)

    runs: list[list[str]] = [[]]
    last = None
    for index, value in enumerate(values):
        if not isfinite(value):
            runs.append([])
            continue
        last = point(index, value)
        runs[-1].append(f"{last[0]:.1f} {last[1]:.1f}")
    # A run of one value has no length: the round line cap makes a point of it.
    path = "".join(f"M{run[0]}L{' '.join(run[1:] or run)}" for run in runs if run)
    drawn = ""
    if last is not None:
        drawn = (
            f'<path d="{path}" fill="none" stroke="currentColor" stroke-width="{STROKE}" '
            'stroke-linecap="round" stroke-linejoin="round"/>'
            f'<circle cx="{last[0]:.1f}" cy="{last[1]:.1f}" r="{DOT}" fill="currentColor"/>'
        )
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(_words(values, finite, label))}">{drawn}</svg>'
    )


def _words(values: Sequence[float], finite: Sequence[float], label: str) -> str:
    if not values:
        return f"{label}: no values yet"
    if not finite:
        return f"{label}: {len(values)} values, none finite"
    if len(finite) == 1:
        text = f"{label}: {finite[0]:.3g}"
    else:
        text = f"{label}: {len(finite)} values from {finite[0]:.3g} to {finite[-1]:.3g}"
    missing = len(values) - len(finite)
    return f"{text}, {missing} not finite" if missing else text
