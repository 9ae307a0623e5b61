"""Five browsers watch eight models train: how long the server lets one wait, what travels."""

from __future__ import annotations

import multiprocessing
import os
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
import psutil
from playwright.sync_api import Browser, Page, WebSocket

from remap_panel.connection import ALIVE
from remap_panel.launch import step_back
from remap_ray.study import Epoch, Holder, Study, open_study, take_lease
from tests import synthetic
from tests.benchmarks.launched import Launched, launched
from tests.benchmarks.loop import Loop, recorded
from tests.benchmarks.page import chromium
from tests.benchmarks.report import Table, quantity

__all__ = ["measure", "quantiles", "waits"]

TRAINED, TRAINING, BROWSERS, TRAINERS = 1_000, 8, 5, 2
EVERY_SECONDS = 0.5
WORKERS_NICENESS = 15
"""By which Ray has its workers, trainers among them, step back behind other processes."""

LOOK_MS = 200
WAIT_MS = 60_000


def measure(quick: bool) -> Table:
    """Watch a study that is written to; then open and close pages."""
    trained, seconds, browsers, opened = (20, 4.0, 2, 2) if quick else (TRAINED, 30.0, BROWSERS, 20)
    with tempfile.TemporaryDirectory(prefix="remap-") as name, ExitStack() as stack:
        path = Path(name) / "study"
        loop = stack.enter_context(recorded(path, trained))
        url = loop.url
        server = _server_of(url)
        stack.enter_context(_trainers(1 if quick else TRAINERS, Path(name) / "trainers.log"))
        browser = stack.enter_context(chromium())
        traffic = Traffic()
        pages = [_open(browser, url, traffic) for _ in range(browsers)]
        idle = _watched(loop, seconds / 3, pages[0])
        with open_study(path) as study, _writing(study) as written:
            traffic.begin()
            busy = _watched(loop, seconds, pages[0])
            updates = len(written) * browsers
            travelled = traffic.end()
        for page in pages:
            page.context.close()
        before = server.memory_full_info().uss
        for _ in range(opened):
            _open(browser, url, Traffic()).context.close()
        kept = max(server.memory_full_info().uss - before, 0) / opened
    rows = [
        ("the loop's own lag, no writer, ms", *_in_ms(idle.lag), *_in_ms(idle.longest)),
        ("wait of a request, no writer, ms", *_in_ms(idle.wait), "", ""),
        ("the loop's own lag, a writer, ms", *_in_ms(busy.lag), *_in_ms(busy.longest)),
        ("wait of a request, a writer, ms", *_in_ms(busy.wait), "", ""),
        ("bytes per epoch and browser", quantity(travelled / max(updates, 1)), "", "", ""),
        ("memory per session opened and closed, MiB", quantity(kept / 2**20), "", "", ""),
    ]
    return Table(
        f"`remap serve` of a study of {trained:,} trained models, {browsers} browsers on its page. "
        "The writer records epochs of 8 models twice a second while trainers of one thread each "
        "keep the processors busy, as nice as Ray's workers are (15) and in a session that steps "
        "back as that of the training which `remap serve` starts. The loop's own lag is by "
        "how much a timer on the server's event loop, due every 20 ms, rings too late: so long "
        "does whatever is due wait for its turn. The wait of a request is what a process of its "
        "own, which does nothing else, waits for an answer that only says which server this is, "
        "asked 20 ms after the last one came: several turns of the loop, and of the processors, "
        "which the asking process has to get as well. The longest step is that of the loop that "
        "nothing interrupted: by its processor time it is the server's own, by the clock the "
        "browsers and trainers on the same processors are in it too. Memory counts what is the "
        "server's own (USS); a closed session is kept for a laptop that comes back.",
        ("what", "median", "99th percentile", "longest step, processor", "longest step, clock"),
        tuple(rows),
    )


@final
@dataclass(frozen=True)
class Watched:
    """How long a server let others wait, in seconds.

    Parameters
    ----------
    lag, wait
        Median and 99th percentile of the loop's own lag, and of the wait of a request.
    longest
        The longest step of its loop, by processor time and by the clock.
    """

    lag: tuple[float, float]
    wait: tuple[float, float]
    longest: tuple[float, float]


def _watched(loop: Loop, seconds: float, page: Page) -> Watched:
    begin = time.monotonic()
    waited = waits(loop.url, seconds, page)
    stretch = loop.between(begin, time.monotonic())
    return Watched(quantiles(stretch.lags), quantiles(waited), stretch.longest)


def quantiles(seconds: Sequence[float]) -> tuple[float, float]:
    """Give the median and the 99th percentile."""
    p50, p99 = np.percentile(np.array(seconds), [50, 99])
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


def waits(url: str, seconds: float, page: Page) -> list[float]:
    """Have the server asked again and again while pages hear of it; gives each answer's seconds."""
    with tempfile.TemporaryDirectory(prefix="remap-") as name:
        log = Path(name) / "waits"
        asked = url.rstrip("/") + ALIVE
        command = [sys.executable, "-m", "tests.benchmarks.asking", asked, str(seconds)]
        with launched(command, log) as one:
            while one.runs():
                # Playwright hears of frames only while it is waited on.
                page.wait_for_timeout(LOOK_MS)
        return [float(line) for line in log.read_text(encoding="utf-8").split()]


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
def _trainers(count: int, log: Path) -> Iterator[Launched]:
    """Keep processors at what trainers do, in a session of their own as `remap serve` has it."""
    command = [sys.executable, "-m", "tests.benchmarks.watching", str(count)]
    with launched(command, log) as one:
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
    step_back(os.getpid())
    spawn = multiprocessing.get_context("spawn")
    trainers = [spawn.Process(target=_train_on, daemon=True) for _ in range(int(sys.argv[1]))]
    for one in trainers:
        one.start()
    for one in trainers:
        one.join()
