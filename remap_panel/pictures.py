"""Images of a data set as HTML: small, without names from outside, and never the set itself."""

from __future__ import annotations

import io
import struct
from base64 import b64encode
from html import escape

import numpy as np
from numpy.typing import NDArray
from PIL import Image

__all__ = ["MISSING", "STYLE", "image", "item_button", "png", "png_of"]

SMOOTH_FROM = 48
"""Images of at least this many pixels across are enlarged smoothly; smaller ones show pixels."""

MISSING = (
    '<p class="hint">This study keeps no validation images: it was created before they were '
    "kept.</p>"
)

STYLE = """
.items {
  display: grid; grid-template-columns: repeat(auto-fill, minmax(64px, 1fr)); gap: 8px;
  margin: 6px 0 12px; padding: 0; list-style: none;
}
.item {
  display: grid; gap: 3px; width: 100%; padding: 5px; border: 1px solid var(--remap-border);
  border-radius: 6px; font-size: 12px; line-height: 1.3;
}
.item:hover { background: var(--remap-row); }
.item[aria-pressed="true"] {
  border-color: var(--remap-accent); box-shadow: inset 0 0 0 1px var(--remap-accent);
}
.item img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; }
.item .true { font-weight: 600; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.is-tiny { image-rendering: pixelated; }
.blank {
  display: grid; place-items: center; aspect-ratio: 1; background: var(--remap-row);
  border-radius: 3px; font-weight: 400; color: var(--remap-muted);
}
"""


def png(pixels: NDArray[np.uint8]) -> bytes:
    """Write one image, uint8 (H, W) or (H, W, 3), as PNG."""
    file = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(file, "PNG", compress_level=1)
    return file.getvalue()


def image(data: bytes, words: str = "") -> str:
    """Write a PNG as an HTML image; ``words`` say what it shows where that is not beside it."""
    # Width and height are the first two numbers of the header that every PNG starts with.
    width, height = struct.unpack(">II", data[16:24])
    tiny = ' class="is-tiny"' if max(width, height) < SMOOTH_FROM else ""
    source = b64encode(data).decode("ascii")
    return f'<img{tiny} alt="{escape(words)}" src="data:image/png;base64,{source}">'


def png_of(images: NDArray[np.uint8] | None, item: int) -> bytes | None:
    """Read one of the images that a study keeps; None where it keeps none."""
    return None if images is None else png(np.asarray(images[item]))


def item_button(
    images: NDArray[np.uint8] | None, item: int, inside: str, called: str = "image"
) -> str:
    """Write the button of a validation image: its picture, or its number where there is none.

    Parameters
    ----------
    inside
        HTML below the picture.
    called
        What it is, for screen readers.
    """
    data = png_of(images, item)
    shown = f'<b class="blank">{item}</b>' if data is None else image(data)
    return (
        f'<button type="button" class="item" data-act="item" data-value="{item}" '
        f'data-key="item {item}" aria-pressed="false" aria-label="{called} {item}">{shown}'
        f"{inside}</button>"
    )
