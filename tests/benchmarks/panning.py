"""Dragging and zooming the overview: frames a second that show the circles elsewhere."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from itertools import cycle, pairwise
from pathlib import Path
from typing import Any

from playwright.sync_api import CDPSession, Page

from tests.benchmarks.page import chromium, served
from tests.benchmarks.report import Table, quantity

__all__ = ["measure"]

WAIT_MS = 60_000
REACH = 80
"""Pixels to either side over which the figure is dragged back and forth."""

STEP = 7
"""Pixels from one event to the next."""

NOTCHES = 6
"""Turns of the wheel in one direction."""

# Frames in which the circles were painted anew, by the time that the browser gives each frame.
COUNT = """
(() => {
  const put = CanvasRenderingContext2D.prototype.putImageData
  window.framesPainted = new Set()
  CanvasRenderingContext2D.prototype.putImageData = function (...given) {
    if (this.canvas.className === "circles") framesPainted.add(document.timeline.currentTime)
    return put.apply(this, given)
  }
})()
"""

FRAMES = "() => { const found = [...framesPainted]; framesPainted.clear(); return found }"


def measure(quick: bool) -> Table:
    """Drag the figure back and forth and turn the wheel on it, as fast as the page keeps up."""
    sizes, seconds = ((20,), 1.0) if quick else ((100, 1_000, 10_000), 6.0)
    rows = []
    with tempfile.TemporaryDirectory(prefix="remap-") as name, ExitStack() as stack:
        browser = stack.enter_context(chromium())
        for size in sizes:
            with served(Path(name) / f"models{size}", size) as url:
                page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
                page.add_init_script(COUNT)
                _open(page, url, size)
                rows.append((f"{size:,}", *_drag(page, seconds), *_zoom(page, seconds)))
                page.context.close()
    return Table(
        "Headless Chromium without a graphics card, 1440 x 900 px. The mouse drags the overview "
        f"back and forth in steps of {STEP} px, then turns the wheel with Ctrl; each event follows "
        "as soon as the page has taken the last one. Frames are those in which the circles were "
        "painted, the longest is the time between two of them, and the work is the processor time "
        "of the page's main thread for one.",
        (
            "models",
            "dragging, frames/s",
            "longest, ms",
            "work, ms",
            "zooming, frames/s",
            "longest, ms",
            "work, ms",
        ),
        tuple(rows),
    )


def _open(page: Page, url: str, models: int) -> None:
    page.goto(url, wait_until="commit", timeout=WAIT_MS)
    page.locator(f'section.overview[data-circles="{models}"]').wait_for(
        state="attached", timeout=WAIT_MS
    )
    page.get_by_role("tab").first.wait_for(state="visible", timeout=WAIT_MS)
    # What the page puts together after its first picture is no part of this.
    page.wait_for_load_state("networkidle", timeout=WAIT_MS)


def _middle(page: Page) -> tuple[float, float]:
    box = page.locator(".plot").bounding_box()
    if box is None:
        raise RuntimeError("the overview's figure is not seen")
    # A mouse is on whole pixels.
    return round(box["x"] + box["width"] / 2), round(box["y"] + box["height"] / 2)


def _drag(page: Page, seconds: float) -> tuple[str, str, str]:
    x, y = _middle(page)
    page.mouse.move(x, y)
    page.mouse.down()
    there = [*range(0, REACH, STEP), *range(REACH, -REACH, -STEP), *range(-REACH, 0, STEP)]
    places = cycle(there)

    def step() -> None:
        by = next(places)
        page.mouse.move(x + by, y + by // 2)

    found = _counted(page, seconds, step)
    page.mouse.up()
    return found


def _zoom(page: Page, seconds: float) -> tuple[str, str, str]:
    page.mouse.move(*_middle(page))
    page.keyboard.down("Control")
    turns = cycle([-60.0] * NOTCHES + [60.0] * NOTCHES)
    found = _counted(page, seconds, lambda: page.mouse.wheel(0, next(turns)))
    page.keyboard.up("Control")
    return found


def _counted(page: Page, seconds: float, step: Callable[[], None]) -> tuple[str, str, str]:
    """Take steps for some seconds; gives frames a second, the longest wait for one, the work."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})
    # The first steps are those in which the page finds out what is meant.
    for _ in range(3):
        step()
    page.evaluate(FRAMES)
    worked, start = _worked(session), time.perf_counter()
    while time.perf_counter() - start < seconds:
        step()
    passed, worked = time.perf_counter() - start, _worked(session) - worked
    frames = sorted(page.evaluate(FRAMES))
    session.detach()
    if len(frames) < 2:
        raise RuntimeError(f"the overview stood still: {len(frames)} frames in {passed:.1f} s")
    longest = max(b - a for a, b in pairwise(frames))
    each = 1000 * worked / len(frames)
    return quantity(len(frames) / passed), quantity(longest), quantity(each)


def _worked(session: CDPSession) -> float:
    """Give the seconds of processor time that the page's main thread has worked."""
    metrics: list[dict[str, Any]] = session.send("Performance.getMetrics")["metrics"]
    return next(float(one["value"]) for one in metrics if one["name"] == "TaskDuration")
