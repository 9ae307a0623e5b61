"""Stories of the Generate and Queue tabs: a real study on digits, real mouse and keyboard."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Locator, Page, expect

from remap_ray.creation import create_study
from remap_ray.recipe import Recipe
from remap_ray.space import Activation, Architecture, Conv, Dense, MaxPool
from remap_ray.study import Origin, Status, Submission, open_study
from tests.browser.page import Explorer
from tests.browser.test_first_study import train_inline
from tests.processes import remap

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

Explore = Callable[..., Explorer]
LAYERS = (Conv(8, 3), Activation("relu"), MaxPool(2), Conv(16, 3), Activation("relu"), Dense(32))
BASELINE = 1


@pytest.fixture
def digits(tmp_path: Path) -> Path:
    """A study on digits with one trained model of six layers."""
    path = tmp_path / "digits"
    with create_study(path, recipe=Recipe(epochs=3, batch_size=32)) as study:
        wanted = Submission(Architecture((1, 8, 8), 10, LAYERS), Origin.HANDCRAFTED)
        assert study.submit([wanted]) == (BASELINE,)
        train_inline(study)
    return path


def middle(one: Locator) -> tuple[float, float]:
    one.scroll_into_view_if_needed()
    box = one.bounding_box()
    assert box is not None
    return box["x"] + box["width"] / 2, box["y"] + box["height"] / 2


def drag(page: Page, one: Locator, other: Locator, *, below: float = 0) -> None:
    start, end = middle(one), middle(other)
    page.mouse.move(*start)
    page.mouse.down()
    page.mouse.move((start[0] + end[0]) / 2, (start[1] + end[1]) / 2, steps=5)
    page.mouse.move(end[0], end[1] + below, steps=5)
    page.mouse.up()


def block(page: Page, at: int) -> Locator:
    return page.locator(f'.strip [data-layer="{at}"] .block')


def open_generate(explorer: Explorer) -> None:
    """Make the one circle the baseline, and open the tab."""
    explorer.resting_circles({BASELINE})
    explorer.click_circle(BASELINE)
    explorer.tab("Generate models").click()
    expect(explorer.page.get_by_role("heading", name="Baseline m1")).to_be_visible()


@pytest.mark.ray
@pytest.mark.promise("PAGE-70", "PAGE-72", "PAGE-74", "PAGE-76")
def test_ablate_three_layers_then_work_the_queue(digits: Path, explore: Explore) -> None:
    explorer = explore(digits)
    page = explorer.page
    open_generate(explorer)

    # Three layers are brushed; the price is told before the button.
    drag(page, block(page, 0), block(page, 2))
    offer = page.locator(".remap-offer")
    expect(offer).to_contain_text("3 children")
    expect(offer).to_contain_text("on this machine")
    expect(page.locator(".remap-preview [data-place]")).to_have_count(3)
    page.get_by_role("button", name="Train 3 ablations").click()

    # They train while one watches, and end in the table as the study has them.
    with open_study(digits) as study:
        for number in (2, 3, 4):
            row = explorer.row("children", number)
            expect(row).to_contain_text("done", timeout=200_000)
            expect(row.locator(".kind-drawn svg").last).to_be_visible()
            explorer.wait(
                lambda number=number: study.model(number).status is Status.DONE, f"m{number}"
            )
        told = {
            one["number"]: one
            for one in json.loads(remap("status", digits, "--json").stdout)["models"]
        }
        for number in (2, 3, 4):
            row, model = explorer.row("children", number), told[number]
            assert (model["origin"], model["parent"]) == ("ablation", BASELINE)
            # The table hides what does not fit: the title of a cell has all of its words.
            expect(row.locator('[tabulator-field="changes"]')).to_have_text(model["words"])
            change = model["accuracy"] - told[BASELINE]["accuracy"]
            text = f"{change:+.3f}".replace("-", "−").replace("0.", ".", 1)
            written = row.locator('[tabulator-field="accuracy"]')
            expect(written).to_contain_text("±0" if change == 0 else text)
            more = model["parameters"] - told[BASELINE]["parameters"]
            sign = "±0" if not more else "+" if more > 0 else "−"
            expect(row.locator('[tabulator-field="parameters"]')).to_contain_text(sign)

        # The importance of the three stands on the chip.
        expect(page.locator(".strip .bar, .strip [class*=bar]").first).to_be_visible()

        # A hover lights the circle and leaves the baseline.
        explorer.resting_circles({1, 2, 3, 4})
        explorer.row("children", 3).hover()
        expect(page.get_by_role("heading", name="Baseline m1")).to_be_visible()

        # All that is left is queued; the queue is paused, and reordered by a drag.
        page.get_by_role("button", name="Choose none").click()
        expect(offer).to_contain_text("3 exist already: m2, m3, m4")
        explorer.tab("Queue").click()
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_role("button", name="Go on")).to_be_visible()
        explorer.tab("Generate models").click()
        page.get_by_role("button", name="Train 3 ablations").click()
        explorer.tab("Queue").click()
        for number in (5, 6, 7):
            expect(explorer.row("queue", number)).to_be_visible()
        handle = explorer.row("queue", 7).locator(".handle")
        drag(page, handle, explorer.row("queue", 5), below=-14)

        def order() -> list[int]:
            waiting = [one for one in study.models() if one.status is Status.QUEUED]
            return [one.number for one in sorted(waiting, key=lambda one: one.position)]

        explorer.wait(lambda: order() == [7, 5, 6], f"m7 in front, not {order()}")

        # By keys it goes back: the mark on the row, Alt and an arrow.
        explorer.row("queue", 7).locator('[tabulator-field="epochs"]').click()
        page.keyboard.press("Alt+ArrowDown")
        explorer.wait(lambda: order() == [5, 7, 6], f"m7 second, not {order()}")

        # One that was done is trained longer; the first is cancelled while it trains.
        explorer.row("queue", 2).get_by_role("button", name="Train it longer").click()
        explorer.wait(lambda: study.model(2).wanted_epochs == 6, "3 epochs more for m2")
        explorer.row("queue", 6).locator("input").click()
        page.get_by_role("button", name="Cancel 1").click()
        explorer.wait(lambda: study.model(6).status is Status.CANCELLED, "m6 cancelled")
        page.get_by_role("button", name="Go on").click()
        expect(explorer.row("queue", 2)).to_contain_text("done", timeout=200_000)
        explorer.wait(lambda: study.model(2).epochs == 6, "6 epochs of m2", 200)
        assert [one.epoch for one in study.epochs(2)] == list(range(1, 7))


@pytest.mark.promise("PAGE-71", "PAGE-75")
def test_strike_variations_out_and_go_on_after_a_reload(digits: Path, explore: Explore) -> None:
    explorer = explore(digits, "--no-train")
    page = explorer.page
    open_generate(explorer)
    page.get_by_role("button", name="Variations").click()
    page.get_by_role("spinbutton", name="models").fill("10")
    page.keyboard.press("Tab")
    cards = page.locator(".remap-preview [data-place]")
    expect(cards).to_have_count(10)

    # Only at the pooling layer something may change.
    for name in ("prepend", "remove", "replace", "reparameterize"):
        page.locator(f'.bulk[data-key="{name}"]').click()
        expect(page.locator(f'.bulk[data-key="{name}"]')).to_have_attribute("aria-pressed", "false")
    for name in ("prepend", "replace", "reparameterize"):
        page.locator(f'.strip [data-layer="2"] [data-edit="{name}"]').click()
    expect(cards.first).to_contain_text(" 2")
    page.get_by_role("button", name="Train 10 variations").wait_for()

    # Two are struck out; the rest is what is queued.
    words = [one.locator(".words").inner_text() for one in cards.all()]
    assert all("at 2" in one for one in words)
    for place in (3, 7):
        page.locator(f'.remap-preview [data-place="{place}"]').get_by_role(
            "button", name="strike it out"
        ).click()
        expect(page.locator(f'.remap-preview [data-place="{place}"]')).to_have_class("is-struck")
    page.get_by_role("button", name="Train 8 variations").click()
    with open_study(digits) as study:
        explorer.wait(lambda: len(study.models()) == 9, "8 variations")
        queued = study.models()[1:]
        assert [one.words for one in queued] == [
            one for place, one in enumerate(words) if place not in {3, 7}
        ]
        assert {(one.origin, one.parent) for one in queued} == {(Origin.VARIATION, BASELINE)}

    # A handcraft is half made: a dropout by keyboard, then dragged to another place.
    page.get_by_role("button", name="Handcrafted").click()
    page.locator('[data-kind="dropout"]').focus()
    page.keyboard.press("Enter")
    text = page.get_by_label("As text")
    expect(text).to_have_value("drop0.25 conv8x3 relu max2 conv16x3 relu dense32")
    drag(page, block(page, 0), page.locator('.gap[data-at="6"]'))
    expect(text).to_have_value("conv8x3 relu max2 conv16x3 relu drop0.25 dense32")

    # Looking around and a reload leave it as it was; undo is there too.
    explorer.tab("Queue").click()
    explorer.row("queue", 2).hover()
    page.reload()
    explorer.resting_circles({BASELINE})
    explorer.tab("Generate models").click()
    expect(text).to_have_value("conv8x3 relu max2 conv16x3 relu drop0.25 dense32")
    page.get_by_role("button", name="Undo").last.click()
    expect(text).to_have_value("drop0.25 conv8x3 relu max2 conv16x3 relu dense32")
    page.get_by_role("button", name="Train the handcraft").click()
    with open_study(digits) as study:
        explorer.wait(lambda: len(study.models()) == 10, "the handcraft")
        made = study.models()[-1]
        assert (made.origin, made.words) == (Origin.HANDCRAFTED, "Added Dropout(0.25) at 0")
        assert made.parent == BASELINE
