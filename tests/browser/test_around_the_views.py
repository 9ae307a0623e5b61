"""The page around the views: queue, drawer, tabs, mode, and a phone."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, WebSocket, expect

from remap_panel.table import LiveTable
from remap_ray.study import Epoch, Holder, Lease, Status, Study, take_lease
from tests import synthetic
from tests.browser.page import Explorer

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

Explore = Callable[..., Explorer]

DONE, TRAINING, WAITING = 60, 1, 90
LAST = DONE + TRAINING + WAITING


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study with 60 done models and 91 that wait."""
    path = tmp_path_factory.mktemp("trained") / "study"
    with synthetic.empty_study(path, epochs=5) as study:
        synthetic.queue_samples(study, LAST)
        lease = take_lease(study, Holder.this_process("test"), workers=1)
        synthetic.train_falsely(study, lease, DONE)
        lease.release()
    return path


@pytest.fixture
def lease(trained: Path, tmp_path: Path) -> Iterator[Lease]:
    """The lease of a copy of that study, in which one model is in training."""
    shutil.copytree(trained, tmp_path / "study")
    with Study.open(tmp_path / "study") as study:
        taken = take_lease(study, Holder.this_process("test"), workers=1)
        taken.claim(TRAINING)
        yield taken


def drawer_of(study: Study) -> list[int]:
    return [one.model for one in study.drawer()]


def numbers_shown(explorer: Explorer, table: str) -> list[int]:
    """Give the models of the rows that a person sees, from top to bottom."""
    found = explorer.page.locator(f".remap-{table} .tabulator-row").evaluate_all(
        """(rows) => rows.filter((row) => {
          const box = row.getBoundingClientRect()
          const holder = row.closest(".tabulator-tableholder").getBoundingClientRect()
          return box.top >= holder.top - 1 && box.bottom <= holder.bottom + 1
        }).sort((a, b) => a.getBoundingClientRect().top - b.getBoundingClientRect().top)
          .map((row) => Number(row.dataset.id))"""
    )
    return [int(one) for one in found]


def open_queue(explorer: Explorer) -> None:
    explorer.tab("Queue").click()
    expect(explorer.row("queue", DONE + 1)).to_be_visible()


@pytest.mark.promise("PAGE-5")
def test_the_queue_shows_every_model_and_is_worked_by_keyboard(
    lease: Lease, explore: Explore
) -> None:
    study = lease.study
    explorer = explore(study.path, "--no-train")
    page = explorer.page
    open_queue(explorer)
    expect(explorer.tab("Queue")).to_contain_text(f"({TRAINING + WAITING})")
    seen = numbers_shown(explorer, "queue")
    assert seen == list(range(DONE + 1, DONE + 1 + len(seen)))
    # Of all rows only those in sight and around are there.
    rows = page.locator(".remap-queue .tabulator-row")
    assert rows.count() < LAST / 2
    expect(explorer.row("queue", DONE + 1).locator("svg").first).to_be_visible()

    # To the end by keyboard, where drawings come when they are seen, and Enter inspects.
    grid = page.locator(".remap-queue [role=grid]")
    grid.focus()
    page.keyboard.press("End")
    expect(explorer.row("queue", 1)).to_be_visible()
    expect(explorer.row("queue", 1).locator("svg")).to_have_count(2)
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    explorer.wait(lambda: drawer_of(study) == [2], "m2 in the drawer")
    expect(explorer.row("drawer", 2)).to_have_attribute("aria-selected", "true")
    expect(explorer.tab("Queue")).to_have_attribute("aria-selected", "true")

    # Sorted by a header, back to the natural order by its third click.
    header = page.locator(".remap-queue").get_by_role("columnheader", name="Acc")
    header.click()
    expect(header).to_have_attribute("aria-sort", "descending")
    best = max(study.models(), key=lambda one: one.accuracy or 0)
    explorer.wait(lambda: numbers_shown(explorer, "queue")[:1] == [best.number], "the best first")
    header.click()
    worst = min(study.models(), key=lambda one: 1 if one.accuracy is None else one.accuracy)
    explorer.wait(lambda: numbers_shown(explorer, "queue")[:1] == [worst.number], "the worst first")
    header.click()
    explorer.wait(lambda: numbers_shown(explorer, "queue")[:5] == seen[:5], "the natural order")

    # Delete presses a row's button, here the cancelling of the second that waits.
    grid.focus()
    for key in ("Home", "ArrowDown", "ArrowDown", "Delete"):
        page.keyboard.press(key)
    number = DONE + 3
    explorer.wait(lambda: study.model(number).status is Status.CANCELLED, "the cancelling")
    expect(explorer.tab("Queue")).to_contain_text(f"({TRAINING + WAITING - 1})")
    expect(page.get_by_role("status").filter(has_text="cancelled")).to_have_count(1)
    explorer.wait(lambda: number not in numbers_shown(explorer, "queue"), "the row further down")


@pytest.mark.promise("PAGE-7")
def test_an_epoch_costs_little_on_the_wire(lease: Lease, explore: Explore) -> None:
    sizes: list[int] = []

    def listen(socket: WebSocket) -> None:
        socket.on("framereceived", lambda frame: sizes.append(len(frame)))

    explorer = explore(lease.study.path, "--no-train")
    explorer.page.on("websocket", listen)
    explorer.page.reload()
    open_queue(explorer)
    number = DONE + 1
    row = explorer.row("queue", number)
    costs = []
    for epoch in range(1, 4):
        expect(row).to_contain_text(f"{epoch - 1}/5")
        before = sum(sizes)
        assert before > 0
        lease.record_epoch(Epoch(number, epoch, 2 / epoch, 0.5, 2.0, 0.1 * epoch, 0.5))
        expect(row).to_contain_text(f"{epoch}/5")
        costs.append(sum(sizes) - before)
    # Rows that wait may have a new reason each time; those that are done cost nothing.
    assert min(costs) < 5_000
    expect(row.locator("svg").last).to_have_attribute(
        "aria-label", "training loss: 3 values from 2 to 0.667"
    )


def test_what_is_hovered_here_lights_up_there(lease: Lease, explore: Explore) -> None:
    study = lease.study
    study.keep(3)
    explorer = explore(study.path, "--no-train")
    open_queue(explorer)
    explorer.page.locator(".remap-queue [role=grid]").focus()
    explorer.page.keyboard.press("End")

    def lit() -> bool:
        # The table may still scroll under a mouse that rests: then the mouse moves once more.
        explorer.tab("Queue").hover()
        explorer.row("queue", 3).hover()
        return "is-hovered" in (explorer.row("drawer", 3).get_attribute("class") or "")

    explorer.wait(lit, "the drawer's row to light up")
    explorer.tab("Data selector").hover()
    expect(explorer.row("drawer", 3)).not_to_contain_class("is-hovered")
    explorer.row("drawer", 3).get_by_role("button", name="Remove from the drawer: m3").click()
    expect(explorer.page.get_by_text("The drawer is empty")).to_be_visible()
    assert drawer_of(study) == []


def test_the_mode_is_the_systems_until_it_is_chosen(
    tmp_path: Path, explore: Explore, browser: Browser
) -> None:
    with synthetic.full_study(tmp_path / "study", done=4, waiting=0) as study:
        explorer = explore(study.path, "--no-train")
        url = explorer.page.url
        context = browser.new_context(color_scheme="dark")
        page = context.new_page()
        shown = page.locator("html")
        page.goto(url)
        expect(shown).to_have_attribute("data-theme", "dark")
        page.emulate_media(color_scheme="light")
        expect(shown).to_have_attribute("data-theme", "light")
        page.get_by_role("button", name="Toggle theme").click()
        expect(shown).to_have_attribute("data-theme", "dark")
        assert is_dark(page, "body")
        assert is_dark(page, ".overview-card")
        # Chosen, it stays, whatever the system prefers.
        page.reload()
        expect(shown).to_have_attribute("data-theme", "dark")
        expect(page.get_by_role("tab").first).to_be_visible()
        expect(shown).to_have_attribute("data-theme", "dark")
        context.close()


def is_dark(page: Page, selector: str) -> bool:
    colour = page.locator(selector).evaluate("(one) => getComputedStyle(one).backgroundColor")
    channels = [int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")]
    return max(channels) < 80


def test_a_phone_shows_one_column_with_nothing_cut_off(
    lease: Lease, explore: Explore, browser: Browser
) -> None:
    lease.study.keep(3)
    explorer = explore(lease.study.path, "--no-train")
    context = browser.new_context(
        viewport={"width": 390, "height": 844}, has_touch=True, is_mobile=True
    )
    phone = Explorer(context.new_page())
    page = phone.page
    page.goto(explorer.page.url)
    expect(phone.row("drawer", 3)).to_be_visible()
    expect(page.get_by_role("tab").first).to_be_visible()
    cards = [
        page.locator(f".{name}-card").bounding_box() for name in ("overview", "tabs", "drawer")
    ]
    assert all(card is not None and card["x"] >= 0 and card["width"] <= 390 for card in cards)
    tops = [card["y"] for card in cards if card]
    assert tops == sorted(tops)
    assert page.evaluate("document.scrollingElement.scrollWidth") == 390
    # All tabs are in sight.
    tabs = [one.bounding_box() for one in page.get_by_role("tab").all()]
    assert len(tabs) == 5
    assert all(tab is not None and tab["x"] >= 0 for tab in tabs)
    assert all(tab is not None and tab["x"] + tab["width"] <= 390 for tab in tabs)
    phone.tab("Queue").tap()
    number = DONE + 1
    phone.row("queue", number).tap()
    phone.wait(lambda: drawer_of(lease.study) == [3, number], "the tapped model in the drawer")
    cancel = phone.row("queue", number).get_by_role("button", name=f"Cancel: m{number}")
    box = cancel.bounding_box()
    assert box is not None
    assert box["x"] + box["width"] <= 390
    context.close()


def test_the_tables_script_stands_alone(page: Page) -> None:
    page.goto("data:text/html,<title>alone</title>")
    kind = page.evaluate(
        """async (text) => {
          const url = URL.createObjectURL(new Blob([text], {type: "text/javascript"}))
          return typeof (await import(url)).render
        }""",
        LiveTable._render_esm(),
    )
    assert kind == "function"
