"""A page that is dragged about: every circle is where it belongs, and nobody complains."""

from __future__ import annotations

import signal
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.benchmarks.big_study import big_study
from tests.browser.page import Explorer
from tests.processes import Started, answers, free_port, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

MODELS = 300

# The circles' own layer, as a sum by which any two pictures differ.
PIXELS = """() => {
  const find = (root) => {
    for (const one of root.querySelectorAll("*")) {
      if (one.matches("canvas.circles")) return one
      const inside = one.shadowRoot && find(one.shadowRoot)
      if (inside) return inside
    }
  }
  const canvas = find(document)
  const copy = new OffscreenCanvas(canvas.width, canvas.height)
  const brush = copy.getContext("2d", {willReadFrequently: true})
  brush.drawImage(canvas, 0, 0)
  const {data} = brush.getImageData(0, 0, canvas.width, canvas.height)
  let sum = 0
  data.forEach((value, at) => { sum = (sum * 31 + value * (at % 8191 + 1)) % 9007199254 })
  return sum
}"""

# What the server says of a circle that was under the mouse may still come: nothing was painted anew
# for so many frames.
RESTING = f"""async () => {{
  const sum = {PIXELS}
  let before = null
  for (let same = 0; same < 90; ) {{
    await new Promise(requestAnimationFrame)
    const now = sum()
    same = now === before ? same + 1 : 0
    before = now
  }}
  return before
}}"""

RANGES = """() => {
  const [view] = [...Bokeh.index.query(one => one.model.name === "overview figure")]
  const {x_range, y_range} = view.model
  return [x_range.start, x_range.end, y_range.start, y_range.end]
}"""

# The ranges leave and come back: what is painted then owes nothing to what was there before.
REPAINT = """async () => {
  const [view] = [...Bokeh.index.query(one => one.model.name === "overview figure")]
  const range = view.model.x_range
  const {start, end} = range
  const frames = async () => {
    for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame)
  }
  range.setv({start, end: end + (end - start) / 3})
  await frames()
  range.setv({start, end})
  await frames()
}"""


@pytest.fixture
def served(tmp_path: Path, start: Callable[..., Started], page: Page) -> tuple[Explorer, Started]:
    path = tmp_path / "big"
    big_study(path, MODELS).close()
    port = free_port()
    server = start("serve", path, "--no-browser", "--no-train", "--port", str(port))
    wait_for(lambda: answers(port) or server.process.poll() is not None, "the page")
    page.goto(f"http://127.0.0.1:{port}/?model=7&tab=generate")
    return Explorer(page), server


@pytest.mark.promise("PAGE-17", "PAGE-19")
def test_a_dragged_picture_is_the_one_that_is_painted_anew(
    served: tuple[Explorer, Started],
) -> None:
    explorer, server = served
    page = explorer.page
    explorer.resting_circles(set(range(1, MODELS + 1)))
    box = page.locator(".plot").bounding_box()
    assert box
    x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
    at_first = page.evaluate(RANGES), page.evaluate(RESTING)
    page.mouse.move(x, y)
    page.mouse.down()
    for right, down in ((6, 3), (25, 12), (70, -45), (-80, 30), (-50, 55)):
        page.mouse.move(x + right, y + down)
        page.evaluate("() => new Promise(requestAnimationFrame)")
    page.mouse.up()
    page.mouse.move(5, 5)
    dragged = page.evaluate(RANGES), page.evaluate(RESTING)
    assert dragged[0] != at_first[0]
    assert dragged[1] != at_first[1]
    page.evaluate(REPAINT)
    assert (page.evaluate(RANGES), page.evaluate(RESTING)) == dragged

    # What came after the page is known to both sides: nothing is sent back, nobody is warned.
    expect(page.get_by_role("button", name="All descendants")).to_be_visible()
    explorer.click_circle(8)
    expect(page.locator(".remap-drawer .tabulator-row")).to_have_count(1)
    page.goto("about:blank")
    server.process.send_signal(signal.SIGINT)
    said = server.end()
    assert "Warning" not in said
    assert "reference already known" not in said
