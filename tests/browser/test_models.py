"""Stories of drawer, comparison, data selector and inspector, on a study trained on digits."""

from __future__ import annotations

import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from playwright.sync_api import Page, expect

from remap_ray.creation import create_study
from remap_ray.recipe import Recipe
from remap_ray.space import Activation, Architecture, Conv, Dense, Limits, MaxPool
from remap_ray.space.edits import ablations
from remap_ray.study import Holder, Origin, Study, Submission, open_study, take_lease
from remap_ray.study.metrics import confusion_matrix, paired
from tests import synthetic
from tests.browser.page import Explorer
from tests.browser.test_first_study import train_inline

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

Explore = Callable[..., Explorer]

PARENT, CHILD = 6, 7

NOTE = ("\"quoted\" 'too' <img src=x onerror=\"document.title='owned'\"> \N{PILE OF POO} " * 200)[
    :9_000
]
EVIL = "<img src=x onerror=\"document.title='owned'\">"


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A study on digits with five sampled models, and an ablation of one made by hand."""
    path = tmp_path_factory.mktemp("models") / "digits"
    recipe, limits = Recipe(epochs=3, batch_size=32), Limits(parameters=20_000)
    layers = (Conv(16, 3), Activation("relu"), MaxPool(2), Dense(32))
    parent = Architecture((1, 8, 8), 10, layers)
    with create_study(path, recipe=recipe, models=5, limits=limits) as study:
        study.submit([Submission(parent, Origin.HANDCRAFTED)])
        (one,) = ablations(parent, [1])
        assert one.architecture is not None
        study.submit([Submission(one.architecture, Origin.ABLATION, PARENT, words=one.words)])
        train_inline(study)
    return path


@pytest.fixture
def path(trained: Path, tmp_path: Path) -> Path:
    shutil.copytree(trained, tmp_path / "digits")
    return tmp_path / "digits"


def drawer_of(study: Study) -> list[int]:
    return [one.model for one in study.drawer()]


def note_of(study: Study, number: int) -> str | None:
    return next((one.note for one in study.drawer() if one.model == number), None)


def rows_shown(explorer: Explorer) -> list[int]:
    found = explorer.page.locator(".remap-drawer .tabulator-row").evaluate_all(
        "rows => rows.map(row => [row.getBoundingClientRect().top, Number(row.dataset.id)])"
    )
    return [int(number) for _, number in sorted(found)]


def head(page: Page, words: str):
    return page.locator(".remap-drawer-head button").filter(has_text=words)


@pytest.mark.promise("PAGE-40", "PAGE-41", "PAGE-8", "STUDY-11")
def test_the_drawer_is_sorted_arranged_annotated_and_undone(path: Path, explore: Explore) -> None:
    with open_study(path) as study:
        study.keep_all([1, 2, 3, 4])
        explorer = explore(path, "--no-train")
        page = explorer.page
        explorer.wait(lambda: rows_shown(explorer) == [1, 2, 3, 4], "the four rows")

        # Dragged by its handle: the third to the top.
        handle = explorer.row("drawer", 3).locator(".handle").bounding_box()
        first = explorer.row("drawer", 1).bounding_box()
        assert handle
        assert first
        x = handle["x"] + handle["width"] / 2
        page.mouse.move(x, handle["y"] + handle["height"] / 2)
        page.mouse.down()
        page.mouse.move(x, first["y"] + 30, steps=5)
        page.mouse.move(x, first["y"] + 3, steps=3)
        page.mouse.up()
        explorer.wait(lambda: drawer_of(study) == [3, 1, 2, 4], "the new order in the study")
        explorer.wait(lambda: rows_shown(explorer) == [3, 1, 2, 4], "the new order on the page")

        # By keys: the last one up by one.
        grid = page.locator(".remap-drawer [role=grid]")
        grid.focus()
        page.keyboard.press("End")
        page.keyboard.press("Alt+ArrowUp")
        explorer.wait(lambda: drawer_of(study) == [3, 1, 4, 2], "the order by keys")

        # Sorted by a header, and back at its third click.
        header = page.locator(".remap-drawer").get_by_role("columnheader", name="Acc")
        best = sorted([1, 2, 3, 4], key=lambda number: -(study.model(number).accuracy or 0))
        header.click()
        explorer.wait(lambda: rows_shown(explorer) == best, "the best first")
        expect(explorer.row("drawer", 3).locator(".handle")).to_be_hidden()
        header.click()
        header.click()
        explorer.wait(lambda: rows_shown(explorer) == [3, 1, 4, 2], "the natural order")

        # A note, by keys and by mouse; Escape leaves it as it was.
        grid.focus()
        page.keyboard.press("Home")
        page.keyboard.press("F2")
        page.keyboard.insert_text(NOTE)
        page.keyboard.press("Enter")
        explorer.wait(lambda: note_of(study, 3) == NOTE.strip(), "the long note in the study")
        expect(explorer.row("drawer", 3).locator(".note-text")).to_have_text(NOTE.strip())
        explorer.row("drawer", 1).hover()
        explorer.row("drawer", 1).locator(".kind-note").click()
        page.keyboard.insert_text("never kept")
        page.keyboard.press("Escape")
        explorer.row("drawer", 1).locator(".kind-note").click()
        page.keyboard.insert_text("smallest")
        page.keyboard.press("Enter")
        explorer.wait(lambda: note_of(study, 1) == "smallest", "the short note in the study")
        assert page.locator("img[onerror]").count() == 0
        assert page.title() == "REMAP · digits"

        # Out, and back again with place and note.
        explorer.row("drawer", 3).get_by_role("button").click()
        explorer.wait(lambda: drawer_of(study) == [1, 4, 2], "m3 out of the drawer")
        head(page, "Undo").click()
        explorer.wait(lambda: drawer_of(study) == [3, 1, 4, 2], "m3 back in the drawer")
        assert note_of(study, 3) == NOTE.strip()
        # None of this has inspected anything.
        assert page.locator(".remap-drawer .is-inspected").count() == 0

        # The front by one press.
        before = set(drawer_of(study))
        head(page, "front").click()
        explorer.wait(lambda: set(drawer_of(study)) > before, "the front in the drawer")


@pytest.mark.promise("PAGE-42", "PAGE-43")
def test_two_models_are_compared(path: Path, explore: Explore) -> None:
    with open_study(path) as study:
        child = study.model(CHILD)
        assert child.parent == PARENT
        study.keep_all([child.parent, child.number])
        explorer = explore(path, "--no-train")
        page = explorer.page
        parent = explorer.row("drawer", child.parent)
        parent.locator("input").click()
        expect(parent.locator("input")).to_be_checked()
        expect(head(page, "Compare")).to_have_attribute("aria-disabled", "true")
        # The other by keys.
        page.locator(".remap-drawer [role=grid]").focus()
        page.keyboard.press("End")
        page.keyboard.press("Space")
        head(page, "Compare 2").click()
        expect(explorer.tab("Compare")).to_have_attribute("aria-selected", "true")
        view = page.locator(".remap-compare")
        expect(
            view.get_by_role("heading", name=f"m{child.parent} · m{child.number}")
        ).to_be_visible()
        expect(view.locator(".chip svg")).to_have_count(2)
        # An ablation differs in the one layer that is missing.
        expect(view.locator(".words").last).to_have_text(child.words)
        labelled = view.locator(".chip svg").last.get_attribute("aria-label")
        assert labelled.count("(missing)") == 1
        assert "(added)" not in labelled
        truth = study.validation_labels
        found = paired(
            study.predictions(child.parent) == truth, study.predictions(child.number) == truth
        )
        expect(view).to_contain_text(
            f"{found.both:,} images both get right, {found.neither:,} neither; "
            f"{found.first:,} only m{child.parent}, {found.second:,} only m{child.number}."
        )
        expect(view).to_contain_text("p = " if found.p_value >= 1e-4 else "p < 0.0001")
        expect(page.locator(".remap-matrices table")).to_have_count(3)
        view.get_by_role("button", name=f"m{CHILD}: inspect").click()
        expect(explorer.tab("Model inspector")).to_have_attribute("aria-selected", "true")


@pytest.mark.promise("PAGE-45")
def test_classes_are_chosen_and_a_hard_image_recolours(path: Path, explore: Explore) -> None:
    with open_study(path) as study:
        explorer = explore(path, "--no-train")
        page = explorer.page
        card = page.locator('.remap-data .card[data-label="3"]')
        expect(card).to_contain_text("best")
        card.click()
        chosen = page.locator(".remap-data button[aria-pressed=true]")
        expect(chosen).to_have_count(1)
        page.locator('.remap-data button[data-value="8"]').focus()
        page.keyboard.press("Enter")
        expect(chosen).to_have_count(2)
        card.click()
        expect(chosen).to_have_count(1)
        expect(chosen).to_have_text("8")

        # A confused pair chooses both of its classes.
        pair = page.locator(".remap-pairs button").first
        labels = [int(one) for one in pair.get_attribute("data-value").split(",")]
        pair.click()
        expect(chosen).to_have_count(2)
        assert {int(one.get_attribute("data-value")) for one in chosen.all()} == set(labels)

        # The hardest image, and who gets it right.
        table = np.stack([study.predictions(one.number) for one in study.models()])
        right = (table == study.validation_labels).sum(axis=0)
        hard = page.locator(".remap-hard .item").first
        item = int(hard.get_attribute("data-value"))
        assert right[item] == right.min()
        expect(hard.locator("img")).to_be_visible()
        hard.click()
        expect(page.locator(".remap-hard [role=status]")).to_contain_text(
            f"{right[item]} of {len(table)} models"
        )
        expect(hard).to_have_attribute("aria-pressed", "true")
        hard.click()
        expect(hard).to_have_attribute("aria-pressed", "false")


@pytest.mark.promise("PAGE-44", "PAGE-46", "PAGE-47", "EXPORT-5")
def test_a_cell_of_the_matrix_shows_its_images(path: Path, explore: Explore) -> None:
    with open_study(path) as study:
        explorer = explore(path, "--no-train")
        page = explorer.page
        numbers = {one.number for one in study.models()}
        explorer.resting_circles(numbers)
        number = CHILD
        explorer.click_circle(number)
        expect(page.get_by_text("Size on disk")).to_be_visible()
        truth, labels = study.validation_labels, study.predictions(number)
        wrong = np.flatnonzero(truth != labels)[0]
        there = np.flatnonzero((truth == truth[wrong]) & (labels == labels[wrong]))
        cell = page.locator(f'.remap-matrix button[data-value="{truth[wrong]},{labels[wrong]}"]')
        expect(cell).to_have_text(str(len(there)))
        cell.click()
        shown = page.locator(".remap-images .item")
        expect(shown).to_have_count(len(there))
        assert [int(one.get_attribute("data-value")) for one in shown.all()] == there.tolist()
        expect(shown.first.locator("img")).to_be_visible()

        # From cell to cell by keys: from the first of a column to the next that holds any.
        counts = confusion_matrix(truth, labels, 10)
        column = int((counts > 0).sum(axis=0).argmax())
        first, second = np.flatnonzero(counts[:, column])[:2].tolist()
        page.locator(f'.remap-matrix button[data-value="{first},{column}"]').focus()
        page.keyboard.press("ArrowDown")
        focused = page.locator(".remap-matrix td button:focus")
        expect(focused).to_have_attribute("data-value", f"{second},{column}")
        page.keyboard.press("Enter")
        expect(shown).to_have_count(min(int(counts[second, column]), 60))
        page.get_by_role("button", name="shares of rows").click()
        expect(page.locator(".remap-matrix td button").first).to_contain_text("%")

        # Taken home: a process of its own writes it, and the browser gets it as a zip.
        page.get_by_role("button", name="Export:").click()
        expect(page.get_by_text(f"m{number} is exported")).to_be_visible()
        link = page.get_by_role("link", name=f"Download m{number} as a zip")
        expect(link).to_be_visible(timeout=120_000)
        with page.expect_download() as got:
            link.click()
        assert got.value.suggested_filename == f"digits-m{number}.zip"
        with zipfile.ZipFile(got.value.path()) as archive:
            weights = archive.read(f"m{number}/weights.safetensors")
            assert b"class Network" in archive.read(f"m{number}/model.py")
        assert weights == study.weights_path(number).read_bytes()


@pytest.mark.promise("PAGE-8")
def test_hostile_class_names_are_text_in_every_view(tmp_path: Path, explore: Explore) -> None:
    names = (EVIL, *(f"class {n}" for n in range(1, 10)))
    images = np.random.default_rng(0).integers(0, 256, (200, 8, 8), np.uint8)
    with synthetic.full_study(
        tmp_path / "evil", done=6, waiting=0, class_names=names, images=images
    ) as study:
        study.keep_all([1, 2])
        study.annotate(1, EVIL)
        explorer = explore(study.path, "--no-train")
        page = explorer.page
        expect(page.locator('.remap-data .card[data-label="0"] button')).to_have_text(EVIL)
        expect(page.locator(".remap-pairs li").first).to_be_visible()
        for number in (1, 2):
            explorer.row("drawer", number).locator("input").click()
        head(page, "Compare 2").click()
        expect(page.locator(".remap-compare tbody th").filter(has_text=EVIL)).to_be_visible()
        explorer.row("drawer", 1).get_by_text("m1", exact=True).click()
        explorer.tab("Model inspector").click()
        expect(page.locator(".remap-matrix tbody th").first).to_have_text("<img src=x on…")
        page.locator(".remap-matrix td button").first.click()
        expect(page.locator(".remap-images h3")).to_contain_text(EVIL)
        assert page.locator("img[onerror]").count() == 0
        assert page.title() == "REMAP · evil"


@pytest.mark.nightly
@pytest.mark.promise("PAGE-8")
def test_hostile_names_and_reasons_are_text_where_models_are_made(
    tmp_path: Path, explore: Explore
) -> None:
    names = (EVIL, *(f"class {n}" for n in range(1, 10)))
    with synthetic.full_study(tmp_path / "evil", done=6, waiting=0, class_names=names) as study:
        # A child of the first, and one that failed for a reason as bad.
        for layers in ("dense16", "dense16 dense64"):
            made = Architecture.from_text(layers, (1, 8, 8), 10)
            study.submit([Submission(made, Origin.HANDCRAFTED, 1)])
        lease = take_lease(study, Holder.this_process("test"), 1)
        synthetic.train_falsely(study, lease, 1)
        (failed,) = lease.claim(1)
        lease.fail(failed.number, EVIL)
        lease.release()
        explorer = explore(study.path, "--no-train")
        page = explorer.page
        explorer.resting_circles(set(range(1, 8)))
        explorer.click_circle(1)
        explorer.tab("Data selector").click()
        page.locator('.remap-data .card[data-label="0"]').click()
        explorer.tab("Generate models").click()
        expect(page.get_by_role("heading", name="Baseline m1")).to_be_visible()
        by_class = explorer.row("children", 7).locator('[tabulator-field="classes"]')
        expect(by_class).to_contain_text(EVIL)
        expect(explorer.row("children", failed.number)).to_contain_text(EVIL)
        explorer.tab("Queue").click()
        expect(explorer.row("queue", failed.number)).to_contain_text(EVIL)
        assert page.locator("img[onerror]").count() == 0
        assert page.title() == "REMAP · evil"
