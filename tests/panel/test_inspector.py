"""The inspector, its curves and its confusion matrix."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import panel as pn
import pytest
from bokeh.document import Document
from bokeh.document.events import (
    ColumnDataChangedEvent,
    ColumnsStreamedEvent,
    DocumentPatchedEvent,
    ModelChangedEvent,
)
from numpy.testing import assert_array_equal

from remap_panel import theme, wording
from remap_panel.confusion import Confusion, cells, flags
from remap_panel.curves import Curves, curve_table, prospect
from remap_panel.feed import Feed
from remap_panel.sheet import Sheet
from remap_panel.snapshot import advance
from remap_panel.state import ExplorerState
from remap_panel.views.inspector import Inspector, chip, facts, heading, matrix_words
from remap_ray.space import Architecture
from remap_ray.study import Epoch, Holder, Lease, Origin, Status, Study, Submission, take_lease
from remap_ray.study.metrics import confusion_matrix
from tests import synthetic

Explore = Callable[[Study], ExplorerState]

HOSTILE = '<img src=x onerror="alert(1)">'


@pytest.fixture
def explore() -> Iterator[Explore]:
    """Make the state of a session that takes a new snapshot only when `refresh` is called."""
    yield lambda study: ExplorerState(Feed.of(study.path))
    Feed.close_all()


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


def epoch(number: int, model: int = 1, loss: float = 1.0) -> Epoch:
    return Epoch(model, number, loss, number / 10, loss + 0.1, number / 20, 0.5)


def followed(view: Any) -> list[DocumentPatchedEvent]:
    """Give the list to which every message to the browser is added."""
    document, events = Document(), []
    document.add_root(pn.panel(view).get_root(document))
    document.on_change(events.append)
    return events


def texts(view: Inspector) -> str:
    """Give all HTML that is visible."""
    found = []

    def walk(part: Any) -> None:
        if not part.visible:
            return
        if isinstance(part, Sheet):
            found.append(part.html)
        for child in getattr(part, "objects", []):
            walk(child)

    walk(view.__panel__())
    return "\n".join(found)


def visible(view: Inspector) -> set[str]:
    """Give the names of the figures that are visible, the matrix as a table among them."""
    found = {"confusion matrix"} if '<table class="matrix' in texts(view) else set()

    def walk(part: Any) -> None:
        if not part.visible:
            return
        if isinstance(part, pn.pane.Bokeh):
            found.add(part.object.name)
        for child in getattr(part, "objects", []):
            walk(child)

    walk(view.__panel__())
    return found


# Words


def test_the_heading_names_the_model_and_its_origin(toy_study: Study) -> None:
    (parent,) = synthetic.queue_samples(toy_study, 1)
    architecture = toy_study.model(parent).architecture
    toy_study.submit([Submission(architecture, Origin.ABLATION, parent, words=HOSTILE, repeat=1)])
    sampled, child = toy_study.models()
    assert heading(sampled) == "<h2>m1 · sampled</h2>"
    assert heading(child).startswith("<h2>m2 · child of <button")
    assert heading(child).endswith(
        ">m1</button> — &lt;img src=x onerror=&quot;alert(1)&quot;&gt;</h2>"
    )


def test_the_chip_tells_what_leaves_each_layer(toy_study: Study) -> None:
    layers = [
        {"kind": "conv", "filters": 16, "kernel_size": 3},
        {"kind": "max_pool", "size": 2},
        {"kind": "dense", "units": 64},
    ]
    form = {"input_shape": [1, 8, 8], "classes": 10, "layers": layers}
    toy_study.submit([Submission(Architecture.from_dict(form))])
    html = chip(toy_study.model(1))
    assert "<svg" in html
    for size in ("6×6<br>16", "3×3<br>16", ">64<", ">10<"):
        assert size in html
    assert "Input 8×8, 1 channel;" in html


def test_the_sizes_of_a_long_chip_stand_upright(toy_study: Study) -> None:
    layers = [{"kind": "activation", "function": "relu"}] * 24
    form = {"input_shape": [1, 8, 8], "classes": 10, "layers": layers}
    toy_study.submit([Submission(Architecture.from_dict(form))])
    html = chip(toy_study.model(1))
    assert 'class="chip narrow"' in html
    assert "8×8×1" in html


def test_the_figures_are_listed(toy_study_full: Study) -> None:
    model = toy_study_full.model(1)
    html = facts(model, "done in 0 s")
    assert f"<dd>{model.accuracy:.3f}</dd>" in html
    assert f"<dd>{model.parameters:,}</dd>" in html
    assert "<dd>3 of 3</dd>" in html
    assert "<dt>Seconds per epoch</dt><dd>0.1</dd>" in html
    assert "✓</span> done in 0 s" in html
    assert "<dt>Stopped early</dt><dd>no</dd>" in html
    assert f"<dt>Validation loss</dt><dd>{model.validation_loss:.3f}</dd>" in html
    # Before there is a file, its size is known but for the header.
    assert f"<dd>≈ {wording.size(4 * model.parameters)}</dd>" in html
    assert "<dt>Size on disk</dt><dd>1.5 kB</dd>" in facts(model, "", disk=1_500)
    stopped = replace(model, stopped=f"halving after epoch 3 {HOSTILE}")
    assert "<dd>halving after epoch 3 &lt;img" in facts(stopped, "")


def test_unknown_figures_are_dashes_and_reasons_are_escaped(toy_study: Study) -> None:
    synthetic.queue_samples(toy_study, 1)
    html = facts(toy_study.model(1), HOSTILE)
    assert html.count("<dd>–</dd>") == 6
    assert "<img" not in html


def test_classes_never_predicted_are_flagged(toy_study: Study) -> None:
    synthetic.queue_samples(toy_study, 1)
    model = toy_study.model(1)
    matrix = np.array([[3, 0, 0], [1, 0, 0], [2, 0, 2]])
    assert flags(matrix, ("a", HOSTILE, "c")) == (HOSTILE,)
    html = matrix_words(model, (HOSTILE,), 8)
    assert "m1 labels no image at all as: &lt;img" in html
    assert "8 validation images" in html
    assert "warning" not in matrix_words(model, (), 8)


# Curves


def test_losses_that_are_not_finite_are_gaps() -> None:
    table = curve_table([epoch(1), epoch(2, loss=float("inf")), epoch(3, loss=float("nan"))])
    assert table["epoch"] == [1, 2, 3]
    assert table["train_loss"][0] == 1.0
    assert np.isnan(table["train_loss"][1:]).all()
    assert np.isnan(table["validation_loss"][1:]).all()
    assert table["train_accuracy"] == [0.1, 0.2, 0.3]


def test_curves_grow_by_what_is_new() -> None:
    curves = Curves()
    document, events = Document(), []
    document.add_root(curves.accuracy)
    document.on_change(events.append)
    first, second = epoch(1), epoch(2)
    curves.show(1, (first,), 3)
    (whole,) = [one for one in events if isinstance(one, ColumnDataChangedEvent)]
    assert whole.model is curves.source
    events.clear()
    curves.show(1, (first, second), 3)
    (streamed,) = [one for one in events if isinstance(one, ColumnsStreamedEvent)]
    assert streamed.data["epoch"] == [2]
    assert not [one for one in events if isinstance(one, ColumnDataChangedEvent)]
    events.clear()
    curves.show(1, (first, second), 3)
    assert events == []
    assert dict(curves.source.data) == curve_table((first, second))


def test_curves_of_another_model_replace_those_before() -> None:
    curves = Curves()
    curves.show(1, (epoch(1), epoch(2)), 3)
    curves.show(2, (epoch(1, model=2),), 8)
    assert curves.source.data["epoch"] == [1]
    assert curves.accuracy.x_range.end == 8.5
    curves.show(2, (), 8)
    assert curves.source.data["epoch"] == []


def test_an_axis_has_room_for_all_epochs_and_whole_ticks() -> None:
    curves = Curves()
    curves.show(1, (epoch(1), epoch(2)), 1)
    assert (curves.loss.x_range.start, curves.loss.x_range.end) == (0.5, 2.5)
    assert curves.loss.xaxis.ticker.min_interval == 1


def test_training_and_validation_differ_without_colour() -> None:
    curves = Curves()
    for plot in (curves.accuracy, curves.loss):
        lines = [one.glyph for one in plot.renderers if one.glyph.__class__.__name__ == "Line"]
        dots = [one.glyph for one in plot.renderers if one.glyph.__class__.__name__ == "Scatter"]
        assert len({str(line.line_dash) for line in lines}) == 2
        assert {dot.marker for dot in dots} == {"circle", "triangle"}
        assert [item.label["value"] for item in plot.legend[0].items] == ["validation", "training"]


# Confusion matrix


def test_cells_are_shaded_by_their_share_of_the_row() -> None:
    table = cells(np.array([[3, 1], [0, 0]]))
    assert table["true"].tolist() == [0, 0, 1, 1]
    assert table["predicted"].tolist() == [0, 1, 0, 1]
    assert table["count"].tolist() == [3, 1, 0, 0]
    assert table["total"].tolist() == [4, 4, 0, 0]
    assert table["shade"].tolist() == [0.75, -0.25, 0, 0]


def test_a_matrix_shows_counts_and_says_them_on_hover() -> None:
    shown = Confusion(("cat", HOSTILE))
    shown.show("m7", np.array([[3, 1], [2, 0]]))
    assert shown.source.data["text"] == ["3", "1", "2", ""]
    (hover,) = shown.figure.hover
    assert (
        "Of the @total images of @true{custom}, m7 labels @count as @predicted{custom}"
        in hover.tooltips
    )
    # The names reach the browser as values that it escapes, never as HTML of the tooltip.
    assert hover.formatters["@true"].args["names"] == ["cat", HOSTILE]
    assert "<img" not in hover.tooltips


def test_a_matrix_of_many_classes_leaves_the_counts_out() -> None:
    shown = Confusion([f"class {n}" for n in range(30)])
    shown.show("m7", np.eye(30, dtype=np.int64))
    assert set(shown.source.data["text"]) == {""}
    assert shown.source.data["count"].sum() == 30


def test_figures_follow_the_mode_of_the_page() -> None:
    shown = Confusion(("cat", "dog"))
    (callback,) = shown.figure.js_property_callbacks["change:background_fill_color"]
    palettes = [both for _, name, both in callback.args["coats"] if name == "palette"]
    assert all(set(both) == set(theme.MODES) for both in palettes)
    assert palettes[0]["light"] != palettes[0]["dark"]
    assert not any(part.syncable for part in shown.figure.references())


# The view


def test_without_a_model_it_says_what_to_do(toy_study: Study, explore: Explore) -> None:
    view = Inspector(explore(toy_study))
    pn.panel(view).get_root()
    assert "Click a circle to inspect a model" in texts(view)
    assert visible(view) == set()


def test_a_trained_model_shows_everything(toy_study_full: Study, explore: Explore) -> None:
    state = explore(toy_study_full)
    view = Inspector(state)
    pn.panel(view).get_root()
    state.inspect(7)
    said = texts(view)
    assert "m7 · sampled" in said
    assert "Click a circle" not in said
    assert visible(view) == {"accuracy curves", "loss curves", "confusion matrix"}
    assert view.curves.source.data["epoch"] == [1, 2, 3]
    predicted = toy_study_full.predictions(7)
    assert predicted is not None
    expected = confusion_matrix(toy_study_full.validation_labels, predicted, 10)
    counts = re.findall(r'data-act="cell" data-value="(\d),(\d)"[^>]*>(\d+)<', view.matrix.html)
    shown = np.zeros((10, 10), np.int64)
    for true, labelled, count in counts:
        shown[int(true), int(labelled)] = int(count)
    assert_array_equal(shown, expected)


def test_a_waiting_model_says_what_will_appear(toy_study_full: Study, explore: Explore) -> None:
    state = explore(toy_study_full)
    state.inspect(31)
    view = Inspector(state)
    said = texts(view)
    assert "waiting: nobody trains this study now" in said
    assert "The curves begin with the first epoch of m31." in said
    assert "The confusion matrix appears when m31 is trained." in said
    assert visible(view) == set()


def test_a_failed_model_shows_its_reason(lease: Lease, explore: Explore) -> None:
    (model,) = lease.claim(1)
    lease.fail(model.number, f"the loss is not finite {HOSTILE}")
    state = explore(lease.study)
    state.inspect(model.number)
    view = Inspector(state)
    pn.panel(view).get_root()
    said = texts(view)
    assert "failed: the loss is not finite &lt;img" in said
    assert "<img" not in said
    assert f"No epoch of {model.name} was trained." in said
    assert "it was not trained to the end" in said


@pytest.mark.promise("PAGE-6")
def test_it_grows_while_a_model_trains_and_rebuilds_nothing(lease: Lease, explore: Explore) -> None:
    study = lease.study
    (model,) = lease.claim(1)
    lease.record_epoch(epoch(1, model.number))
    state = explore(study)
    state.inspect(model.number)
    view = Inspector(state)
    events = followed(view)
    changed: list[Any] = []
    view.head.param.watch(changed.append, "html")
    assert visible(view) == {"accuracy curves", "loss curves"}

    lease.record_epoch(epoch(2, model.number))
    refresh(state)
    (streamed,) = [one for one in events if isinstance(one, ColumnsStreamedEvent)]
    assert streamed.model is view.curves.source
    assert not [
        one for one in events if isinstance(one, ModelChangedEvent | ColumnDataChangedEvent)
    ]
    # The chip does not change while its model trains, so it does not travel again.
    assert "<svg" in view.head.html
    assert changed == []
    assert "2 of 3" in texts(view)

    lease.finish(model.number, study.validation_labels, b"weights")
    refresh(state)
    assert "confusion matrix" in visible(view)
    assert "labels 1" in view.matrix.html
    assert view.curves.source.data["epoch"] == [1, 2]


def test_what_happens_to_other_models_sends_nothing(lease: Lease, explore: Explore) -> None:
    first, second = lease.claim(2)
    lease.record_epoch(epoch(1, first.number))
    lease.finish(first.number, lease.study.validation_labels, b"weights")
    state = explore(lease.study)
    state.inspect(first.number)
    events = followed(Inspector(state))
    lease.record_epoch(epoch(1, second.number))
    refresh(state)
    assert events == []


def test_a_model_queued_again_has_no_matrix_of_old_epochs(lease: Lease, explore: Explore) -> None:
    (model,) = lease.claim(1)
    lease.record_epoch(epoch(1, model.number))
    lease.finish(model.number, lease.study.validation_labels, b"weights")
    state = explore(lease.study)
    state.inspect(model.number)
    view = Inspector(state)
    assert "confusion matrix" in visible(view)
    again = replace(state.snapshot.models[model.number], status=Status.QUEUED)
    models = {**state.snapshot.models, model.number: again}
    state.snapshot = replace(state.snapshot, models=models)
    assert "confusion matrix" not in visible(view)
    assert "accuracy curves" in visible(view)


# More training


def course(validation: list[float], training: list[float] | None = None) -> list[Epoch]:
    training = training or validation
    return [
        Epoch(1, number, trained, 0.5, validated, 0.5, 0.1)
        for number, (validated, trained) in enumerate(zip(validation, training, strict=True), 1)
    ]


@pytest.mark.promise("PAGE-46")
@pytest.mark.parametrize(
    ("validation", "training", "verdict"),
    [
        ([2.0, 1.5, 1.2], None, "unknown"),
        ([2.0, float("nan"), 1.2, float("inf")], None, "unknown"),
        ([0.2 + 1.8 * 0.9**n for n in range(10)], None, "pays"),
        ([2.0 - 0.1 * n for n in range(10)], None, "pays"),
        ([0.5 + 1.5 * 0.3**n for n in range(10)], None, "levels off"),
        ([0.5] * 8, None, "levels off"),
        # Noise around a level is no fall.
        ([1.0, 0.6, 0.51, 0.5, 0.502, 0.498, 0.501, 0.499, 0.5, 0.501], None, "levels off"),
        (
            [1.0, 0.6, 0.5, 0.52, 0.55, 0.6, 0.66, 0.7],
            [0.9 - 0.1 * n for n in range(8)],
            "overfits",
        ),
        # Both rise: it diverges, and does not overfit.
        ([1.0, 0.6, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0], None, "levels off"),
    ],
)
def test_the_course_of_the_loss_tells_whether_more_training_pays(
    validation: list[float], training: list[float] | None, verdict: str
) -> None:
    assert prospect(course(validation, training)).verdict == verdict


def test_an_extrapolation_is_near_where_a_known_curve_goes() -> None:
    losses = [0.2 + 1.8 * 0.9**n for n in range(12)]
    words = prospect(course(losses)).words
    foretold = float(words.split("to about ")[1].split(" ")[0])
    assert foretold == pytest.approx(0.2 + 1.8 * 0.9**23, abs=0.01)
    assert "(an extrapolation)" in words


def test_where_it_overfits_the_best_epoch_is_named() -> None:
    found = prospect(course([1.0, 0.6, 0.5, 0.52, 0.55, 0.6], [1.0, 0.8, 0.6, 0.4, 0.3, 0.2]))
    assert "lowest at epoch 3" in found.words


# What can be done


@pytest.mark.promise("PAGE-47")
def test_a_cell_shows_its_images_and_the_same_again_hides_them(
    tmp_path: Path, explore: Explore
) -> None:
    images = np.random.default_rng(0).integers(0, 256, (200, 8, 8), np.uint8)
    with synthetic.full_study(tmp_path / "s", images=images) as study:
        state = explore(study)
        state.inspect(7)
        view = Inspector(state)
        predicted, truth = study.predictions(7), study.validation_labels
        wrong = np.flatnonzero(predicted != truth)[0]
        cell = f"{truth[wrong]},{predicted[wrong]}"
        there = np.flatnonzero((truth == truth[wrong]) & (predicted == predicted[wrong]))
        view.matrix._handle_msg({"act": "cell", "value": cell})
        shown = [int(one) for one in re.findall(r'data-key="item (\d+)"', view.images.html)]
        assert shown == there.tolist()
        assert view.images.html.count("<img") == len(there)
        assert f"cell {cell}" in view.matrix.pressed
        view.images._handle_msg({"act": "item", "value": str(wrong)})
        assert state.item == wrong
        view.matrix._handle_msg({"act": "cell", "value": cell})
        assert view.images.html == ""
        for value in ("10,3", "3", "x,y", ""):
            view.matrix._handle_msg({"act": "cell", "value": value})
        assert view.images.html == ""
        # Another model has other images.
        view.matrix._handle_msg({"act": "cell", "value": cell})
        state.inspect(8)
        assert view.images.html == ""


def test_shares_of_rows_instead_of_counts(toy_study_full: Study, explore: Explore) -> None:
    state = explore(toy_study_full)
    state.inspect(7)
    view = Inspector(state)
    assert "%<" not in view.matrix.html
    view.matrix._handle_msg({"act": "unit", "value": "shares"})
    assert "%</button>" in view.matrix.html
    assert "unit shares" in view.matrix.pressed


@pytest.mark.promise("PAGE-46")
def test_parent_and_children_are_a_press_away(toy_study_full: Study, explore: Explore) -> None:
    architecture = toy_study_full.model(3).architecture
    (child,) = toy_study_full.submit(
        [Submission(architecture, Origin.ABLATION, 3, words=HOSTILE, repeat=1)]
    )
    state = explore(toy_study_full)
    state.inspect(3)
    view = Inspector(state)
    assert f">m{child}</button>" in view.wishes.html
    view.wishes._handle_msg({"hover": str(child)})
    assert (state.hovered, state.inspected) == (child, 3)
    view.wishes._handle_msg({"act": "inspect", "value": str(child)})
    assert state.inspected == child
    assert "<img" not in view.head.html
    view.wishes._handle_msg({"act": "compare", "value": "3"})
    assert (state.comparison, state.tab) == ([3, child], "compare")
    view.wishes._handle_msg({"act": "baseline", "value": ""})
    assert (state.inspected, state.tab) == (child, "generate")
    view.wishes._handle_msg({"act": "keep", "value": ""})
    assert [one.model for one in toy_study_full.drawer()] == [child]
    refresh(state)
    assert "In the drawer" in view.wishes.html


def test_many_classes_are_a_picture_with_the_largest_confusions(
    tmp_path: Path, explore: Explore
) -> None:
    names = tuple(f"class {n}" for n in range(30))
    with synthetic.full_study(tmp_path / "s", done=3, class_names=names) as study:
        state = explore(study)
        state.inspect(2)
        view = Inspector(state)
        assert "confusion matrix" in visible(view)
        assert "<table" not in view.matrix.html
        assert view.confusion.source.data["count"].sum() == 200
        first = re.search(r'data-value="(\d+,\d+)"', view.matrix.html).group(1)
        view.matrix._handle_msg({"act": "cell", "value": first})
        assert "labelled as" in view.images.html


@pytest.mark.promise("PAGE-46")
def test_a_trained_model_is_wished_trained_longer(toy_study_full: Study, explore: Explore) -> None:
    state = explore(toy_study_full)
    state.inspect(7)
    view = Inspector(state)
    assert ">Train 3 epochs longer</button>" in view.wishes.html
    view.wishes._handle_msg({"act": "longer", "value": "3"})
    model = toy_study_full.model(7)
    assert (model.status, model.wanted_epochs, model.epochs) == (Status.QUEUED, 6, 3)
    refresh(state)
    assert "longer" not in view.wishes.html
    # What is queued again already is not queued once more.
    view.wishes._handle_msg({"act": "longer", "value": "3"})
    assert toy_study_full.model(7).wanted_epochs == 6


def test_the_empty_inspector_goes_when_there_is_a_model(
    toy_study_full: Study, explore: Explore
) -> None:
    state = explore(toy_study_full)
    view = Inspector(state)
    state.inspect(7)
    # Its style would show it however hidden it is said to be.
    assert view._empty.html == ""
