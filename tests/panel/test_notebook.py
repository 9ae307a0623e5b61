"""A study in a notebook, without a browser: views on one state, and whoever trains beside it."""

from __future__ import annotations

import ast
import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import panel as pn
import pytest

import remap_panel
from remap_panel.background import NobodyTrains
from remap_panel.feed import Feed
from remap_panel.kernel import KernelTurns
from remap_panel.notebook import Explorer
from remap_ray.errors import InvalidRequest, NotAStudy
from remap_ray.study import Holder, Study, take_lease
from tests.kernels import Browser, Kernel, mixed
from tests.processes import wait_for

SINGLE = ("overview", "needs", "drawer", "data", "inspector", "compare", "generate", "queue")


@pytest.fixture
def seen(toy_study_full: Study) -> Iterator[Explorer]:
    yield Explorer(toy_study_full.path)
    Feed.close_all()


@pytest.mark.promise("NOTE-1")
def test_every_view_is_made_anew_on_the_same_state(seen: Explorer) -> None:
    roots = [getattr(seen, name).__panel__().get_root() for name in SINGLE for _ in range(2)]
    roots.append(seen.__panel__().get_root())
    assert len({id(one) for one in roots}) == len(roots)
    # The views of the tabs are looked at by themselves, whichever tab is open.
    assert set(seen.state.alone) == {"data", "inspector", "compare", "generate", "queue"}
    assert all(seen.state.shows(name) for name in seen.state.alone)
    # What is done to the state by one is the others' too.
    seen.state.click(3)
    headings = [
        one.html
        for root in (seen.inspector.__panel__(), seen.generate.__panel__())
        for one in root.select(lambda each: "m3" in str(getattr(each, "html", "")))
    ]
    assert len(headings) >= 2


@pytest.mark.promise("NOTE-1", "NOTE-4")
def test_where_only_widgets_are_shown_a_view_is_one(
    toy_study_full: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    widgets = pytest.importorskip("jupyter_bokeh.widgets")
    made, sent = [], []

    class Watched(widgets.BokehModel):
        def __init__(self, *given: Any, **named: Any) -> None:
            super().__init__(*given, **named)
            made.append(self)

        def send(self, content: dict[str, str], buffers: Any = None) -> None:
            sent.append(content.get("payload", ""))

    monkeypatch.setattr(widgets, "BokehModel", Watched)
    monkeypatch.setattr(pn.config, "comms", "ipywidgets")
    seen = Explorer(toy_study_full.path)
    bundle, _ = seen.drawer._repr_mimebundle_()
    assert "application/vnd.jupyter.widget-view+json" in bundle
    (widget,) = made
    assert not widget.combine_events
    assert "cdn." not in json.dumps(widget.render_bundle, default=str)
    # A table asks for its rows, and gets them by the widget.
    models = widget._document.models
    table = next(one for one in models if hasattr(getattr(one, "data", 0), "row_height"))
    entries = [["model", table.ref], ["data", {"type": "map", "entries": [["ask", "rows"]]}]]
    event = {"type": "event", "name": "data_event"}
    event["values"] = {"type": "map", "entries": entries}
    message = {"kind": "MessageSent", "msg_type": "bokeh_event", "msg_data": event}
    widget._handle_custom_msg({"event": "jsevent", **message}, [])
    assert any('"esm_event"' in one for one in sent)
    Feed.close_all()


def test_a_view_whose_output_is_gone_follows_no_more(seen: Explorer) -> None:
    def watched() -> int:
        kinds = seen.state.param.watchers.values()
        return len({id(one) for kind in kinds for each in kind.values() for one in each})

    before = watched()
    for make in (lambda: seen.overview, lambda: seen.generate, lambda: seen):
        frame = make().__panel__()
        root = frame.get_root()
        assert watched() > before
        # What the notebook does where a cell is run again.
        frame._cleanup(root)
        assert watched() == before


@pytest.mark.promise("NOTE-2")
def test_a_click_selects_one_and_a_selection_many(seen: Explorer) -> None:
    state = seen.state
    assert state.selection == []
    state.click(5)
    assert (state.selection, state.inspected) == ([5], 5)
    assert [one.model for one in state.study.drawer()] == [5]
    state.select([9, 2, 4, 1000])
    assert state.selection == [2, 4, 9]
    state.click(7)
    assert state.selection == [7]


def test_a_study_that_is_none_is_named(tmp_path: Path) -> None:
    with pytest.raises(NotAStudy, match="nothing here"):
        remap_panel.explore(tmp_path / "nothing here")
    with pytest.raises(NotAStudy, match="nothing here"):
        remap_panel.train(tmp_path / "nothing here")


@pytest.mark.promise("NOTE-1")
def test_the_views_change_between_two_steps_of_the_kernel(toy_study_full: Study) -> None:
    async def story() -> None:
        seen = Explorer(toy_study_full.path)
        toy_study_full.keep(4)
        # A cell that runs sees the same state from its beginning to its end.
        deadline = asyncio.get_running_loop().time() + 30
        while not seen.state.snapshot.drawer_numbers:
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0.02)
        assert seen.state.snapshot.drawer_numbers == (4,)
        seen.close()

    asyncio.run(story())
    Feed.close_all()


def test_a_kernel_that_has_ended_takes_no_more_turns() -> None:
    async def here() -> KernelTurns | None:
        return KernelTurns.here()

    turns = asyncio.run(here())
    assert turns is not None
    turns.add_next_tick_callback(lambda: pytest.fail("the kernel is gone"))
    assert KernelTurns.here() is None


@pytest.mark.promise("NOTE-3")
def test_nothing_is_started_where_somebody_trains(toy_study_full: Study) -> None:
    study = toy_study_full
    lease = take_lease(study, Holder.this_process("test"), workers=1)
    training = remap_panel.train(study)
    assert not training.started
    assert not training.wait(seconds=0)
    assert not (study.path / "train.log").exists()
    study.pause()
    with pytest.raises(InvalidRequest, match="paused"):
        training.wait()
    study.resume()
    lease.release()
    with pytest.raises(NobodyTrains, match="3 models wait"):
        training.wait()


@pytest.mark.promise("NOTE-3", "NOTE-4")
def test_a_notebook_loads_neither_what_trains_nor_what_comes_from_elsewhere() -> None:
    script = (
        "import sys, remap_panel.notebook as one; print(*{n.split('.')[0] for n in sys.modules})"
    )
    said = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert set(said.stdout.split()).isdisjoint({"torch", "ray", "sklearn", "panel_material_ui"})


@pytest.mark.promise("NOTE-4")
def test_no_view_is_made_of_components_from_elsewhere(seen: Explorer) -> None:
    shown = [getattr(seen, name).__panel__() for name in SINGLE] + [seen.__panel__()]
    made = {type(each).__module__ for one in shown for each in one.select()}
    assert not any(name.startswith("panel_material_ui") for name in made)


def test_what_waits_is_offered_to_be_trained(seen: Explorer) -> None:
    def offer() -> str:
        page = seen.__panel__()
        (sheet,) = page.select(
            lambda each: "remap-offer-training" in getattr(each, "css_classes", ())
        )
        return str(sheet.html)

    assert "Train them beside this notebook" in offer()


SHOWN = """
import threading
from collections import defaultdict
from IPython.display import display
import remap_panel
from remap_panel.views.overview import OverviewPlot

seen = remap_panel.explore({path!r})
page, threads = seen.__panel__(), defaultdict(set)

def note(*events):
    for event in events:
        threads[event.name].add(threading.current_thread() is threading.main_thread())

seen.state.param.watch(note, ["snapshot", "hovered", "inspected", "selection", "told"])
display(page)
(ref,) = page._models
(plot,) = page.select(OverviewPlot)
"""

READ = """
(count,) = [one.html for one in page.select() if " kept</p>" in str(getattr(one, "html", ""))]
print(*seen.state.snapshot.drawer_numbers, count, dict(threads), seen.state.selection, sep="|")
"""


@pytest.mark.slow
@pytest.mark.promise("NOTE-1", "NOTE-2")
def test_what_comes_by_subshells_is_done_on_the_kernels_own_loop(toy_study_full: Study) -> None:
    """JupyterLab's way: what two threads do to the views at once is lost, or cannot be read."""
    path = toy_study_full.path
    with Kernel(path.parent) as kernel:
        kernel.run(SHOWN.format(path=str(path)))
        target, model = kernel.run("print(page._comms[ref][1].id, plot._models[ref][0].id)").split()
        browser = Browser(kernel, target)
        for number in range(1, 9):
            # Others write meanwhile.
            toy_study_full.keep(number + 10)
            browser.say(model, {"over": number})
            browser.say(model, {"click": number})
        wanted = {*range(1, 9), *range(11, 19)}
        said: list[str] = []

        def all_kept() -> bool:
            said[:] = kernel.run(READ).strip().split("|")
            return {int(one) for one in said[:-3]} == wanted

        wait_for(all_kept, "the drawer")
        count, threads, selection = said[-3:]
        assert "16 models kept" in count
        assert selection == "[8]"
        assert threads == str({name: {True} for name in ast.literal_eval(threads)}), (
            "a step was taken beside the kernel's loop"
        )
        assert mixed(kernel.heard) == []
