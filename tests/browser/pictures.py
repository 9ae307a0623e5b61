"""``python -m tests.browser.pictures [NAME ...]``: the pictures of README and specs, from the page.

They are taken of a real study on digits, trained here, by a real browser; the handcraft is made by
mouse, and what it makes is trained before the last picture. The figures of chips are drawn from the
table of the use case (`specs/usecase/models.csv`).
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

from PIL import Image, ImageDraw
from playwright.sync_api import Browser, Locator, Page, expect, sync_playwright

from remap_panel import snac
from remap_ray.creation import create_study
from remap_ray.recipe import Recipe
from remap_ray.space import Architecture, Limits
from remap_ray.space.edits import ablations
from remap_ray.study import Origin, Submission, open_study
from tests.browser.conftest import FLAGS
from tests.browser.page import Explorer, settled
from tests.browser.training import train_inline
from tests.processes import Started, answers, free_port, wait_for

IMAGES = Path(__file__).parents[2] / "specs" / "images"
WIDE: dict[str, Any] = {"viewport": {"width": 1360, "height": 800}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True}
SAMPLED = 20
BASELINE = SAMPLED + 1
LAYERS = "conv8x3 relu max2 conv16x3 relu dense32"
BEGIN_MS, STEP_MS, END_MS = 1600, 1300, 3000
"""How long a picture of the handcraft stands: the first, each, and the last."""
ARROW = ((0, 0), (0, 17), (4, 13), (7, 19), (9, 18), (7, 12), (12, 12))
"""The mouse, which a browser leaves out of its pictures."""


def make_study(path: Path) -> None:
    """Train models sampled for digits, one made by hand, and its ablations."""
    recipe, limits = Recipe(epochs=6, batch_size=32), Limits(parameters=60_000)
    with create_study(path, recipe=recipe, models=SAMPLED, limits=limits, seed=1) as study:
        base = Architecture.from_text(LAYERS, (1, 8, 8), 10)
        made = [Submission(base, Origin.HANDCRAFTED)]
        made += [
            Submission(one.architecture, Origin.ABLATION, BASELINE, words=one.words)
            for one in ablations(base, [1, 2, 4])
            if one.architecture is not None
        ]
        study.submit(made)
        train_inline(study)
        done = sorted(study.models(), key=lambda one: -(one.accuracy or 0))
        study.keep_all([BASELINE, *(one.number for one in done[:3] if one.number != BASELINE)])
        study.annotate(BASELINE, "small, and nearly as good")


@contextmanager
def served(path: Path) -> Iterator[str]:
    port = free_port()
    server = Started("serve", path, "--no-browser", "--no-train", "--port", str(port))
    try:
        wait_for(lambda: answers(port), "the page")
        yield f"http://127.0.0.1:{port}/"
    finally:
        server.kill_all()


def opened(browser: Browser, address: str, circles: int, **screen: Any) -> Explorer:
    page = browser.new_context(**screen).new_page()
    page.goto(address)
    expect(page.get_by_role("tab").first).to_be_visible()
    explorer = Explorer(page)
    explorer.resting_circles(set(range(1, circles + 1)))
    return explorer


def save(page: Page, name: str) -> None:
    """Keep a picture of the window."""
    _keep(io.BytesIO(page.screenshot()), name)


def _keep(png: Any, name: str) -> None:
    """Keep a picture in the colours that are most of it; edges of letters have the nearest."""
    shot = Image.open(png).convert("RGB")
    counted = sorted(shot.getcolors(shot.width * shot.height), reverse=True)
    palette = Image.new("P", (1, 1))
    palette.putpalette([value for _, colour in counted[:256] for value in colour])
    few = shot.quantize(palette=palette, dither=Image.Dither.NONE)
    few.save(IMAGES / f"{name}.png", optimize=True)


@final
class Film:
    """Pictures of one part of the page, one after the other, with the mouse drawn in."""

    def __init__(self, page: Page, part: Locator) -> None:
        self._page, self._part = page, part
        self._frames: list[Image.Image] = []
        self._at = (0.0, 0.0)

    def take(self) -> None:
        box = self._part.bounding_box()
        assert box is not None
        clip = {"x": box["x"], "y": box["y"], "width": box["width"], "height": box["height"]}
        shot = Image.open(io.BytesIO(self._page.screenshot(clip=clip))).convert("RGB")
        x, y = self._at[0] - box["x"], self._at[1] - box["y"]
        if 0 <= x < shot.width and 0 <= y < shot.height:
            outline = [(x + dx, y + dy) for dx, dy in ARROW]
            ImageDraw.Draw(shot).polygon(outline, fill="#000000", outline="#ffffff")
        self._frames.append(shot)

    def move(self, one: Locator) -> None:
        one.scroll_into_view_if_needed()
        box = one.bounding_box()
        assert box is not None
        self._at = (box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
        self._page.mouse.move(*self._at, steps=6)

    def click(self, one: Locator) -> None:
        self.move(one)
        self._page.mouse.down()
        self._page.mouse.up()

    def drag(self, one: Locator, other: Locator) -> None:
        """Drag, with a picture just before it is let go."""
        self.move(one)
        self._page.mouse.down()
        self.move(other)
        self.take()
        self._page.mouse.up()

    def save(self, path: Path) -> None:
        # One palette for all, so that what stands still stays the same.
        width, height = self._frames[0].size
        together = Image.new("RGB", (width, height * len(self._frames)))
        for place, one in enumerate(self._frames):
            together.paste(one, (0, place * height))
        first = together.quantize(160, Image.Quantize.MAXCOVERAGE, dither=Image.Dither.NONE)
        frames = [one.quantize(palette=first, dither=Image.Dither.NONE) for one in self._frames]
        times = [BEGIN_MS, *[STEP_MS] * (len(frames) - 2), END_MS]
        frames[0].save(
            path, save_all=True, append_images=frames[1:], duration=times, loop=0, optimize=True
        )


def handcraft(browser: Browser, address: str, path: Path) -> None:
    """Make a network by hand: split the first convolution, add dropout, other activation, pool."""
    with open_study(path) as study:
        circles = len(study.models())
    explorer = opened(browser, f"{address}?model={BASELINE}", circles, **WIDE)
    page = explorer.page
    explorer.tab("Generate models").click()
    page.get_by_role("button", name="Handcrafted", exact=True).click()
    text = page.get_by_label("As text")
    expect(text).to_have_value(LAYERS)
    film = Film(page, page.locator(".tabs-card"))
    strip = page.locator(".strip").first
    kind, gap, block = (
        lambda name: page.locator(f'.palette [data-kind="{name}"]'),
        lambda at: strip.locator(f'.gap[data-at="{at}"]'),
        lambda at: strip.locator(f'[data-layer="{at}"] .block'),
    )

    def becomes(layers: str) -> None:
        expect(text).to_have_value(layers)
        film.take()

    film.take()
    film.drag(kind("conv"), gap(1))
    becomes("conv8x3 conv16x3 relu max2 conv16x3 relu dense32")
    film.click(page.locator(".panel").get_by_role("button", name="1", exact=True).first)
    becomes("conv8x3 conv16x1 relu max2 conv16x3 relu dense32")
    film.drag(kind("dropout"), gap(6))
    becomes("conv8x3 conv16x1 relu max2 conv16x3 relu drop0.25 dense32")
    film.click(block(2))
    film.click(page.locator(".panel").get_by_role("button", name="tanh"))
    becomes("conv8x3 conv16x1 tanh max2 conv16x3 relu drop0.25 dense32")
    film.drag(kind("conv"), gap(5))
    becomes("conv8x3 conv16x1 tanh max2 conv16x3 conv16x3 relu drop0.25 dense32")
    # A second one leaves nothing of the image: it is marked, and taken back.
    film.click(page.get_by_role("button", name="Undo").last)
    becomes("conv8x3 conv16x1 tanh max2 conv16x3 relu drop0.25 dense32")
    film.click(page.get_by_role("button", name="Train the handcraft"))
    row = explorer.row("children", circles + 1)
    expect(row).to_contain_text("waiting")
    with open_study(path) as study:
        train_inline(study)
    expect(row).to_contain_text("done")
    expect(row.locator('[tabulator-field="accuracy"]')).to_contain_text(" to ")
    film.move(row)
    film.take()
    film.save(IMAGES / "handcraft.gif")
    page.context.close()


def views(browser: Browser, address: str, path: Path) -> None:
    """Take the views that README and specs show."""
    with open_study(path) as study:
        circles = len(study.models())
    query = f"?model={BASELINE}&compare={BASELINE},{BASELINE + 2}"
    explorer = opened(browser, address + query, circles, **WIDE)
    page = explorer.page
    for name, tab, drawn in (
        ("data", "Data selector", ".remap-pairs li"),
        ("compare", "Compare", ".remap-matrices table"),
        ("queue", "Queue", ".remap-queue .tabulator-row svg"),
        ("page", "Model inspector", ".remap-matrix td"),
    ):
        explorer.tab(tab).click()
        page.mouse.move(700, 3)
        expect(page.locator(drawn).first).to_be_attached()
        settled(page)
        save(page, name)
    explorer.tab("Generate models").click()
    page.get_by_role("button", name="Ablations", exact=True).click()
    expect(page.locator(".strip .bar").first).to_be_visible()
    settled(page)
    save(page, "generate")
    page.context.close()
    phone = opened(browser, address + query, circles, **PHONE)
    settled(phone.page)
    save(phone.page, "phone")
    phone.page.context.close()
    dark = opened(browser, address + query, circles, color_scheme="dark", **WIDE)
    dark.tab("Model inspector").click()
    settled(dark.page)
    save(dark.page, "dark")
    dark.page.context.close()


SAMPLES = (66, 25, 77, 48, 70)
LOOKED_AT = {
    "model 1": 66,
    "model 2 (taken home)": 89,
    "model 3": 17,
    "model 4": 21,
    "model 5": 59,
    "best ablation": 105,
    "best variation": 108,
    "template": 106,
    "handcrafted 1": 116,
    "handcrafted 2": 117,
    "handcrafted 3": 118,
}
"""Models of the use case in the two figures of chips."""


def chips() -> None:
    """Draw the two figures of chips that the README shows, from the use case's table."""
    with (IMAGES.parent / "usecase" / "models.csv").open(newline="", encoding="utf-8") as file:
        rows = {int(row["number"]): row for row in csv.DictReader(file)}

    def figure(name: str, labels: Mapping[str, int], title: str, *more: str) -> None:
        chosen = [rows[number] for number in labels.values()]
        nets = [Architecture.from_dict(json.loads(row["architecture"])) for row in chosen]
        known: dict[str, list[Any]] = {
            "model": [f"m{number}" for number in labels.values()],
            "accuracy": [float(row["accuracy"]) for row in chosen],
            "parameters": [one.parameter_count for one in nets],
            "flops": [one.flops for one in nets],
        }
        columns = {one: known[one] for one in more}
        drawn = snac.table(nets, labels=[*labels], columns=columns, title=title, legend=True)
        _keep(drawn.save(IMAGES / f"{name}.png", dpi=192), name)

    sampled = {f"m{number}": number for number in SAMPLES}
    title = "Sampled networks on Fashion-MNIST"
    figure("figure", sampled, title, "accuracy", "parameters", "flops")
    figure("usecase", LOOKED_AT, "", "model", "accuracy", "parameters")


PICTURES: dict[str, Callable[[Browser, str, Path], None]] = {"views": views, "handcraft": handcraft}


def main(arguments: Sequence[str] | None = None) -> int:
    """Take the pictures; gives the exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.browser.pictures", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], "chips", *PICTURES], help="default: all")
    parser.add_argument("--study", type=Path, help="where to keep the study for the next time")
    given = parser.parse_args(arguments)
    if not given.names or "chips" in given.names:
        chips()
    taken = [name for name in PICTURES if not given.names or name in given.names]
    if not taken:
        return 0
    found = next(filter(None, map(shutil.which, ("chromium", "chromium-browser"))), None)
    with tempfile.TemporaryDirectory(prefix="remap-pictures-") as folder:
        path = given.study or Path(folder) / "digits"
        if not path.exists():
            make_study(path)
        with served(path) as address, sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=found, args=FLAGS)
            for name in taken:
                PICTURES[name](browser, address, path)
            browser.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
