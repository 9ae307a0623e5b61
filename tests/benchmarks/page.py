"""Seconds from navigation to the page's first canvas, by the size of the study."""

from __future__ import annotations

import os
import shutil
import socket
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from statistics import median

from playwright.sync_api import Browser, sync_playwright

from remap_panel.serving import wait_until_served
from tests.benchmarks.big_study import EPOCHS, big_study
from tests.benchmarks.launched import launched
from tests.benchmarks.report import Table, quantity
from tests.benchmarks.timing import seconds_in_turn, speed_ratio

__all__ = ["measure"]

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
WAIT_MS = 60_000


def measure(quick: bool) -> Table:
    """Open the pages of studies of several sizes in turn, each time as a new visitor."""
    sizes, rounds = ((0, 20), 1) if quick else ((0, 100, 1_000), 7)
    with tempfile.TemporaryDirectory(prefix="remap-") as name, ExitStack() as stack:
        pages = [stack.enter_context(_served(Path(name) / f"models{size}", size)) for size in sizes]
        browser = stack.enter_context(_chromium())
        visits: dict[str, Callable[[], float]] = {
            str(size): partial(_visit, browser, url) for size, url in zip(sizes, pages, strict=True)
        }
        seconds = seconds_in_turn(visits, rounds)
    empty = seconds[str(sizes[0])]
    return Table(
        "Headless Chromium, a fresh profile each time, from navigation to the first visible "
        f"canvas of the page that `remap serve --no-train` shows of a study whose models have "
        f"{EPOCHS} epochs and a place on both maps. The server has shown the page once before. "
        "The ratio is to the speed of the page without models.",
        ("models", "first canvas after, s", "ratio"),
        tuple(
            (f"{size:,}", quantity(median(each)), speed_ratio(each, empty) if size else "")
            for size, each in zip(sizes, seconds.values(), strict=True)
        ),
    )


@contextmanager
def _served(path: Path, models: int) -> Iterator[str]:
    """Serve a new study with so many models; gives its page's address."""
    big_study(path, models).close()
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    options = ["--port", str(port), "--no-browser", "--no-train"]
    command = [sys.executable, "-m", "remap_panel", "serve", str(path), *options]
    with launched(command, path.with_suffix(".log")):
        url = f"http://127.0.0.1:{port}/"
        wait_until_served(url, WAIT_MS / 1000)
        yield url


@contextmanager
def _chromium() -> Iterator[Browser]:
    program = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if program is None:
        raise RuntimeError(f"there is no Chromium here: none of {', '.join(CHROMIUM)} is found")
    arguments = ["--disable-background-networking"]
    if os.geteuid() == 0:
        # Chromium refuses its sandbox to root.
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


def _visit(browser: Browser, url: str) -> float:
    """Open a page as a new visitor; gives the seconds to its first canvas."""
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        page = context.new_page()
        start = time.perf_counter()
        page.goto(url, wait_until="commit", timeout=WAIT_MS)
        page.locator("canvas").first.wait_for(state="visible", timeout=WAIT_MS)
        return time.perf_counter() - start
    finally:
        context.close()
