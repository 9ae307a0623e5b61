"""The shapes of a drawing, read from its SVG, for the formats that are no SVG.

What is read is what drawings of REMAP are made of: `rect`, `circle`, `line` and `path` (without
arcs), groups that hand down their look and are moved or scaled evenly. Anything else is refused:
a picture that looks different as PDF would be worse than none.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from math import hypot
from typing import TypeAlias, final
from xml.etree import ElementTree as ET

from remap_panel.snac.lettering import unknown_letters
from remap_panel.theme import PAPER, PRINT
from remap_ray.errors import InvalidRequest

__all__ = ["Contour", "Picture", "Point", "Segment", "Shape", "flat", "read"]

Point: TypeAlias = tuple[float, float]

SVG = "{http://www.w3.org/2000/svg}"
ROUND = 0.5522847498
"""Distance of the control points of a cubic curve that is a quarter of a circle of radius 1."""

TOKEN = re.compile(r"[A-Za-z]|-?(?:\d+\.?\d*|\.\d+)(?:e-?\d+)?")
MOVE = re.compile(r"(translate|scale)\(([^)]*)\)")
COLOUR = re.compile(r"#[0-9a-f]{6}", re.IGNORECASE)
NAMED = {"currentColor": PRINT, "black": PRINT, "white": PAPER}
INHERITED = ("fill", "stroke", "stroke-width", "stroke-linecap", "stroke-dasharray")
ARGUMENTS = {"m": 2, "l": 2, "h": 1, "v": 1, "c": 6, "s": 4, "q": 4, "z": 0}
STEPS = 8
"""Lines that a curve is made of where there are no curves: more cannot be told apart."""


@final
@dataclass(frozen=True)
class Segment:
    """A line to a point, or a cubic curve to it with two control points."""

    end: Point
    controls: tuple[Point, Point] | None = None


@final
@dataclass(frozen=True)
class Contour:
    """Segments one after the other, from a start; closed ones end there."""

    start: Point
    segments: tuple[Segment, ...]
    closed: bool = False


@final
@dataclass(frozen=True)
class Shape:
    """What is filled (by the nonzero rule), then drawn along, in px.

    Parameters
    ----------
    fill, stroke
        Colours as ``#rrggbb``, None where there is none.
    width
        Of the line.
    rounded
        Whether lines have round ends; where they meet they are always round.
    """

    contours: tuple[Contour, ...]
    fill: str | None
    stroke: str | None
    width: float
    rounded: bool


@final
@dataclass(frozen=True)
class Picture:
    """All shapes of a drawing of ``width`` by ``height`` px, from back to front."""

    width: float
    height: float
    shapes: tuple[Shape, ...]


@final
@dataclass(frozen=True)
class _Place:
    """Where a group lies and how much larger it is drawn."""

    x: float = 0.0
    y: float = 0.0
    factor: float = 1.0

    def __call__(self, point: Point) -> Point:
        return self.x + self.factor * point[0], self.y + self.factor * point[1]

    def moved(self, text: str) -> _Place:
        place = self
        rest = MOVE.sub("", text)
        if rest.strip(" ,"):
            raise _refusal(f"transform={text!r}")
        for name, inside in MOVE.findall(text):
            values = [float(one) for one in re.split(r"[\s,]+", inside.strip())]
            if name == "scale":
                if len(set(values)) != 1:
                    raise _refusal(f"transform={text!r}")
                place = replace(place, factor=place.factor * values[0])
            else:
                x, y = place((values[0], values[1] if len(values) > 1 else 0.0))
                place = replace(place, x=x, y=y)
        return place


def read(svg: str) -> Picture:
    """Read the shapes of a drawing.

    Raises
    ------
    InvalidRequest
        It has something else than shapes, such as text in letters without outlines.
    """
    root = ET.fromstring(svg)  # noqa: S314 (our own drawing, or its author's)
    try:
        left, top, width, height = (float(one) for one in root.attrib["viewBox"].split())
        found = tuple(_shapes(root, {"fill": PRINT}, _Place(-left, -top)))
    except (KeyError, ValueError) as error:
        if isinstance(error, InvalidRequest):
            raise
        raise _refusal(f"{type(error).__name__}: {error}") from error
    return Picture(width, height, found)


def flat(contour: Contour) -> list[Point]:
    """Give the corners of a contour, its curves made of lines; a closed one ends at its start."""
    points = [contour.start]
    for segment in contour.segments:
        if segment.controls is None:
            points.append(segment.end)
            continue
        a, (b, c), d = points[-1], segment.controls, segment.end
        for step in range(1, STEPS + 1):
            t = step / STEPS
            u = 1 - t
            weights = u**3, 3 * u * u * t, 3 * u * t * t, t**3
            points.append(
                (
                    sum(w * p[0] for w, p in zip(weights, (a, b, c, d), strict=True)),
                    sum(w * p[1] for w, p in zip(weights, (a, b, c, d), strict=True)),
                )
            )
    if contour.closed and points[-1] != points[0]:
        points.append(points[0])
    return points


def _refusal(what: str) -> InvalidRequest:
    return InvalidRequest(
        f"a drawing with {what} is saved as SVG only: choose a name that ends in .svg"
    )


def _shapes(element: ET.Element, look: Mapping[str, str], place: _Place) -> Iterator[Shape]:
    look = {**look, **{name: element.attrib[name] for name in INHERITED if name in element.attrib}}
    place = place.moved(element.get("transform", ""))
    kind = element.tag.removeprefix(SVG)
    if kind in {"svg", "g"}:
        for child in element:
            yield from _shapes(child, look, place)
    elif kind == "text":
        text = "".join(element.itertext())
        odd = unknown_letters(text)
        raise InvalidRequest(
            f"{text!r} cannot be saved as PDF or PNG: there are no outlines of {odd!r}, only of "
            "Latin, Greek and Cyrillic letters; write it in these, or save as .svg"
        )
    elif kind not in {"title", "desc"}:
        yield from _drawn(_contours(element, kind), look, place)


def _drawn(contours: list[Contour], look: Mapping[str, str], place: _Place) -> Iterator[Shape]:
    made = tuple(_placed(one, place) for one in contours)
    fill, stroke = _colour(look["fill"]), _colour(look.get("stroke", "none"))
    width = float(look.get("stroke-width", "1")) * place.factor
    rounded = look.get("stroke-linecap") == "round"
    dashes = look.get("stroke-dasharray", "none")
    if dashes == "none" or stroke is None:
        yield Shape(made, fill, stroke, width, rounded)
        return
    if fill is not None:
        yield Shape(made, fill, None, 0, rounded)
    lengths = [float(one) * place.factor for one in re.split(r"[\s,]+", dashes.strip())]
    if len(lengths) != 2 or min(lengths) < 0 or sum(lengths) <= 0:
        raise _refusal(f"stroke-dasharray={dashes!r}")
    for contour in made:
        yield from _dashes(contour, lengths[0], lengths[1], stroke, width, rounded=rounded)


def _dashes(
    contour: Contour, on: float, off: float, stroke: str, width: float, *, rounded: bool
) -> Iterator[Shape]:
    """Give each dash as a line of its own, or as a dot where it has no length."""
    points = flat(contour)
    ends = [0.0]
    for (x, y), (u, v) in pairwise(points):
        ends.append(ends[-1] + hypot(u - x, v - y))
    around = ends[-1]

    def at(length: float) -> Point:
        for index, end in enumerate(ends[1:]):
            if length <= end or index == len(ends) - 2:
                step = end - ends[index]
                share = (length - ends[index]) / step if step else 0.0
                (x, y), (u, v) = points[index], points[index + 1]
                return x + share * (u - x), y + share * (v - y)
        return points[0]

    start = 0.0
    # A dash that would begin where a closed contour ends is its first one.
    least = around - (0.3 * (on + off) if contour.closed else 0.0)
    while start < least:
        end = min(start + on, around)
        if on == 0:
            if rounded:
                yield Shape((_circle(*at(start), width / 2),), stroke, None, 0, rounded)
        else:
            between = [p for p, length in zip(points, ends, strict=True) if start < length < end]
            line = tuple(Segment(one) for one in (*between, at(end)))
            yield Shape((Contour(at(start), line),), None, stroke, width, rounded)
        start += on + off


def _colour(text: str) -> str | None:
    if text == "none":
        return None
    colour = NAMED.get(text, text)
    if not COLOUR.fullmatch(colour):
        raise _refusal(f"the colour {text!r}")
    return colour.lower()


def _contours(element: ET.Element, kind: str) -> list[Contour]:
    def value(name: str) -> float:
        return float(element.get(name, "0"))

    if kind == "path":
        return _path(element.get("d", ""))
    if kind == "circle":
        return [_circle(value("cx"), value("cy"), value("r"))]
    if kind == "line":
        end = Segment((value("x2"), value("y2")))
        return [Contour((value("x1"), value("y1")), (end,))]
    if kind == "rect":
        corner = float(element.get("rx", element.get("ry", "0")))
        return [_rect(value("x"), value("y"), value("width"), value("height"), corner)]
    raise _refusal(f"<{kind}>")


def _rect(x: float, y: float, width: float, height: float, corner: float) -> Contour:
    # Begins and turns as SVG does, since dots count from there.
    r = min(corner, width / 2, height / 2)
    right, low, k = x + width, y + height, r * (1 - ROUND)
    segments = [Segment((right - r, y))]
    for near, first, second, end, then in (
        ((right, y), (right - k, y), (right, y + k), (right, y + r), (right, low - r)),
        ((right, low), (right, low - k), (right - k, low), (right - r, low), (x + r, low)),
        ((x, low), (x + k, low), (x, low - k), (x, low - r), (x, y + r)),
        ((x, y), (x, y + k), (x + k, y), (x + r, y), None),
    ):
        segments.append(Segment(end, (first, second)) if r else Segment(near))
        if then is not None:
            segments.append(Segment(then))
    return Contour((x + r, y), tuple(segments), closed=True)


def _circle(x: float, y: float, r: float) -> Contour:
    k = r * ROUND
    quarters = (
        ((x + r, y + k), (x + k, y + r), (x, y + r)),
        ((x - k, y + r), (x - r, y + k), (x - r, y)),
        ((x - r, y - k), (x - k, y - r), (x, y - r)),
        ((x + k, y - r), (x + r, y - k), (x + r, y)),
    )
    segments = tuple(Segment(end, (first, second)) for first, second, end in quarters)
    return Contour((x + r, y), segments, closed=True)


def _placed(contour: Contour, place: _Place) -> Contour:
    def moved(segment: Segment) -> Segment:
        if segment.controls is None:
            return Segment(place(segment.end))
        first, second = segment.controls
        return Segment(place(segment.end), (place(first), place(second)))

    return Contour(place(contour.start), tuple(map(moved, contour.segments)), contour.closed)


def _path(data: str) -> list[Contour]:
    tokens = TOKEN.findall(data)
    made: list[Contour] = []
    segments: list[Segment] = []
    start = at = (0.0, 0.0)
    command, place = "", 0

    def end(*, closed: bool) -> None:
        if segments:
            made.append(Contour(start, tuple(segments), closed))
            segments.clear()

    while place < len(tokens):
        if tokens[place].isalpha():
            command = tokens[place]
            place += 1
        small = command.lower()
        if small not in ARGUMENTS:
            raise _refusal(f"the path command {command!r}")
        count = ARGUMENTS[small]
        values = [float(one) for one in tokens[place : place + count]]
        place += count
        base = at if command == small else (0.0, 0.0)
        if small == "z":
            end(closed=True)
            at = start
            command = "M" if place < len(tokens) and not tokens[place].isalpha() else command
            continue
        if small in "hv":
            across = values[0] + base[0 if small == "h" else 1]
            points = [(across, at[1]) if small == "h" else (at[0], across)]
        else:
            points = [
                (x + base[0], y + base[1]) for x, y in zip(values[::2], values[1::2], strict=True)
            ]
        if small == "m":
            end(closed=False)
            start = at = points[0]
            # What follows without a command are lines.
            command = "l" if command == "m" else "L"
            continue
        segments.append(_segment(small, at, points, segments[-1] if segments else None))
        at = points[-1]
    end(closed=False)
    return made


def _segment(command: str, at: Point, points: list[Point], last: Segment | None) -> Segment:
    if command == "c":
        return Segment(points[2], (points[0], points[1]))
    if command == "s":
        before = last.controls[1] if last is not None and last.controls is not None else at
        return Segment(points[1], ((2 * at[0] - before[0], 2 * at[1] - before[1]), points[0]))
    if command == "q":
        (x, y), (u, v) = points
        first = (at[0] + 2 * (x - at[0]) / 3, at[1] + 2 * (y - at[1]) / 3)
        return Segment((u, v), (first, (u + 2 * (x - u) / 3, v + 2 * (y - v) / 3)))
    return Segment(points[0])
