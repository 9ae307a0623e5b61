"""A real Chromium on pages of a real server; any request elsewhere or error in the page fails."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import Browser, ConsoleMessage, Page, Request, expect, sync_playwright

from tests.browser.page import Explorer, patience
from tests.processes import Started, answers, free_port, wait_for

# A slow machine is no failure.
expect.set_options(timeout=patience(60) * 1000)

FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


# Not for the whole session: Playwright keeps an event loop running in the test's thread, in which
# no server of another module's tests could run.
@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    names = ("chromium", "chromium-browser", "google-chrome")
    found = next(filter(None, map(shutil.which, names)), None)
    assert found, "the browser tests need Chromium: install it, or run make test as root"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page of 1360 x 760 pixels that must not err, nor ask anything of another host."""
    context = browser.new_context(viewport={"width": 1360, "height": 760})
    page = context.new_page()
    wrong: list[str] = []

    def on_console(message: ConsoleMessage) -> None:
        if message.type in {"error", "warning"}:
            wrong.append(f"{message.type}: {message.text}")

    def on_request(request: Request) -> None:
        parts = urlsplit(request.url)
        if parts.scheme not in {"data", "blob"} and parts.hostname != "127.0.0.1":
            wrong.append(f"asked {request.url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
    page.on("request", on_request)
    page.set_default_timeout(patience(60) * 1000)
    yield page
    context.close()
    assert not wrong, wrong


@pytest.fixture
def explore(start: Callable[..., Started], page: Page) -> Callable[..., Explorer]:
    """Serve a study with `remap serve`, and open it."""

    def open_page(path: Path, *options: str) -> Explorer:
        port = free_port()
        served = start("serve", path, "--no-browser", "--port", str(port), *options)
        wait_for(lambda: answers(port) or served.process.poll() is not None, "the page")
        assert served.process.poll() is None, served.end()
        page.goto(f"http://127.0.0.1:{port}/")
        return Explorer(page)

    return open_page
