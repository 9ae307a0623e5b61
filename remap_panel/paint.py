"""Figures that take the colours of the mode that the page is in, and change with it.

The page's mode is switched in the browser, where each figure's background follows the surface
that it lies on. So does the paint: nothing is asked of the server.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

import panel as pn
from bokeh.model import Model
from bokeh.models import CustomJS, Plot
from bokeh.models.glyph import Glyph

from remap_panel import theme

__all__ = ["Coat", "paint"]

SCRIPT = (Path(__file__).parent / "paint.js").read_text(encoding="utf-8")

Coat: TypeAlias = tuple[Model, str, Callable[[theme.Mode], Any]]
"""A part of a figure, the name of its property, and what that is in each mode."""


def paint(plot: Plot, *coats: Coat) -> None:
    """Give parts of a finished figure the colours of the mode, now and whenever it changes.

    What the browser changes of the figure stays there from now on.
    """
    now = theme.MODES["dark" if pn.config.theme == "dark" else "light"]
    values = []
    for part, name, colour in coats:
        setattr(part, name, colour(now))
        both = {mode.name: colour(mode) for mode in theme.MODES.values()}
        if isinstance(part, Glyph):
            # In the browser a glyph's colour is a specification, not a value.
            both = {mode: {"value": value} for mode, value in both.items()}
        values.append([part, name, both])
    plot.js_on_change("background_fill_color", CustomJS(args={"coats": values}, code=SCRIPT))
    for part in plot.references():
        # The browser colours and measures every part: the server need not hear of it.
        part.syncable = False
