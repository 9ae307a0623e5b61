"""Figures of several chips below each other: an aligned table with columns."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from typing import Literal, TypeAlias, final

from remap_panel.snac.legend import LEGEND_WIDTH, kinds_of, legend_body
from remap_panel.snac.lettering import lettered, number, text_width
from remap_panel.snac.strip import DIFFERENCES, LINES, MARGIN, Look, Strip, label_room, strip
from remap_panel.snac.svg import root
from remap_ray.errors import InvalidRequest
from remap_ray.space import Design

__all__ = ["ALIGNMENTS", "Value", "table_svg"]

Value: TypeAlias = "str | int | float | None"
"""What stands in a column; a float gets three decimals, None a dash."""

ALIGNMENTS = ("left", "structure")
"""How the chips of a table stand below each other."""


def table_svg(
    architectures: Sequence[Design],
    look: Look,
    *,
    labels: Sequence[str] = (),
    columns: Mapping[str, Sequence[Value]] | None = None,
    align: str = "left",
    title: str = "",
    legend: bool = False,
) -> str:
    """Draw chips below each other in one look, with a label before and columns after each.

    Raises
    ------
    InvalidRequest
        Nothing to draw, labels or columns of another length, an unknown alignment, or one by
        structure of chips that are folded.
    """
    _check(architectures, look, labels, columns, align)
    narrow = any(look.is_long(one) for one in architectures)
    look = replace(look, narrow=narrow, tight=True)
    strips, differences = _strips(architectures, look, align)
    font = look.size.text
    space, pad = round(font * 1.6), round(font * 0.7)

    named = ceil(max((text_width(one, font) for one in labels), default=0))
    start = named + space if named else 0
    after = start + max(one.width for one in strips)
    placed, end = _placed(columns or {}, after, space, font)
    width = max(end, ceil(text_width(title, font + 1)))

    y = 0.0
    parts: list[str] = []
    rules: list[float] = []
    if title:
        y = font + 1
        parts.append(lettered(title, 0, y, font + 1))
        y += round(font * 0.8)
    if placed:
        rules.append(y + 0.5)
        y += font * 1.35
        parts += [lettered(one.name, one.at, y, font, one.anchor) for one in placed]
        y += round(font * 0.5)
        rules.append(y + 0.5)
    for row, one in enumerate(strips):
        y = ceil(y + (pad if placed or row else 0))
        # A label may be higher than a low chip.
        drop = max(0, ceil(font * 0.6 - one.middle))
        parts.append(f'<g transform="translate({start} {y + drop})">{one.body}</g>')
        line = y + drop + one.middle + font * 0.35
        if labels:
            parts.append(lettered(labels[row], 0, line, font))
        parts += [lettered(each.texts[row], each.at, line, font, each.anchor) for each in placed]
        y += max(one.height + drop, ceil(drop + one.middle + font * 0.6))
    if placed:
        y = ceil(y + pad)
        rules.append(y + 0.5)
        drawn = "".join(f"M0 {number(at)}h{end}" for at in rules)
        parts.append(f'{LINES}stroke-width="1"><path d="{drawn}"/></g>')
        y += 1
    if legend:
        y = ceil(y + pad * 1.4)
        body, wide, high = _explained(architectures, look, differences, width)
        parts.append(f'<g transform="translate(0 {y})">{body}</g>')
        width, y = max(width, wide), y + high
    said = [title] if title else []
    for row, one in enumerate(strips):
        label = f"{labels[row]}: " if labels and labels[row] else ""
        told = "".join(f"; {each.name} {each.texts[row]}" for each in placed)
        said.append(f"{label}{one.words}{told}")
    return f"{root(width, ceil(y), '. '.join(said), MARGIN)}{''.join(parts)}</svg>"


@final
@dataclass(frozen=True)
class _Column:
    """A column of texts that start or end at ``at``."""

    name: str
    texts: tuple[str, ...]
    at: int
    anchor: Literal["start", "end"]


def _placed(
    columns: Mapping[str, Sequence[Value]], after: int, space: int, font: int
) -> tuple[list[_Column], int]:
    """Place the columns after each other, and give where the last one ends."""
    made = []
    for name, values in columns.items():
        texts = tuple(_written(one) for one in values)
        wide = ceil(max(text_width(one, font) for one in (name, *texts)))
        after += space
        if any(isinstance(one, str) for one in values):
            made.append(_Column(name, texts, after, "start"))
        else:
            # Digits are equally wide, so numbers that end together compare.
            made.append(_Column(name, texts, after + wide, "end"))
        after += wide
    return made, after


def _explained(
    architectures: Sequence[Design], look: Look, differences: Collection[str], width: int
) -> tuple[str, int, int]:
    """Give the legend of a figure: of what occurs in it, and of nothing else."""
    return legend_body(
        look.size,
        kinds_of(architectures),
        max(width, LEGEND_WIDTH),
        None if look.fixed_height else look.scale,
        folded=any(run.times > 1 for one in architectures for run in look.shown(one)),
        differences=[one for one in DIFFERENCES if one in differences],
    )


def _check(
    architectures: Sequence[Design],
    look: Look,
    labels: Sequence[str],
    columns: Mapping[str, Sequence[Value]] | None,
    align: str,
) -> None:
    if not architectures:
        raise InvalidRequest("a figure needs at least one model to draw")
    count = len(architectures)
    if labels and len(labels) != count:
        raise InvalidRequest(f"{count} models need as many labels, not {len(labels)}")
    for name, values in (columns or {}).items():
        if len(values) != count:
            raise InvalidRequest(
                f"{count} models need as many values, not {len(values)} in the column {name!r}"
            )
    if align not in ALIGNMENTS:
        raise InvalidRequest(
            f"chips are aligned by {' or '.join(map(repr, ALIGNMENTS))}, not {align!r}"
        )
    if align == "structure" and look.fold:
        raise InvalidRequest(
            "chips that are aligned by structure show every layer: leave out fold, or align"
        )


def _strips(
    architectures: Sequence[Design], look: Look, align: str
) -> tuple[list[Strip], frozenset[str]]:
    """Draw the chips, and give the differences that are marked in them."""
    if align == "left" or len(architectures) == 1:
        return [strip(one, look) for one in architectures], frozenset()
    # The structural distance takes numba and more; a chip alone needs none of it.
    from remap_panel.alignment import align as aligned  # noqa: PLC0415

    step = look.laid(architectures[0]).blocks[0].width
    if look.sizes:
        shapes = [shape for one in architectures for shape in one.sizes[1:]]
        step = max(step, *(label_room(shape, look.size.label) for shape in shapes))
    look = replace(look, step=step + look.size.gap)
    found = aligned(architectures)
    strips = [
        strip(one, look, place.columns, place.differences)
        for one, place in zip(architectures, found, strict=True)
    ]
    return strips, frozenset(mark for place in found for mark in place.differences)


def _written(value: Value) -> str:
    if value is None:
        return "–"
    if isinstance(value, bool | str):
        return str(value)
    return f"{value:,}" if isinstance(value, int) else f"{value:.3f}"
