"""A drawing as PNG, on white."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from io import BytesIO
from itertools import pairwise
from math import ceil, cos, floor, hypot, pi, sin

import numpy as np
from PIL import Image

from remap_panel.snac.shapes import Point, Shape, flat, read
from remap_panel.theme import PAPER
from remap_ray.errors import InvalidRequest

__all__ = ["MOST_PIXELS", "png"]

FINE = 4
"""Each pixel is as covered as the 4 by 4 points in it are."""

CORNERS = 24
"""Corners of a dot and of the round end of a line."""

MOST_PIXELS = 100_000_000
"""Largest picture that is made: more fills the memory of a small machine."""

INCH = 96
"""Pixels of a drawing in an inch, as in CSS."""


def png(svg: str, dpi: int) -> bytes:
    """Write a drawing as PNG.

    Raises
    ------
    InvalidRequest
        It has something else than shapes, or is too large or too small in that resolution.
    """
    picture = read(svg)
    if dpi < 1:
        raise InvalidRequest(f"a PNG needs at least 1 dot per inch, not {dpi}")
    factor = dpi / INCH
    width, height = ceil(picture.width * factor), ceil(picture.height * factor)
    if width * height > MOST_PIXELS:
        raise InvalidRequest(
            f"at {dpi} dots per inch the picture has {width:,} x {height:,} pixels, more than "
            f"{MOST_PIXELS:,}; choose fewer dots, or save it as PDF"
        )
    image = Image.new("RGB", (width, height), PAPER)
    for shape in picture.shapes:
        _paint(image, shape, factor)
    made = BytesIO()
    image.save(made, "PNG", dpi=(dpi, dpi), optimize=False)
    return made.getvalue()


def _paint(image: Image.Image, shape: Shape, factor: float) -> None:
    outlines = [[(x * factor, y * factor) for x, y in flat(one)] for one in shape.contours]
    around = shape.width * factor / 2 + 1 if shape.stroke is not None else 1.0
    xs = [x for line in outlines for x, _ in line]
    ys = [y for line in outlines for _, y in line]
    if not xs:
        return
    left, top = max(0, floor(min(xs) - around)), max(0, floor(min(ys) - around))
    right = min(image.width, ceil(max(xs) + around))
    low = min(image.height, ceil(max(ys) + around))
    if right <= left or low <= top:
        return
    size = (right - left, low - top)
    moved = [[((x - left) * FINE, (y - top) * FINE) for x, y in line] for line in outlines]
    if shape.fill is not None:
        image.paste(shape.fill, (left, top), _mask(moved, size))
    half = shape.width * factor * FINE / 2
    if shape.stroke is not None and (lines := [*_lines(moved, shape, half)]):
        image.paste(shape.stroke, (left, top), _mask(lines, size))


def _mask(polygons: Sequence[Sequence[Point]], size: tuple[int, int]) -> Image.Image:
    """Give how far each of ``size`` pixels is covered by polygons, whose unit is a fine one.

    What they wind around more often one way than the other is inside: so outlines with holes are
    filled, and lines that cross themselves.
    """
    width, height = size[0] * FINE, size[1] * FINE
    starts = np.concatenate([np.asarray(one, np.float64) for one in polygons])
    ends = np.concatenate([np.roll(np.asarray(one, np.float64), -1, axis=0) for one in polygons])
    # Each edge crosses the middles of some rows of fine pixels, always from the left or the right.
    first = np.clip(np.ceil(np.minimum(starts[:, 1], ends[:, 1]) - 0.5), 0, height).astype(int)
    last = np.clip(np.ceil(np.maximum(starts[:, 1], ends[:, 1]) - 0.5), 0, height).astype(int)
    count = last - first
    edge = np.repeat(np.arange(len(count)), count)
    row = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count) + first[edge]
    (x, y), (u, v) = starts[edge].T, ends[edge].T
    column = np.clip(np.ceil(x + (row + 0.5 - y) * (u - x) / (v - y) - 0.5), 0, width).astype(int)
    turns = np.bincount(
        row * (width + 1) + column, np.where(v > y, 1, -1), height * (width + 1)
    ).reshape(height, width + 1)
    inside = np.cumsum(turns, axis=1)[:, :width] != 0
    share = inside.reshape(size[1], FINE, size[0], FINE).mean(axis=(1, 3))
    return Image.fromarray(np.round(share * 255).astype(np.uint8))


def _lines(outlines: Iterable[Sequence[Point]], shape: Shape, half: float) -> Iterator[list[Point]]:
    """Give polygons that lines cover together, all turning the same way."""
    turns = [2 * pi * step / CORNERS for step in range(CORNERS)]
    disc = [(half * cos(turn), -half * sin(turn)) for turn in turns]
    for outline, contour in zip(outlines, shape.contours, strict=True):
        for (x, y), (u, v) in pairwise(outline):
            if length := hypot(u - x, v - y):
                a, b = half * (y - v) / length, half * (u - x) / length
                yield [(x + a, y + b), (u + a, v + b), (u - a, v - b), (x - a, y - b)]
        ends = outline if shape.rounded or contour.closed else outline[1:-1]
        for x, y in ends:
            yield [(x + a, y + b) for a, b in disc]
