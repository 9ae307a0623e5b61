"""The overview: what travels to the browser, and what comes back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import panel as pn
import pytest
from bokeh.document import Document
from bokeh.document.events import (
    ColumnsPatchedEvent,
    ColumnsStreamedEvent,
    DocumentPatchedEvent,
    ModelChangedEvent,
)
from bokeh.models import LinearColorMapper

from remap_panel import captions, circles, theme
from remap_panel.feed import Feed
from remap_panel.needs import Needs
from remap_panel.recalls import read
from remap_panel.snapshot import advance
from remap_panel.state import PROJECTIONS, ExplorerState
from remap_panel.views.overview import Overview, OverviewPlot
from remap_ray.space import Architecture, Dense
from remap_ray.study import Epoch, Holder, Lease, Origin, Study, Submission, take_lease
from tests import synthetic

Explore = Callable[[Study], ExplorerState]


@pytest.fixture
def explore() -> Iterator[Explore]:
    """Make the state of a session that takes a new snapshot only when `refresh` is called."""
    yield lambda study: ExplorerState(Feed.of(study.path))
    Feed.close_all()


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """30 trained and mapped models and three waiting ones; for reading only."""
    with synthetic.full_study(tmp_path_factory.mktemp("full") / "study") as study:
        yield study


@pytest.fixture
def lease(toy_study: Study) -> Iterator[Lease]:
    """The lease of a study with six queued models of three epochs."""
    synthetic.queue_samples(toy_study, 6)
    taken = take_lease(toy_study, Holder.this_process("test"), workers=2)
    yield taken
    taken.release()


def refresh(state: ExplorerState) -> None:
    before, study = state.snapshot, state.study
    state.snapshot = advance(before, study.changes(before.number), study.heartbeat())


def plot_of(view: Overview) -> OverviewPlot:
    plot: OverviewPlot = view.__panel__()
    return plot


def tell(view: Overview, message: object) -> None:
    """Do what the browser's message does."""
    event = type("Message", (), {"data": message})
    for callback in plot_of(view)._msg__callbacks:
        callback(event)


def followed(view: Any) -> list[DocumentPatchedEvent]:
    """Give the list to which every message to the browser is added."""
    document, events = Document(), []
    document.add_root(pn.panel(view).get_root(document))
    document.on_change(events.append)
    return events


def record(lease: Lease, number: int, epoch: int, accuracy: float) -> None:
    lease.record_epoch(Epoch(number, epoch, 1.0, accuracy, 1.0, accuracy, 0.1))


@pytest.mark.parametrize("done", [0, 1, 30])
def test_every_size_of_study_is_drawn(tmp_path: Any, explore: Explore, done: int) -> None:
    with synthetic.full_study(tmp_path / "study", done, 2) as study:
        view = Overview(explore(study))
        root = pn.panel(view).get_root()
        assert root.data.figure.select_one({"name": "models"}) is view.models
        assert len(view.models.data["number"]) == done
        assert bool(root.data.notes["accuracy"]) is (done == 0)
        assert bool(root.data.notes["structure"]) is (done == 0)
        assert set(root.data.frames) == set(PROJECTIONS)
        assert root.data.summary


def test_a_study_of_failures_is_drawn(lease: Lease, explore: Explore) -> None:
    for model in lease.claim(6):
        lease.fail(model.number, "no memory")
    root = pn.panel(Overview(explore(lease.study))).get_root()
    assert root.data.notes["accuracy"] == "All 6 models failed in training: the queue says why"


def test_all_projections_are_columns_of_one_source(full: Study, explore: Explore) -> None:
    state = explore(full)
    columns: dict[str, Any] = dict(Overview(state).models.data)
    assert {name: column.dtype for name, column in columns.items()} == {
        name: np.dtype(kind) for name, kind in circles.COLUMNS.items()
    }
    for map_ in ("structure", "predictions"):
        for place, number in enumerate(columns["number"].tolist()):
            point = state.snapshot.points[map_][number]
            assert columns[f"{map_}_x"][place] == np.float32(point.x)
            assert columns[f"{map_}_y"][place] == np.float32(point.y)


@pytest.mark.promise("PAGE-7")
def test_updates_are_streams_and_patches_only(lease: Lease, explore: Explore) -> None:
    study = lease.study
    state = explore(study)
    view = Overview(state)
    events = followed(view)
    first, second = (model.number for model in lease.claim(2))

    record(lease, first, 1, 0.4)
    refresh(state)
    (streamed,) = [one for one in events if isinstance(one, ColumnsStreamedEvent)]
    assert streamed.model is view.models
    assert streamed.data["number"].tolist() == [first]
    events.clear()

    record(lease, first, 2, 0.41)
    refresh(state)
    (patched,) = [one for one in events if isinstance(one, ColumnsPatchedEvent)]
    assert patched.patches == {"accuracy": [(0, 0.41)]}
    assert not [one for one in events if isinstance(one, ColumnsStreamedEvent)]
    events.clear()

    record(lease, second, 1, 0.42)
    lease.finish(first, study.validation_labels, b"weights")
    refresh(state)
    assert {type(one) for one in events if getattr(one, "model", None) is view.models} == {
        ColumnsStreamedEvent,
        ColumnsPatchedEvent,
    }
    assert view.models.data["number"].tolist() == [first, second]
    assert view.models.data["solid"].tolist() == [1, 0]
    assert view.models.data["number"].dtype == np.int32


def test_nothing_is_sent_when_nothing_of_the_overview_changed(
    toy_study_full: Study, explore: Explore
) -> None:
    state = explore(toy_study_full)
    events = followed(Overview(state))
    toy_study_full.keep(1)
    refresh(state)
    assert events == []


@pytest.mark.promise("PAGE-2")
def test_switching_sends_no_coordinates(full: Study, explore: Explore) -> None:
    state = explore(full)
    view = Overview(state)
    events = followed(view)
    plot_of(view).projection = "structure"
    assert state.projection == "structure"
    assert {one.attr for one in events if isinstance(one, ModelChangedEvent)} <= {
        "projection",
        "summary",
    }
    assert not [one for one in events if getattr(one, "model", None) is view.models]
    state.projection = "predictions"
    assert plot_of(view).projection == "predictions"
    assert "predictions" in plot_of(view).summary


@pytest.mark.promise("PAGE-4")
def test_a_hover_previews_one_model_and_inspects_none(full: Study, explore: Explore) -> None:
    state = explore(full)
    view = Overview(state)
    tell(view, {"over": 5})
    assert state.hovered == 5
    assert state.inspected is None
    assert state.snapshot.drawer == ()
    assert plot_of(view).preview["number"] == 5
    assert "<strong>m5</strong>" in plot_of(view).preview["html"]
    tell(view, {"over": None})
    assert state.hovered is None
    assert plot_of(view).preview == {}


def test_leaving_a_circle_keeps_what_another_view_hovers(full: Study, explore: Explore) -> None:
    state = explore(full)
    view = Overview(state)
    tell(view, {"over": 5})
    state.hovered = 7
    tell(view, {"over": None})
    assert state.hovered == 7
    assert plot_of(view).hovered == 7


def test_the_preview_follows_a_model_in_training(lease: Lease, explore: Explore) -> None:
    (model,) = lease.claim(1)
    record(lease, model.number, 1, 0.25)
    state = explore(lease.study)
    view = Overview(state)
    tell(view, {"over": model.number})
    record(lease, model.number, 2, 0.5)
    refresh(state)
    assert "epoch 2 of 3" in plot_of(view).preview["html"]


def test_a_click_inspects_and_keeps(toy_study_full: Study, explore: Explore) -> None:
    state = explore(toy_study_full)
    tell(Overview(state), {"click": 5})
    assert state.inspected == 5
    assert [entry.model for entry in toy_study_full.drawer()] == [5]


@pytest.mark.parametrize(
    "message",
    # Model 33 waits: the study has it, the overview does not.
    [
        None,
        "click",
        [5],
        {"click": 99},
        {"click": "5"},
        {"click": [5]},
        {"over": {}},
        {"click": 33},
    ],
)
def test_messages_of_no_circle_change_nothing(
    full: Study, explore: Explore, message: object
) -> None:
    state = explore(full)
    tell(Overview(state), message)
    assert (state.inspected, state.hovered) == (None, None)
    assert full.drawer() == ()


def test_marks_follow_the_state(full: Study, explore: Explore) -> None:
    state = explore(full)
    view = Overview(state)
    state.hovered, state.inspected = 3, 4
    assert (plot_of(view).hovered, plot_of(view).inspected) == (3, 4)


def test_darkness_has_a_fixed_scale_from_chance_to_one(full: Study, explore: Explore) -> None:
    figure = Overview(explore(full)).figure
    (shade,) = figure.select({"type": LinearColorMapper})
    assert (shade.low, shade.high) == theme.darkness_domain(10)


def test_the_browser_keeps_what_it_derives(full: Study, explore: Explore) -> None:
    figure = Overview(explore(full)).figure
    assert not any(part.syncable for part in figure.references())


def test_axes_have_titles_and_no_logo_is_shown(toy_study: Study, explore: Explore) -> None:
    figure = Overview(explore(toy_study)).figure
    assert figure.xaxis.axis_label == "validation accuracy (0 to 1)"
    assert figure.yaxis.axis_label == "parameters (log scale)"
    assert figure.toolbar_location is None


# Classes, needs, marks


def with_recalls(study: Study, state: ExplorerState) -> None:
    state.snapshot = replace(state.snapshot, recalls=read(study, list(state.snapshot.models)))


@pytest.mark.promise("PAGE-11")
def test_darkness_follows_the_classes_and_a_hover_comes_first(
    full: Study, explore: Explore
) -> None:
    state = explore(full)
    with_recalls(full, state)
    view = Overview(state)
    assert np.isnan(view.models.data["shade"]).all()
    state.choose_class(2)
    state.weigh_class(4, 3.0)
    recalls = state.snapshot.recalls
    for place, number in enumerate(view.models.data["number"].tolist()):
        expected = (float(recalls[number][2]) + 3 * float(recalls[number][4])) / 4
        assert view.models.data["shade"][place] == pytest.approx(expected, abs=1e-6)
    assert plot_of(view).darkness["title"] == "accuracy on class 2 and class 4 ×3"
    before = view.models.data["shade"].copy()
    state.hovered_class = 7
    assert view.models.data["shade"][0] == pytest.approx(float(recalls[1][7]))
    # A preview changes no one's rank.
    assert plot_of(view).front == list(state.judged.front)
    state.hovered_class = None
    np.testing.assert_array_equal(view.models.data["shade"], before)
    state.classes = {}
    assert np.isnan(view.models.data["shade"]).all()
    assert plot_of(view).darkness["title"] == "accuracy"


@pytest.mark.promise("PAGE-11")
def test_what_falls_short_is_dimmed_and_the_front_is_of_the_rest(
    full: Study, explore: Explore
) -> None:
    state = explore(full)
    view = Overview(state)
    assert not view.models.data["dim"].any()
    sizes = sorted(one.parameters for one in full.models())
    state.needs = Needs(parameters=sizes[15])
    dim = dict(zip(view.models.data["number"].tolist(), view.models.data["dim"], strict=True))
    for number, dimmed in dim.items():
        assert bool(dimmed) is (state.snapshot.models[number].parameters > sizes[15])
    assert plot_of(view).front
    assert not any(dim[number] for number in plot_of(view).front)
    assert "fall short of nothing" in plot_of(view).summary
    tell(view, {"over": next(number for number, dimmed in dim.items() if dimmed)})
    assert "falls short: " in plot_of(view).preview["html"]
    state.needs = Needs()
    assert not view.models.data["dim"].any()


@pytest.mark.promise("PAGE-7")
def test_a_new_need_sends_one_column_of_what_changed(full: Study, explore: Explore) -> None:
    state = explore(full)
    view = Overview(state)
    events = followed(view)
    sizes = sorted(one.parameters for one in full.models() if one.accuracy is not None)
    state.needs = Needs(parameters=sizes[-2])
    (patched,) = [one for one in events if isinstance(one, ColumnsPatchedEvent)]
    assert set(patched.patches) == {"dim"}


def test_an_image_colours_who_gets_it_right(full: Study, explore: Explore) -> None:
    state = explore(full)
    view = Overview(state)
    state.show_item(3)
    truth = full.validation_labels[3]
    for place, number in enumerate(view.models.data["number"].tolist()):
        assert view.models.data["shade"][place] == (full.predictions(number)[3] == truth)
    assert plot_of(view).darkness == {"title": "the image is", "low": "wrong", "high": "right"}
    tell(view, {"over": 5})
    words = "right" if full.predictions(5)[3] == truth else "wrong"
    assert f"gets the image {words}" in plot_of(view).preview["html"]


def test_a_selection_is_kept_compared_and_cleared(toy_study_full: Study, explore: Explore) -> None:
    state = explore(toy_study_full)
    view = Overview(state)
    tell(view, {"select": [4, 2, 99, "3", 33]})
    assert state.selection == plot_of(view).selection == [2, 4]
    tell(view, {"compare": "selection"})
    assert state.comparison == [2, 4]
    tell(view, {"keep": "selection"})
    assert [entry.model for entry in toy_study_full.drawer()] == [2, 4]
    refresh(state)
    assert plot_of(view).kept == [2, 4]
    tell(view, {"select": []})
    assert plot_of(view).selection == []


def test_lines_lead_to_parent_and_children(lease: Lease, explore: Explore) -> None:
    study = lease.study
    parent = study.model(1)
    children = study.submit(
        Submission(Architecture((1, 8, 8), 10, (Dense(width),)), Origin.VARIATION, 1, words="w")
        for width in (3, 5)
    )
    state = explore(study)
    view = Overview(state)
    state.inspect(parent.number)
    assert plot_of(view).family == {"parent": None, "children": list(children)}
    state.inspect(children[0])
    assert plot_of(view).family == {"parent": 1, "children": []}


def test_spawned_models_are_marked(lease: Lease, explore: Explore) -> None:
    (spawned,) = lease.study.submit(
        [Submission(Architecture((1, 8, 8), 10, (Dense(3),)), Origin.HANDCRAFTED)]
    )
    for model in lease.claim(7):
        record(lease, model.number, 1, 0.4)
    view = Overview(explore(lease.study))
    marked = dict(
        zip(view.models.data["number"].tolist(), view.models.data["spawned"], strict=True)
    )
    assert [number for number, mark in marked.items() if mark] == [spawned]


def test_chips_have_a_legend_of_letters_and_colours() -> None:
    legend = captions.chip_legend()
    explained = {one for one, _, _ in (*captions.CHIPS, *captions.BOOSTED)}
    assert explained == set(theme.BLOCKS)
    for kind, _, words in captions.CHIPS:
        assert theme.BLOCKS[kind].fill in legend
        assert words in legend
