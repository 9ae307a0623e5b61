"""Stories of the Generate and Queue tabs: a real study on digits, real mouse and keyboard."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import torch
from playwright.sync_api import Locator, Page, expect

from remap_ray.cluster.pool import InlinePool
from remap_ray.cluster.projector import InlineMapper, Projector
from remap_ray.cluster.scheduler import Scheduler
from remap_ray.creation import create_study
from remap_ray.recipe import Recipe
from remap_ray.space import Activation, Architecture, Conv, Dense, MaxPool
from remap_ray.study import Holder, Origin, Status, Submission, open_study, take_lease
from remap_ray.training import datasets
from remap_ray.training.tensors import prepare
from remap_ray.training.trainer import train
from tests.browser.page import Explorer, settled
from tests.browser.test_first_study import train_inline
from tests.processes import remap

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(600)]

Explore = Callable[..., Explorer]
LAYERS = (Conv(8, 3), Activation("relu"), MaxPool(2), Conv(16, 3), Activation("relu"), Dense(32))
BASELINE = 1


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study on digits with one trained model of six layers."""
    path = tmp_path_factory.mktemp("trained") / "digits"
    with create_study(path, recipe=Recipe(epochs=3, batch_size=32)) as study:
        wanted = Submission(Architecture((1, 8, 8), 10, LAYERS), Origin.HANDCRAFTED)
        assert study.submit([wanted]) == (BASELINE,)
        train_inline(study)
    return path


@pytest.fixture
def digits(trained: Path, tmp_path: Path) -> Path:
    """A copy of that study, for one story."""
    return Path(shutil.copytree(trained, tmp_path / "digits"))


@contextmanager
def trained_meanwhile(path: Path) -> Iterator[None]:
    """Train what waits while a person works, by the real scheduler, in a thread of its own."""
    stop = threading.Event()

    def run() -> None:
        torch.set_num_threads(1)
        with open_study(path) as study:
            data = datasets.load(study.data.source, seed=study.seed)
            prepared = prepare(data.train, data.validation, torch.device("cpu"))
            lease = take_lease(study, Holder.this_process("test"), 1)
            pool = InlinePool(lambda task, stopping: train(task, prepared, stopping))
            mapper = InlineMapper(Projector(**Projector.state_of(study)))
            scheduler = Scheduler(lease, pool, mapper)
            while not stop.is_set():
                if not scheduler.step():
                    stop.wait(0.05)
            scheduler.close()
            lease.release()

    thread = threading.Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


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


@pytest.mark.promise("PAGE-70", "PAGE-72", "PAGE-74", "PAGE-76")
def test_ablate_three_layers_then_work_the_queue(digits: Path, explore: Explore) -> None:
    with open_study(digits) as study:
        # Someone has left a training that takes far too long.
        long = Architecture((1, 8, 8), 10, (Dense(8),))
        assert study.submit([Submission(long, Origin.HANDCRAFTED, epochs=2000)]) == (2,)
    explorer = explore(digits, "--no-train")
    page = explorer.page
    open_generate(explorer)

    # Three layers are brushed; the price is told before the button.
    drag(page, block(page, 0), block(page, 2))
    offer = page.locator(".remap-offer")
    expect(offer).to_contain_text("3 children")
    expect(offer).to_contain_text("on this machine")
    expect(page.locator(".remap-preview [data-place]")).to_have_count(3)
    page.get_by_role("button", name="Train 3 ablations").click()
    expect(explorer.row("children", 5)).to_contain_text("waiting")

    with open_study(digits) as study, trained_meanwhile(digits):
        # What trains now is cancelled; the three come next, and end as the study has them.
        explorer.tab("Queue").click()
        expect(explorer.row("queue", 2)).to_contain_text("training: epoch")
        explorer.row("queue", 2).get_by_role("button", name="Cancel").click()
        explorer.wait(lambda: study.model(2).status is Status.CANCELLED, "m2 cancelled")
        explorer.tab("Generate models").click()
        for number in (3, 4, 5):
            row = explorer.row("children", number)
            expect(row).to_contain_text("done", timeout=120_000)
            expect(row.locator('[tabulator-field="accuracy"]')).to_contain_text(" to ")
        said = remap("status", digits, "--json").stdout
        told = {one["number"]: one for one in json.loads(said)["models"]}
        for number in (3, 4, 5):
            row, model = explorer.row("children", number), told[number]
            assert (model["origin"], model["parent"]) == ("ablation", BASELINE)
            expect(row.locator('[tabulator-field="changes"]')).to_have_text(model["words"])
            change = model["accuracy"] - told[BASELINE]["accuracy"]
            text = f"{change:+.3f}".replace("-", "−").replace("0.", ".", 1)
            written = row.locator('[tabulator-field="accuracy"]')
            expect(written).to_contain_text("±0" if abs(change) < 1e-9 else text)
            more = model["parameters"] - told[BASELINE]["parameters"]
            sign = "±0" if not more else "+" if more > 0 else "−"
            expect(row.locator('[tabulator-field="parameters"]')).to_contain_text(sign)

        # The importance of the three stands on the chip.
        expect(page.locator(".strip .bar i.zero")).not_to_have_count(0)
        expect(page.get_by_text("accuracy without the layer, against the baseline")).to_be_visible()

        # A hover lights the circle and leaves the baseline.
        explorer.resting_circles({1, 3, 4, 5})
        explorer.row("children", 4).hover()
        expect(page.get_by_role("heading", name="Baseline m1")).to_be_visible()

        # The rest is queued while the queue is paused, and put into another order by a drag.
        explorer.tab("Queue").click()
        page.get_by_role("button", name="Pause").click()
        expect(page.get_by_role("button", name="Go on")).to_be_visible()
        explorer.tab("Generate models").click()
        page.get_by_role("button", name="Choose none").click()
        expect(offer).to_contain_text("3 exist already: m3, m4, m5")
        page.get_by_role("button", name="Train 3 ablations").click()
        explorer.tab("Queue").click()
        for number in (6, 7, 8):
            expect(explorer.row("queue", number)).to_be_visible()
        handle = explorer.row("queue", 8).locator(".handle")
        drag(page, handle, explorer.row("queue", 6), below=-14)

        def order() -> list[int]:
            waiting = [one for one in study.models() if one.status is Status.QUEUED]
            return [one.number for one in sorted(waiting, key=lambda one: one.position)]

        explorer.wait(lambda: order() == [8, 6, 7], f"m8 in front, not {order()}")

        # The table follows the study: a key moves a row against what stands there.
        def height(number: int) -> float:
            return (explorer.row("queue", number).bounding_box() or {"y": 0.0})["y"]

        explorer.wait(lambda: height(8) < height(6) < height(7), "m8 on top of the table")

        # By keys it goes back by one: the mark on the row, Alt and an arrow.
        explorer.row("queue", 8).locator('[tabulator-field="epochs"]').click()
        page.keyboard.press("Alt+ArrowDown")
        explorer.wait(lambda: order() == [6, 8, 7], f"m8 second, not {order()}")

        # One that was done is trained longer, another cancelled, and all goes on.
        explorer.row("queue", 3).get_by_role("button", name="Train it longer").click()
        explorer.wait(lambda: study.model(3).wanted_epochs == 6, "3 epochs more for m3")
        explorer.row("queue", 7).locator("input").click()
        page.get_by_role("button", name="Cancel 1").click()
        explorer.wait(lambda: study.model(7).status is Status.CANCELLED, "m7 cancelled")
        page.get_by_role("button", name="Go on").click()
        explorer.wait(lambda: study.model(3).epochs == 6, "6 epochs of m3", 120)
        assert [one.epoch for one in study.epochs(3)] == list(range(1, 7))
        explorer.wait(lambda: study.model(8).status is Status.DONE, "m8")


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
    # Each of the three had others drawn, of which nothing is struck out.
    settled(page)

    # Two are struck out; the rest is what is queued.
    for place in (3, 7):
        page.locator(f'.remap-preview [data-place="{place}"]').get_by_role(
            "button", name="strike it out"
        ).click()
        expect(page.locator(f'.remap-preview [data-place="{place}"]')).to_have_class("is-struck")
    page.get_by_role("button", name="Train 8 variations").wait_for()
    # What stands there now is what was struck and what trains.
    words = [one.locator(".words").inner_text() for one in cards.all()]
    assert all("at 2" in one for one in words)
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


@pytest.mark.nightly
@pytest.mark.promise("PAGE-70", "PAGE-72", "EDITOR-3", "EDITOR-5")
def test_handcraft_the_three_models_of_section_7(digits: Path, explore: Explore) -> None:
    explorer = explore(digits, "--no-train")
    page = explorer.page
    open_generate(explorer)
    page.get_by_role("button", name="Handcrafted").click()
    text = page.get_by_label("As text")
    start = "conv8x3 relu max2 conv16x3 relu dense32"
    expect(text).to_have_value(start)
    train = page.get_by_role("button", name="Train the handcraft")
    press = page.keyboard.press

    def palette(kind: str) -> Locator:
        return page.locator(f'.palette [data-kind="{kind}"]')

    def gap(at: int) -> Locator:
        return page.locator(f'.strip .gap[data-at="{at}"]')

    # By drag and drop: the first convolution becomes three with fewer filters and other kernels.
    drag(page, palette("conv"), gap(1))
    expect(text).to_have_value(f"conv8x3 conv16x3{start[7:]}")
    drag(page, palette("conv"), gap(2))
    expect(text).to_have_value(f"conv8x3 conv16x3 conv16x3{start[7:]}")
    # Three of these leave nothing of so small an image: it says where, and cannot be trained.
    expect(page.locator('.strip [data-layer="5"]')).to_contain_class("is-fault")
    expect(page.locator(".summary")).to_contain_text("layer 5, Conv(16, 3x3)", ignore_case=True)
    expect(train).to_be_disabled()
    block(page, 0).click()
    block(page, 2).click(modifiers=["Shift"])
    expect(page.locator(".panel h4")).to_have_text("3 × Conv")
    for field, value, then in (
        ("filters, 1 to 65536", "4", "conv4x3 conv4x3 conv4x3 relu"),
        ("kernel size, 1 to 65536", "2", "conv4x2 conv4x2 conv4x2 relu"),
    ):
        page.get_by_label(field).fill(value)
        press("Enter")
        expect(text).to_have_value(f"{then} max2 conv16x3 relu dense32")
    block(page, 5).click()
    expect(page.locator(".panel h4")).to_have_text("Conv at 5")
    page.get_by_label("kernel size, 1 to 65536").fill("2")
    press("Enter")
    split = "conv4x2 conv4x2 conv4x2 relu max2 conv16x2 relu dense32"
    expect(text).to_have_value(split)
    expect(page.locator(".summary")).to_contain_text("This can be trained.")
    expect(page.locator(".remap-offer")).to_contain_text("on this machine")
    train.click()
    expect(explorer.row("children", 2)).to_contain_text("waiting")

    # By keyboard: from the baseline again, a dropout before the dense layer.
    page.get_by_role("button", name="Back to m1").focus()
    press("Enter")
    expect(text).to_have_value(start)
    block(page, 0).focus()
    for key in ("Home", *["ArrowRight"] * 4, "Space", "Insert", *["ArrowRight"] * 6):
        press(key)
    expect(palette("dropout")).to_be_focused()
    press("Enter")
    expect(text).to_have_value(start.replace("dense32", "drop0.25 dense32"))
    train.focus()
    press("Enter")
    expect(explorer.row("children", 3)).to_contain_text("waiting")

    # By keyboard: other activations, another pool size and another kernel.
    page.get_by_role("button", name="Back to m1").focus()
    press("Enter")
    expect(text).to_have_value(start)
    steps = (
        ("ArrowRight", ("Tab",), "conv8x3 tanh max2 conv16x3 relu dense32"),
        ("ArrowRight", ("Tab",), "conv8x3 tanh max3 conv16x3 relu dense32"),
        ("ArrowRight", ("Shift+Tab",), "conv8x3 tanh max3 conv16x1 relu dense32"),
        ("ArrowRight", ("Tab", "Tab"), "conv8x3 tanh max3 conv16x1 sigmoid dense32"),
    )
    block(page, 0).focus()
    press("Home")
    for to, within, made in steps:
        # Enter on a layer goes to its parameters, and Escape back to it.
        for key in (to, "Enter"):
            press(key)
        if "conv16x1" in made and "sigmoid" not in made:
            page.get_by_role("group", name="kernel size").get_by_role(
                "button", name="1", exact=True
            ).focus()
        else:
            expect(page.locator(".panel [aria-pressed=true]").first).to_be_focused()
            for key in within:
                press(key)
        press("Enter")
        expect(text).to_have_value(made)
        press("Escape")
    train.focus()
    press("Enter")
    expect(explorer.row("children", 4)).to_contain_text("waiting")

    # All three are trained while one looks on, and are in the study as another process reads it.
    with trained_meanwhile(digits):
        for number in (2, 3, 4):
            expect(explorer.row("children", number)).to_contain_text("done", timeout=120_000)
    told = json.loads(remap("status", digits, "--json").stdout)["models"]
    made = {one["number"]: one for one in told if one["number"] != BASELINE}
    texts = (split, start.replace("dense32", "drop0.25 dense32"), steps[-1][2])
    for number, layers in zip((2, 3, 4), texts, strict=True):
        one, row = made[number], explorer.row("children", number)
        wanted = Architecture.from_text(layers, (1, 8, 8), 10)
        assert Architecture.from_dict(one["architecture"]) == wanted
        assert (one["origin"], one["parent"], one["status"]) == ("handcrafted", BASELINE, "done")
        assert (one["epochs"], len(one["points"])) == (3, 2)
        expect(row.locator('[tabulator-field="changes"]')).to_have_text(one["words"])
    assert made[3]["words"] == "Added Dropout(0.25) at 5"
    # They stand beside the baseline, as circles and on the maps.
    explorer.resting_circles({1, 2, 3, 4})
