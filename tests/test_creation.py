"""A study comes into being from real data, and gets its sampled models."""

from __future__ import annotations

import io
import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits

from remap_ray import (
    Architecture,
    Limits,
    Recipe,
    Submission,
    add_samples,
    create_study,
    open_study,
)
from remap_ray.creation import recipe_for, space_of
from remap_ray.errors import DataError, InvalidRequest, RemapError, StudyExists
from remap_ray.space import Dense, Space, sampling
from remap_ray.study import Origin, Status, Study
from remap_ray.training import datasets


@pytest.fixture(scope="module")
def digits(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    """A study on scikit-learn's digits with eight sampled models."""
    with create_study(tmp_path_factory.mktemp("digits") / "s", models=8, seed=3) as study:
        yield study


@pytest.fixture
def small(tmp_path: Path) -> str:
    """A data set of 90 images in three classes, as a file."""
    rng = np.random.default_rng(0)
    path = tmp_path / "data" / "small.npz"
    path.parent.mkdir()
    np.savez(
        path,
        x_train=rng.integers(0, 256, (90, 8, 8), dtype=np.uint8),
        y_train=np.repeat(np.arange(3), 30),
        class_names=np.array(["ant", "bee", "cat"]),
    )
    return str(path)


def networks(study: Study) -> list[str]:
    return [one.identity for one in study.models()]


# On digits, for real


@pytest.mark.promise("DATA-7")
def test_the_validation_images_are_kept_in_the_order_of_their_labels(digits: Study) -> None:
    loaded = datasets.load("digits", seed=3)
    images = digits.images()
    assert images is not None
    np.testing.assert_array_equal(images, np.rint(loaded.validation.images[:, 0] * 255))
    with open_study(digits.path) as again:
        np.testing.assert_array_equal(again.images(), images)


def test_digits_are_divided_and_described(digits: Study) -> None:
    data = digits.data
    assert (data.name, data.source) == ("digits", "digits")
    assert data.input_shape == (1, 8, 8)
    assert data.class_names == tuple("0123456789")
    assert sum(data.sizes) == 1797
    assert [round(100 * size / 1797) for size in data.sizes] == [70, 15, 15]
    assert len(data.fingerprint) == 16


def test_the_labels_kept_are_those_of_the_validation_part(digits: Study) -> None:
    loaded = datasets.load("digits", seed=3)
    assert digits.validation_labels.tolist() == loaded.validation.labels.tolist()
    assert digits.data.fingerprint == datasets.fingerprint(loaded)
    shares = Counter(digits.validation_labels.tolist())
    whole = Counter(load_digits().target.tolist())
    for label in range(10):
        assert shares[label] == pytest.approx(0.15 * whole[label], abs=1)


@pytest.mark.promise("DATA-6")
def test_thumbnails_are_training_images_of_their_class(digits: Study) -> None:
    found = digits.thumbnails()
    assert Counter(one.label for one in found) == dict.fromkeys(range(10), 8)
    train = datasets.load("digits", seed=3).train
    for one in found:
        with Image.open(io.BytesIO(one.png)) as picture:
            pixels = np.asarray(picture) / 255
        alike = np.abs(train.images[:, 0] - pixels).max(axis=(1, 2)) < 0.01
        assert one.label in train.labels[alike]


def test_the_sampled_models_wait_for_training(digits: Study) -> None:
    models = digits.models()
    assert [one.number for one in models] == list(range(1, 9))
    assert {one.status for one in models} == {Status.QUEUED}
    assert {one.origin for one in models} == {Origin.SAMPLED}
    assert {one.wanted_epochs for one in models} == {10}
    assert {one.parent for one in models} == {None}
    assert len(set(networks(digits))) == 8
    for one in models:
        assert one.architecture.input_shape == (1, 8, 8)
        assert one.architecture.classes == 10
        assert one.parameters <= 1_000_000
    assert digits.recipe == Recipe(epochs=10, batch_size=32)
    assert (digits.seed, digits.space) == (3, "paper")


def test_the_same_wish_gives_the_same_study(digits: Study, tmp_path: Path) -> None:
    with create_study(tmp_path / "again", "digits", models=8, seed=3) as again:
        assert networks(again) == networks(digits)
        assert [one.seed for one in again.models()] == [one.seed for one in digits.models()]
        assert again.data == digits.data
        assert again.thumbnails() == digits.thumbnails()
        assert again.validation_labels.tolist() == digits.validation_labels.tolist()
    with create_study(tmp_path / "other", models=8, seed=4) as other:
        assert networks(other) != networks(digits)
        assert other.validation_labels.tolist() != digits.validation_labels.tolist()


# Growing


@pytest.mark.parametrize("steps", [[12], [5, 12], [0, 1, 2, 12], [12, 12, 3, 0]])
def test_a_study_grows_in_steps_as_at_once(tmp_path: Path, small: str, steps: list[int]) -> None:
    limits = Limits(50_000)
    with create_study(tmp_path / "once", small, models=12, limits=limits) as once:
        expected = networks(once)
    with create_study(tmp_path / "steps", small) as study:
        for models in steps:
            before = len(study.models())
            assert add_samples(study, models, limits) == max(models - before, 0)
        assert networks(study) == expected
        assert all(one.parameters <= 50_000 for one in study.models())


def test_what_a_person_made_is_not_counted_and_not_made_again(tmp_path: Path, small: str) -> None:
    with create_study(tmp_path / "once", small, models=6) as once:
        drawn = [one.architecture for one in once.models()]
    with create_study(tmp_path / "s", small) as study:
        mine = [drawn[2], Architecture((1, 8, 8), 3, (Dense(7),))]
        study.submit(Submission(one, Origin.HANDCRAFTED) for one in mine)
        assert add_samples(study, 5) == 5
        sampled = [one.architecture for one in study.models() if one.origin is Origin.SAMPLED]
        assert sampled == [drawn[n] for n in (0, 1, 3, 4, 5)]
        assert add_samples(study, 5) == 0


def test_a_second_opening_grows_the_same_study(tmp_path: Path, small: str) -> None:
    with create_study(tmp_path / "once", small, models=9, seed=5) as once:
        expected = networks(once)
    create_study(tmp_path / "s", small, models=4, seed=5).close()
    with open_study(tmp_path / "s") as study:
        add_samples(study, 9)
        assert networks(study) == expected


def test_a_study_of_a_file_knows_its_place(
    tmp_path: Path, small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(Path(small).parent)
    with create_study("here", "small.npz", epochs=4) as study:
        assert study.path == Path(small).parent / "here"
        assert study.data.source == small
        assert study.data.class_names == ("ant", "bee", "cat")
        assert study.data.input_shape == (1, 8, 8)
        assert study.recipe == Recipe(epochs=4, batch_size=32)
        assert study.models() == ()


# What cannot be


@pytest.mark.parametrize(
    ("wish", "error", "says"),
    [
        ({"models": -1}, InvalidRequest, "number of models must be a whole number .* not -1"),
        ({"models": 2.5}, InvalidRequest, "number of models must be a whole number .* not 2.5"),
        ({"models": True}, InvalidRequest, "number of models must be a whole number .* not True"),
        ({"seed": -1}, InvalidRequest, "the seed must be a whole number from 0 to .* not -1"),
        ({"seed": 2**63}, InvalidRequest, "the seed must be a whole number from 0 to"),
        ({"seed": "1"}, InvalidRequest, "the seed must be a whole number from 0 to .* not '1'"),
        ({"epochs": 0}, InvalidRequest, "epochs must be a whole number of at least 1, not 0"),
        ({"epochs": -4}, InvalidRequest, "epochs must be a whole number of at least 1, not -4"),
        ({"data": "no-such-set"}, DataError, "there is no data set 'no-such-set'.*known are"),
        ({"data": ""}, DataError, "the name of the data set is empty"),
        ({"data": "{here}/text.npz"}, DataError, "text.npz"),
        ({"data": "{here}/many.npz"}, InvalidRequest, "has 300 classes; a study takes at most 256"),
        ({"limits": Limits(3), "models": 1}, InvalidRequest, "allow more parameters"),
        ({"limits": Limits(layers=0), "models": 2}, InvalidRequest, "ask for fewer models"),
    ],
)
def test_a_wish_that_cannot_be_leaves_nothing_behind(
    tmp_path: Path,
    small: str,
    monkeypatch: pytest.MonkeyPatch,
    wish: dict[str, Any],
    error: type[RemapError],
    says: str,
) -> None:
    monkeypatch.setattr(sampling, "PATIENCE", 200)
    here = tmp_path / "data"
    (here / "text.npz").write_text("this is no zip file")
    images = np.zeros((1800, 4, 4), np.uint8)
    np.savez(here / "many.npz", x_train=images, y_train=np.repeat(np.arange(300), 6))
    before = sorted(tmp_path.rglob("*"))
    given = {"data": small, **wish}
    given["data"] = given["data"].replace("{here}", str(here))
    with pytest.raises(error, match=says) as caught:
        create_study(tmp_path / "a" / "s", **given)
    assert "\n" not in str(caught.value)
    assert sorted(tmp_path.rglob("*")) == before


def test_the_largest_seed_is_one(tmp_path: Path, small: str) -> None:
    with create_study(tmp_path / "s", small, seed=2**63 - 1, models=2) as study:
        assert study.seed == 2**63 - 1
        assert len(study.models()) == 2


def test_an_existing_study_is_seen_before_its_data_are_loaded(tmp_path: Path, small: str) -> None:
    create_study(tmp_path / "s", small, models=2).close()
    before = (tmp_path / "s" / "study.db").read_bytes()
    with pytest.raises(StudyExists, match="is a study already; open it instead"):
        create_study(tmp_path / "s", "no-such-set")
    assert (tmp_path / "s" / "study.db").read_bytes() == before


@pytest.mark.parametrize("models", [-1, 1.0, "3", None])
def test_a_study_does_not_grow_by_nonsense(tmp_path: Path, small: str, models: Any) -> None:
    with create_study(tmp_path / "s", small, models=1) as study:
        before = study.changes().number
        with pytest.raises(InvalidRequest, match="number of models must be a whole number"):
            add_samples(study, models)
        assert study.changes().number == before


def test_limits_that_nothing_keeps_leave_a_study_as_it_was(
    tmp_path: Path, small: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "PATIENCE", 200)
    with create_study(tmp_path / "s", small, models=1) as study:
        before = study.changes().number
        with pytest.raises(InvalidRequest, match="no further architecture within the limits"):
            add_samples(study, 5, Limits(3))
        assert study.changes().number == before


# The recipe


def test_the_recipe_is_the_papers() -> None:
    recipe = Recipe()
    assert recipe.to_dict() == {
        "epochs": 10, "batch_size": 256, "learning_rate": 1e-3, "decay": 0.75,
        "patience": 0, "least_gain": 0.005, "bfloat16": False,
        "flip": False, "shift": 0, "channels": [],
    }  # fmt: skip
    assert recipe.rate(1) == 1e-3
    assert recipe.rate(2) == 0.75e-3
    assert recipe.rate(10) == pytest.approx(1e-3 * 0.75**9)


def test_a_small_training_part_gets_small_batches() -> None:
    assert recipe_for(50_000) == Recipe()
    assert recipe_for(50 * 256).batch_size == 256
    assert recipe_for(50 * 256 - 1).batch_size == 32
    assert recipe_for(1257, epochs=3) == Recipe(epochs=3, batch_size=32)


@pytest.mark.parametrize(
    "recipe",
    [
        Recipe(),
        Recipe(3, 8, 0.5, 1),
        Recipe(learning_rate=1, decay=1e-6),
        Recipe(patience=3),
        Recipe(flip=True, shift=2, channels=((0.1, 1 / 3), (0, 1))),
    ],
)
def test_a_recipe_survives_json(recipe: Recipe) -> None:
    again = Recipe.from_dict(json.loads(json.dumps(recipe.to_dict())))
    assert again == recipe
    assert {type(value) for value in (again.learning_rate, again.decay)} == {float}


@pytest.mark.parametrize(
    ("values", "says"),
    [
        ({"epochs": 0}, "epochs must be a whole number of at least 1, not 0"),
        ({"epochs": 1.0}, "epochs must be a whole number of at least 1, not 1.0"),
        ({"epochs": True}, "epochs must be a whole number"),
        ({"batch_size": -1}, "batch_size must be a whole number of at least 1, not -1"),
        ({"batch_size": None}, "batch_size must be a whole number"),
        ({"learning_rate": 0}, "learning_rate must be a number above 0 and below 1000, not 0"),
        ({"learning_rate": float("nan")}, "learning_rate must be a number above 0"),
        ({"learning_rate": 1e3}, "learning_rate must be a number above 0 and below 1000"),
        ({"learning_rate": "fast"}, "learning_rate must be a number above 0"),
        ({"decay": -0.5}, "decay must be a number above 0 and below 1000, not -0.5"),
        ({"decay": True}, "decay must be a number above 0"),
        ({"patience": -1}, "patience must be a whole number of at least 0, not -1"),
        ({"patience": 2.0}, "patience must be a whole number of at least 0, not 2.0"),
        ({"least_gain": 0}, "least_gain must be a number above 0"),
        ({"bfloat16": 1}, "bfloat16 must be true or false, not 1"),
        ({"flip": 1}, "flip must be true or false, not 1"),
        ({"shift": -1}, "shift must be a whole number of at least 0, not -1"),
        ({"channels": [[0.5, 0]]}, "a standard deviation above 0 for each channel"),
        ({"channels": [0.5, 0.2]}, "a mean and a standard deviation above 0"),
        ({"channels": "auto"}, "channels must be a mean"),
        ({"momentum": 0.9}, "a recipe has no 'momentum'"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(values: dict[str, Any], says: str) -> None:
    with pytest.raises(InvalidRequest, match=says):
        Recipe.from_dict(values)


@pytest.mark.promise("TRAIN-10")
def test_a_recipe_of_an_older_study_reads_on_without_what_it_does_not_know() -> None:
    old = {"epochs": 3, "batch_size": 8, "learning_rate": 0.5, "decay": 1.0}
    recipe = Recipe.from_dict(old)
    assert (recipe.flip, recipe.shift, recipe.channels, recipe.words) == (False, 0, (), "")


@pytest.mark.promise("DATA-10")
def test_channels_are_measured_once_on_the_training_part(tmp_path: Path) -> None:
    train = datasets.load("digits", seed=3).train
    with create_study(
        tmp_path / "s", "digits", seed=3, flip=True, shift=1, standardize=True
    ) as study:
        ((mean, deviation),) = study.recipe.channels
        assert mean == pytest.approx(train.images.mean(dtype=np.float64))
        assert deviation == pytest.approx(train.images.std(dtype=np.float64))
        assert study.recipe == Recipe(
            batch_size=32, flip=True, shift=1, channels=((mean, deviation),)
        )
    with open_study(tmp_path / "s") as again:
        assert again.recipe.channels == ((mean, deviation),)


@pytest.mark.promise("TRAIN-10")
def test_a_shift_out_of_the_picture_leaves_nothing_behind(tmp_path: Path) -> None:
    with pytest.raises(InvalidRequest, match="8 x 8 pixels cannot be shifted by 8"):
        create_study(tmp_path / "s", "digits", shift=8)
    assert not (tmp_path / "s").exists()


@pytest.mark.promise("TRAIN-8")
@pytest.mark.parametrize(
    ("losses", "stalled"),
    [
        ([], False),
        ([2.0, 1.0, 0.9, 0.8], False),
        # Three in a row that come less than 0.005 below the best: the original's rule G9.
        ([1.0, 0.999, 1.2, 0.997], True),
        ([1.0, 0.999, 1.2], False),
        # A gain in between starts the count anew.
        ([1.0, 0.999, 1.2, 0.99, 0.99, 0.99], False),
        ([1.0, 0.999, 1.2, 0.99, 0.99, 0.99, 0.99], True),
        # Small steps add up to a gain.
        ([1.0, 0.997, 0.994, 0.991, 0.988, 0.985], False),
    ],
)
def test_a_model_has_stalled_after_as_many_epochs_without_a_gain_as_there_is_patience(
    losses: list[float], stalled: bool
) -> None:
    assert Recipe(patience=3).has_stalled(losses) is stalled
    assert not Recipe().has_stalled(losses)


# From another space

OWN = """
name = "own"
[grids]
conv = { filters = [4, 8, 16], kernel_size = [2, 3] }
dense = { units = [5, 6, 7, 8, 9] }
[transitions]
start = { conv = 1 }
conv = { conv = 1, dense = 1 }
dense = { dense = 1, stop = 1 }
[limits]
parameters = 5000
"""


@pytest.mark.promise("SPACE-20")
def test_a_study_keeps_the_space_that_it_samples_from(small: str, tmp_path: Path) -> None:
    path = tmp_path / "own.toml"
    path.write_text(OWN)
    with create_study(tmp_path / "whole", small, models=6, space=path) as study:
        whole = networks(study)
        assert study.space == "own"
        assert all(one.parameters <= 5000 for one in study.models())
        kinds = {layer.kind for one in study.models() for layer in one.architecture.layers}
    assert kinds == {"conv", "dense"}
    create_study(tmp_path / "grown", small, models=2, space=path).close()
    path.write_text(OWN.replace("[4, 8, 16]", "[99]"))
    with open_study(tmp_path / "grown") as study:
        assert space_of(study).name == "own"
        assert add_samples(study, 6) == 4
        assert networks(study) == whole


def test_a_space_that_is_none_leaves_nothing_behind(small: str, tmp_path: Path) -> None:
    (tmp_path / "bad.toml").write_text(OWN.replace("[transitions]", "[transition]"))
    for space, reason in (("bad.toml", "the file has no transitions"), ("x", "no such file")):
        with pytest.raises(InvalidRequest, match=reason):
            create_study(tmp_path / "s", small, models=2, space=str(tmp_path / space))
    assert not (tmp_path / "s").exists()


def test_a_study_without_a_copy_of_its_space_goes_by_the_name(small: str, tmp_path: Path) -> None:
    with create_study(tmp_path / "s", small, models=3, space="modern") as study:
        (study.path / "space.toml").unlink()
        assert space_of(study) == Space.named("modern")
        study.space = "gone"
        with pytest.raises(InvalidRequest, match="there is no space 'gone'"):
            space_of(study)
