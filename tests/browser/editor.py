"""An editor alone on a page of its own, and what a person does with it by mouse and finger."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, final
from urllib.parse import urlsplit

import panel as pn
from playwright.sync_api import Browser, CDPSession, Locator, Page

from remap_panel import frame
from remap_panel.draft import Draft
from remap_panel.snac.editor import Editor
from remap_ray.space import Architecture
from tests.browser.page import patience
from tests.processes import answers, free_port, wait_for

SHAPE = (1, 28, 28)
LENET = Architecture.from_text("conv16x3 relu max2 conv32x3 relu max2 dense64 relu", SHAPE, 10)
OTHER = Architecture.from_text("conv64x5 tanh avg3 batchnorm", SHAPE, 10)

BODY = """<main style="padding: 10px"><section class="card" style="overflow: visible">
{{ embed(roots.editor) }}</section></main>"""


@contextmanager
def served(**params: Any) -> Iterator[tuple[str, list[Editor]]]:
    """Serve pages with an editor each; gives the address, and the editors of the pages opened."""
    made: list[Editor] = []

    def app() -> frame.Document:
        frame.begin_in_mode()
        given = {"baseline": LENET, "number": 17, "donors": {3: "m3"}, **params}
        made.append(Editor({3: OTHER}.get, **given))
        page = frame.document(BODY, "Editor")
        page.add_panel("editor", made[-1])
        return page

    port = free_port()
    server = pn.serve({"/": app}, port=port, address="127.0.0.1", show=False, threaded=True)
    try:
        wait_for(lambda: answers(port), "the page")
        yield f"http://127.0.0.1:{port}/", made
    finally:
        server.stop()


@contextmanager
def opened(browser: Browser, **options: Any) -> Iterator[Page]:
    """Open a page that must not err, nor ask anything of another host."""
    context = browser.new_context(**options)
    page = context.new_page()
    wrong: list[str] = []
    page.on(
        "console",
        lambda one: wrong.append(one.text) if one.type in {"error", "warning"} else None,
    )
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on(
        "request",
        lambda one: (
            wrong.append(one.url)
            if urlsplit(one.url).scheme not in {"data", "blob"}
            and urlsplit(one.url).hostname != "127.0.0.1"
            else None
        ),
    )
    page.set_default_timeout(patience(60) * 1000)
    yield page
    context.close()
    assert not wrong, wrong


@final
class Handcraft:
    """The open page of an editor. Acts on what is visible; looks up the draft in the server."""

    def __init__(self, page: Page, editor: Editor) -> None:
        self.page = page
        self.editor = editor
        self._touch: CDPSession | None = None

    @property
    def draft(self) -> Draft:
        draft: Draft = self.editor.draft
        return draft

    @property
    def text(self) -> str:
        """The layers of the draft as the server has them."""
        return " ".join(layer.text for layer in self.draft.layers)

    def wait(self, ask: Callable[[], bool], what: str, seconds: float = 60) -> None:
        deadline, pause = time.monotonic() + patience(seconds), threading.Event()
        while not ask():
            assert time.monotonic() < deadline, f"waited too long for {what}; now {self.text}"
            # Here the browser's events come in, which `pause` alone would hold up.
            self.page.evaluate("() => 0")
            pause.wait(0.02)

    def becomes(self, text: str) -> None:
        """Wait until the draft is what a text says, in the server and on the page."""
        self.wait(lambda: self.text == text, text)
        shown = self.page.get_by_label("As text")
        self.wait(lambda: shown.input_value() == text, f"{text} on the page")

    def block(self, at: int) -> Locator:
        return self.page.locator(f'[data-layer="{at}"] .block')

    def kind(self, name: str) -> Locator:
        return self.page.locator(f'[data-kind="{name}"]')

    def gap(self, at: int) -> Locator:
        return self.page.locator(f'.gap[data-at="{at}"]')

    def drag(self, one: Locator, other: Locator | tuple[float, float]) -> None:
        """Drag by mouse, from the middle of one element to that of another, or to a point."""
        start, end = middle(one), other if isinstance(other, tuple) else middle(other)
        self.page.mouse.move(*start)
        self.page.mouse.down()
        self.page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=4)
        self.page.mouse.move(*end, steps=4)
        self.page.mouse.up()

    def touch(self, one: Locator, other: Locator | tuple[float, float]) -> None:
        """Drag by finger."""
        one.scroll_into_view_if_needed()
        start, end = middle(one), other if isinstance(other, tuple) else middle(other)
        if self._touch is None:
            self._touch = self.page.context.new_cdp_session(self.page)
        self._finger("touchStart", start)
        for step in range(1, 9):
            share = step / 8
            self._finger(
                "touchMove",
                (
                    start[0] + share * (end[0] - start[0]),
                    start[1] + share * (end[1] - start[1]),
                ),
            )
        self._finger("touchEnd", None)

    def _finger(self, kind: str, at: tuple[float, float] | None) -> None:
        assert self._touch is not None
        points = [] if at is None else [{"x": at[0], "y": at[1]}]
        self._touch.send("Input.dispatchTouchEvent", {"type": kind, "touchPoints": points})

    def press(self, *keys: str) -> None:
        for key in keys:
            self.page.keyboard.press(key)


def middle(one: Locator) -> tuple[float, float]:
    box = one.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


@contextmanager
def handcraft(browser: Browser, *, phone: bool = False, **params: Any) -> Iterator[Handcraft]:
    """Serve an editor and open it, on a wide screen with a mouse or on a phone."""
    screen = {"width": 390, "height": 844} if phone else {"width": 1100, "height": 800}
    with (
        served(**params) as (address, made),
        opened(browser, viewport=screen, has_touch=phone, is_mobile=phone) as page,
    ):
        page.goto(address)
        page.locator(".editor").wait_for()
        yield Handcraft(page, made[-1])
