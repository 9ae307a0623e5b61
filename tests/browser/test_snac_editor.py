"""The editor by mouse, by keyboard alone and by touch; each story ends with what the server has."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Page, expect

from remap_panel.snac.editor import everything
from remap_ray.space import Architecture
from tests.browser.editor import LENET, OTHER, handcraft, middle

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

START = LENET.text


def pressed(page: Page, selector: str) -> list[int]:
    found = page.locator(f'.cell:has({selector}[aria-pressed="true"])').evaluate_all(
        "(cells) => cells.map((cell) => Number(cell.dataset.layer))"
    )
    return [int(one) for one in found]


@pytest.mark.promise("EDITOR-1")
def test_layers_are_chosen_by_mouse_and_by_keyboard(browser: Browser) -> None:
    with handcraft(browser) as craft:
        page, editor = craft.page, craft.editor

        def chosen(*wanted: int) -> None:
            craft.wait(lambda: editor.chosen == list(wanted), f"{wanted}, not {editor.chosen}")
            assert pressed(page, ".block") == list(wanted)

        # A click on, a click off, a drag across, from both ends; a drag from a chosen layer takes.
        craft.block(2).click()
        chosen(2)
        craft.drag(craft.block(4), craft.block(6))
        chosen(2, 4, 5, 6)
        craft.drag(craft.block(5), craft.block(4))
        chosen(2, 6)
        craft.block(2).click()
        chosen(6)
        # Shift takes all from the last one clicked; nothing beyond the last hidden layer.
        craft.block(1).click()
        craft.block(3).click(modifiers=["Shift"])
        chosen(1, 2, 3, 6)
        craft.drag(craft.block(7), craft.block(8))
        chosen(1, 2, 3, 6, 7)
        page.mouse.click(*middle(craft.block(8)))
        chosen(1, 2, 3, 6, 7)
        expect(page.locator(".tools")).to_contain_text("5 of 8 layers chosen")
        page.get_by_role("button", name="Choose none").click()
        chosen()

        # Escape in the middle of a drag leaves all as it was.
        start, end = middle(craft.block(0)), middle(craft.block(3))
        page.mouse.move(*start)
        page.mouse.down()
        page.mouse.move(*end, steps=5)
        assert pressed(page, ".block") == [0, 1, 2, 3]
        page.keyboard.press("Escape")
        assert pressed(page, ".block") == []
        page.mouse.up()
        assert editor.chosen == []

        # The same by keyboard; what has the focus is said.
        craft.block(0).focus()
        craft.press("ArrowRight", "ArrowRight", "Space")
        chosen(2)
        expect(craft.block(2)).to_be_focused()
        expect(page.locator(".readout")).to_have_text(
            "2: MaxPool(2), 13×13×16 = 2,704 values leave it, no parameters"
        )
        craft.press("Shift+ArrowRight", "Shift+ArrowRight")
        chosen(2, 3, 4)
        craft.press("Control+a")
        chosen(*range(8))
        craft.press("Escape")
        chosen()
        craft.press("End", "Space", "ArrowLeft", "Enter")
        chosen(7)
        expect(page.get_by_role("button", name="7: Activation(relu)")).to_be_focused()


@pytest.mark.promise("EDITOR-2")
def test_what_may_vary_is_switched_one_by_one_and_together(browser: Browser) -> None:
    with handcraft(browser, mode="vary") as craft:
        page, editor = craft.page, craft.editor
        full = everything(LENET)
        assert editor.allowed == full

        def only(edit: str, *layers: int) -> None:
            craft.wait(
                lambda: [at for at, some in editor.allowed.items() if edit in some] == list(layers),
                f"{edit} at {layers}, not {editor.allowed}",
            )
            # The page shows it with the answer.
            craft.wait(
                lambda: pressed(page, f".toggle[data-edit={edit}]") == list(layers),
                f"{edit} shown at {layers}",
            )

        page.get_by_role("button", name="remove MaxPool(2) at 2", exact=True).click()
        only("remove", 0, 1, 3, 4, 5, 6, 7)
        page.locator(".bulk").filter(has_text="remove").click()
        only("remove", *range(8))
        page.locator(".bulk").filter(has_text="remove").click()
        only("remove")
        # Two brushed layers at once, by the bar above and by a switch below one of them.
        craft.drag(craft.block(2), craft.block(3))
        craft.wait(lambda: editor.brushed == [2, 3], "two brushed")
        page.locator(".bulk").filter(has_text="remove").click()
        only("remove", 2, 3)
        page.get_by_role("button", name="reparameterize Conv(32, 3x3) at 3").click()
        only("reparameterize", 0, 1, 4, 5, 6, 7)
        # Before the output layer something can be put; nothing else can happen to it.
        for edit in ("remove", "replace", "reparameterize"):
            assert page.locator(f'[data-layer="8"] [data-edit={edit}]').is_disabled()
        page.get_by_role("button", name="prepend the output layer").click()
        only("prepend", *range(8))
        # What was chosen for ablations is another matter.
        assert editor.chosen == []

        # By keyboard: down into the switches, along a row of them, and back.
        craft.block(0).focus()
        craft.press("Escape", "ArrowDown", "ArrowDown", "ArrowDown", "ArrowRight", "Space")
        only("replace", 0, 2, 3, 4, 5, 6, 7)
        expect(page.locator('[data-layer="1"] [data-edit=replace]')).to_be_focused()
        craft.press("Escape", "Space")
        craft.wait(lambda: editor.brushed == [1], "layer 1 brushed by keyboard")
        expect(craft.block(1)).to_be_focused()


@pytest.mark.promise("EDITOR-3", "EDITOR-4", "EDITOR-5")
def test_the_three_models_of_section_7_by_drag_and_drop(browser: Browser) -> None:
    with handcraft(browser, mode="craft") as craft:
        page = craft.page
        # The first convolution split into three: two more dragged from the palette.
        craft.drag(craft.kind("conv"), craft.gap(1))
        craft.becomes(START.replace("conv16x3", "conv16x3 conv16x3", 1))
        craft.drag(craft.kind("conv"), craft.gap(2))
        three = START.replace("conv16x3", "conv16x3 conv16x3 conv16x3", 1)
        craft.becomes(three)
        expect(page.locator(".summary")).to_contain_text("This can be trained.")
        expect(page.locator(".summary")).to_contain_text(
            "Added Conv(16, 3x3) at 0; Added Conv(16, 3x3) at 0"
        )
        # Dropout, before the first dense layer, another rate than the grid's.
        craft.drag(craft.kind("dropout"), craft.gap(8))
        craft.becomes(three.replace("dense64", "drop0.25 dense64"))
        page.get_by_label("rate, 0 to 0.999").fill("0.3")
        craft.press("Enter")
        dropped = three.replace("dense64", "drop0.3 dense64")
        craft.becomes(dropped)
        # Another activation and another pool size.
        craft.block(3).click()
        page.get_by_role("button", name="tanh").click()
        craft.becomes(dropped.replace("relu", "tanh", 1))
        craft.block(4).click()
        page.locator(".panel").get_by_role("button", name="3", exact=True).click()
        craft.becomes(dropped.replace("relu", "tanh", 1).replace("max2", "max3", 1))
        # A size that is too large for the image is kept, and marked.
        craft.block(7).click()
        page.get_by_label("size, 1 to 65536").fill("40")
        craft.press("Enter")
        craft.wait(lambda: craft.editor.checked.fault == 7, "the fault")
        expect(page.locator('[data-layer="7"]')).to_contain_class("is-fault")
        expect(page.locator(".summary")).to_contain_text(
            "layer 7, MaxPool(40): the image is only", ignore_case=True
        )
        craft.press("Control+z")
        craft.becomes(dropped.replace("relu", "tanh", 1).replace("max2", "max3", 1))

        # Reorder by drag: the dropout to the front, then a run of two.
        now = craft.text.split()
        craft.drag(craft.block(8), craft.gap(0))
        craft.becomes(" ".join([now[8], *now[:8], *now[9:]]))
        craft.block(1).click()
        craft.block(2).click(modifiers=["Shift"])
        craft.drag(craft.block(2), craft.gap(5))
        craft.becomes(" ".join([now[8], *now[2:4], *now[:2], *now[4:8], *now[9:]]))
        craft.wait(lambda: craft.draft.chosen == (3, 4), "the run still chosen")
        # Out of the chip is out of the network.
        x, y = middle(page.locator(".line"))
        craft.drag(craft.block(0), (x, y))
        craft.becomes(" ".join([*now[2:4], *now[:2], *now[4:8], *now[9:]]))
        # Nine steps and a choice back, and forth.
        steps = len(craft.draft.past)
        last = craft.text
        for _ in range(steps):
            page.get_by_role("button", name="Undo").click()
        craft.becomes(START)
        expect(page.get_by_role("button", name="Undo")).to_be_disabled()
        for _ in range(steps):
            page.get_by_role("button", name="Redo").click()
        craft.becomes(last)
        assert craft.editor.proposal.problem is None


@pytest.mark.promise("EDITOR-3", "EDITOR-6")
def test_the_same_by_keyboard_alone(browser: Browser) -> None:
    with handcraft(browser, mode="craft") as craft:
        page = craft.page
        # From the first layer to the palette, where Enter puts a convolution in, twice.
        craft.block(0).focus()
        craft.press("Home", "Insert")
        expect(craft.kind("conv")).to_be_focused()
        craft.press("Enter")
        craft.becomes(START.replace("conv16x3", "conv16x3 conv16x3", 1))
        craft.press("Enter")
        three = START.replace("conv16x3", "conv16x3 conv16x3 conv16x3", 1)
        craft.becomes(three)
        # Back to the new layer, on to the dense one, and dropout before it.
        craft.press("Escape")
        expect(craft.block(2)).to_be_focused()
        craft.press(*["ArrowRight"] * 5, "Insert", "End", "ArrowLeft", "ArrowLeft")
        expect(craft.kind("dropout")).to_be_focused()
        craft.press("Enter")
        craft.becomes(three.replace("dense64", "drop0.25 dense64"))
        # An activation's function and a pool's size.
        craft.press("Escape", *["ArrowLeft"] * 5)
        expect(craft.block(3)).to_be_focused()
        craft.press("Enter")
        expect(page.locator(".panel").get_by_role("button", name="relu")).to_be_focused()
        craft.press("Tab", "Enter")
        tanh = three.replace("dense64", "drop0.25 dense64").replace("relu", "tanh", 1)
        craft.becomes(tanh)
        craft.press("Escape", "ArrowRight", "Enter", "Tab", "Enter")
        made = tanh.replace("max2", "max3", 1)
        craft.becomes(made)
        # Later, removed, taken back; and a run of two copied to the end.
        craft.press("Escape", "Alt+ArrowRight")
        words = made.split()
        craft.becomes(" ".join([*words[:4], words[5], words[4], *words[6:]]))
        craft.press("Delete")
        craft.becomes(" ".join([*words[:4], words[5], *words[6:]]))
        craft.press("Control+z", "Control+z")
        craft.becomes(made)
        craft.press("Control+y")
        craft.becomes(" ".join([*words[:4], words[5], words[4], *words[6:]]))
        craft.press("Control+Shift+z", "Control+z", "Control+z")
        craft.becomes(made)
        craft.press("End", "ArrowLeft", "Shift+ArrowLeft")
        craft.wait(lambda: craft.draft.chosen == (9, 10), "the last two chosen")
        craft.press("Control+c", "Control+v")
        craft.becomes(f"{made} dense64 relu")
        craft.press("Control+x")
        craft.becomes(made)
        craft.press("Home", "ArrowLeft", "Control+v")
        craft.becomes(f"dense64 relu {made}")
        craft.wait(lambda: craft.editor.checked.fault == 2, "a convolution after a dense layer")
        expect(page.get_by_role("alert")).to_be_hidden()


@pytest.mark.promise("EDITOR-3")
def test_the_same_by_touch_on_a_phone(browser: Browser) -> None:
    with handcraft(browser, phone=True, mode="craft") as craft:
        page = craft.page
        wide = page.evaluate("() => document.scrollingElement.scrollWidth - innerWidth")
        assert wide <= 0
        craft.touch(craft.kind("conv"), craft.gap(1))
        craft.becomes(START.replace("conv16x3", "conv16x3 conv16x3", 1))
        # A tap puts in at the mark, which stands behind what came last.
        craft.kind("conv").tap()
        three = START.replace("conv16x3", "conv16x3 conv16x3 conv16x3", 1)
        craft.becomes(three)
        craft.gap(8).tap()
        craft.kind("dropout").tap()
        made = three.replace("dense64", "drop0.25 dense64")
        craft.becomes(made)
        craft.block(3).tap()
        page.get_by_role("button", name="sigmoid").tap()
        made = made.replace("relu", "sigmoid", 1)
        craft.becomes(made)
        words = made.split()
        craft.touch(craft.block(8), craft.gap(1))
        craft.becomes(" ".join([words[0], words[8], *words[1:8], *words[9:]]))
        craft.touch(craft.block(1), middle(page.locator(".line")))
        craft.becomes(" ".join([*words[:8], *words[9:]]))
        page.get_by_role("button", name="Undo").tap()
        craft.becomes(" ".join([words[0], words[8], *words[1:8], *words[9:]]))
        page.get_by_role("button", name="Undo").tap()
        craft.becomes(made)


def test_layers_are_brushed_by_touch(browser: Browser) -> None:
    with handcraft(browser, phone=True) as craft:
        craft.touch(craft.block(1), craft.block(4))
        craft.wait(lambda: craft.editor.chosen == [1, 2, 3, 4], "four brushed")
        craft.block(2).tap()
        craft.wait(lambda: craft.editor.chosen == [1, 3, 4], "one tapped off")


@pytest.mark.promise("EDITOR-6")
def test_from_nothing_from_text_and_from_another_model(browser: Browser) -> None:
    with handcraft(browser, mode="craft") as craft:
        page = craft.page
        page.get_by_role("button", name="Start from nothing").click()
        craft.becomes("")
        line = page.get_by_label("As text")
        line.fill("conv8x3 reluu")
        line.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("did you mean relu?")
        assert line.input_value() == "conv8x3 reluu"
        line.fill("conv8x3 relu")
        line.press("Enter")
        craft.becomes("conv8x3 relu")
        expect(page.get_by_role("alert")).to_be_hidden()

        # A run of another model's layers: two brushed ones dragged in, then all at the mark.
        page.get_by_text("Take layers from another model").click()
        page.get_by_label("Model to take layers from").select_option("m3")
        lent = page.locator("[data-lent]")
        expect(lent).to_have_count(len(OTHER.layers))
        craft.drag(lent.nth(1), lent.nth(2))
        craft.drag(lent.nth(2), craft.gap(1))
        craft.becomes("conv8x3 tanh avg3 relu")
        page.get_by_role("button", name="Put in at the mark").click()
        craft.becomes("conv8x3 tanh avg3 tanh avg3 relu")
        craft.gap(0).click()
        page.get_by_role("button", name="All of them").click()
        craft.becomes("conv64x5 tanh avg3 batchnorm conv8x3 tanh avg3 tanh avg3 relu")
        page.get_by_role("button", name="Back to m17").click()
        craft.becomes(START)


def test_without_a_baseline_one_builds_from_nothing(browser: Browser) -> None:
    with handcraft(browser, mode="craft", baseline=None, number=None) as craft:
        craft.kind("conv").click()
        craft.kind("activation").click()
        craft.becomes("conv16x3 relu")
        found = craft.editor.checked.architecture
        assert found == Architecture.from_text("conv16x3 relu", (1, 28, 28), 10)


def test_what_is_pressed_quickly_is_done_in_turn(browser: Browser) -> None:
    with handcraft(browser, mode="craft") as craft:
        craft.block(0).focus()
        # Nothing here waits for an answer of the server.
        craft.press("Home", "Insert", *["Enter"] * 4, "Escape", "ArrowRight", "Delete")
        craft.becomes("conv16x3 " * 4 + START.replace("relu ", "", 1))
        craft.press(*["Control+z"] * 5)
        craft.becomes(START)
