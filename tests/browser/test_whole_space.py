"""Stories of the overview: baselines as in the paper, stated needs, links, sizes, keyboard.

The stories of the baselines, of the two classes, of two browsers and of a new server were seen to
fail with their handlers removed: `Overview._told`, `NeedsView._told`, `Listing`'s ``on_click`` and
`ExplorerState.open_link` emptied, and the reload of `Connection` left out.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import numpy as np
import pytest
from playwright.sync_api import Browser, Page, expect

from remap_ray.creation import create_study
from remap_ray.recipe import Recipe
from remap_ray.space import Limits
from remap_ray.study import Status, Study, open_study
from remap_ray.study.metrics import pareto_front
from tests import synthetic
from tests.benchmarks.big_study import big_study
from tests.browser.page import Explorer
from tests.browser.training import train_inline
from tests.processes import Started, answers, free_port, wait_for

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(500)]

Explore = Callable[..., Explorer]
FASHION = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag",
    "Ankle boot",
)  # fmt: skip
DIGITS = 9


def kept(study: Study) -> list[int]:
    return [entry.model for entry in study.drawer()]


def front_of(study: Study) -> list[int]:
    done = [one for one in study.models() if one.status is Status.DONE]
    found = pareto_front([one.accuracy for one in done], [one.parameters for one in done])
    return [done[place].number for place in found]


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study on digits whose models are trained and mapped."""
    path = tmp_path_factory.mktemp("digits") / "digits"
    recipe, limits = Recipe(epochs=2, batch_size=64), Limits(parameters=20_000)
    with create_study(path, recipe=recipe, models=DIGITS, limits=limits) as study:
        train_inline(study)
        assert sum(one.status is Status.DONE for one in study.models()) == DIGITS
    return path


@pytest.mark.promise("PAGE-4", "PAGE-14", "PAGE-15")
def test_baselines_are_found_as_in_the_paper(digits: Path, explore: Explore) -> None:
    explorer = explore(digits, "--no-train")
    page = explorer.page
    with open_study(digits) as study:
        everyone = {one.number for one in study.models()}
        explorer.resting_circles(everyone)
        # The front is drawn and listed.
        front = front_of(study)
        explorer.wait(
            lambda: explorer.overview("data-front") == " ".join(map(str, front)), "the front"
        )
        explorer.choose_list("front")
        expect(page.locator(".remap-listing .tabulator-row")).to_have_count(len(front))

        # Models from the front, by clicks on their circles.
        chosen = list(dict.fromkeys((front[-1], front[len(front) // 2], front[0])))
        for number in chosen:
            explorer.click_circle(number)
            explorer.wait(lambda number=number: number in kept(study), f"m{number} in the drawer")
        explorer.choose_list("drawer")
        expect(page.locator(".remap-drawer .tabulator-row")).to_have_count(len(chosen))

        # Their neighbourhood by predictions: the card says how far to trust a place, and the true
        # nearest models are a list whose rows light their circles.
        explorer.choose_projection("predictions")
        explorer.resting_circles(everyone)
        explorer.hover_circle(chosen[-1])
        expect(page.get_by_role("tooltip")).to_contain_text("place:")
        explorer.choose_list("nearest")
        rows = page.locator(".remap-listing .tabulator-row")
        expect(rows).to_have_count(DIGITS - 1)
        mine = study.predictions(chosen[-1])
        apart = {n: float(np.mean(study.predictions(n) != mine)) for n in everyone}
        shown = [int(one) for one in rows.evaluate_all("(all) => all.map((r) => r.dataset.id)")]
        assert [apart[n] for n in shown] == sorted(apart[n] for n in shown)
        fourth = next(n for n in shown if n not in chosen)
        explorer.row("listing", fourth).hover()
        explorer.wait(lambda: explorer.overview("data-hovered") == str(fourth), "its circle lit")
        assert fourth not in kept(study)
        explorer.row("listing", fourth).locator(".tabulator-cell").nth(1).click()
        explorer.wait(lambda: fourth in kept(study), "the fourth model in the drawer")

        # A fifth by structure.
        explorer.choose_projection("structure")
        explorer.resting_circles(everyone)
        fifth = next(n for n in sorted(everyone, key=lambda n: -n) if n not in kept(study))
        explorer.click_circle(fifth)
        explorer.wait(lambda: kept(study) == [*chosen, fourth, fifth], "five models in the drawer")
        expect(page.get_by_text(f"m{fifth} · sampled")).to_be_visible()

        # The address leads back here.
        explorer.wait(lambda: f"model={fifth}" in explorer.address(), "the address")
        assert parse_qs(urlsplit(explorer.address()).query)["map"] == ["structure"]
        page.reload()
        explorer.resting_circles(everyone)
        assert explorer.overview("data-projection") == "structure"
        expect(page.get_by_text(f"m{fifth} · sampled")).to_be_visible()


@pytest.mark.promise("PAGE-11")
def test_the_best_for_two_classes_under_a_limit_takes_four_clicks(
    tmp_path: Path, explore: Explore, page: Page
) -> None:
    path = tmp_path / "fashion"
    limit = 100_000
    synthetic.full_study(path, done=60, waiting=0, class_names=FASHION).close()
    clicks = 0

    def click(words: str) -> None:
        nonlocal clicks
        clicks += 1
        page.get_by_role("button", name=words).first.click()

    explorer = explore(path, "--no-train")
    with open_study(path) as study:
        truth = study.validation_labels

        def score(number: int) -> float:
            right = study.predictions(number) == truth
            return float(right[truth == 2].mean() + right[truth == 4].mean()) / 2

        fits = [one for one in study.models() if one.parameters <= limit]
        assert 0 < len(fits) < 60
        best = max(fits, key=lambda one: (score(one.number), -one.parameters, -one.number))
        page.locator('[data-label="2"]').first.click()
        page.locator('[data-label="4"]').first.click()
        page.locator('[data-need="parameters"]').click()
        clicks += 3
        page.keyboard.type("100k")
        page.keyboard.press("Enter")
        expect(page.get_by_text(f"{len(fits)} of 60 fit")).to_be_visible()
        expect(page.get_by_text("accuracy on Pullover and Coat")).to_be_visible()
        click("★ best")
        explorer.wait(lambda: kept(study) == [best.number], "the best model in the drawer")
        assert clicks <= 6
        # What falls short is dimmed, not hidden: its card says why.
        explorer.resting_circles({one.number for one in study.models()})
        large = next(one for one in study.models() if one.parameters > limit)
        explorer.choose_list("ranking")
        expect(page.locator(".remap-listing .tabulator-row").first).to_contain_text(best.name)
        explorer.hover_circle(large.number)
        expect(page.get_by_role("tooltip")).to_contain_text("falls short")

        # Tomorrow the needs are still there, in this browser.
        explorer.wait(lambda: "max_parameters=100000" in explorer.address(), "the address")
        page.goto(explorer.address().partition("?")[0])
        expect(page.get_by_text(f"{len(fits)} of 60 fit")).to_be_visible()


@pytest.mark.promise("PAGE-13", "STUDY-10")
def test_two_browsers_share_the_drawer_and_nothing_else(
    tmp_path: Path, explore: Explore, browser: Browser
) -> None:
    with synthetic.full_study(tmp_path / "shared", done=8, waiting=0) as study:
        everyone = set(range(1, 9))
        first = explore(study.path, "--no-train")
        first.resting_circles(everyone)
        context = browser.new_context(viewport={"width": 1360, "height": 760})
        second = Explorer(context.new_page())
        second.page.goto(first.page.url)
        second.resting_circles(everyone)

        first.lasso({2, 5})
        first.wait(lambda: "2" in first.overview("data-selection").split(), "a selection")
        first.page.get_by_role("button", name="add to drawer").first.click()
        selected = {int(one) for one in first.overview("data-selection").split()}
        assert selected >= {2, 5}
        for number in selected:
            expect(second.row("drawer", number)).to_be_visible()
        first.choose_projection("structure")
        first.wait(lambda: "map=structure" in first.address(), "the address")
        assert second.overview("data-selection") == ""
        assert second.overview("data-projection") == "accuracy"

        # A link opens the same view elsewhere.
        second.page.goto(first.address())
        second.wait(lambda: second.overview("data-projection") == "structure", "the link's view")
        assert {int(one) for one in second.overview("data-selection").split()} == selected
        context.close()


@pytest.mark.nightly
@pytest.mark.promise("PAGE-16", "PAGE-75")
def test_a_new_server_in_the_middle_of_a_handcraft(
    tmp_path: Path, start: Callable[..., Started], browser: Browser
) -> None:
    with synthetic.full_study(tmp_path / "study", done=6, waiting=0) as study:
        port = free_port()
        options = ("serve", study.path, "--no-browser", "--no-train", "--port", str(port))
        served = start(*options)
        wait_for(lambda: answers(port), "the page")
        # What the browser says of its failed requests is expected here.
        context = browser.new_context(viewport={"width": 1360, "height": 760})
        page = context.new_page()
        explorer = Explorer(page)
        page.goto(f"http://127.0.0.1:{port}/")
        explorer.resting_circles(set(range(1, 7)))
        explorer.choose_projection("predictions")
        explorer.resting_circles(set(range(1, 7)))
        explorer.click_circle(4)
        explorer.wait(lambda: "model=4" in explorer.address(), "the address")
        explorer.wait(lambda: kept(study) == [4], "m4 in the drawer")
        explorer.tab("Generate models").click()
        page.get_by_role("button", name="Handcrafted").click()
        text = page.get_by_label("As text")
        expect(text).to_have_value(study.model(4).architecture.text)
        page.locator('.palette [data-kind="dropout"]').click()
        expect(text).to_have_value(f"drop0.25 {study.model(4).architecture.text}")

        served.kill_all()
        lost = page.get_by_role("alert").filter(has_text="connection to REMAP is lost")
        expect(lost).to_be_visible()
        # Panel has a notice of its own, which is not shown besides.
        expect(page.locator('[id^="reconnect-notification-"]')).to_have_count(1)
        expect(page.get_by_role("alert")).to_have_count(1)
        start(*options)
        wait_for(lambda: answers(port), "the page of the new server")
        expect(lost).to_have_count(0)
        # The same tab, with what was half made, and the way it was made.
        expect(page.get_by_role("heading", name="Baseline m4")).to_be_visible()
        expect(text).to_have_value(f"drop0.25 {study.model(4).architecture.text}")
        page.get_by_role("button", name="Undo").last.click()
        expect(text).to_have_value(study.model(4).architecture.text)
        # And it works: a click reaches the study.
        explorer.resting_circles(set(range(1, 7)))
        assert explorer.overview("data-projection") == "predictions"
        explorer.click_circle(5)
        explorer.wait(lambda: kept(study) == [4, 5], "m5 in the drawer")
        context.close()


@pytest.mark.promise("PAGE-17")
def test_ten_thousand_models_are_selected_and_searched(tmp_path: Path, explore: Explore) -> None:
    count = 10_000
    with big_study(tmp_path / "big", count) as study:
        explorer = explore(study.path, "--no-train")
        page = explorer.page
        explorer.wait(lambda: explorer.overview("data-circles") == str(count), "all circles")
        places = explorer.circles()
        assert len(places) == count
        # Dragging moves them all.
        box = page.locator(".plot").bounding_box()
        x, y = box["x"] + box["width"] / 2, box["y"] + box["height"] / 2
        page.mouse.move(x, y)
        page.mouse.down()
        page.mouse.move(x - 60, y, steps=6)
        page.mouse.up()
        some = explorer.wait(
            lambda: (now := explorer.circles())[1][0] < places[1][0] - 30 and now, "a moved view"
        )
        assert all(some[number][0] < places[number][0] - 20 for number in (2, 3, count))
        # A lasso holds what lies in it, by the study's own figures.
        front = front_of(study)
        inside = {n for n, (cx, cy) in some.items() if abs(cx - x) <= 20 and abs(cy - y) <= 20}
        assert inside
        explorer.lasso({min(inside)}, room=20)
        explorer.wait(lambda: explorer.overview("data-selection") != "", "a selection")
        middle = some[min(inside)]
        expected = {
            n
            for n, (cx, cy) in some.items()
            if abs(cx - middle[0]) < 19.5 and abs(cy - middle[1]) < 19.5
        }
        selected = {int(one) for one in explorer.overview("data-selection").split()}
        assert expected <= selected
        assert len(selected) < count / 2
        # The front goes into the drawer at once.
        assert explorer.overview("data-front") == " ".join(map(str, front))
        page.locator("form.needs").get_by_role("button", name="+ front").click()
        explorer.wait(lambda: kept(study) == front, "the front in the drawer")


@pytest.mark.promise("PAGE-8")
def test_hostile_names_and_notes_are_text_everywhere(tmp_path: Path, explore: Explore) -> None:
    evil = '<img src="x" onerror="document.title=\'owned\'">'
    names = (evil, "class '1' \"&amp;\"", *(f"class {n}" for n in range(2, 10)))
    note = ("🙂 “quoted” 'single' <script>document.title='owned'</script> " * 200)[:10_000]
    with synthetic.full_study(tmp_path / "evil", done=6, waiting=0, class_names=names) as study:
        study.keep(1)
        study.annotate(1, note)
        explorer = explore(study.path, "--no-train")
        page = explorer.page
        explorer.resting_circles(set(range(1, 7)))
        page.locator('[data-label="0"]').first.click()
        page.locator('[data-label="1"]').first.click()
        # A card under the mouse is previewed.
        page.mouse.move(700, 3)
        expect(page.locator("form.needs .chips")).to_contain_text(evil)
        expect(page.locator(".legend .words")).to_have_text(f"accuracy on {evil} and {names[1]}")
        explorer.hover_circle(1)
        expect(page.get_by_role("tooltip")).to_contain_text(f"on {evil} and {names[1]}")
        explorer.choose_list("ranking")
        expect(page.locator(".remap-listing .tabulator-row")).to_have_count(6)
        explorer.click_circle(1)
        expect(page.get_by_text("m1 · sampled")).to_be_visible()
        explorer.wait(lambda: "classes=0,1" in explorer.address(), "the address")
        assert page.locator("img[onerror]").count() == 0
        assert page.title() == "REMAP · evil"
        assert study.drawer()[0].note == note


@pytest.mark.promise("PAGE-18")
def test_the_overview_is_worked_by_keyboard(tmp_path: Path, explore: Explore) -> None:
    with synthetic.full_study(tmp_path / "keys", done=7, waiting=0) as study:
        explorer = explore(study.path, "--no-train")
        page = explorer.page
        places = explorer.resting_circles(set(range(1, 8)))
        order = sorted(places, key=lambda number: places[number][0])
        page.get_by_role("radio", name="accuracy × size").focus()
        page.keyboard.press("Tab")
        for number in order[:3]:
            page.keyboard.press("ArrowRight")
            explorer.wait(
                lambda number=number: explorer.overview("data-hovered") == str(number), "a step"
            )
        expect(page.get_by_role("tooltip")).to_contain_text(f"m{order[2]}")
        assert study.drawer() == ()
        page.keyboard.press("Enter")
        explorer.wait(lambda: kept(study) == [order[2]], "the model in the drawer")
        # What loads after the first picture may have given the figure another size.
        places = explorer.resting_circles(set(range(1, 8)))
        page.keyboard.press("+")
        explorer.wait(lambda: explorer.circles() != places, "a nearer view")
        page.keyboard.press("0")

        def is_back() -> bool:
            now = explorer.circles()
            return all(
                now[number] == pytest.approx(place, abs=1) for number, place in places.items()
            )

        explorer.wait(is_back, "the whole view")
        # The figure's twin: all of it as rows.
        explorer.choose_list("ranking")
        expect(page.get_by_role("grid", name="Models as a list")).to_be_visible()
        expect(page.locator(".remap-listing .tabulator-row")).to_have_count(7)
