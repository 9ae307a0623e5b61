"""HTML that can be pressed: what its messages may do, and what its pieces say."""

from __future__ import annotations

import numpy as np
import pytest

from remap_panel import matrix, pictures
from remap_panel.sheet import Sheet, button

EVIL = '<img src=x onerror="alert(1)">'


def test_only_what_is_a_message_is_heard() -> None:
    heard: list[object] = []
    sheet = Sheet(lambda act, value: heard.append((act, value)), heard.append)
    for message in ({"act": "go", "value": "3"}, {"hover": "7"}, {"hover": ""}):
        sheet._handle_msg(message)
    assert heard == [("go", "3"), "7", ""]
    for message in (None, "go", [], {"act": 3, "value": ""}, {"act": "go"}, {"hover": 3}):
        sheet._handle_msg(message)
    assert len(heard) == 3
    Sheet()._handle_msg({"act": "go", "value": ""})


@pytest.mark.promise("PAGE-8")
def test_words_of_a_button_are_text() -> None:
    html = button(EVIL, "go", EVIL, label=EVIL, hover=EVIL)
    assert "<img" not in html
    assert html.count("&lt;img src=x onerror=&quot;alert(1)&quot;&gt;") == 6


def test_a_toggle_says_that_it_is_one_and_a_dead_button_too() -> None:
    assert 'aria-pressed="false"' in button("a", "go", toggle=True)
    assert "aria-pressed" not in button("a", "go")
    assert 'aria-disabled="true"' in button("a", "go", enabled=False)


# Matrices


COUNTS = np.array([[3, 1, 0], [0, 0, 0], [2, 0, 99]])
NAMES = ("cat", EVIL, "a class with a very long name")


@pytest.mark.promise("PAGE-44", "PAGE-8")
def test_a_matrix_is_a_table_with_names_counts_and_shares() -> None:
    html = matrix.matrix_html(COUNTS, NAMES, "m7", act="cell")
    assert html.count("<button") == 4
    assert 'data-value="0,1"' in html
    assert "Of the 4 images of cat, m7 labels 1 (25%) as &lt;img" in html
    assert "<img" not in html
    assert "a class with …" in html
    # One stop for the Tab key.
    assert html.count('tabindex="0"') == 1
    assert html.count("<tr>") == 4
    shares = matrix.matrix_html(COUNTS, NAMES, "m7", shares=True)
    assert ">75%<" in shares
    assert ">98%<" in shares
    assert "<button" not in shares


def test_classes_never_predicted_are_hatched_and_said() -> None:
    counts = COUNTS.copy()
    counts[:, 1] = 0
    html = matrix.matrix_html(counts, ("cat", "dog", "cow"), "m7")
    assert html.count('<td class="never">') == 3
    assert 'title="dog: never predicted"' in html
    assert "never" not in matrix.matrix_html(np.eye(2, dtype=int), ("a", "b"), "m7")


@pytest.mark.parametrize(
    ("count", "total", "expected"),
    [
        (0, 5, "0%"),
        (1, 1000, "<1%"),
        (999, 1000, ">99%"),
        (5, 5, "100%"),
        (1, 3, "33%"),
        (0, 0, "–"),
    ],
)
def test_shares_say_none_and_all_only_where_it_is_so(count: int, total: int, expected: str) -> None:
    assert matrix.share(count, total) == expected


@pytest.mark.promise("PAGE-42")
def test_the_difference_of_matrices_tells_better_from_worse() -> None:
    first = np.array([[5, 3], [2, 6]])
    second = np.array([[7, 1], [4, 4]])
    html = matrix.difference_html(first, second, ("cat", "dog"), "m2 − m1")
    for text in (">+2</span>", ">−2</span>", "m2 − m1"):
        assert text in html
    assert "cat labelled as cat: +2 images, better" in html
    assert "cat labelled as dog: -2 images, better" in html
    assert "dog labelled as cat: +2 images, worse" in html
    # Blue and a plus on the diagonal, blue and a minus beside it.
    assert html.index('class="r') < html.index(">+2<")
    assert matrix.difference_html(first, first, ("cat", "dog"), "").count("<span title") == 0


# Pictures


def test_an_image_keeps_its_pixels() -> None:
    from io import BytesIO

    from PIL import Image

    rng = np.random.default_rng(0)
    for shape in ((5, 6), (5, 6, 3)):
        pixels = rng.integers(0, 256, shape, np.uint8)
        read = np.asarray(Image.open(BytesIO(pictures.png(pixels))))
        np.testing.assert_array_equal(read, pixels)
    assert "is-tiny" in pictures.image(pictures.png(np.zeros((8, 8), np.uint8)))
    assert "is-tiny" not in pictures.image(pictures.png(np.zeros((64, 64), np.uint8)))


def test_without_images_an_item_is_its_number() -> None:
    html = pictures.item_button(None, 17, "")
    assert ">17</b>" in html
    assert "<img" not in html
    assert 'data-value="17"' in html
