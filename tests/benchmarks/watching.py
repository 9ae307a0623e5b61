"""Five browsers watch eight models train: how long the server lets one wait, what travels."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import final

import numpy as np
import psutil
from playwright.sync_api import Browser, Page, WebSocket

from remap_panel.connection import ALIVE
from remap_ray.study import Epoch, Holder, Study, open_study, take_lease
from tests import synthetic
from tests.benchmarks.launched import Launched, launched
from tests.benchmarks.loop import recorded
from tests.benchmarks.page import chromium
from tests.benchmarks.report import Table, quantity

__all__ = ["lags", "measure", "quantiles"]

TRAINED, TRAINING, BROWSERS, TRAINERS = 1_000, 8, 5, 2
EVERY_SECONDS = 0.5
WORKERS_NICENESS = 15
"""By which Ray has its workers, trainers among them, step back behind other processes."""

ASK_SECONDS = 0.02
WAIT_MS = 60_000


def measure(quick: bool) -> Table:
    """Watch a study that is written to; then open and close pages."""
    trained, seconds, browsers, opened = (20, 4.0, 2, 2) if quick else (TRAINED, 30.0, BROWSERS, 20)
    with tempfile.TemporaryDirectory(prefix="remap-") as name, ExitStack() as stack:
        path = Path(name) / "study"
        loop = stack.enter_context(recorded(path, trained))
        url = loop.url
        server = _server_of(url)
        for place in range(1 if quick else TRAINERS):
            stack.enter_context(_trainer(Path(name) / f"trainer{place}.log"))
        browser = stack.enter_context(chromium())
        traffic = Traffic()
        pages = [_open(browser, url, traffic) for _ in range(browsers)]
        began = time.monotonic()
        idle = [*quantiles(lags(url, seconds / 3, pages[0])), *loop.longest(began)]
        with open_study(path) as study, _writing(study) as written:
            traffic.begin()
            began = time.monotonic()
            busy = [*quantiles(lags(url, seconds, pages[0])), *loop.longest(began)]
            updates = len(written) * browsers
            travelled = traffic.end()
        for page in pages:
            page.context.close()
        before = server.memory_full_info().uss
        for _ in range(opened):
            _open(browser, url, Traffic()).context.close()
        kept = max(server.memory_full_info().uss - before, 0) / opened
    rows = [
        ("wait for the event loop, no writer, ms", *_in_ms(idle)),
        ("wait for the event loop, a writer, ms", *_in_ms(busy)),
        ("bytes per epoch and browser", quantity(travelled / max(updates, 1)), "", "", ""),
        ("memory per session opened and closed, MiB", quantity(kept / 2**20), "", "", ""),
    ]
    return Table(
        f"`remap serve` of a study of {trained:,} trained models, {browsers} browsers on its page. "
        "The writer records epochs of 8 models twice a second while trainers of one thread each "
        "keep the processors busy, as nice as Ray's workers are (15). The wait is that of a "
        "request that only "
        "asks which server this is, every 20 ms: the event loop answers it between all else. What "
        "of it is the server's own tells the longest step of its loop, which nothing interrupts, "
        "in processor time; by the clock the browsers and trainers on the same processors are in "
        "it too. Memory counts what is the "
        "server's own (USS); a closed session is kept for a laptop that comes back.",
        ("what", "median", "99th percentile", "longest step, processor", "longest step, clock"),
        tuple(rows),
    )


def quantiles(waits: list[float]) -> tuple[float, float]:
    """Give the median and the 99th percentile."""
    p50, p99 = np.percentile(np.array(waits), [50, 99])
    return float(p50), float(p99)


def _in_ms(seconds: Sequence[float]) -> tuple[str, ...]:
    return tuple(quantity(1000 * one) for one in seconds)


@final
class Traffic:
    """Counts what servers send to pages."""

    def __init__(self) -> None:
        self._bytes = 0
        self._begun = 0

    def follow(self, page: Page) -> None:
        """Count what comes to this page from now on."""
        page.on("websocket", self._follow)

    def _follow(self, socket: WebSocket) -> None:
        socket.on("framereceived", self._count)

    def _count(self, payload: bytes | str) -> None:
        self._bytes += len(payload)

    def begin(self) -> None:
        """Count from here."""
        self._begun = self._bytes

    def end(self) -> int:
        """Give what came since."""
        return self._bytes - self._begun


def _open(browser: Browser, url: str, traffic: Traffic) -> Page:
    page = browser.new_context(viewport={"width": 1440, "height": 900}).new_page()
    traffic.follow(page)
    page.goto(url, timeout=WAIT_MS)
    page.get_by_role("tab").first.wait_for(state="visible", timeout=WAIT_MS)
    # The queue is what changes most while models train.
    page.get_by_role("tab").filter(has_text="Queue").click()
    return page


def lags(url: str, seconds: float, page: Page) -> list[float]:
    """Ask the server again and again while pages hear of it; gives the seconds of each answer."""
    pause, found, stop = threading.Event(), [], threading.Event()

    def ask() -> float:
        start = time.perf_counter()
        with urllib.request.urlopen(url.rstrip("/") + ALIVE, timeout=60) as answer:
            answer.read()
        return time.perf_counter() - start

    def ask_on() -> None:
        # The first answer is not counted: what it needs is loaded then.
        ask()
        while not stop.is_set():
            found.append(ask())
            pause.wait(ASK_SECONDS)

    thread = threading.Thread(target=ask_on)
    thread.start()
    # Playwright hears of frames only while it is waited on.
    page.wait_for_timeout(1000 * seconds)
    stop.set()
    thread.join()
    return found


@contextmanager
def _writing(study: Study) -> Iterator[list[Epoch]]:
    """Record epochs of eight models twice a second, beside this thread; gives those recorded."""
    synthetic.queue_samples(study, TRAINING, seed=77)
    lease = take_lease(study, Holder.this_process("benchmark"), workers=TRAINERS)
    numbers = [model.number for model in lease.claim(TRAINING)]
    written: list[Epoch] = []
    stop = threading.Event()

    def write() -> None:
        epoch = 0
        while not stop.wait(EVERY_SECONDS):
            epoch += 1
            for number in numbers:
                value = 1 - 0.9**epoch
                one = Epoch(number, epoch, 2.0 / epoch, value, 2.1 / epoch, value, EVERY_SECONDS)
                lease.record_epoch(one)
                written.append(one)
            lease.beat("training 8", TRAINERS)

    thread = threading.Thread(target=write)
    thread.start()
    try:
        yield written
    finally:
        stop.set()
        thread.join()
        lease.release()


@contextmanager
def _trainer(log: Path) -> Iterator[Launched]:
    """Keep one processor at what a trainer does."""
    with launched([sys.executable, "-m", "tests.benchmarks.watching"], log) as one:
        yield one


def _train_on() -> None:
    import torch

    from remap_ray.recipe import Recipe
    from remap_ray.space import Activation, Architecture, Conv, Dense
    from remap_ray.training import datasets
    from remap_ray.training.network import build
    from remap_ray.training.tensors import prepare
    from tests.benchmarks.plain_training import train_plainly

    os.nice(WORKERS_NICENESS)
    torch.set_num_threads(1)
    data = datasets.load("digits", seed=0)
    prepared = prepare(data.train, data.validation, torch.device("cpu"))
    layers = (Conv(16, 3), Activation("relu"), Dense(64), Activation("relu"))
    network = build(Architecture((1, 8, 8), 10, layers))
    while True:
        train_plainly(network, prepared, Recipe(1, 32), 1)


def _server_of(url: str) -> psutil.Process:
    """Find the process that listens at an address."""
    port = int(url.rstrip("/").rpartition(":")[2])
    for process in psutil.Process().children(recursive=True):
        for connection in process.net_connections(kind="tcp"):
            if connection.status == psutil.CONN_LISTEN and connection.laddr.port == port:
                return process
    raise RuntimeError(f"nobody listens at {url}")


if __name__ == "__main__":
    _train_on()
