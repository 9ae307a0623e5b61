"""What everyone can see, reach and be told, measured on the real page in both modes and widths."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from remap_ray.study import Study
from tests import synthetic
from tests.browser.accessibility import measure
from tests.browser.page import Explorer, settled
from tests.processes import Started, answers, free_port, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.nightly, pytest.mark.timeout(600)]

TABS = ("Data selector", "Model inspector", "Compare", "Generate models", "Queue")
MODES = ("Ablations", "Variations", "Handcrafted")
DONE = 8
WIDE: dict[str, Any] = {"viewport": {"width": 1360, "height": 760}}
PHONE: dict[str, Any] = {"viewport": {"width": 390, "height": 844}, "is_mobile": True}
NEED_NAMES = {
    "button", "link", "tab", "textbox", "searchbox", "combobox", "listbox", "checkbox", "radio",
    "spinbutton", "slider", "switch", "img", "image", "grid", "table", "dialog", "group", "toolbar",
}  # fmt: skip
"""Roles of Chromium's accessibility tree that nobody can use, or make sense of, without a name."""


@pytest.fixture(scope="module")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Serve a study with all that can be shown: kept, compared, failed, waiting, classes chosen."""
    path = tmp_path_factory.mktemp("seen") / "study"
    with synthetic.full_study(path, done=DONE, waiting=3) as study:
        fill(study)
    port = free_port()
    served = Started("serve", path, "--no-browser", "--no-train", "--port", str(port))
    wait_for(lambda: answers(port) or served.process.poll() is not None, "the page")
    yield f"http://127.0.0.1:{port}/?model=2&classes=1,3&compare=1,2&max_parameters=200000"
    served.kill_all()
    if served.process.stdout is not None:
        served.process.stdout.close()


def fill(study: Study) -> None:
    study.keep_all([1, 2, 3])
    study.annotate(3, "small, and good enough")
    study.cancel(DONE + 3)


def opened(browser: Browser, address: str, mode: str, screen: dict[str, Any]) -> Page:
    page = browser.new_context(color_scheme=mode, **screen).new_page()
    page.goto(address)
    expect(page.get_by_role("tab")).to_have_count(len(TABS))
    Explorer(page).resting_circles(set(range(1, DONE + 1)))
    return page


def views(page: Page) -> Iterator[str]:
    """Open one view after the other, and give its name."""
    explorer = Explorer(page)
    for tab in TABS:
        explorer.tab(tab).click()
        expect(explorer.tab(tab)).to_have_attribute("aria-selected", "true")
        for mode in MODES if tab == "Generate models" else ("",):
            if mode:
                page.get_by_role("button", name=mode, exact=True).click()
                expect(page.locator(".editor .cell").first).to_be_visible()
            # What is asked of the server now is drawn with the answer.
            settled(page)
            yield f"{tab} {mode}".strip()


def test_the_measures_find_what_is_wrong(browser: Browser) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 400})
    page.set_content(
        """<p style="color: #999">too pale</p><p style="color: #767676">just right</p>
        <p style="opacity: .5">too pale as a whole</p>
        <button disabled style="color: #ccc">no</button>
        <p style="width: 60px; overflow: hidden; white-space: nowrap">cut with no way to read it</p>
        <p style="width: 60px; overflow: hidden; white-space: nowrap" title="all">cut, but told</p>
        <p style="width: 500px">too wide</p>
        <a href="#" style="outline: none">bare</a><button tabindex="-1">not reached</button>"""
    )
    assert [one["words"] for one in measure(page, "contrast")] == [
        "too pale",
        "too pale as a whole",
    ]
    wrong = measure(page, "overflow")
    assert [one["cut"] for one in wrong if "cut" in one] == ["cut with no way to read it"]
    assert "page" in {one["where"] for one in wrong}
    assert len(measure(page, "reachable")) == 2
    page.keyboard.press("Tab")
    focused = measure(page, "focused")
    assert (focused["where"].endswith("a"), focused["shown"]) == (True, False)
    page.close()


@pytest.mark.promise("PAGE-90", "PAGE-91")
@pytest.mark.parametrize("mode", ["light", "dark"])
@pytest.mark.parametrize("screen", [WIDE, PHONE], ids=["desktop", "phone"])
def test_every_text_of_every_view_can_be_read(
    browser: Browser, address: str, mode: str, screen: dict[str, Any]
) -> None:
    page = opened(browser, address, mode, screen)
    wrong: dict[str, list[Any]] = {}
    for view in views(page):
        found = [*measure(page, "contrast"), *measure(page, "overflow")]
        if found:
            wrong[view] = found
    page.context.close()
    assert not wrong, wrong


@pytest.mark.promise("PAGE-92", "PAGE-93")
def test_everything_is_named_and_reached_by_keyboard(browser: Browser, address: str) -> None:
    page = opened(browser, address, "light", WIDE)
    tree = page.context.new_cdp_session(page)
    nameless, unreached, unseen = {}, {}, {}
    for view in views(page):
        nodes = tree.send("Accessibility.getFullAXTree")["nodes"]
        told = [
            (one["role"]["value"], one.get("name", {}).get("value", "").strip())
            for one in nodes
            if not one["ignored"] and "role" in one
        ]
        if bare := sorted({role for role, name in told if role in NEED_NAMES and not name}):
            nameless[view] = bare
        # Each plot has a twin that is told.
        assert ("grid", "Models as a list") in told or any(
            role == "grid" and "Model drawer" in name for role, name in told
        )
        page.evaluate("() => document.activeElement?.blur()")
        wanted = set(measure(page, "reachable"))
        met: set[str] = set()
        for _ in range(3 * len(wanted) + 20):
            page.keyboard.press("Tab")
            found = measure(page, "focused")
            if found is None:
                continue
            if found["key"] in met and wanted <= met:
                break
            met.add(found["key"])
            if not found["shown"]:
                unseen.setdefault(view, set()).add(found["where"])
        if wanted - met:
            unreached[view] = wanted - met
    page.context.close()
    assert not nameless, nameless
    assert not unreached, unreached
    assert not unseen, unseen
