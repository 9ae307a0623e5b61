"""What a person sees and does on the page, for the stories."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from typing import TypeVar, final

from playwright.sync_api import Locator, Page, expect

T = TypeVar("T")

CIRCLES = """() => {
  const [view] = [...Bokeh.index.query(one => one.model.name === "overview figure")]
  if (view == null) return {}
  const source = [...view.model.references()].find(
    one => one.name === "circles" && !one.type.endsWith("GlyphRenderer"))
  const box = view.el.getBoundingClientRect()
  const xs = view.frame.x_scale.v_compute(Array.from(source.data.x))
  const ys = view.frame.y_scale.v_compute(Array.from(source.data.y))
  const found = {}
  Array.from(source.data.number).forEach((number, row) => {
    if (isFinite(xs[row]) && isFinite(ys[row])) found[number] = [xs[row] + box.x, ys[row] + box.y]
  })
  return found
}"""
"""Where each circle is drawn, in pixels of the window, by model number."""


def patience(seconds: float) -> float:
    """Give how long to wait for what may take ``seconds``; less where it is known not to come."""
    return min(seconds, float(os.environ.get("REMAP_PATIENCE", seconds)))


def settled(page: Page) -> None:
    """Wait until nothing on the page has changed for a second or so, and no tab is on its way."""
    page.evaluate(
        """() => new Promise((done) => {
          let before = "", same = 0
          const look = () => {
            const now = document.querySelectorAll("*").length + document.body.innerText
            same = now === before ? same + 1 : 0
            before = now
            const moves = document.getAnimations().some((one) => one.playState === "running")
            if (same > 60 && !moves) done(0)
            else requestAnimationFrame(look)
          }
          look()
        })"""
    )


@final
class Explorer:
    """The open page. Reads the canvas where a person would see it; acts by mouse and keyboard."""

    def __init__(self, page: Page) -> None:
        self.page = page

    def wait(self, ask: Callable[[], T], what: str, seconds: float = 90) -> T:
        """Wait until ``ask`` gives something true, and give it."""
        deadline, pause = time.monotonic() + patience(seconds), threading.Event()
        while True:
            if found := ask():
                return found
            assert time.monotonic() < deadline, f"waited too long for {what}"
            pause.wait(0.05)

    def circles(self) -> dict[int, tuple[float, float]]:
        """Give the middle of every drawn circle, by model."""
        if not self.page.evaluate("() => window.Bokeh != null && Bokeh.index != null"):
            return {}
        found = self.page.evaluate(CIRCLES)
        return {int(number): (x, y) for number, (x, y) in found.items()}

    def resting_circles(self, numbers: set[int]) -> dict[int, tuple[float, float]]:
        """Wait until just these circles are drawn and none moves, and give their places."""
        before: dict[int, tuple[float, float]] = {}

        def rest() -> dict[int, tuple[float, float]] | None:
            nonlocal before
            now = self.circles()
            same = now == before and now.keys() == numbers
            before = now
            # Two looks that agree may fall between two frames: the next frame decides.
            self.page.evaluate("() => new Promise(done => requestAnimationFrame(() => done(0)))")
            return now if same and self.circles() == now else None

        return self.wait(rest, f"the circles {sorted(numbers)} at rest (now {before})")

    def choose_projection(self, name: str) -> None:
        """Press the switch of a projection, and wait until the circles are on their way."""
        self.page.locator(f'[data-projection="{name}"] input').click()
        expect(self.page.locator(f'.overview[data-projection="{name}"]')).to_be_visible()

    def hover_circle(self, number: int) -> None:
        """Move the mouse onto a circle."""
        x, y = self.circles()[number]
        self.page.mouse.move(x - 40, y - 25)
        self.page.mouse.move(x, y, steps=4)

    def click_circle(self, number: int) -> None:
        """Click a circle with the mouse."""
        self.hover_circle(number)
        x, y = self.circles()[number]
        self.page.mouse.click(x, y)

    def lasso(self, numbers: set[int], room: float = 14.0) -> None:
        """Drag a lasso around circles, along the box that holds them, with some room."""
        places = [place for number, place in self.circles().items() if number in numbers]
        box = self.page.locator(".plot").bounding_box()
        assert box, "the overview's figure is not seen"
        left = max(min(x for x, _ in places) - room, box["x"] + 1)
        right = min(max(x for x, _ in places) + room, box["x"] + box["width"] - 1)
        top = max(min(y for _, y in places) - room, box["y"] + 1)
        bottom = min(max(y for _, y in places) + room, box["y"] + box["height"] - 1)
        self.page.get_by_role("button", name="drag around models").click()
        self.page.mouse.move(left, top)
        self.page.mouse.down()
        for x, y in ((right, top), (right, bottom), (left, bottom), (left, top)):
            self.page.mouse.move(x, y, steps=5)
        self.page.mouse.up()

    def choose_list(self, name: str) -> None:
        """Press the switch of a list beside the drawer, such as ``nearest``."""
        self.page.locator(f'[data-value="{name}"] input').click()

    def address(self) -> str:
        """Read the page's address as the browser shows it now."""
        return str(self.page.evaluate("() => location.href"))

    def overview(self, name: str) -> str:
        """Read an attribute of the overview's root, such as ``data-front``."""
        return self.page.locator("section.overview").get_attribute(name) or ""

    def tab(self, name: str) -> Locator:
        """Give a tab by the beginning of its name."""
        return self.page.get_by_role("tab").filter(has_text=name)

    def row(self, table: str, number: int) -> Locator:
        """Give a model's row in the table ``drawer`` or ``queue``."""
        return self.page.locator(f'.remap-{table} .tabulator-row[data-id="{number}"]')
