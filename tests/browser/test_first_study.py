"""The first story: open a small study, look at it, and watch a queued model train and appear."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import expect

from remap_ray.creation import create_study
from remap_ray.recipe import Recipe
from remap_ray.space import Activation, Architecture, Conv, Dense, Limits
from remap_ray.study import Holder, Origin, Status, Submission, open_study, take_lease
from tests import synthetic
from tests.browser.page import Explorer
from tests.browser.training import train_inline

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

Explore = Callable[..., Explorer]
TRAINED = {1, 2, 3, 4, 5}
NEW = 6


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A study on digits with five trained models and one that waits."""
    path = tmp_path / "small"
    recipe, limits = Recipe(epochs=3, batch_size=32), Limits(parameters=20_000)
    with create_study(path, recipe=recipe, models=5, limits=limits) as study:
        train_inline(study)
        layers = (Conv(32, 3), Activation("relu"), Conv(32, 3), Activation("relu"), Dense(64))
        architecture = Architecture((1, 8, 8), 10, layers)
        wanted = Submission(architecture, Origin.HANDCRAFTED, epochs=12)
        assert study.submit([wanted]) == (NEW,)
    return path


def assert_shows(places: dict[int, tuple[float, float]], points: dict[int, tuple[float, float]]):
    """The circles stand as the map's points do: moved, scaled alike both ways, y upwards."""
    numbers = sorted(points)
    drawn = np.array([places[number] for number in numbers]) * [1, -1]
    true = np.array([points[number] for number in numbers])
    drawn, true = drawn - drawn.mean(axis=0), true - true.mean(axis=0)
    scale = np.linalg.norm(drawn) / np.linalg.norm(true)
    assert scale > 10
    np.testing.assert_allclose(drawn, scale * true, atol=1.5)


@pytest.mark.ray
@pytest.mark.promise("PAGE-2", "PAGE-4", "PAGE-5", "PAGE-6", "PAGE-9")
def test_look_at_a_study_and_watch_a_model_appear(small: Path, explore: Explore) -> None:
    explorer = explore(small)
    page = explorer.page
    with open_study(small) as study:
        # Five circles: accuracy to the right, parameters upwards on a log scale.
        seen = explorer.resting_circles(TRAINED)
        models = {one.number: one for one in study.models()}
        by_accuracy = sorted(TRAINED, key=lambda number: models[number].accuracy)
        assert [seen[n][0] for n in by_accuracy] == sorted(seen[n][0] for n in TRAINED)
        by_size = sorted(TRAINED, key=lambda number: -models[number].parameters)
        assert [seen[n][1] for n in by_size] == sorted(seen[n][1] for n in TRAINED)

        # A hover previews, and changes nothing.
        explorer.hover_circle(2)
        tip = page.get_by_role("tooltip")
        expect(tip).to_be_visible()
        expect(tip).to_contain_text("m2")
        expect(tip).to_contain_text(f"{models[2].accuracy:.3f}"[:4])
        expect(tip.locator("svg").first).to_be_visible()
        assert study.drawer() == ()

        # The three projections show the same circles, where the study has them. What loads after
        # the first picture may have given the figure another size.
        seen = explorer.resting_circles(TRAINED)
        for name in ("predictions", "structure"):
            explorer.choose_projection(name)
            assert_shows(explorer.resting_circles(TRAINED), study.points(name))
        explorer.choose_projection("accuracy")
        back = explorer.resting_circles(TRAINED)
        for number in TRAINED:
            assert back[number] == pytest.approx(seen[number], abs=0.5)

        # A click puts a model into the drawer and inspects it.
        explorer.click_circle(3)
        expect(explorer.row("drawer", 3)).to_be_visible()
        explorer.wait(lambda: [one.model for one in study.drawer()] == [3], "m3 in the drawer")
        expect(explorer.tab("Model inspector")).to_have_attribute("aria-selected", "true")
        expect(page.get_by_text("m3 · sampled")).to_be_visible()

        # The queued model trains, epoch by epoch, and its circle appears.
        explorer.tab("Queue").click()
        row = explorer.row("queue", NEW)
        expect(row).to_contain_text("of 12", timeout=90_000)
        expect(row).to_contain_text("done", timeout=120_000)
        explorer.resting_circles(TRAINED | {NEW})
        model = study.model(NEW)
        assert model.status is Status.DONE
        assert [one.epoch for one in study.epochs(NEW)] == list(range(1, 13))
        explorer.choose_projection("structure")
        explorer.wait(lambda: NEW in study.points("structure"), "a point for the new model")
        assert_shows(explorer.resting_circles(TRAINED | {NEW}), study.points("structure"))

        # Taken out of the drawer by its button.
        explorer.row("drawer", 3).get_by_role("button").click()
        expect(explorer.row("drawer", 3)).to_have_count(0)
        explorer.wait(lambda: study.drawer() == (), "an empty drawer")


@pytest.mark.promise("PAGE-1")
def test_an_empty_study_opens_at_once_and_fills(tmp_path: Path, explore: Explore) -> None:
    with synthetic.empty_study(tmp_path / "empty") as study:
        explorer = explore(study.path, "--no-train")
        page = explorer.page
        expect(page.get_by_text("The drawer is empty")).to_be_visible()
        assert explorer.circles() == {}
        synthetic.queue_samples(study, 6)
        expect(page.get_by_text("nobody trains this study now").first).to_be_visible()
        lease = take_lease(study, Holder.this_process("test"), workers=1)
        numbers = synthetic.train_falsely(study, lease, 5)
        explorer.resting_circles(set(numbers))
        synthetic.lay_out(lease, numbers)
        explorer.choose_projection("predictions")
        assert_shows(explorer.resting_circles(set(numbers)), study.points("predictions"))
        lease.release()


@pytest.mark.promise("PAGE-8")
def test_names_are_shown_as_text(tmp_path: Path, explore: Explore) -> None:
    evil = '<img src="x" onerror="document.title=\'owned\'">'
    names = (evil, *(f"class {n}" for n in range(1, 10)))
    with synthetic.full_study(tmp_path / "evil", done=6, waiting=1, class_names=names) as study:
        explorer = explore(study.path, "--no-train")
        page = explorer.page
        explorer.resting_circles({1, 2, 3, 4, 5, 6})
        expect(page.get_by_text(evil).first).to_be_visible()
        explorer.click_circle(1)
        expect(page.get_by_text("m1 · sampled")).to_be_visible()
        expect(page.get_by_role("heading", name="Confusion matrix")).to_be_visible()
        assert page.title() == "REMAP · evil"
        assert page.locator("img[onerror]").count() == 0


@pytest.mark.promise("STUDY-10")
def test_two_browsers_share_the_drawer_of_one_study(
    tmp_path: Path, explore: Explore, browser
) -> None:
    with synthetic.full_study(tmp_path / "shared", done=6, waiting=0) as study:
        first = explore(study.path, "--no-train")
        context = browser.new_context(viewport={"width": 1360, "height": 760})
        second = Explorer(context.new_page())
        second.page.goto(first.page.url)
        first.resting_circles({1, 2, 3, 4, 5, 6})
        second.resting_circles({1, 2, 3, 4, 5, 6})
        first.click_circle(4)
        first.wait(lambda: [one.model for one in study.drawer()] == [4], "m4 in the drawer")
        expect(second.row("drawer", 4)).to_be_visible()
        # What a person inspects is their own.
        expect(first.page.get_by_text("m4 · sampled")).to_be_visible()
        expect(second.page.get_by_text("m4 · sampled")).to_have_count(0)
        context.close()
