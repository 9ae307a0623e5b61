"""Three hundred children at once: how long the server lets others wait while they are made."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from playwright.sync_api import Page

from remap_ray.study import open_study
from tests.benchmarks.loop import Loop, recorded
from tests.benchmarks.page import chromium
from tests.benchmarks.report import Table, quantity
from tests.benchmarks.watching import quantiles, waits

__all__ = ["measure"]

WAIT_MS = 120_000


def measure(quick: bool) -> Table:
    """Draw a preview of many variations, then queue them all; browsers look on."""
    trained, count, seconds = (20, 5, 4.0) if quick else (1_000, 300, 20.0)
    with tempfile.TemporaryDirectory(prefix="remap-") as name, ExitStack() as stack:
        path = Path(name) / "study"
        loop = stack.enter_context(recorded(path, trained))
        url = loop.url
        browser = stack.enter_context(chromium())
        with open_study(path) as study:
            baseline = max(study.models(), key=lambda one: len(one.architecture.layers))
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(f"{url}?model={baseline.number}&tab=generate", timeout=WAIT_MS)
        page.get_by_role("button", name="Variations").click()
        train = page.locator(".remap-offer [data-act=train]:not([aria-disabled])")
        train.wait_for()
        idle = _while(page, loop, seconds / 2, lambda: None)

        def draw() -> None:
            page.get_by_role("spinbutton", name="models").fill(str(count))
            page.keyboard.press("Tab")

        drawing = _while(page, loop, seconds, draw)
        train.wait_for()
        queueing = _while(page, loop, seconds, train.click)
        with open_study(path) as study:
            queued = len(study.models()) - trained
    rows = [
        _row("nothing happens", idle),
        _row(f"{count} variations are drawn and shown", drawing),
        _row(f"{queued} of them are queued and listed", queueing),
    ]
    return Table(
        f"`remap serve` of a study of {trained:,} trained models, one browser on the Generate tab. "
        "The wait is that of a request of another process, which the event loop answers between "
        "all else, every 20 ms; the longest step of the loop, which nothing interrupts, is told by "
        "its processor time.",
        (
            "while",
            "median wait, ms",
            "99th percentile, ms",
            "longest wait, ms",
            "longest step, processor, ms",
        ),
        tuple(rows),
    )


def _while(
    page: Page, loop: Loop, seconds: float, act: Callable[[], None]
) -> tuple[float, float, float, float]:
    """Act, and give median, 99th percentile and most of the waits, and the longest step."""
    begin = time.monotonic()
    act()
    waited = waits(loop.url, seconds, page)
    longest, _ = loop.between(begin, time.monotonic()).longest
    return *quantiles(waited), max(waited), longest


def _row(what: str, seconds: tuple[float, float, float, float]) -> tuple[str, ...]:
    return what, *(quantity(1000 * one) for one in seconds)
