"""The page of one study: ``panel serve remap_panel/app.py --args STUDY``.

It shows and takes wishes; it never starts training.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

import panel as pn

from remap_panel.page import make_page, make_problem_page
from remap_ray.errors import InvalidRequest, RemapError

__all__ = ["page_for"]


def page_for(arguments: Sequence[str]) -> pn.Template:
    """Make the page that the command's arguments ask for, or one that says what is wrong."""
    try:
        if len(arguments) != 1:
            raise InvalidRequest(
                "name one study: panel serve remap_panel/app.py --args STUDY, "
                f"not {len(arguments)} arguments after --args"
            )
        return make_page(Path(arguments[0]))
    except RemapError as error:
        return make_problem_page(error)


if pn.state.served:
    page_for(sys.argv[1:]).servable()
