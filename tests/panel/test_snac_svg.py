"""Chips as text: valid, small, escaped, readable without colour, and cheap to import."""

import subprocess
import sys
from dataclasses import FrozenInstanceError
from random import Random
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remap_panel.snac import SIZES, blocks, draw, svg
from remap_panel.snac.lettering import text_width
from remap_panel.theme import BLOCKS, OUTPUT
from remap_ray.errors import InvalidRequest
from remap_ray.space import (
    Activation,
    Architecture,
    AvgPool,
    BatchNorm,
    Conv,
    Dense,
    DepthwiseConv,
    Dropout,
    GlobalAvgPool,
    Limits,
    MaxPool,
    Space,
    sample,
)
from remap_ray.space.layers import KINDS

SVG = "{http://www.w3.org/2000/svg}"
PAPER = Architecture(
    (1, 28, 28),
    10,
    (Conv(16, 3), Activation("relu"), MaxPool(2), AvgPool(3), Dropout(0.25), Dense(64)),
)
TEN = Architecture((3, 32, 32), 10, (*PAPER.layers[:4], *PAPER.layers[:3], Dropout(0.5), Dense(16)))
sizes = st.sampled_from(sorted(SIZES))


@st.composite
def architectures(draw):
    rng = Random(draw(st.integers(0, 2**32)))
    return next(sample(Space.named("paper"), rng, (1, 28, 28), 10, Limits(None)))


def parsed(text):
    return ET.fromstring(text)


def fills(root):
    found = (box.get("fill") for box in root.iter(f"{SVG}rect"))
    return [fill for fill in found if fill is not None]


@given(architectures(), sizes, st.sampled_from([None, "m17"]), st.booleans())
def test_every_chip_is_one_filled_box_per_layer_inside_its_frame(architecture, size, title, fixed):
    root = parsed(svg(architecture, size, title, fixed_height=fixed))
    width, height = float(root.get("width")), float(root.get("height"))
    assert root.get("viewBox") == f"0 0 {width:g} {height:g}"
    kinds = [*(layer.kind for layer in architecture.layers), OUTPUT]
    assert fills(root) == [BLOCKS[kind].fill for kind in kinds]
    for box in root.iter(f"{SVG}rect"):
        x, y, w, h = (float(box.get(name)) for name in ("x", "y", "width", "height"))
        assert min(x, y) >= 0
        assert min(w, h) > 0
        assert x + w <= width
        assert y + h <= height


@given(architectures(), sizes)
def test_drawn_boxes_are_the_layouts(architecture, size):
    root = parsed(svg(architecture, size))
    chip = blocks(architecture, size)
    drawn = [box for box in root.iter(f"{SVG}rect") if box.get("fill")]
    for box, block in zip(drawn, chip.blocks, strict=True):
        border = 0 if box.get("stroke") == "none" else float(box.get("stroke-width"))
        assert float(box.get("height")) + border == pytest.approx(block.height)
        assert float(box.get("width")) + border == pytest.approx(block.width)
        assert float(box.get("x")) - border / 2 == pytest.approx(block.x)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.promise("PAGE-10")
def test_each_kind_is_told_by_its_marks_alone(size):
    alone = {}
    others = (DepthwiseConv(16, 3), GlobalAvgPool(), BatchNorm())
    for layer in (*PAPER.layers, *others, Activation("tanh"), Activation("sigmoid")):
        root = parsed(svg(Architecture((1, 28, 28), 2, (layer,)), size, fixed_height=True))
        group = root.find(f"{SVG}g")
        # What is left of the first block without its colours and its place.
        parts = list(group.find(f"{SVG}g") if SIZES[size].tooltips else group)
        dots = [part.get("stroke-dasharray") for part in parts[:3] if part.get("stroke-dasharray")]
        marks = [part.get("d") for part in parts if part.tag == f"{SVG}path"]
        boxes = sum(part.tag == f"{SVG}rect" for part in parts)
        output = 0 if SIZES[size].tooltips else 1
        own = tuple(marks[: len(marks) - output])
        assert boxes - output == (2 if layer.kind == "dropout" else 1)
        alone.setdefault((own, bool(dots)), []).append(layer.kind)
    assert all(len(kinds) == 1 for kinds in alone.values())
    assert len({kind for kinds in alone.values() for kind in kinds}) == len(KINDS)


def test_large_blocks_tell_what_they_are_on_hover():
    root = parsed(svg(PAPER, "large"))
    titles = [title.text for title in root.iter(f"{SVG}title")]
    assert titles == [block.tooltip for block in blocks(PAPER).blocks]
    assert titles[0] == "0: Conv(16, 3x3) -> 16x26x26, 160 parameters"
    layers = [group.get("data-layer") for group in root.iter(f"{SVG}g") if group.get("data-layer")]
    assert layers == [str(index) for index in range(7)]


@pytest.mark.parametrize("size", SIZES)
def test_screen_readers_hear_the_whole_network(size):
    root = parsed(svg(PAPER, size, title="m17"))
    assert root.get("role") == "img"
    assert root.get("aria-label") == (
        "m17: Conv(16, 3x3), Activation(relu), MaxPool(2), AvgPool(3), Dropout(0.25), Dense(64), "
        "output Dense(10)"
    )
    assert parsed(svg(Architecture((1, 8, 8), 3, ()), size)).get("aria-label") == "Dense(3)"


def test_titles_are_drawn_where_there_is_room_and_never_cut_off():
    title = "a name that is a good deal longer than this chip"
    short = Architecture((1, 8, 8), 3, ())
    for size in SIZES:
        root = parsed(svg(short, size, title))
        drawn = [path for path in root.findall(f"{SVG}path") if path.get("fill") == "currentColor"]
        assert len(drawn) == (1 if size in {"large", "medium"} else 0)
        assert not list(root.iter(f"{SVG}text"))
    root = parsed(svg(short, "large", title))
    assert float(root.get("width")) >= text_width(title, SIZES["large"].font)
    # Letters without outlines stay text, in whatever font the viewer has.
    strange = parsed(svg(short, "large", "模型")).find(f"{SVG}text")
    assert strange.text == "模型"
    assert strange.get("font-family").startswith("system-ui")
    assert strange.get("fill") == "currentColor"


@pytest.mark.parametrize("size", SIZES)
@given(title=st.text(st.characters(), min_size=1))
def test_any_title_leaves_the_drawing_valid(size, title):
    text = svg(PAPER, size, title)
    text.encode("utf-8")
    root = parsed(text)
    assert {part.tag.removeprefix(SVG) for part in root.iter()} <= {
        "svg", "g", "rect", "path", "title", "text"
    }  # fmt: skip
    assert len(fills(root)) == 7


def test_markup_in_a_title_stays_text():
    title = "\"><script>alert(1)</script>&'\x00"
    text = svg(PAPER, "large", title)
    assert "<script" not in text
    told = title.replace("\x00", "\N{REPLACEMENT CHARACTER}")
    assert parsed(text).find(f"{SVG}text").text == told
    assert parsed(text).get("aria-label").startswith(told)


def test_small_chips_are_small_texts_without_ids_styles_or_links():
    assert len(TEN.layers) == 9
    assert len(svg(TEN, "small").encode()) < 3000
    assert len(svg(TEN, "tiny").encode()) < len(svg(TEN, "small").encode())
    for size in SIZES:
        text = svg(TEN, size, title="m3").replace('xmlns="http://www.w3.org/2000/svg"', "")
        for word in (" id=", "<style", "class=", "href", "url(", "http", "<script"):
            assert word not in text


def test_equal_architectures_share_one_text():
    again = Architecture.from_dict(PAPER.to_dict())
    assert again is not PAPER
    assert svg(again, "small") is svg(PAPER, "small")
    assert svg(PAPER, "small", title="m1") != svg(PAPER, "small", title="m2")


def test_what_is_no_architecture_is_refused():
    with pytest.raises(InvalidRequest, match="not dict"):
        svg(PAPER.to_dict())
    with pytest.raises(InvalidRequest, match="no size 'big'"):
        draw(PAPER, "big")


def test_a_drawing_shows_itself_and_cannot_change():
    drawing = draw(PAPER, title="m17")
    assert drawing.svg == svg(PAPER, "large", title="m17")
    assert drawing._repr_svg_() == drawing.svg
    assert drawing.svg in drawing._repr_html_()
    parsed(drawing._repr_html_())
    with pytest.raises(FrozenInstanceError):
        drawing.svg = ""


def test_a_drawing_is_saved_as_it_is(tmp_path):
    drawing = draw(PAPER, title="é")
    path = drawing.save(tmp_path / "figure.svg")
    assert path.read_text(encoding="utf-8") == drawing.svg
    assert ET.parse(path).getroot().tag == f"{SVG}svg"
    assert drawing.save(str(tmp_path / "again.SVG")).exists()


@pytest.mark.parametrize("name", ["figure.jpg", "figure", ".svg"])
def test_other_formats_are_refused_and_nothing_is_written(tmp_path, name):
    with pytest.raises(InvalidRequest, match=r"ends in \.svg, \.pdf or \.png"):
        draw(PAPER).save(tmp_path / name)
    assert list(tmp_path.iterdir()) == []


def test_a_place_that_cannot_be_written_is_named(tmp_path):
    with pytest.raises(
        InvalidRequest, match=r"figure\.svg cannot be written: there is no folder .*absent"
    ):
        draw(PAPER).save(tmp_path / "absent" / "figure.svg")


@pytest.mark.promise("COMMAND-5")
def test_importing_chips_loads_nothing_heavy():
    code = "import sys, remap_panel.snac; print(*sorted({m.split('.')[0] for m in sys.modules}))"
    loaded = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=120
    ).stdout.split()
    assert "remap_panel" in loaded
    heavy = {"torch", "ray", "panel", "bokeh", "holoviews", "param", "numpy", "sqlalchemy"}
    assert heavy.isdisjoint(loaded)
