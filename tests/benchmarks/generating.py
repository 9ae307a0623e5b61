"""Three hundred children at once: how long the server lets others wait while they are made."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import numpy as np
from playwright.sync_api import Page

from remap_ray.study import open_study
from tests.benchmarks.page import chromium, served
from tests.benchmarks.report import Table, quantity
from tests.benchmarks.watching import lags

__all__ = ["measure"]

WAIT_MS = 120_000


def measure(quick: bool) -> Table:
    """Draw a preview of many variations, then queue them all; browsers look on."""
    trained, count, seconds = (20, 5, 4.0) if quick else (1_000, 300, 20.0)
    with tempfile.TemporaryDirectory(prefix="remap-") as name, ExitStack() as stack:
        path = Path(name) / "study"
        url = stack.enter_context(served(path, trained))
        browser = stack.enter_context(chromium())
        with open_study(path) as study:
            baseline = max(study.models(), key=lambda one: len(one.architecture.layers))
        page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
        page.set_default_timeout(WAIT_MS)
        page.goto(f"{url}?model={baseline.number}&tab=generate", timeout=WAIT_MS)
        page.get_by_role("button", name="Variations").click()
        train = page.locator(".remap-offer [data-act=train]:not([aria-disabled])")
        train.wait_for()
        idle = lags(url, seconds / 2, page)

        def draw() -> None:
            page.get_by_role("spinbutton", name="models").fill(str(count))
            page.keyboard.press("Tab")

        drawing = _while(page, url, seconds, draw)
        train.wait_for()
        queueing = _while(page, url, seconds, train.click)
        with open_study(path) as study:
            queued = len(study.models()) - trained
    rows = [
        _row("nothing happens", idle),
        _row(f"{count} variations are drawn and shown", drawing),
        _row(f"{queued} of them are queued and listed", queueing),
    ]
    return Table(
        f"`remap serve` of a study of {trained:,} trained models, one browser on the Generate tab. "
        "The wait is that of a request that the event loop answers between all else, every 20 ms.",
        ("while", "median wait, ms", "99th percentile, ms", "longest, ms"),
        tuple(rows),
    )


def _while(page: Page, url: str, seconds: float, act: Callable[[], None]) -> list[float]:
    act()
    return lags(url, seconds, page)


def _row(what: str, waits: list[float]) -> tuple[str, str, str, str]:
    p50, p99 = np.percentile(np.array(waits) * 1000, [50, 99])
    return what, quantity(float(p50)), quantity(float(p99)), quantity(1000 * max(waits))
