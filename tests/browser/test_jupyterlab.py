"""The tour in a real JupyterLab: looked at, clicked, read in the next cell, and trained from."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

import remap_ray
from remap_ray.study import Origin, Status, open_study
from tests.browser.lab import Notebook, start_lab
from tests.browser.page import Explorer
from tests.browser.training import train_inline
from tests.processes import Started, remap, wait_for

TOUR = Path(__file__).parents[2] / "notebooks" / "tour.ipynb"

pytestmark = [
    pytest.mark.browser,
    pytest.mark.ray,
    # Two minutes, most of them for JupyterLab and Ray to start. What a kernel does with what comes
    # from JupyterLab is tested daily, without a browser.
    pytest.mark.nightly,
    pytest.mark.timeout(600),
]


@pytest.mark.promise("NOTE-1", "NOTE-2", "NOTE-3", "NOTE-4")
def test_the_tour_in_jupyterlab(start: Callable[..., Started], page: Page, tmp_path: Path) -> None:
    folder, path = tmp_path / "work", tmp_path / "work" / "tour"
    folder.mkdir()
    shutil.copy(TOUR, folder)
    with remap_ray.create_study(path, data="digits", models=4, epochs=2) as study:
        train_inline(study)
    numbers = {1, 2, 3, 4}
    lab, address = start_lab(start, folder, tmp_path / "home")
    page.set_viewport_size({"width": 1500, "height": 1100})
    page.goto(address.format("tour.ipynb"))
    notebook, explorer = Notebook(page), Explorer(page)

    notebook.run("import remap_panel")
    notebook.run("training.wait()")
    notebook.run("remap_panel.explore(STUDY)")
    explorer.resting_circles(numbers)
    # Comes with Panel, and has to be where JupyterLab is: without it no click goes to the kernel.
    explorer.wait(
        lambda: page.evaluate("() => Object.keys(window.PyViz?.kernels ?? {}).length"),
        "the extension @pyviz/jupyterlab_pyviz of JupyterLab",
    )
    assert (
        notebook.run("seen.state.selection").locator(".jp-OutputArea-output").inner_text() == "[]"
    )

    # A click on a circle: kept, inspected, and selected for the next cell.
    page.locator("section.overview").scroll_into_view_if_needed()
    places = explorer.resting_circles(numbers)
    with open_study(path) as study:
        depths = {one: len(study.model(one).architecture.layers) for one in numbers}
    # One with few layers, which has few ablations to wait for.
    number = min((one for one in numbers if depths[one] >= 2), key=depths.__getitem__)
    assert number in places
    explorer.click_circle(number)
    expect(explorer.row("drawer", number)).to_be_visible()
    expect(page.get_by_role("heading", name=re.compile(rf"\bm{number}\b")).first).to_be_visible()
    cell = notebook.run("seen.state.selection")
    expect(cell.locator(".jp-OutputArea-output")).to_have_text(f"[{number}]")

    # Its ablations are queued from the Generate view; nobody trains, and the notebook offers to.
    page.locator('label[data-value="generate"] input').click()
    expect(page.get_by_role("heading", name=f"Baseline m{number}")).to_be_visible()
    page.get_by_role("button", name=re.compile("^Train [0-9]+ ablation")).click()
    with open_study(path) as study:
        explorer.wait(lambda: len(study.models()) > len(numbers), "the ablations in the queue")
        children = [one.number for one in study.models() if one.number not in numbers]
        assert {study.model(one).origin for one in children} == {Origin.ABLATION}
        assert {study.model(one).parent for one in children} == {number}
        expect(explorer.row("children", children[0])).to_contain_text("waiting")
        page.get_by_role("button", name="Train them beside this notebook").click()

        # Seen to finish, in the notebook and by this second process alike. The kernel is free.
        expect(explorer.row("children", children[-1])).to_contain_text("done", timeout=240_000)
        explorer.wait(
            lambda: all(study.model(one).status is Status.DONE for one in children), "all done"
        )
        expect(notebook.run("seen.state.selection").locator(".jp-OutputArea-output")).to_have_text(
            f"[{number}]"
        )

        # The training is no part of the kernel: it lives on when that is killed.
        page.close()
        (kernel,) = (one for one in lab.family() if "ipykernel_launcher" in one.cmdline())
        kernel.kill()
        kernel.wait(20)
        assert study.heartbeat().alive
        remap("train", path, "--stop")
        wait_for(lambda: not study.heartbeat().alive, "the end of the training")
