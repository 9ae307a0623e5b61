"""The editor without a browser: what it shows, and what of a browser's messages it believes."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, final

import pytest

from remap_panel import draft as drafts
from remap_panel import theme
from remap_panel.snac import cells
from remap_panel.snac.editor import Editor, EditorPane, everything
from remap_ray.errors import InvalidRequest
from remap_ray.space import (
    KINDS,
    Architecture,
    Conv,
    Dense,
    Dropout,
    GlobalAvgPool,
    Layer,
    Limits,
    Shape,
    Space,
)
from remap_ray.space.layers import Parameter

SHAPE = (1, 28, 28)
LENET = Architecture.from_text("conv16x3 relu max2 conv32x3 relu max2 dense64 relu", SHAPE, 10)
OTHER = Architecture.from_text("conv64x5 tanh avg3", SHAPE, 10)


@final
@dataclass(frozen=True)
class Noise(Layer):
    """Normal noise while training."""

    kind = "noise"
    name = "Noise"
    word = "noise"
    letter = "A"

    spread: float = field(metadata={"parameter": Parameter(float, (0.5, 0.1), low=0, high=9)})

    @property
    def arguments(self) -> str:
        return f"{self.spread:g}"

    def output(self, shape: Shape) -> Shape:
        return shape


def pane_of(editor: Editor) -> EditorPane:
    return editor.__panel__()


def crafting(**params: Any) -> Editor:
    given = {"baseline": LENET, "number": 17, "mode": "craft", **params}
    return Editor({3: OTHER}.get, **given)


def text_of(editor: Editor) -> str:
    return " ".join(layer.text for layer in editor.draft.layers)


def test_a_cell_says_what_the_layer_is_and_what_leaves_it() -> None:
    made = cells.cells(LENET.layers, SHAPE, LENET.shapes, 10)
    assert [one["said"] for one in made][:3] == [
        "0: Conv(16, 3x3), 26×26×16 = 10,816 values leave it, 160 parameters",
        "1: Activation(relu), 26×26×16 = 10,816 values leave it, no parameters",
        "2: MaxPool(2), 13×13×16 = 2,704 values leave it, no parameters",
    ]
    assert made[-1]["said"] == "output: Dense(10), 10 values leave it, 650 parameters"
    assert made[0]["values"] == {"filters": 16, "kernel_size": 3, "stride": 1, "padding": 0}
    assert all(one["svg"].startswith("<svg ") for one in made)


def test_behind_a_fault_no_size_is_known() -> None:
    layers = (Dense(16), Conv(8, 3), Dropout(0.5))
    made = cells.cells(layers, SHAPE, ((16,), (), ()), 10, faults={1: "an image is needed"})
    assert [one["size"] for one in made] == [["16", ""], ["?", ""], ["?", ""], ["?", ""]]
    assert made[1]["fault"] == "an image is needed"
    assert made[2]["said"] == "2: Dropout(0.5), whose size is not known"


@pytest.mark.promise("EDITOR-2")
def test_only_what_can_happen_can_be_allowed() -> None:
    assert everything(LENET).keys() == set(range(9))
    assert everything(LENET)[8] == ("prepend",)
    flat = Architecture(SHAPE, 10, (GlobalAvgPool(), Dense(16)))
    assert "reparameterize" not in everything(flat)[0]
    # The values of a space of one's own, not the declared ones.
    grids = {"dense": {"units": (16,)}}
    assert "reparameterize" not in everything(flat, grids)[1]
    assert everything(LENET, Space.named("paper").grids)[0] == tuple(cells.NAMES)


def test_the_palette_has_every_declared_kind(monkeypatch: pytest.MonkeyPatch) -> None:
    assert [one["kind"] for one in cells.kinds()] == list(KINDS)
    conv = cells.kinds()[0]
    assert conv["parameters"][0] == {
        "name": "filters", "words": "filters", "picks": [16, 32, 64, 128],
        "choices": False, "whole": True, "low": 1, "high": 65_536,
    }  # fmt: skip


def test_a_kind_declared_tomorrow_is_in_the_palette_and_can_be_crafted(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(KINDS, "noise", Noise)  # type: ignore[arg-type]
    monkeypatch.setitem(theme.BLOCKS, "noise", theme.BLOCKS["dropout"])  # type: ignore[arg-type]
    assert cells.kinds()[-1]["words"] == "Noise(0.1)"
    assert cells.kinds()[-1]["parameters"][0]["picks"] == [0.1, 0.5]
    editor = crafting()
    editor._hear({"insert": [0, "noise"], "step": 1})
    editor._hear({"set": [[0], "spread", 0.3], "step": 2})
    assert editor.checked.words == "Added Noise(0.3) at 0"


def test_bars_are_shares_of_the_largest() -> None:
    made = cells.bars(
        {
            0: {"delta": -0.1, "low": -0.2, "high": 0.0, "words": "less", "clear": True},
            2: {"delta": 0.05, "low": None, "high": None, "words": "more", "clear": False},
        }
    )
    assert made[0] == {
        "to": -0.5, "low": -1, "high": 0, "short": "−.100", "words": "less", "clear": True
    }  # fmt: skip
    assert (made[2]["to"], made[2]["low"], made[2]["clear"]) == (0.25, None, False)
    assert cells.bars({}) == {}
    assert cells.bars({1: {"delta": 0.0}})[1]["to"] == 0


def test_each_mode_keeps_what_was_chosen_in_it() -> None:
    editor = Editor(baseline=LENET, number=17)
    pane = pane_of(editor)
    pane.chosen = [2, 3, 8, 99, -1, True, "x"]
    assert editor.chosen == [2, 3]
    editor.mode = "vary"
    assert pane.chosen == []
    pane.chosen = [8]
    assert editor.brushed == [8]
    editor.mode = "craft"
    pane.chosen = [0]
    assert editor.draft.chosen == (0,)
    editor.mode = "choose"
    assert pane.chosen == [2, 3]
    assert (editor.brushed, editor.draft.past) == ([8], ())


def test_what_a_browser_allows_is_held_against_what_can_happen() -> None:
    editor = Editor(baseline=LENET, mode="vary")
    pane_of(editor).allowed = [["remove", "delete"], [], ["reparameterize"]] + [["remove"]] * 6
    assert editor.allowed == {
        0: ("remove",), 1: (), 2: ("reparameterize",), **dict.fromkeys(range(3, 8), ("remove",)),
        8: (),
    }  # fmt: skip


@pytest.mark.promise("EDITOR-2")
def test_what_a_browser_says_at_once_is_taken_at_once() -> None:
    editor = Editor(baseline=LENET, mode="vary")
    pane = editor.__panel__()
    pane.chosen = [0, 1]
    heard: list[list[list[str]]] = []
    pane.param.watch(lambda event: heard.append(event.new), "allowed")
    given = [[] if at == 1 else list(names) for at, names in everything(LENET).items()]
    # As Panel sets what comes in one message: layers let go, and a switch.
    pane.param.update(chosen=[], allowed=given)
    assert (editor.brushed, editor.allowed[1]) == ([], ())
    # The browser would take anything else for news.
    assert all(one == given for one in heard)


@pytest.mark.promise("EDITOR-5")
def test_a_step_is_told_with_its_price() -> None:
    editor = crafting(price="about 40 s")
    pane = pane_of(editor)
    assert pane.summary["problem"] == "nothing would change"
    editor._hear({"insert": [6, "dropout"], "step": 1})
    assert text_of(editor) == "conv16x3 relu max2 conv32x3 relu max2 drop0.25 dense64 relu"
    assert (pane.answered, pane.told) == (1, "Added Dropout(0.25) at 6")
    assert pane.summary["words"] == "Added Dropout(0.25) at 6"
    assert pane.summary["price"] == "about 40 s"
    editor._hear({"set": [[3], "filters", 16], "step": 2})
    parameters = editor.checked.architecture.parameter_count
    apart = LENET.parameter_count - parameters
    assert pane.summary["facts"][0] == ["parameters", f"{parameters:,}", f"−{apart:,}"]
    assert [one["mark"] for one in pane.cells][3:7] == ["changed", "", "", "added"]
    proposal = editor.proposal
    assert proposal.problem is None
    assert proposal.architecture == editor.checked.architecture
    assert proposal.words == "filters of Conv at 3 from 32 to 16; Added Dropout(0.25) at 6"
    editor.known = {proposal.architecture.identity: 4}
    assert pane.summary["problem"] == "already model m4"
    editor.param.update(known={}, limits=Limits(parameters=100))
    assert "over the limit of 100" in editor.proposal.problem


def test_a_fault_is_marked_and_the_draft_kept() -> None:
    editor = crafting()
    editor._hear({"set": [[2], "size", 500], "step": 1})
    pane = pane_of(editor)
    assert editor.draft.layers[2].size == 500
    assert "the image is only 26x26" in pane.cells[2]["fault"]
    assert pane.cells[3]["size"] == ["?", ""]
    assert (editor.proposal.architecture, editor.proposal.fault) == (None, 2)


@pytest.mark.parametrize(
    "message",
    [
        None,
        "undo",
        {},
        {"insert": [99, "conv"]},
        {"insert": [0, "window"]},
        {"insert": ["0", "conv"]},
        {"insert": [0.5, "conv"]},
        {"insert": 3},
        {"move": [["a"], 0]},
        {"move": [[0], None]},
        {"remove": ["0", None]},
        {"set": [[0], "filters", "many"]},
        {"set": [[0], "filters", float("nan")]},
        {"set": [[0], "window", 3]},
        {"paste": [0, "<script>"]},
        {"paste": [0, 3]},
        {"run": [[0], 0]},
        {"text": "conv16"},
        {"text": "dense5 " * 500},
        {"do": "everything"},
        {"donor": "x"},
        {"donor": 99},
    ],
)
def test_what_is_no_wish_changes_nothing(message: object) -> None:
    editor = crafting()
    if isinstance(message, dict):
        message = {**message, "step": 7}
    editor._hear(message)
    assert editor.draft == drafts.begin(LENET.layers, 17)
    # Whatever was wished is answered, so that the browser goes on.
    assert pane_of(editor).answered == (7 if message and isinstance(message, dict) else 0)


def test_a_complaint_says_where_and_goes_with_the_next_step() -> None:
    editor = crafting()
    pane = pane_of(editor)
    editor._hear({"text": "conv16x3 reluu", "step": 1})
    assert pane.complaint["place"] == "text"
    assert "did you mean relu" in pane.complaint["words"]
    editor._hear({"set": [[0], "filters", 0], "step": 2})
    assert pane.complaint["place"] == "layer"
    assert "between 1 and 65536" in pane.complaint["words"]
    editor._hear({"do": "undo", "step": 3})
    assert pane.complaint == {}


def test_layers_of_another_model_are_lent() -> None:
    editor = crafting(donors={3: "m3"})
    pane = pane_of(editor)
    assert pane.donors == [[3, "m3"]]
    editor._hear({"donor": 3})
    assert [one["text"] for one in pane.donor["cells"]] == ["conv64x5", "tanh", "avg3"]
    editor._hear({"run": [[0, 1], 0], "step": 1})
    assert text_of(editor) == f"conv64x5 tanh {LENET.text}"
    editor._hear({"donor": None})
    assert pane.donor == {}


def test_another_baseline_begins_afresh_or_as_it_was_left() -> None:
    editor = crafting()
    editor._hear({"do": "nothing", "step": 1})
    left, allowed = editor.draft, {0: ["remove"], 99: ["remove"]}
    editor.work_on(OTHER, 3)
    assert editor.draft == drafts.begin(OTHER.layers, 3)
    assert editor.allowed == everything(OTHER)
    editor.work_on(LENET, 17, chosen=[1, 99], allowed=allowed, draft=left)
    assert (editor.draft, editor.chosen) == (left, [1])
    assert editor.allowed[0] == ("remove",)
    assert editor.allowed[1] == everything(LENET)[1]
    editor.work_on(None)
    editor.mode = "choose"
    assert pane_of(editor).cells == []
    assert text_of(editor) == ""


def test_a_step_costs_little_on_the_wire() -> None:
    pane = pane_of(crafting())
    assert sum(len(one["svg"]) for one in pane.cells) < 8_000


def test_the_script_needs_no_other_file() -> None:
    script = EditorPane._render_esm(server=False)
    assert "export function render" in script
    assert not re.search(r"^import |import\(", script, re.MULTILINE)
    assert script.count("export ") == 1
    assert "http" not in script.replace("http://www.w3.org/2000/svg", "")
    styles = Path(cells.__file__).with_name("editor_style.css").read_text(encoding="utf-8")
    assert EditorPane._stylesheets == [styles]


def test_a_kind_that_does_not_exist_is_refused_by_name() -> None:
    with pytest.raises(InvalidRequest, match="no kind 'window'"):
        drafts.layer_of("window")
