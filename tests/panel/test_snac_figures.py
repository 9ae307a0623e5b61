"""Figures of chips: folds, sizes, columns, alignment and legends, and the files they become."""

from __future__ import annotations

import re
import subprocess
import sys
import zlib
from io import BytesIO
from pathlib import Path
from random import Random
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from remap_panel.snac import SIZES, Drawing, Scale, draw, in_columns, legend, svg, table
from remap_panel.snac.folding import LEAST, runs
from remap_panel.snac.legend import KINDS_IN_WORDS
from remap_panel.snac.lettering import lettered, text_width, unknown_letters
from remap_panel.snac.shapes import read
from remap_panel.theme import BLOCKS, OUTPUT
from remap_ray.errors import InvalidArchitecture, InvalidRequest
from remap_ray.space import Activation, Architecture, Conv, Dense, Limits, Space, sample
from tests.panel.chips import architectures

SVG = "{http://www.w3.org/2000/svg}"
KNOWN = architectures()
LENET, REPEATS, DEEP = KNOWN["lenet"], KNOWN["repeats"], KNOWN["deep"]
sizes = st.sampled_from(sorted(SIZES))


@st.composite
def sampled(draw_one):
    rng = Random(draw_one(st.integers(0, 2**32)))
    return next(sample(Space.named("paper"), rng, (1, 28, 28), 10, Limits(None)))


def parsed(drawing):
    return ET.fromstring(drawing.svg)


def titles(drawing):
    return [title.text for title in parsed(drawing).iter(f"{SVG}title")]


def fills(drawing):
    colours = {style.fill for style in BLOCKS.values()}
    found = (box.get("fill") for box in parsed(drawing).iter(f"{SVG}rect"))
    return [fill for fill in found if fill in colours]


# Folds


def folded(text):
    layers = Architecture.from_text(text, (3, 64, 64), 10).layers
    return [(run.start, run.unit, run.times) for run in runs(layers)]


@pytest.mark.promise("SNAC-4")
def test_what_repeats_is_found() -> None:
    assert folded("conv8x3 relu conv8x3 relu conv8x3 relu max2") == [(0, 2, 3)]
    assert folded("max2 conv8x3same conv8x3same conv8x3same dense4") == [(1, 1, 3)]
    assert folded("conv8x3 relu conv8x3 relu") == [(0, 2, 2)]
    # Longer runs count as one, however they could be cut.
    assert folded("relu relu relu relu") == [(0, 1, 4)]
    assert folded("conv8x3 relu conv8x3 relu max2 conv4x3 tanh conv4x3 tanh") == [
        (0, 2, 2),
        (5, 2, 2),
    ]


def test_what_differs_or_saves_too_little_is_not_folded() -> None:
    assert folded("conv8x3 relu conv9x3 relu") == []
    assert folded("conv8x3 conv8x3") == []
    assert folded("") == []


@given(st.lists(st.sampled_from("abc"), max_size=14))
def test_folds_can_be_taken_apart_again_and_none_saves_more(letters) -> None:
    made, at = [], 0
    found = runs(letters)
    for run in found:
        assert run.start >= at
        assert run.times >= 2
        assert run.saved >= LEAST
        made += letters[at : run.start]
        made += letters[run.start : run.start + run.unit] * run.times
        at = run.end
    assert made + letters[at:] == letters

    def most(rest):
        if not rest:
            return 0
        best = most(rest[1:])
        for unit in range(1, len(rest) // 2 + 1):
            times = 2
            while rest[:unit] * times == rest[: unit * times]:
                if unit * (times - 1) >= LEAST:
                    best = max(best, unit * (times - 1) + most(rest[unit * times :]))
                times += 1
        return best

    assert sum(run.saved for run in found) == most(letters)


@pytest.mark.promise("SNAC-4")
@pytest.mark.parametrize("size", SIZES)
def test_a_fold_is_drawn_once_with_its_count_and_tells_all(size) -> None:
    drawing = draw(DEEP, size, fold=True)
    assert fills(drawing) == [BLOCKS[kind].fill for kind in ("conv", "activation", "dense", OUTPUT)]
    assert parsed(drawing).get("aria-label") == (
        "12 times (Conv(8, 3x3, padding 1), Activation(relu)), Dense(32), output Dense(10)"
    )
    count = lettered("×12", 0, 0, 10)
    outlines = re.search(r' d="([^"]*)"', count)[1]
    assert outlines in drawing.svg
    if SIZES[size].tooltips:
        assert titles(drawing)[0] == (
            "0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22: Conv(8, 3x3, padding 1) -> 8x28x28, "
            "6,504 parameters together"
        )


def test_a_fold_whose_sizes_change_stands_for_its_last_time() -> None:
    one = Architecture.from_text("conv8x3 relu conv8x3 relu conv8x3 relu", (1, 28, 28), 10)
    assert titles(draw(one, fold=True))[0] == (
        "0, 2, 4: Conv(8, 3x3) -> 8x26x26 ... 8x22x22, 1,248 parameters together"
    )


# Sizes and scales


@pytest.mark.promise("SNAC-1")
def test_sizes_are_written_under_the_blocks_without_touching() -> None:
    wide = Architecture.from_text("conv128x1 max2 relu dense1000", (3, 512, 512), 10)
    for size in SIZES:
        drawing = draw(wide, size, sizes=True)
        shapes = [text_width(text, SIZES[size].label) for text in ("512×512", "256×256")]
        boxes = [
            (float(box.get("x")), float(box.get("width")))
            for box in parsed(drawing).iter(f"{SVG}rect")
            if box.get("fill")
        ]
        middles = [x + w / 2 for x, w in boxes]
        assert middles[1] - middles[0] >= (shapes[0] + shapes[1]) / 2
        for text in ("512×512", "128", "256×256", "1000", "10"):
            assert re.search(r' d="([^"]*)"', lettered(text, 0, 0, 10))[1] in drawing.svg


@pytest.mark.promise("SNAC-2")
def test_a_figure_may_have_a_scale_of_its_own_for_all_its_chips() -> None:
    small = [KNOWN["one-layer"], KNOWN["activations"]]
    scale = Scale.of(small)
    assert (scale.low, scale.high) == (4, 288)
    heights = []
    for given_scale in (None, scale):
        root = parsed(table(small, scale=given_scale, size="large"))
        heights.append([box.get("height") for box in root.iter(f"{SVG}rect") if box.get("fill")])
    assert heights[0] == heights[1]
    tall = max(map(float, heights[0])) + SIZES["large"].stroke
    assert tall == SIZES["large"].most
    low = min(map(float, heights[0])) + SIZES["large"].stroke
    assert low == SIZES["large"].least
    with pytest.raises(InvalidRequest, match="at least one architecture"):
        Scale.of([])
    one = Architecture((1, 1, 1), 2, (Dense(2),))
    assert Scale.of([one]).low < Scale.of([one]).high


@given(sampled(), sizes)
def test_the_chips_of_a_table_are_those_of_a_drawing(one, size) -> None:
    def boxes(text):
        return [
            (box.get("fill"), box.get("height"), box.get("width"))
            for box in ET.fromstring(text).iter(f"{SVG}rect")
        ]

    # The same blocks: figures only move them.
    assert boxes(table([one], size=size).svg) == boxes(svg(one, size))


# Tables


@pytest.mark.promise("SNAC-3")
def test_a_table_has_labels_chips_and_columns_on_one_line() -> None:
    drawing = table(
        [LENET, REPEATS],
        labels=["LeNet", "mine"],
        columns={"accuracy": [0.98123, None], "parameters": [44_426, 1], "by": ["hand", "x"]},
        title="Two",
    )
    root = parsed(drawing)
    assert root.get("aria-label") == (
        "Two. LeNet: Conv(6, 5x5), Activation(tanh), AvgPool(2), Conv(16, 5x5), Activation(tanh), "
        "AvgPool(2), Dense(120), Activation(tanh), Dense(84), Activation(tanh), output Dense(10); "
        "accuracy 0.981; parameters 44,426; by hand. mine: "
        f"{REPEATS.words}, output Dense(10); accuracy –; parameters 1; by x"
    )
    placed = {}
    for path in root.iter(f"{SVG}path"):
        moved = re.match(r"translate\((\S+) (\S+)\)scale", path.get("transform", ""))
        if moved:
            placed[path.get("d")] = tuple(map(float, moved.groups()))

    def at(text):
        return placed[re.search(r' d="([^"]*)"', lettered(text, 0, 0, 10))[1]]

    font = SIZES["medium"].text
    assert at("LeNet")[1] == at("0.981")[1] == at("44,426")[1] == at("hand")[1] < at("mine")[1]
    # Numbers end together, words start together.
    ends = {at(text)[0] + text_width(text, font) for text in ("44,426", "1", "parameters")}
    assert max(ends) - min(ends) < 0.02
    assert at("by")[0] == at("hand")[0] == at("x")[0]
    assert at("Two")[1] < at("accuracy")[1] < at("LeNet")[1]


@pytest.mark.promise("SNAC-3")
def test_aligned_chips_stand_in_common_columns() -> None:
    other = Architecture.from_text(
        "conv6x5 relu avg2 conv16x5 tanh max2 dense84 tanh drop0.25", (1, 28, 28), 10
    )
    drawing = table([LENET, other], align="structure", sizes=True)
    groups = [
        group for group in parsed(drawing).iter(f"{SVG}g")
        if (group.get("transform") or "").startswith("translate(0 ") and group.find(f"{SVG}g")
        is not None
    ]  # fmt: skip
    middles = []
    for group in groups:
        boxes = [box for box in group.iter(f"{SVG}rect") if box.get("fill")]
        middles.append([float(b.get("x")) + float(b.get("width")) / 2 for b in boxes])
    assert [len(row) for row in middles] == [len(LENET.layers) + 1, len(other.layers) + 1]
    # The first six layers pair, and so do the output layers.
    assert middles[0][:6] == middles[1][:6]
    assert middles[0][-1] == middles[1][-1]
    assert "(added)" in parsed(drawing).get("aria-label")
    assert "(changed)" in parsed(drawing).get("aria-label")


def test_blocks_of_a_table_are_equally_wide() -> None:
    root = parsed(table([LENET, DEEP], size="large"))
    widths = {box.get("width") for box in root.iter(f"{SVG}rect") if box.get("fill")}
    # Dropout's box has no border, and neither has it here.
    assert widths == {str(SIZES["large"].narrow - 1)}
    short = parsed(table([LENET, DEEP], size="large", fold=True))
    widths = {box.get("width") for box in short.iter(f"{SVG}rect") if box.get("fill")}
    assert widths == {str(SIZES["large"].width - 1)}


def test_compared_chips_look_as_before_in_columns() -> None:
    columns = [0, None, *range(1, 11)]
    text = in_columns(LENET, columns, ["", "added", *[""] * 10])
    root = ET.fromstring(text)
    assert root.get("height") == str(SIZES["medium"].most + 16)
    assert len([box for box in root.iter(f"{SVG}rect") if box.get("fill")]) == 11


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"models": []}, "at least one model"),
        ({"labels": ["a", "b"]}, "1 models need as many labels, not 2"),
        ({"columns": {"x": [1, 2]}}, "not 2 in the column 'x'"),
        ({"align": "right"}, "'left' or 'structure', not 'right'"),
        ({"align": "structure", "fold": True}, "leave out fold, or align"),
        ({"size": "huge"}, "no size 'huge'"),
        ({"models": [3]}, "a torch.nn.Sequential, not int"),
    ],
)
def test_an_impossible_table_is_refused(wrong, says) -> None:
    with pytest.raises(InvalidRequest, match=re.escape(says)):
        table(**{"models": [LENET], **wrong})


# Legends


@pytest.mark.promise("SNAC-5")
@pytest.mark.parametrize("size", SIZES)
def test_a_legend_explains_every_kind_by_its_own_block(size) -> None:
    drawing = legend(size)
    assert set(fills(drawing)) == {style.fill for style in BLOCKS.values()}
    assert len(fills(drawing)) == len(KINDS_IN_WORDS)
    for words in KINDS_IN_WORDS.values():
        assert words in parsed(drawing).get("aria-label")
        assert re.search(r' d="([^"]*)"', lettered(words, 0, 0, 10))[1] in drawing.svg


def test_the_legend_of_a_figure_explains_what_is_in_it() -> None:
    drawing = draw(LENET, legend=True)
    assert set(fills(drawing)[11:]) == {
        BLOCKS[kind].fill for kind in ("conv", "avg_pool", "activation", "dense", OUTPUT)
    }
    heights = re.search(r' d="([^"]*)"', lettered("100,000", 0, 0, 10))[1]
    assert heights in drawing.svg
    assert heights not in draw(LENET, legend=True, fixed_height=True).svg
    with pytest.raises(InvalidRequest, match="no 'pool'"):
        legend(kinds=["conv", "pool"])


@pytest.mark.promise("SNAC-5")
def test_the_legend_of_chips_that_are_compared_has_the_marks_that_are_there() -> None:
    shorter = LENET.with_parts(LENET.parts[1:])
    drawn = table([LENET, shorter], align="structure", legend=True).svg
    for words, there in (("missing", True), ("added", False), ("another kind", False)):
        outline = re.search(r' d="([^"]*)"', lettered(words, 0, 0, SIZES["medium"].text))[1]
        assert (outline in drawn) is there, words


@given(sizes, st.integers(1, 10**6), st.integers(1, 10**6), st.integers(10, 900))
def test_any_legend_lies_inside_its_frame(size, one, other, width) -> None:
    low, high = sorted((one, other))
    picture = read(legend(size, scale=Scale(low, high + 1), width=width).svg)
    points = [
        point
        for shape in picture.shapes
        for contour in shape.contours
        for point in (contour.start, *(segment.end for segment in contour.segments))
    ]
    assert all(0 <= x <= picture.width and 0 <= y <= picture.height for x, y in points)


# What is drawn


def test_a_torch_network_is_drawn_with_what_enters_it() -> None:
    from torch import nn

    network = nn.Sequential(nn.Conv2d(1, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 26 * 26, 10))
    same = Architecture((1, 28, 28), 10, (Conv(8, 3), Activation("relu")))
    assert draw(network, input_shape=(1, 28, 28)).svg == draw(same).svg
    with pytest.raises(InvalidRequest, match=r"give input_shape=\(channels, height, width\)"):
        draw(network)
    with pytest.raises(InvalidArchitecture, match=r"Sequential is read, not Conv2d"):
        draw(nn.Conv2d(1, 8, 3), input_shape=(1, 28, 28))


# Files


def test_a_drawing_shows_itself_in_panel_and_notebooks() -> None:
    import panel as pn

    drawing = draw(LENET)
    shown = pn.panel(drawing)
    assert isinstance(shown, pn.pane.HTML)
    assert drawing.svg in shown.object
    bundle = drawing._repr_mimebundle_(include=None, exclude=None)
    assert bundle["image/svg+xml"] == drawing.svg
    assert drawing.svg in bundle["text/html"]
    assert len(bundle["text/plain"]) < 100


@pytest.mark.promise("SNAC-6")
def test_a_pdf_is_vectors_without_fonts_and_the_same_every_time(tmp_path: Path) -> None:
    drawing = table([LENET, REPEATS], labels=["ä", "Ω"], title="Zwei (2)", fold=True, legend=True)
    one = drawing.save(tmp_path / "one.pdf").read_bytes()
    two = drawing.save(tmp_path / "two.PDF").read_bytes()
    assert one == two
    assert one.startswith(b"%PDF-1.4")
    assert one.endswith(b"%%EOF\n")
    for word in (b"/Font", b"/Image", b"/XObject", b"Date", b"/ID"):
        assert word not in one
    # Every object lies where the table of objects says.
    start = int(re.search(rb"startxref\n(\d+)", one)[1])
    offsets = re.findall(rb"(\d{10}) 00000 n", one[start:])
    assert len(offsets) == 5
    for number, offset in enumerate(offsets, 1):
        assert one[int(offset) :].startswith(b"%d 0 obj" % number)
    assert "Zwei (2)".encode("utf-16-be").hex().encode() in one
    content = re.search(rb"stream\n(.*)\nendstream", one, re.DOTALL)[1]
    operators = {line.split()[-1] for line in zlib.decompress(content).splitlines()}
    assert operators <= {b"j", b"J", b"rg", b"RG", b"m", b"l", b"c", b"h", b"f", b"S", b"B"}


def test_a_png_has_the_resolution_asked_for(tmp_path: Path) -> None:
    drawing = draw(LENET, "small")
    width, height = (int(parsed(drawing).get(name)) for name in ("width", "height"))
    for dpi, factor in ((96, 1), (384, 4)):
        with Image.open(drawing.save(tmp_path / "one.png", dpi=dpi)) as image:
            assert image.size == (width * factor, height * factor)
            assert [round(one) for one in image.info["dpi"]] == [dpi, dpi]
    data = (tmp_path / "one.png").read_bytes()
    assert drawing.save(tmp_path / "two.png").read_bytes() == data
    colours = {colour for _, colour in Image.open(BytesIO(data)).convert("RGB").getcolors(10**6)}
    wanted = {BLOCKS[kind].fill for kind in ("conv", "avg_pool", "dense", OUTPUT)}
    assert {tuple(bytes.fromhex(fill[1:])) for fill in wanted} <= colours
    for dpi in (0, 10**6):
        with pytest.raises(InvalidRequest, match="dot"):
            drawing.save(tmp_path / "three.png", dpi=dpi)
    assert not (tmp_path / "three.png").exists()


@pytest.mark.promise("SNAC-6")
@pytest.mark.parametrize("suffix", [".pdf", ".png"])
def test_letters_without_outlines_are_named(tmp_path: Path, suffix: str) -> None:
    drawing = draw(LENET, title="模型 m17")
    assert "模型 m17" in [text.text for text in parsed(drawing).iter(f"{SVG}text")]
    with pytest.raises(InvalidRequest, match=r"no outlines of '型模'.*save as \.svg"):
        drawing.save(tmp_path / f"figure{suffix}")
    assert list(tmp_path.iterdir()) == []
    assert drawing.save(tmp_path / "figure.svg").exists()


def test_letters_are_those_of_many_languages() -> None:
    assert unknown_letters("Größe Ελληνικά русский ×−–… 0123456789 é e\u0301 ½ ≠") == "≠"
    assert text_width("e\u0301", 10) == text_width("é", 10)
    assert len({text_width(digit, 1) for digit in "0123456789"}) == 1


@pytest.mark.parametrize(
    "inside",
    [
        "<image/>",
        '<path d="M0 0A1 1 0 0 0 1 1"/>',
        '<rect fill="url(#a)"/>',
        '<g transform="rotate(3)"/>',
        '<g transform="scale(1 2)"/>',
        '<rect stroke="#000000" stroke-dasharray="1 2 3"/>',
        '<rect width="wide"/>',
    ],
)
def test_what_would_look_different_is_refused(tmp_path: Path, inside: str) -> None:
    text = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 9 9">{inside}</svg>'
    with pytest.raises(InvalidRequest, match=r"saved as SVG only"):
        Drawing(text).save(tmp_path / "figure.pdf")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.promise("SNAC-7")
def test_a_file_is_whole_or_as_it_was(tmp_path: Path) -> None:
    path = tmp_path / "figure.pdf"
    path.write_text("old")
    (tmp_path / "folder.svg").mkdir()
    with pytest.raises(InvalidRequest, match="cannot be written"):
        draw(LENET).save(tmp_path / "folder.svg")
    with pytest.raises(InvalidRequest, match=r"there is no folder .*absent"):
        draw(LENET).save(tmp_path / "absent" / "figure.svg")
    with pytest.raises(InvalidRequest, match=r"\.svg, \.pdf or \.png"):
        draw(LENET).save(tmp_path / "figure.jpg")
    with pytest.raises(InvalidRequest, match="outlines"):
        draw(LENET, title="模").save(path)
    assert path.read_text() == "old"
    assert {one.name for one in tmp_path.iterdir()} == {"figure.pdf", "folder.svg"}
    draw(LENET).save(path)
    assert path.read_bytes().startswith(b"%PDF")


ALL = """
import sys
from remap_panel.snac import draw, legend, table
from remap_ray.space import Architecture
one = Architecture.from_text("conv8x3 relu dense4", (1, 8, 8), 10)
two = Architecture.from_text("conv8x3 tanh", (1, 8, 8), 10)
for end in ("svg", "pdf", "png"):
    table([one, two], align="structure", legend=True).save(f"{sys.argv[1]}/figure.{end}")
    legend().save(f"{sys.argv[1]}/legend.{end}")
draw(one)._repr_mimebundle_()
print(*sorted({m.split(".")[0] for m in sys.modules}))
"""


@pytest.mark.promise("SNAC-8")
def test_figures_need_neither_torch_nor_ray(tmp_path: Path) -> None:
    loaded = subprocess.run(
        [sys.executable, "-c", ALL, str(tmp_path)],
        capture_output=True,
        text=True,
        check=True,
        timeout=200,
    ).stdout.split()
    assert len(list(tmp_path.iterdir())) == 6
    assert {"torch", "ray", "panel", "bokeh"}.isdisjoint(loaded)
