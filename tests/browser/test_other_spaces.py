"""A story on a table: look, ablate two columns of a model, and see the children trained."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from playwright.sync_api import expect

from remap_ray.study import Status, open_study
from tests.browser.page import Explorer
from tests.tables import scheduler_of, table_study

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

MODELS = 5


@contextmanager
def trained_meanwhile(path: Path) -> Iterator[None]:
    """Train what waits while a person works, in a thread of its own."""
    stop = threading.Event()

    def run() -> None:
        with open_study(path) as study:
            scheduler = scheduler_of(study)
            while not stop.is_set():
                if not scheduler.step():
                    stop.wait(0.05)
            scheduler.close()
            scheduler.lease.release()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@pytest.mark.promise("OTHER-6", "OTHER-7")
def test_two_columns_are_ablated_and_their_children_seen(
    tmp_path: Path, explore: Callable[..., Explorer]
) -> None:
    path = tmp_path / "churn"
    with table_study(path, MODELS) as study:
        columns = {one.number: one.design.text.count("'") // 2 for one in study.models()}
    baseline = max(columns, key=lambda one: columns[one])
    explorer = explore(path, "--no-train")
    page = explorer.page
    explorer.resting_circles(set(columns))
    explorer.choose_projection("structure")
    explorer.resting_circles(set(columns))
    explorer.choose_projection("accuracy")
    explorer.resting_circles(set(columns))
    explorer.click_circle(baseline)
    expect(page.get_by_text(f"Sees {columns[baseline]} of 30 columns")).to_be_visible()
    expect(page.get_by_text("Leaves grown")).to_be_visible()

    explorer.tab("Generate models").click()
    expect(page.get_by_role("heading", name=f"Baseline m{baseline}")).to_be_visible()
    for place in (3, 5):
        page.locator(f'.strip [data-layer="{place}"] .block').click(modifiers=["Control"])
    offer = page.locator(".remap-offer")
    expect(offer).to_contain_text("2 children")
    expect(offer).to_contain_text("leaves per round")
    expect(page.locator(".remap-preview [data-place]").first).to_contain_text("Removed column")
    page.get_by_role("button", name="Train 2 ablations").click()
    expect(explorer.row("children", 6)).to_contain_text("waiting")
    with trained_meanwhile(path):
        for number in (6, 7):
            row = explorer.row("children", number)
            expect(row).to_contain_text("done", timeout=120_000)
            expect(row.locator('[tabulator-field="changes"]')).to_contain_text("Removed column")
            expect(row.locator('[tabulator-field="accuracy"]')).to_contain_text(" to ")
    explorer.resting_circles({*columns, 6, 7})
    if folder := os.environ.get("REMAP_PICTURES"):
        page.screenshot(path=f"{folder}/other-spaces.png")
    with open_study(path) as study:
        for number in (6, 7):
            model = study.model(number)
            assert (model.status, model.parent) == (Status.DONE, baseline)
            assert model.design.text.count("'") // 2 == columns[baseline] - 1
