"""The same chip in the page, a notebook, an SVG, a PDF and a PNG: pictures that are compared."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageFilter
from playwright.sync_api import Browser, Locator, expect

from remap_panel.snac import draw, table
from remap_ray import Submission
from remap_ray.space import Architecture
from tests import synthetic
from tests.browser.page import Explorer
from tests.panel.chips import architectures

pytestmark = [pytest.mark.browser, pytest.mark.slow]

POPPLER = shutil.which("pdftoppm")
"""Renders PDFs; of Debian's package poppler-utils."""

ALL_KINDS = Architecture.from_text(
    "conv16x3same batchnorm relu max2 depthwise8x3same tanh avg2 drop0.25 sigmoid globalavg dense9",
    (1, 8, 8),
    10,
)
SCALE = 2
"""Pixels of a picture to a pixel of the drawing."""

MEAN, MOST = 0.015, 0.3
"""How much two pictures of the same may differ, as shares of the way from black to white: on
average over all pixels, and at a place a pixel of the drawing wide. Edges are smoothed differently
by each program; one mark in place of another is beyond both."""


def loaded(data: bytes) -> np.ndarray:
    with Image.open(BytesIO(data)) as image:
        soft = image.convert("RGB").filter(ImageFilter.BoxBlur(SCALE / 2))
        return np.asarray(soft, dtype=np.float64) / 255


def apart(one: bytes, other: bytes) -> tuple[float, float]:
    """Give by how much two pictures differ on average and at most."""
    a, b = loaded(one), loaded(other)
    assert a.shape == b.shape
    found = np.abs(a - b).mean(axis=2)
    return float(found.mean()), float(found.max())


def same(one: bytes, other: bytes) -> bool:
    mean, most = apart(one, other)
    return mean <= MEAN and most <= MOST


def shown(browser: Browser, html: str) -> bytes:
    """Give a picture of the first drawing in a page of its own."""
    context = browser.new_context(
        device_scale_factor=SCALE, viewport={"width": 1200, "height": 900}
    )
    page = context.new_page()
    page.set_content(f'<body style="margin:8px;background:white">{html}</body>')
    picture = page.locator("svg").first.screenshot()
    context.close()
    return picture


def rendered(path: Path) -> bytes:
    """Give a picture of a PDF's page."""
    assert POPPLER is not None
    command = [POPPLER, "-r", str(96 * SCALE), "-png", "-singlefile", str(path)]
    return subprocess.run(command, check=True, capture_output=True).stdout


FIGURES = {
    "chip": draw(ALL_KINDS, title="Größe: all kinds"),
    "small": draw(ALL_KINDS, "small"),
    "tiny": draw(ALL_KINDS, "tiny"),
    "sizes": draw(architectures()["repeats"], sizes=True, fold=True, legend=True),
    "table": table(
        [ALL_KINDS, architectures()["lenet"]],
        labels=["all", "LeNet"],
        columns={"parameters": [1234, 567_890], "from": ["hand", "Ω"]},
        title="Two networks",
        legend=True,
        align="structure",
    ),
}


@pytest.mark.promise("SNAC-10")
@pytest.mark.parametrize("name", FIGURES)
def test_a_figure_is_the_same_in_every_format(browser: Browser, tmp_path: Path, name: str) -> None:
    drawing = FIGURES[name]
    svg = shown(browser, drawing.save(tmp_path / "figure.svg").read_text(encoding="utf-8"))
    assert shown(browser, drawing._repr_mimebundle_()["text/html"]) == svg
    png = drawing.save(tmp_path / "figure.png", dpi=96 * SCALE).read_bytes()
    assert same(svg, png), apart(svg, png)
    if POPPLER is None:
        pytest.skip(
            "pdftoppm is missing (Debian's package poppler-utils): the PDF was not looked at"
        )
    pdf = rendered(drawing.save(tmp_path / "figure.pdf"))
    assert same(svg, pdf), apart(svg, pdf)
    assert same(png, pdf), apart(png, pdf)


def test_another_mark_colour_or_height_would_be_seen(browser: Browser) -> None:
    def picture(text: str) -> bytes:
        one = Architecture.from_text(text, (1, 8, 8), 10)
        return shown(browser, draw(one, fixed_height=True).svg)

    usual = picture("conv4x3 relu max2 dense8")
    assert same(usual, picture("conv4x3 relu max2 dense8"))
    for other in (
        "conv4x3 tanh max2 dense8",
        "conv4x3 relu avg2 dense8",
        "conv4x3 relu max2 drop0.5",
    ):
        assert not same(usual, picture(other))
    text = draw(ALL_KINDS).svg
    last = max(re.findall(r'height="(\d+)" rx', text), key=int)
    taller = text.replace(f'height="{last}" rx', f'height="{int(last) + 3}" rx')
    assert not same(shown(browser, text), shown(browser, taller))


@pytest.mark.promise("SNAC-10")
def test_the_page_shows_the_very_drawing(
    explore: Callable[..., Explorer], browser: Browser, tmp_path: Path
) -> None:
    with synthetic.empty_study(tmp_path / "s") as study:
        study.submit([Submission(ALL_KINDS)])
    explorer = explore(tmp_path / "s", "--no-train")
    page = explorer.page
    page.set_viewport_size({"width": 2000, "height": 1000})
    page.goto(f"{explorer.page.url.partition('?')[0]}?model=1")

    def texts(chip: Locator) -> str:
        return chip.evaluate("one => new XMLSerializer().serializeToString(one)")

    large = page.locator(".chip svg").first
    expect(large).to_be_visible()
    drawing = draw(ALL_KINDS)
    alone = browser.new_context(viewport={"width": 1200, "height": 900})
    other = alone.new_page()
    other.set_content(f'<body style="margin:8px;background:white">{drawing.svg}</body>')
    # One text, and one picture of it.
    assert texts(large) == texts(other.locator("svg"))
    # Where the page puts it, it may begin within a pixel: it is moved to the next whole one.
    large.evaluate(
        """one => {
          const {x, y} = one.getBoundingClientRect()
          one.style.transform = `translate(${Math.ceil(x) - x}px, ${Math.ceil(y) - y}px)`
        }"""
    )
    one, two = large.screenshot(), other.locator("svg").screenshot()
    alone.close()
    assert same(one, two), apart(one, two)
