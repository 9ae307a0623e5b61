"""A curve in a line of text: right way up, inside its frame, sane at every edge."""

import re
from math import inf, nan
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remap_panel.sparkline import curve
from remap_ray.errors import InvalidRequest

SVG = "{http://www.w3.org/2000/svg}"


def parsed(text):
    return ET.fromstring(text)


def runs(root):
    """The points of each unbroken run of the line."""
    path = root.find(f"{SVG}path").get("d")
    return [
        [tuple(map(float, pair)) for pair in re.findall(r"([\d.]+) ([\d.]+)", run)]
        for run in path.split("M")[1:]
    ]


def test_a_falling_loss_falls_from_left_to_right():
    (points,) = runs(parsed(curve([2.0, 1.0, 0.5, 0.25])))
    assert points == sorted(points)
    assert [y for _, y in points] == sorted(y for _, y in points)
    assert points[0] == (1.8, 1.8)
    assert points[-1][0] == pytest.approx(90 - 1.8)


def test_the_last_value_is_a_dot():
    root = parsed(curve([1.0, 0.5]))
    dot = root.find(f"{SVG}circle")
    assert runs(root)[0][-1] == (float(dot.get("cx")), float(dot.get("cy")))


def test_a_growing_curve_leaves_room_for_the_epochs_to_come():
    (growing,) = runs(parsed(curve([1.0, 0.8, 0.6], slots=10, high=1)))
    (grown,) = runs(parsed(curve([1.0, 0.8, 0.6, *[0.5] * 7], slots=10, high=1)))
    assert growing == grown[:3]


def test_edges_make_curves_compare():
    (low,) = runs(parsed(curve([0.1, 0.1], high=1)))
    (high,) = runs(parsed(curve([0.9, 0.9], high=1)))
    assert high[0][1] < low[0][1]
    (beyond,) = runs(parsed(curve([-5, 7], high=1)))
    assert [y for _, y in beyond] == pytest.approx([24 - 1.8, 1.8])


def test_the_widest_span_of_numbers_is_drawn():
    (points,) = runs(parsed(curve([1.7e308, 0.0, -1.7e308], low=None)))
    assert [y for _, y in points] == pytest.approx([1.8, 12, 24 - 1.8])


def test_values_that_are_not_finite_are_gaps():
    root = parsed(curve([2.0, 1.5, nan, 1.0, inf, -inf, 0.5]))
    assert [len(run) for run in runs(root)] == [2, 2, 2]
    assert root.get("aria-label") == "loss: 4 values from 2 to 0.5, 3 not finite"


@pytest.mark.parametrize(
    ("values", "label"),
    [
        ([], "loss: no values yet"),
        ([nan, inf], "loss: 2 values, none finite"),
        ([0.25], "loss: 0.25"),
        ([0.0, 0.0], "loss: 2 values from 0 to 0"),
    ],
)
def test_short_curves_say_what_they_are(values, label):
    root = parsed(curve(values))
    assert root.get("aria-label") == label
    assert root.get("role") == "img"
    drawn = any(abs(value) < inf for value in values)
    assert (root.find(f"{SVG}circle") is not None) == drawn


def test_the_label_is_escaped():
    assert parsed(curve([1.0], label='<b>"&')).get("aria-label") == '<b>"&: 1'


@given(
    st.lists(st.floats(), max_size=40),
    st.none() | st.floats(-10, 0),
    st.none() | st.floats(0.5, 10),
    st.none() | st.integers(0, 50),
)
def test_every_curve_stays_in_its_frame(values, low, high, slots):
    root = parsed(curve(values, 60, 20, low, high, slots=slots))
    finite = sum(abs(value) < inf for value in values)
    assert len(root) == (2 if finite else 0)
    if finite:
        points = [point for run in runs(root) for point in run]
        assert len(points) >= finite
        assert all(0 <= x <= 60 and 0 <= y <= 20 for x, y in points)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ({"width": 0}, "needs room"),
        ({"low": nan}, "finite"),
        ({"high": inf}, "finite"),
        ({"low": 1, "high": 1}, "below"),
    ],
)
def test_impossible_frames_are_refused(options, words):
    with pytest.raises(InvalidRequest, match=words):
        curve([1.0], **options)
