"""Texts of figures as outlines, so that they look the same everywhere and no font is needed.

The letters are those of IBM Plex Sans Regular, the family of the paper's own figures: Latin, Greek
and Cyrillic, digits equally wide. A text with any other letter stays text, which the viewer sets
in a font of its own.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from html import escape
from importlib.resources import files
from typing import Literal, TypeAlias

from remap_panel.theme import SANS

__all__ = ["escaped", "lettered", "number", "text_width", "unknown_letters"]

Anchor: TypeAlias = Literal["start", "middle", "end"]

UNPRINTABLE = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ud800-\udfff\ufffe\uffff]")
EM = 1000
"""Units of an outline in one em."""


def text_width(text: str, font: float) -> float:
    """Give the width in px of a text as large as ``font`` px; a guess where it has no outline."""
    text = _clean(text)
    if unknown_letters(text):
        wide = sum(unicodedata.east_asian_width(one) in {"W", "F"} for one in text)
        # Room for a wide font, so that nothing is cut off.
        return font * (0.64 * (len(text) - wide) + wide)
    return font * sum(_letters()[one][0] for one in text) / EM


def lettered(text: str, x: float, y: float, font: float, anchor: Anchor = "start") -> str:
    """Draw a line of text as SVG, its baseline at ``y``.

    Parameters
    ----------
    x
        Where it starts, has its middle, or ends.
    font
        Size in px.
    """
    text = _clean(text)
    if unknown_letters(text):
        return (
            f'<text x="{number(x)}" y="{number(y)}" text-anchor="{anchor}" font-family="{SANS}" '
            f'font-size="{number(font)}" fill="currentColor">{escaped(text)}</text>'
        )
    share = {"start": 0.0, "middle": 0.5, "end": 1.0}[anchor]
    x -= share * text_width(text, font)
    at, data = 0, []
    for one in text:
        advance, outline = _letters()[one]
        if outline:
            data.append(f"M{at} 0{outline}")
        at += advance
    if not data:
        return ""
    return (
        f'<path transform="translate({number(x)} {number(y)})scale({font / EM:.4g})" '
        f'fill="currentColor" d="{"".join(data)}"/>'
    )


def unknown_letters(text: str) -> str:
    """Give the letters of a text that have no outline, each once."""
    return "".join(sorted({one for one in _clean(text) if one not in _letters()}))


def escaped(text: str) -> str:
    """Give a text as it may stand in SVG, whatever it contains."""
    return escape(UNPRINTABLE.sub("\N{REPLACEMENT CHARACTER}", text))


def number(value: float) -> str:
    """Write a number with two decimals at most, as short as SVG allows."""
    text = f"{value:.2f}".rstrip("0").rstrip(".")
    # The sign stays on a zero, since it parts two numbers of a path.
    return text.replace("0.", ".", 1) if text.lstrip("-").startswith("0.") else text


def _clean(text: str) -> str:
    # Accents join their letters; what breaks lines or tabs is a blank, as in SVG.
    return re.sub(r"[\t\n\r]", " ", unicodedata.normalize("NFC", text))


@cache
def _letters() -> Mapping[str, tuple[int, str]]:
    path = files("remap_panel").joinpath("vendor", "letters.json")
    found = json.loads(path.read_text(encoding="utf-8"))
    return {one: (advance, outline) for one, (advance, outline) in found.items()}
