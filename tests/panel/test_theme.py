"""Colours that everyone can tell apart and read, and circles that never jump."""

import re
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import remap_panel
from remap_panel import theme
from remap_panel.theme import (
    BLOCKS,
    DARK,
    HIGHLIGHT,
    INK,
    LIGHT,
    MARKS,
    MODES,
    OUTPUT,
    SHADES,
    TICKS,
    ramp,
)
from remap_ray.errors import InvalidRequest
from remap_ray.space.layers import KINDS
from remap_ray.space.spaces import ENTRIES

# Linear RGB as seen by someone without one kind of cone: Machado, Oliveira and Fernandes 2009,
# severity 1.
SIGHT = {
    "full": np.eye(3),
    "protanopia": np.array(
        [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ]
    ),
    "deuteranopia": np.array(
        [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ]
    ),
    "tritanopia": np.array(
        [
            [1.255528, -0.076749, -0.178779],
            [-0.078411, 0.930809, 0.147602],
            [0.004733, 0.691367, 0.303900],
        ]
    ),
}
TO_XYZ = np.array(
    [
        [0.4124564, 0.3575761, 0.1804375],
        [0.2126729, 0.7151522, 0.0721750],
        [0.0193339, 0.1191920, 0.9503041],
    ]
)
APART = 12.0
"""Least CIEDE2000 distance of two layer colours: the palette reaches 12.1. A difference of 2.3 is
just noticeable."""

NAMED_APART = 10.0
"""The same for text whose words or sign say the same as its colour; the palette reaches 10.5."""


def linear(colour):
    share = np.array([int(colour[at : at + 2], 16) for at in (1, 3, 5)]) / 255
    return np.where(share <= 0.04045, share / 12.92, ((share + 0.055) / 1.055) ** 2.4)


def lab(light):
    part = TO_XYZ @ np.clip(light, 0, 1) / (0.95047, 1.0, 1.08883)
    bent = np.where(part > (6 / 29) ** 3, np.cbrt(part), part * (29 / 6) ** 2 / 3 + 4 / 29)
    return 116 * bent[1] - 16, 500 * (bent[0] - bent[1]), 200 * (bent[1] - bent[2])


def difference(one, other):
    """CIEDE2000 of two CIELAB colours."""
    (l1, a1, b1), (l2, a2, b2) = one, other
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2
    stretch = 1.5 - np.sqrt(mean**7 / (mean**7 + 25**7)) / 2
    c1, c2 = np.hypot(a1 * stretch, b1), np.hypot(a2 * stretch, b2)
    h1 = np.degrees(np.arctan2(b1, a1 * stretch)) % 360
    h2 = np.degrees(np.arctan2(b2, a2 * stretch)) % 360
    turn = (h2 - h1 + 180) % 360 - 180 if c1 * c2 else 0.0
    hue = (h1 + turn / 2) % 360 if c1 * c2 else h1 + h2
    chroma, light = (c1 + c2) / 2, (l1 + l2) / 2
    weight = (
        1
        - 0.17 * np.cos(np.radians(hue - 30))
        + 0.24 * np.cos(np.radians(2 * hue))
        + 0.32 * np.cos(np.radians(3 * hue + 6))
        - 0.20 * np.cos(np.radians(4 * hue - 63))
    )
    by_light = (l2 - l1) / (1 + 0.015 * (light - 50) ** 2 / np.sqrt(20 + (light - 50) ** 2))
    by_chroma = (c2 - c1) / (1 + 0.045 * chroma)
    by_hue = 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2)) / (1 + 0.015 * chroma * weight)
    rotation = -2 * np.sqrt(chroma**7 / (chroma**7 + 25**7))
    rotation *= np.sin(np.radians(60 * np.exp(-(((hue - 275) / 25) ** 2))))
    return np.sqrt(by_light**2 + by_chroma**2 + by_hue**2 + rotation * by_chroma * by_hue)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        # Sharma, Wu and Dalal 2005, table 1, pairs 1, 7, 17 and 24.
        ((50, 2.6772, -79.7751), (50, 0, -82.7485), 2.0425),
        ((50, 0, 0), (50, -1, 2), 2.3669),
        ((50, 2.5, 0), (73, 25, -18), 27.1492),
        ((50, 2.5, 0), (50, 3.2592, 0.3350), 1.0000),
    ],
)
def test_the_measure_of_differences_gives_the_published_figures(one, other, expected):
    assert difference(one, other) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("sight", SIGHT)
def test_layer_colours_stay_apart_for_every_kind_of_sight(sight):
    # Kinds of one family share their colours.
    fills = {style.fill: name for name, style in BLOCKS.items()}
    seen = {name: lab(SIGHT[sight] @ linear(fill)) for fill, name in fills.items()}
    nearest, *pair = min(
        (difference(seen[one], seen[other]), one, other) for one, other in combinations(seen, 2)
    )
    assert nearest >= APART, pair


@pytest.mark.promise("PAGE-94")
@pytest.mark.parametrize("sight", SIGHT)
@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_colours_with_a_meaning_stay_apart_for_every_kind_of_sight(mode, sight):
    def apart(one, other):
        return difference(lab(SIGHT[sight] @ linear(one)), lab(SIGHT[sight] @ linear(other)))

    # Better and worse, and every status: each has its sign or symbol besides.
    for one, other in combinations({*mode.status.values(), mode.good, mode.bad}, 2):
        assert apart(one, other) >= NAMED_APART, (one, other)
    # Right and wrong cells of a matrix from the third shade on; paler ones stand for few images.
    for right, wrong in list(zip(ramp(mode.right, SHADES), ramp(mode.wrong, SHADES), strict=True))[
        2:
    ]:
        assert apart(right, wrong) >= APART, (right, wrong)
    assert apart(mode.training, mode.validation) >= APART
    # What is lit and the front's line, against circles of any darkness.
    for grey in ramp(mode.greys, 20):
        assert min(apart(HIGHLIGHT, grey), apart(mode.front, grey)) >= APART, grey


def test_only_kinds_of_one_family_share_their_colours():
    families = {"depthwise_conv": "conv", "global_avg_pool": "avg_pool"}
    for kind, of in families.items():
        assert BLOCKS[kind] == BLOCKS[of]
    # Kinds of different spaces never stand in one chip.
    for space in ENTRIES.values():
        together = (*space.kinds, OUTPUT)
        others = [BLOCKS[kind].fill for kind in together if kind not in families]
        assert len(set(others)) == len(others)


def test_contrast_agrees_with_the_published_examples():
    assert theme.contrast("#000000", "#ffffff") == pytest.approx(21)
    assert theme.contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.005)
    assert theme.contrast("#ffffff", "#777777") == theme.contrast("#777777", "#ffffff")


@pytest.mark.parametrize("name", BLOCKS)
def test_blocks_can_be_read_and_seen_on_light_and_dark(name):
    style = BLOCKS[name]
    assert theme.contrast(INK, style.fill) >= 4.5
    for background in (LIGHT.page, LIGHT.surface, LIGHT.row):
        assert theme.contrast(style.stroke, background) >= 3
    for background in (DARK.page, DARK.surface, DARK.row):
        assert theme.contrast(style.fill, background) >= 3
    if style.dotted:
        assert theme.contrast(style.stroke, style.fill) >= 4.5


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_text_can_be_read_in_both_modes(mode):
    texts = [mode.text, mode.muted, mode.accent, mode.good, mode.bad, *mode.status.values()]
    for background in (mode.page, mode.surface, mode.row):
        assert min(theme.contrast(text, background) for text in texts) >= 4.5
    assert theme.contrast(mode.on_accent, mode.accent) >= 4.5
    assert theme.contrast(mode.header_text, mode.header) >= 4.5
    assert theme.contrast(mode.header_muted, mode.header) >= 4.5


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_lines_and_circles_can_be_seen_in_both_modes(mode):
    for line in (mode.front, mode.circle_stroke, mode.training, mode.validation):
        assert theme.contrast(line, mode.surface) >= 3
    either = (theme.HIGHLIGHT, theme.HIGHLIGHT_STROKE)
    assert max(theme.contrast(colour, mode.surface) for colour in either) >= 3


def test_every_status_has_its_own_symbol_and_a_colour():
    assert set(theme.STATUS_SYMBOLS) == set(LIGHT.status) == set(DARK.status)
    assert len(set(theme.STATUS_SYMBOLS.values())) == len(theme.STATUS_SYMBOLS)


def test_every_kind_of_part_has_a_look_and_a_symbol_of_its_own():
    assert set(BLOCKS) == {kind for space in ENTRIES.values() for kind in space.kinds} | {OUTPUT}
    for space in ENTRIES.values():
        letters = [one.letter for one in space.kinds.values() if one.letter]
        assert len(set(letters)) == len(letters)
        assert all(letter in MARKS for letter in letters)
        plain = {kind for kind in space.kinds if kind not in TICKS and not BLOCKS[kind].dotted}
        assert len(plain - {"activation"}) == 1
    symbols = {}
    for kind, layer in KINDS.items():
        if kind == "activation":
            functions = layer.parameters()["function"].choices
            assert all(function in MARKS for function in functions)
        elif not BLOCKS[kind].dotted:
            symbols[kind] = MARKS[layer.letter]
    assert len(set(symbols.values())) == len(symbols)
    assert len({MARKS[function] for function in ("relu", "tanh", "sigmoid")}) == 3
    # Where there is no room for letters one kind alone is plain, and each other one is marked.
    plain = {kind for kind in KINDS if kind not in TICKS and not BLOCKS[kind].dotted}
    assert plain == {"conv", "activation"}
    assert set(KINDS["activation"].parameters()["function"].choices) <= set(TICKS)
    ticks = [path for name, path in TICKS.items() if name != OUTPUT]
    assert len(set(ticks)) == len(ticks)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
@pytest.mark.parametrize("name", ["greys", "right", "wrong"])
def test_palettes_run_steadily_away_from_the_surface(mode, name):
    palette = theme.ramp(getattr(mode, name))
    assert len(palette) == 256
    assert all(re.fullmatch("#[0-9a-f]{6}", colour) for colour in palette)
    away = [theme.contrast(colour, mode.surface) for colour in palette]
    assert away == sorted(away)
    assert away[-1] / away[0] > 3
    for colour in palette:
        assert theme.contrast(theme.ink_on(colour), colour) >= 4.5


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_the_word_of_the_legend_is_true(mode):
    first, last = (lab(linear(mode.greys[at]))[0] for at in (0, -1))
    assert mode.better == ("darker" if last < first else "lighter")


def test_a_ramp_meets_its_stops():
    palette = theme.ramp(["#000000", "#808080", "#ff0000"], 5)
    assert palette == ["#000000", "#404040", "#808080", "#c04040", "#ff0000"]


@pytest.mark.parametrize(("stops", "count"), [([], 8), (["#000000"], 8), (["#000000"] * 2, 1)])
def test_a_ramp_without_two_ends_is_refused(stops, count):
    with pytest.raises(InvalidRequest, match="at least 2"):
        theme.ramp(stops, count)


@given(st.integers(0, 10**12), st.integers(0, 10**12))
@pytest.mark.promise("PAGE-3")
def test_a_radius_depends_on_the_own_parameters_alone_and_grows(one, other):
    least, most = sorted((one, other))
    assert 3 <= theme.radius(least) <= theme.radius(most) <= 7


def test_radii_at_the_ends_and_in_the_middle():
    assert [theme.radius(count) for count in (10, 10_000, 10_000_000)] == [3, 5, 7]
    assert theme.radius(0) == 3
    assert theme.radius(10**9) == 7


@pytest.mark.promise("PAGE-3")
def test_darkness_runs_from_chance_to_one():
    assert theme.darkness_domain(10) == (0.1, 1.0)
    with pytest.raises(InvalidRequest, match="2 classes"):
        theme.darkness_domain(1)


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_css_variables_are_declarations_of_known_colours(mode):
    text = theme.css_variables(mode)
    declarations = dict(one.strip().split(": ", 1) for one in text.split(";") if one.strip())
    assert declarations["--remap-text"] == mode.text
    assert declarations["--remap-on-accent"] == mode.on_accent
    assert declarations["--remap-status-failed"] == mode.status["failed"]
    assert all(re.fullmatch(r"--remap-[a-z0-9-]+", name) for name in declarations)
    assert '"' not in text


def test_fonts_are_the_systems_own():
    for stack in (theme.SANS, theme.MONO):
        assert "url" not in stack
    assert theme.SANS.endswith(" sans-serif")
    assert theme.MONO.endswith(" monospace")


def test_the_theme_is_the_only_file_with_colour_values():
    root = Path(remap_panel.__file__).parent
    colour = re.compile(
        r"""(?<=["'\s:(])#(?:[0-9a-f]{8}|[0-9a-f]{6}|[0-9a-f]{3,4})\b(?=["';)\s,])"""
    )
    found = [
        f"{path.relative_to(root)}: {hit[0]}"
        for path in sorted(root.rglob("*"))
        if path.suffix in {".py", ".js", ".css"} and path.name != "theme.py"
        if "vendor" not in path.relative_to(root).parts
        for hit in colour.finditer(path.read_text(encoding="utf-8"))
    ]
    assert found == []
    assert colour.search('fill="#1d4ed8"')


@pytest.mark.parametrize("mode", MODES.values(), ids=MODES)
def test_counts_are_readable_on_every_shade_of_a_matrix(mode):
    text = theme.css_variables(mode)
    values = dict(one.strip().split(": ", 1) for one in text.split(";") if one.strip())
    for name in ("right", "wrong"):
        for step in range(theme.SHADES):
            fill = values[f"--remap-{name}-{step}"]
            assert theme.contrast(fill, values[f"--remap-{name}-{step}-ink"]) >= 4.5
