"""A drawing as PDF: one page of vectors, without fonts, dates or random names.

The same drawing gives the same bytes, and looks the same in every viewer.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator

from remap_panel.snac.shapes import Contour, Picture, Shape, read

__all__ = ["pdf"]

POINTS = 0.75
"""Points in a pixel: 72 and 96 to the inch."""


def pdf(svg: str, title: str = "") -> bytes:
    """Write a drawing as PDF.

    Parameters
    ----------
    title
        What the document says it is.

    Raises
    ------
    InvalidRequest
        It has something else than shapes.
    """
    picture = read(svg)
    width, height = (_written(POINTS * side) for side in (picture.width, picture.height))
    content = zlib.compress("\n".join(_content(picture)).encode("ascii"), 9)
    told = (chr(0xFEFF) + title).encode("utf-16-be", "replace")
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R /ViewerPreferences << /DisplayDocTitle true >> >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 {width} {height}] /Contents 4 0 R "
        "/Resources << >> >>".encode("ascii"),
        f"<< /Length {len(content)} /Filter /FlateDecode >>\nstream\n".encode("ascii")
        + content
        + b"\nendstream",
        f"<< /Title <{told.hex()}> /Creator (REMAP) >>".encode("ascii"),
    ]
    made = bytearray(b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n")
    offsets = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(made))
        made += f"{number} 0 obj\n".encode("ascii") + body + b"\nendobj\n"
    start = len(made)
    made += f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n".encode("ascii")
    made += b"".join(f"{offset:010d} 00000 n \n".encode("ascii") for offset in offsets)
    made += (
        f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info 5 0 R >>\n"
        f"startxref\n{start}\n%%EOF\n"
    ).encode("ascii")
    return bytes(made)


def _content(picture: Picture) -> Iterator[str]:
    # Pixels from the upper left corner, as in the drawing.
    yield f"{POINTS} 0 0 -{POINTS} 0 {_written(POINTS * picture.height)} cm 1 j"
    for shape in picture.shapes:
        yield from _shape(shape)


def _shape(shape: Shape) -> Iterator[str]:
    if shape.fill is not None:
        yield f"{_colour(shape.fill)} rg"
    if shape.stroke is not None:
        yield f"{_colour(shape.stroke)} RG {_written(shape.width)} w {int(shape.rounded)} J"
    for contour in shape.contours:
        yield from _contour(contour)
    painted = {(True, True): "B", (True, False): "f", (False, True): "S", (False, False): "n"}
    yield painted[shape.fill is not None, shape.stroke is not None]


def _contour(contour: Contour) -> Iterator[str]:
    yield f"{_point(contour.start)} m"
    for segment in contour.segments:
        if segment.controls is None:
            yield f"{_point(segment.end)} l"
        else:
            first, second = segment.controls
            yield f"{_point(first)} {_point(second)} {_point(segment.end)} c"
    if contour.closed:
        yield "h"


def _colour(colour: str) -> str:
    return " ".join(_written(int(colour[at : at + 2], 16) / 255) for at in (1, 3, 5))


def _point(point: tuple[float, float]) -> str:
    return f"{_written(point[0])} {_written(point[1])}"


def _written(value: float) -> str:
    text = f"{value:.4f}".rstrip("0").rstrip(".")
    return "0" if text in {"-0", ""} else text
