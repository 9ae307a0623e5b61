"""The page of a study whose models are boosted trees: real training, all views in this process."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from remap_panel import captions, snac
from remap_panel.alignment import align
from remap_panel.feed import Feed
from remap_panel.settings import Settings
from remap_panel.snapshot import Snapshot, advance
from remap_panel.state import ExplorerState
from remap_panel.views.compare import Compare
from remap_panel.views.data_selector import data_html
from remap_panel.views.drawer import Drawer
from remap_panel.views.generate import TAB, Generate
from remap_panel.views.inspector import Inspector
from remap_panel.views.needs import NeedsView
from remap_panel.views.overview import Overview
from remap_panel.views.queue import Queue
from remap_ray.space import BoostedTrees
from remap_ray.study import Origin, Status, Submission, open_study
from tests.processes import wait_for
from tests.tables import table_study, train_inline

BASELINE = 1


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tables") / "churn"
    table_study(path).close()
    return path


@pytest.fixture
def state(trained: Path) -> Iterator[ExplorerState]:
    found = ExplorerState(Feed.of(trained))
    found.inspected = BASELINE
    yield found
    Feed.close_all()


def words(html: str) -> str:
    return " ".join(re.sub(r"<svg.*?</svg>|<[^>]+>", " ", html, flags=re.DOTALL).split())


def design(state: ExplorerState, number: int = BASELINE) -> BoostedTrees:
    found = state.snapshot.models[number].design
    assert isinstance(found, BoostedTrees)
    return found


@pytest.mark.promise("OTHER-6")
def test_the_overview_names_the_spaces_own_measure(state: ExplorerState) -> None:
    view = Overview(state)
    assert view.figure.yaxis[0].axis_label == "leaves per round (log scale)"
    assert view._plot.words["predictions"] == "{} of the rows labelled differently"
    view._hover(BASELINE)
    said = words(view._plot.preview["html"])
    assert "leaves per round" in said
    assert "parameters" not in said + view._plot.summary
    assert all(state.snapshot.points[name].keys() == {1, 2, 3, 4, 5} for name in ("structure",))
    legend = words(captions.chip_legend(state.study.data.terms))
    assert "convolution" not in legend
    assert captions.darkness({}, (), 3, 0.5, state.study.data.terms)["title"] == "the row is"
    fields = NeedsView(state).row.fields
    assert fields["parameters"][0] == "leaves per round ≤"


@pytest.mark.promise("OTHER-6")
def test_the_inspector_tells_what_was_grown(state: ExplorerState) -> None:
    view = Inspector(state)
    model = state.snapshot.models[BASELINE]
    facts = words(view._facts.html)
    assert f"Leaves per round {model.parameters:,} at most" in facts
    trees = 2 * design(state).trees_per_round
    assert f"Trees grown {trees} Leaves grown" in facts
    assert f"Sees {design(state).countable} of 30 columns" in words(view.head.html)
    assert "86 validation rows" in words(view.matrix.html)
    assert " rows of benign, m1 labels " in view.matrix.html
    assert "image" not in view.matrix.html
    view._act("cell", "1,1")
    assert "rows of benign, labelled as benign" in words(view.images.html)
    assert "keeps no validation images" not in view.images.html


@pytest.mark.promise("OTHER-6")
def test_the_classes_have_cards_without_pictures(state: ExplorerState) -> None:
    html = data_html(state.study)
    assert "breast-cancer: 2 classes of rows, 30 columns of numbers" in html
    assert html.count('class="card"') == 2
    assert "<img" not in html
    assert "holds no images" not in html


@pytest.mark.promise("OTHER-6")
def test_tables_of_models_and_comparisons_speak_of_leaves(state: ExplorerState) -> None:
    for view in (Drawer(state), Queue(state)):
        titles = [one["title"] for one in view.table.columns]
        assert "Leaves" in titles
        assert "Params" not in titles
    state.selection = [1, 2, 3, 4, 5]
    state.compare([1, 2, 3])
    state.tab = "compare"
    assert "Parts below each other" in words(Compare(state).side.html)
    one, two = align([design(state, 1), design(state, 2)])
    assert len(one.columns) == len(two.columns)
    assert two.columns[:3] == (0, 1, 2)
    for place, other in zip(one.columns, two.columns, strict=True):
        if place is not None and other is not None and place > 2:
            parts = (*design(state, 1).parts, None), (*design(state, 2).parts, None)
            assert parts[0][place] == parts[1][other]


@pytest.mark.promise("OTHER-7")
def test_columns_are_ablated_and_the_children_trained(trained: Path, state: ExplorerState) -> None:
    state.tab = TAB
    view = Generate(state)
    there = design(state).columns
    assert f"{len(there)} ablations" in view.price.html
    view.editor._pane.chosen = [3, 4]
    assert f"Removed column {there[0]}" in words(view.preview.html)
    view._act("train", "")
    with open_study(trained) as study:
        made = [one for one in study.models() if one.origin is Origin.ABLATION]
        assert [one.words for one in made] == [f"Removed column {name}" for name in there[:2]]
        train_inline(study)
        assert study.counts()[Status.DONE] == 7
    state.snapshot = advance(Snapshot(), state.study.changes(), state.study.heartbeat())
    assert sorted(view._lines) == [6, 7]
    assert "chip" not in view._draw("snac", 6)
    assert view._draw("snac", 6).count("<path") > 3
    for one in made:
        wanted = set(there) - {one.words.removeprefix("Removed column ")}
        assert set(design(state, one.number).columns) == wanted


@pytest.mark.promise("OTHER-6")
def test_the_page_follows_what_is_queued(trained: Path, state: ExplorerState) -> None:
    end = state.follow(None)
    with open_study(trained) as study:
        wanted = replace(design(state), columns=("worst area",))
        (number,) = study.submit([Submission(wanted, Origin.HANDCRAFTED)])
        wait_for(lambda: number in state.snapshot.models, "the model on the page")
        assert not state.problem
        study.cancel(number)
        wait_for(
            lambda: state.snapshot.models[number].status is Status.CANCELLED, "the cancelled model"
        )
    end()


@pytest.mark.promise("OTHER-7")
def test_variations_change_settings_and_columns_within_limits(state: ExplorerState) -> None:
    state.tab = TAB
    view = Generate(state)
    state.settings = replace(Settings(), mode="variations", count=6)
    state.settings = state.settings.setting(BASELINE, parameters=200)
    wait_for(lambda: view._drawing is None and len(view._offer.children) == 6, "the variations")
    for child in view._offer.children:
        assert child.proposal.problem is None
        made = child.proposal.architecture
        assert made is not None
        assert made.parameter_count <= 200
        assert isinstance(made, BoostedTrees)
    assert view.preview.html.count("data-place") == 6
    assert "New columns: all kinds" in words(view.controls.html)
    allowed = view.editor._pane.allowed
    assert allowed[:3] == [["reparameterize"]] * 3
    assert allowed[3] == ["remove"]
    assert allowed[-1] == ["prepend"]


@pytest.mark.promise("OTHER-7")
def test_a_handcraft_is_made_by_blocks_and_by_text(state: ExplorerState) -> None:
    state.tab = TAB
    state.settings = replace(Settings(), mode="handcrafted")
    view = Generate(state)
    pane = view.editor._pane
    assert [one["kind"] for one in pane.kinds if one["palette"]] == ["column"]
    view.editor._hear({"text": "boost10r0.3 tree16 bins127 'worst area'"})
    assert pane.complaint == {}
    assert pane.summary["facts"][0][:2] == ["leaves per round", "160"]
    view.editor._hear({"insert": [4, "column"]})
    assert view.editor.draft.layers[3].words == "column mean radius"
    view.editor._hear({"set": [[3], "column", "mean area"]})
    view.editor._hear({"set": [[0], "rate", 5]})
    assert "rate must lie between 0.001 and 1" in pane.complaint["words"]
    view.editor._hear({"set": [[1], "leaves", 8]})
    view.editor._hear({"remove": [2]})
    assert "boosting needs Bins" in view.editor.checked.problem
    view.editor._hear({"do": "undo"})
    view.editor._hear({"text": "boost10 conv3"})
    assert "known are boost, tree, bins, and a column's name in 'quotes'" in pane.complaint["words"]
    before = len(state.study.models())
    view._act("train", "")
    (made,) = state.study.models()[before:]
    assert made.design.text == "boost10r0.3 tree8 bins127 'mean area' 'worst area'"
    assert made.origin is Origin.HANDCRAFTED
    again = Generate(state)
    assert again.editor.draft.layers == view.editor.draft.layers
    state.study.cancel(made.number)


def test_a_chip_is_drawn_at_every_size_with_escaped_names() -> None:
    wide = BoostedTrees.from_dict(
        {
            "space": "boosting",
            "input_shape": [3, 1, 1],
            "classes": 2,
            "boost": {"trees": 10},
            "tree": {"leaves": 31},
            "bins": {"bins": 255},
            "columns": ["<b>a & b</b>", "x2", "x10"],
        }
    )
    for size in snac.SIZES:
        drawn = snac.svg(wide, size)
        assert "<b>" not in drawn
        assert "column &lt;b&gt;a &amp; b&lt;/b&gt;, column x2, column x10" in drawn
    assert snac.draw(wide, title="trees").svg.startswith("<svg")
    # Neither its place nor a size says anything of a part.
    assert [block.tooltip for block in snac.blocks(wide).blocks][-3:] == [
        "column x2", "column x10", "Classes(2)"
    ]  # fmt: skip


def test_a_legend_of_trees_alone_speaks_of_no_layer() -> None:
    trees = ["boost", "tree", "bins", "column", "output"]
    of_trees, of_both = (snac.legend(kinds=kinds).svg for kinds in (trees, [*trees, "conv"]))
    assert "a score for each class" in of_trees
    assert "output, one unit per class" in of_both
    assert "one unit per class" not in of_trees
