"""What a page can be measured by: contrast, what sticks out, the reach of the keyboard."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from playwright.sync_api import Page

SCRIPT = (Path(__file__).parent / "accessibility.js").read_text(encoding="utf-8")


def measure(page: Page, name: str) -> Any:
    """Give what a function of ``accessibility.js`` says of the page as it is now.

    Parameters
    ----------
    page
        The open page.
    name
        ``contrast``: text with less than WCAG 2.2 AA asks for. ``overflow``: what sticks out of
        the window, and cut text. ``reachable``: what the Tab key must come to. ``focused``: what
        has the focus, and whether that is seen.
    """
    return page.evaluate(f"() => {{ {SCRIPT}\nreturn {name}() }}")
