"""A folder of images per class: read as a viewer would show it, and what is wrong is named."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from remap_ray.errors import DataError
from remap_ray.training import datasets

GREY = (90, 90, 90)
RED = (200, 30, 30)


def save(path, colour=RED, size=(6, 4), mode="RGB", **options):
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, size, colour).save(path, **options)
    return path


@pytest.fixture
def folder(tmp_path):
    """Two classes of seven images, four pixels high and six wide, all grey."""
    folder = tmp_path / "fruit.v1"
    for number in range(7):
        save(folder / "pear" / f"{number}.png", (number, number, number))
        save(folder / "apple" / f"{number}.png", (9 + number,) * 3)
    return folder


def everything(data_set):
    parts = (data_set.train, data_set.validation, data_set.test)
    images = np.concatenate([part.images for part in parts])
    return images, np.concatenate([part.labels for part in parts])


@pytest.mark.promise("DATA-4")
def test_subfolders_are_the_classes_and_grey_images_have_one_channel(folder):
    data_set = datasets.load(str(folder))
    assert data_set.name == "fruit.v1"
    assert data_set.source == str(folder)
    assert data_set.class_names == ("apple", "pear")
    assert data_set.input_shape == (1, 4, 6)
    parts = (data_set.train, data_set.validation, data_set.test)
    assert [len(part) for part in parts] == [10, 2, 2]
    for part in parts:
        assert part.images.dtype == np.uint8
        assert part.images.flags.c_contiguous
        assert set(part.labels.tolist()) == {0, 1}
    images, labels = everything(data_set)
    assert sorted(zip(labels.tolist(), images[:, 0, 0, 0].tolist(), strict=True)) == [
        *((0, 9 + n) for n in range(7)),
        *((1, n) for n in range(7)),
    ]


def test_one_image_with_colour_gives_all_three_channels(folder):
    save(folder / "pear" / "6.png", RED)
    images, _ = everything(datasets.load(str(folder)))
    assert images.shape == (14, 3, 4, 6)
    colours = {tuple(image[:, 0, 0].tolist()) for image in images}
    assert {RED, (3, 3, 3)} <= colours


def test_hidden_files_and_what_is_no_image_are_passed_over(folder):
    (folder / ".cache").mkdir()
    (folder / "README.md").write_text("Fruit.")
    (folder / "pear" / ".broken.png").write_bytes(b"")
    (folder / "pear" / "notes.txt").write_text("A note.")
    data_set = datasets.load(str(folder))
    assert data_set.class_names == ("apple", "pear")
    assert len(everything(data_set)[0]) == 14


@pytest.mark.parametrize(
    ("name", "mode", "colour", "options"),
    [
        ("a.jpg", "L", 90, {}),
        ("a.JPEG", "RGB", GREY, {}),
        ("a.bmp", "RGB", GREY, {}),
        ("a.gif", "L", 90, {}),
        ("a.webp", "RGB", GREY, {"lossless": True}),
        ("a.png", "LA", (90, 255), {}),
        ("a.png", "RGBA", (*GREY, 255), {}),
    ],
)
def test_every_format_is_read_with_its_own_values(folder, name, mode, colour, options):
    save(folder / "pear" / name, colour, mode=mode, **options)
    images, _ = everything(datasets.load(str(folder)))
    assert images.shape == (15, 1, 4, 6)
    assert any(np.all(image == 90) for image in images)


@pytest.mark.parametrize(("mode", "colour"), [("RGBA", (0, 0, 0, 0)), ("LA", (0, 0))])
def test_what_is_transparent_becomes_white(folder, mode, colour):
    save(folder / "pear" / "clear.png", colour, mode=mode)
    images, _ = everything(datasets.load(str(folder)))
    assert any(np.all(image == 255) for image in images)


def test_a_photograph_is_turned_as_its_note_says(folder):
    note = Image.Exif()
    note[0x0112] = 6  # A quarter turn.
    save(folder / "pear" / "photo.jpg", GREY, size=(4, 6), exif=note)
    assert datasets.load(str(folder)).input_shape == (1, 4, 6)


def test_the_first_image_of_another_size_is_named(folder):
    first = save(folder / "pear" / "3.png", size=(6, 5))
    save(folder / "pear" / "5.png", size=(9, 9))
    with pytest.raises(DataError, match=r"is 6 x 5 pixels and .* 6 x 4") as caught:
        datasets.load(str(folder))
    assert caught.value.path == first


def _cut(path):
    path.write_bytes(path.read_bytes()[:-30])


def _break(path):
    content = bytearray(path.read_bytes())
    content[40:60] = bytes(20)
    path.write_bytes(content)


@pytest.mark.parametrize(
    "damage",
    [
        _cut,
        _break,
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"GIF89a"),
        lambda path: path.write_text("no image"),
    ],
    ids=lambda damage: damage.__name__,
)
@pytest.mark.promise("DATA-5")
def test_an_image_that_cannot_be_read_is_named(folder, damage):
    path = folder / "pear" / "4.png"
    damage(path)
    with pytest.raises(DataError, match=r"4\.png cannot be read as an image") as caught:
        datasets.load(str(folder))
    assert caught.value.path == path


def test_an_image_with_more_than_8_bits_is_refused_instead_of_cut(folder):
    path = save(folder / "pear" / "deep.png", 40_000, mode="I;16")
    with pytest.raises(DataError, match="more than 8 bits") as caught:
        datasets.load(str(folder))
    assert caught.value.path == path


def test_a_class_without_images_is_named(folder):
    (folder / "plum").mkdir()
    with pytest.raises(DataError, match="holds no image") as caught:
        datasets.load(str(folder))
    assert caught.value.path == folder / "plum"


def test_a_class_with_too_few_images_is_named(folder):
    for number in range(3):
        save(folder / "plum" / f"{number}.png")
    with pytest.raises(DataError, match=r"class 'plum' of .* has 3 images.*at least 4"):
        datasets.load(str(folder))


@pytest.mark.parametrize("classes", [[], ["only"]])
def test_a_folder_without_two_classes_is_refused(tmp_path, classes):
    for name in classes:
        save(tmp_path / name / "0.png")
    with pytest.raises(DataError, match=f"at least two classes, and has {len(classes)}"):
        datasets.load(str(tmp_path))


def test_a_class_whose_name_cannot_be_shown_is_refused(folder):
    (folder / "pear").rename(folder / "pe\ar")
    with pytest.raises(DataError, match="cannot be shown") as caught:
        datasets.load(str(folder))
    assert str(caught.value).isprintable()


def test_the_parts_do_not_hang_on_the_order_in_which_a_folder_lists_its_files(folder, tmp_path):
    other = tmp_path / "again" / folder.name
    for path in sorted(folder.rglob("*.png"), reverse=True):
        target = other / path.relative_to(folder)
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(path.read_bytes())
    assert datasets.fingerprint(datasets.load(str(folder), seed=4)) == datasets.fingerprint(
        datasets.load(str(other), seed=4)
    )
