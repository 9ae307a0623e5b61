"""Opening the page: seconds to its first picture, until it answers, and a click's way back."""

from __future__ import annotations

import importlib.util
import os
import shutil
import socket
import sqlite3
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from statistics import median
from typing import final

from playwright.sync_api import Browser, Page, sync_playwright

from remap_panel.serving import wait_until_served
from tests.benchmarks.big_study import EPOCHS, big_study
from tests.benchmarks.launched import launched
from tests.benchmarks.report import Table, quantity
from tests.benchmarks.timing import ratio
from tests.browser.page import Explorer

__all__ = ["chromium", "measure", "served"]

CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
WAIT_MS = 60_000
HIGHLIT = 'section.overview[data-inspected]:not([data-inspected=""])'


# The first trial of an optuna study, again and again, with parameters and values of their own.
TRIALS = """
INSERT INTO trials (number, study_id, state, datetime_start, datetime_complete)
  WITH RECURSIVE place(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM place WHERE n < {trials} - 1)
  SELECT n, study_id, state, datetime_start, datetime_complete FROM place, trials WHERE number = 0;
INSERT INTO trial_params (trial_id, param_name, param_value, distribution_json)
  SELECT each.trial_id, param_name, each.number * 1.0 / {trials}, distribution_json
  FROM trials AS each, trial_params AS one
  JOIN trials AS first ON first.trial_id = one.trial_id AND first.number = 0
  WHERE each.number > 0;
INSERT INTO trial_values (trial_id, objective, value, value_type)
  SELECT each.trial_id, objective,
    CASE objective WHEN 0 THEN each.number % 97 / 97.0 ELSE 10.0 + each.number END, value_type
  FROM trials AS each, trial_values AS one
  JOIN trials AS first ON first.trial_id = one.trial_id AND first.number = 0
  WHERE each.number > 0;
"""


@final
@dataclass(frozen=True)
class Visit:
    """Seconds from navigation to the first canvas, until all circles are on it, and until the page
    answers; from a click on a circle until it is marked as inspected. None where that was not
    measured."""

    first: float
    circles: float | None = None
    interactive: float | None = None
    click: float | None = None


def measure(quick: bool) -> Table:
    """Open the pages of studies of several sizes in turn, each time as a new visitor.

    Beside them, where it is installed, optuna-dashboard with as many trials.
    """
    sizes, rounds = ((0, 20), 1) if quick else ((0, 100, 1_000, 10_000), 3)
    dashboard = importlib.util.find_spec("optuna_dashboard") is not None
    with tempfile.TemporaryDirectory(prefix="remap-") as name, ExitStack() as stack:
        ours = [stack.enter_context(served(Path(name) / f"models{size}", size)) for size in sizes]
        browser = stack.enter_context(chromium())
        ways: dict[str, Callable[[], Visit]] = {
            str(size): partial(_visit, browser, url, size)
            for size, url in zip(sizes, ours, strict=True)
        }
        theirs = [size for size in sizes if size and dashboard]
        for size in theirs:
            url = stack.enter_context(_dashboard(Path(name) / f"trials{size}", size))
            ways[f"optuna-dashboard, {size}"] = partial(_visit_dashboard, browser, url)
        visits = _in_turn(ways, rounds)
    rows = [
        _row(size, visits[str(size)], visits.get(f"optuna-dashboard, {size}")) for size in sizes
    ]
    said = (
        "The last two columns are optuna-dashboard's, SQLite and two objectives, with as many "
        "trials, from navigation to the first plot, in turn with ours; the ratio is to its speed, "
        "by our circles."
        if theirs
        else "optuna-dashboard is not installed here, so nothing is told of it."
    )
    return Table(
        "Headless Chromium without a graphics card, a fresh profile each time, from navigation to "
        "the first visible canvas, until all circles are on it, and until the tabs are there, of "
        f"the page that `remap serve --no-train` shows of a study whose models have {EPOCHS} "
        "epochs and a place on both maps; then from a click on a circle until it is marked. The "
        f"server has shown the page once before. {said}",
        (
            "models",
            "first canvas, s",
            "circles, s",
            "interactive, s",
            "click, s",
            "theirs, s",
            "ratio",
        ),
        tuple(rows),
    )


def _row(size: int, ours: list[Visit], theirs: list[Visit] | None) -> tuple[str, ...]:
    def middle(values: list[float | None]) -> str:
        known = [one for one in values if one is not None]
        return quantity(median(known)) if known else ""

    figures = (
        middle([one.first for one in ours]),
        middle([one.circles for one in ours]),
        middle([one.interactive for one in ours]),
        middle([one.click for one in ours]),
    )
    if theirs is None:
        return f"{size:,}", *figures, "", ""
    # A canvas without its circles is no picture yet.
    speed = ratio([b.first / (a.circles or a.first) for a, b in zip(ours, theirs, strict=True)])
    return f"{size:,}", *figures, middle([one.first for one in theirs]), speed


def _in_turn(ways: dict[str, Callable[[], Visit]], rounds: int) -> dict[str, list[Visit]]:
    found: dict[str, list[Visit]] = {name: [] for name in ways}
    for counted in (False, *[True] * rounds):
        for name, visit in ways.items():
            seen = visit()
            if counted:
                found[name].append(seen)
    return found


@contextmanager
def served(path: Path, models: int) -> Iterator[str]:
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
def chromium() -> Iterator[Browser]:
    program = next((found for name in CHROMIUM if (found := shutil.which(name))), None)
    if program is None:
        raise RuntimeError(f"there is no Chromium here: none of {', '.join(CHROMIUM)} is found")
    arguments = ["--disable-background-networking", "--disable-gpu"]
    if os.geteuid() == 0:
        # Chromium refuses its sandbox to root.
        arguments.append("--no-sandbox")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def _dashboard(path: Path, trials: int) -> Iterator[str]:
    """Serve a new optuna study with so many finished trials; gives its page's address."""
    # Only a machine that has it is compared with it.
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    path.mkdir()
    storage = f"sqlite:///{path}/optuna.db"
    study = optuna.create_study(
        storage=storage, study_name="trials", directions=["maximize", "minimize"]
    )
    spread = optuna.distributions.FloatDistribution(0.0, 1.0)
    study.add_trial(
        optuna.trial.create_trial(
            params={"x": 0.0}, distributions={"x": spread}, values=[0.0, 10.0]
        )
    )
    # One by one, as optuna adds them, ten thousand take minutes.
    with closing(sqlite3.connect(path / "optuna.db")) as connection, connection:
        connection.executescript(TRIALS.format(trials=trials))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    program = Path(sys.executable).parent / "optuna-dashboard"
    command = [str(program), storage, "--host", "127.0.0.1", "--port", str(port)]
    with launched(command, path / "dashboard.log"):
        url = f"http://127.0.0.1:{port}/dashboard/studies/1"
        _wait_for_answer(url)
        yield url


def _wait_for_answer(url: str) -> None:
    end = time.monotonic() + WAIT_MS / 1000
    while True:
        try:
            with urllib.request.urlopen(url, timeout=WAIT_MS / 1000):
                return
        except OSError:
            if time.monotonic() > end:
                raise
            threading.Event().wait(0.2)


def _visit_dashboard(browser: Browser, url: str) -> Visit:
    """Open the other page as a new visitor: to its first plot."""
    with _visitor(browser) as page:
        start = time.perf_counter()
        page.goto(url, wait_until="commit", timeout=WAIT_MS)
        page.locator(".js-plotly-plot .main-svg").first.wait_for(state="visible", timeout=WAIT_MS)
        return Visit(time.perf_counter() - start)


def _visit(browser: Browser, url: str, models: int) -> Visit:
    """Open a page as a new visitor, and click a circle once it answers."""
    with _visitor(browser) as page:
        start = time.perf_counter()
        page.goto(url, wait_until="commit", timeout=WAIT_MS)
        page.locator("canvas").first.wait_for(state="visible", timeout=WAIT_MS)
        first = time.perf_counter() - start
        drawn = f'section.overview[data-circles="{models}"]'
        page.locator(drawn).wait_for(state="attached", timeout=WAIT_MS)
        # The next frame has painted them.
        page.evaluate("() => new Promise(requestAnimationFrame)")
        circles = time.perf_counter() - start
        page.get_by_role("tab").first.wait_for(state="visible", timeout=WAIT_MS)
        interactive = time.perf_counter() - start
        return Visit(first, circles, interactive, _click(page) if models else None)


def _click(page: Page) -> float:
    """Click the rightmost circle in sight; gives the seconds until it is marked."""
    places = Explorer(page).circles()
    x, y = max(places.values())
    page.mouse.move(x, y)
    start = time.perf_counter()
    page.mouse.click(x, y)
    # A locator finds it inside of shadow roots too, and while the page puts its parts together.
    page.locator(HIGHLIT).wait_for(state="attached", timeout=WAIT_MS)
    return time.perf_counter() - start


@contextmanager
def _visitor(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1440, "height": 900})
    try:
        yield context.new_page()
    finally:
        context.close()
