"""A drawing as PNG, on white."""

from __future__ import annotations

from io import BytesIO
from itertools import pairwise
from math import ceil, floor, hypot

import numpy as np
from PIL import Image, ImageDraw

from remap_panel.snac.shapes import Point, Shape, flat, read
from remap_panel.theme import PAPER
from remap_ray.errors import InvalidRequest

__all__ = ["MOST_PIXELS", "png"]

FINE = 4
"""Each pixel is as covered as the 4 by 4 points in it are."""

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
    size = ((right - left) * FINE, (low - top) * FINE)
    moved = [[((x - left) * FINE, (y - top) * FINE) for x, y in line] for line in outlines]
    for colour, mask in (
        (shape.fill, _filled(moved, size) if shape.fill is not None else None),
        (
            shape.stroke,
            _lined(moved, size, shape.width * factor * FINE, shape)
            if shape.stroke is not None
            else None,
        ),
    ):
        if colour is not None and mask is not None:
            image.paste(colour, (left, top, right, low), mask.reduce(FINE))


def _filled(outlines: list[list[Point]], size: tuple[int, int]) -> Image.Image:
    """Give what the outlines fill: where they wind around more often one way than the other."""
    if len(outlines) == 1:
        mask = Image.new("L", size)
        _polygon(mask, outlines[0])
        return mask
    winding = np.zeros((size[1], size[0]), np.int8)
    for outline in outlines:
        xs, ys = [x for x, _ in outline], [y for _, y in outline]
        left, top = max(0, floor(min(xs)) - 1), max(0, floor(min(ys)) - 1)
        right, low = min(size[0], ceil(max(xs)) + 1), min(size[1], ceil(max(ys)) + 1)
        if right <= left or low <= top:
            continue
        mask = Image.new("L", (right - left, low - top))
        _polygon(mask, [(x - left, y - top) for x, y in outline], 1)
        way = 1 if _area(outline) > 0 else -1
        winding[top:low, left:right] += way * np.asarray(mask).astype(np.int8)
    return Image.fromarray(np.where(winding != 0, 255, 0).astype(np.uint8))


def _polygon(mask: Image.Image, points: list[Point], value: int = 255) -> None:
    # Pillow counts from the middle of a pixel.
    moved = [(x - 0.5, y - 0.5) for x, y in points]
    if len(moved) > 2:
        ImageDraw.Draw(mask).polygon(moved, fill=value)


def _area(points: list[Point]) -> float:
    pairs = zip(points, [*points[1:], points[0]], strict=True)
    return sum(x * v - u * y for (x, y), (u, v) in pairs)


def _lined(
    outlines: list[list[Point]], size: tuple[int, int], width: float, shape: Shape
) -> Image.Image:
    mask = Image.new("L", size)
    half = width / 2
    pen = ImageDraw.Draw(mask)
    for outline, contour in zip(outlines, shape.contours, strict=True):
        for (x, y), (u, v) in pairwise(outline):
            length = hypot(u - x, v - y)
            if length:
                a, b = half * (y - v) / length, half * (u - x) / length
                corners = [(x + a, y + b), (u + a, v + b), (u - a, v - b), (x - a, y - b)]
                _polygon(mask, corners)
        ends = outline if shape.rounded or contour.closed else outline[1:-1]
        for x, y in ends:
            pen.ellipse((x - half - 0.5, y - half - 0.5, x + half - 0.5, y + half - 0.5), fill=255)
    return mask
