"""A study comes into being and is opened, or one line says why not and nothing has changed."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import psutil
import pytest

from remap_ray import open_study
from remap_ray.errors import InvalidRequest, NotAStudy, RemapError, StudyExists, StudyTooNew
from remap_ray.recipe import Recipe
from remap_ray.study import DataSummary, Study, Thumbnail
from remap_ray.study.schema import APPLICATION_ID, FORMAT, STEPS
from tests import synthetic
from tests.study.children import child, children, names

Maker = Callable[[Path], None]

DYING = """
import os, signal, sys
from pathlib import Path
from remap_ray.recipe import Recipe
from remap_ray.study import DataSummary, Study, Thumbnail
import numpy as np

def thumbnails():
    yield Thumbnail(0, b"x" * 100_000)
    os.kill(os.getpid(), signal.SIGKILL)

data = DataSummary("toy", "toy", (1, 8, 8), ("a", "b"), (8, 4, 4), "0")
Study.create(Path(sys.argv[1]), data, np.zeros(4, np.uint8), thumbnails(), Recipe(), 0)
"""

CREATING = """
import sys
from pathlib import Path
from remap_ray.errors import StudyExists
from tests import synthetic

for line in sys.stdin:
    try:
        synthetic.empty_study(Path(line.strip()), seed=int(sys.argv[1])).close()
    except StudyExists:
        print("exists", flush=True)
    else:
        print("created", flush=True)
"""


def contents(path: Path) -> dict[str, bytes | None] | bytes | None:
    """Give all that lies under a path, and what is in it."""
    if not path.is_dir():
        return path.read_bytes() if path.exists() else None
    return {
        str(one.relative_to(path)): None if one.is_dir() else one.read_bytes()
        for one in sorted(path.rglob("*"))
    }


@pytest.fixture(autouse=True)
def nothing_left_open(tmp_path: Path) -> Iterator[None]:
    yield
    opened = [one.path for one in psutil.Process().open_files()]
    assert not [one for one in opened if one.startswith(str(tmp_path))]


# What may stand at a path


def nothing(path: Path) -> None:
    pass


def an_empty_directory(path: Path) -> None:
    path.mkdir()


def a_file(path: Path) -> None:
    path.write_text("mine")


def something_else(path: Path) -> None:
    path.mkdir()
    (path / "thesis.tex").write_text("mine")


def weights_of_mine(path: Path) -> None:
    (path / "weights").mkdir(parents=True)
    (path / "weights" / "resnet.pt").write_text("mine")


def a_file_called_weights(path: Path) -> None:
    path.mkdir()
    (path / "weights").write_text("mine")


def a_study(path: Path) -> None:
    synthetic.empty_study(path).close()


def a_newer_study(path: Path) -> None:
    a_study(path)
    _in_database(path, f"PRAGMA user_version = {FORMAT + 6}")


def a_study_without_its_row(path: Path) -> None:
    a_study(path)
    _in_database(path, "DELETE FROM study")


def a_study_without_its_tables(path: Path) -> None:
    path.mkdir()
    numbers = f"PRAGMA application_id = {APPLICATION_ID}", f"PRAGMA user_version = {FORMAT}"
    _in_database(path, "PRAGMA journal_mode = WAL", *numbers)


def a_truncated_study(path: Path) -> None:
    a_study(path)
    os.truncate(path / "study.db", 5000)


def a_header_alone(path: Path) -> None:
    a_study(path)
    os.truncate(path / "study.db", 60)


def a_study_of_rubbish(path: Path) -> None:
    a_study(path)
    data = (path / "study.db").read_bytes()
    rubbish = np.random.default_rng(0).bytes(len(data) - 100)
    (path / "study.db").write_bytes(data[:100] + rubbish)


def an_empty_database(path: Path) -> None:
    path.mkdir()
    (path / "study.db").touch()


def a_text_called_database(path: Path) -> None:
    path.mkdir()
    (path / "study.db").write_text("once upon a time there was a study " * 10)


def a_foreign_database(path: Path) -> None:
    path.mkdir()
    _in_database(path, "CREATE TABLE study (id)", "PRAGMA user_version = 1")


def a_directory_called_database(path: Path) -> None:
    (path / "study.db").mkdir(parents=True)


def a_half_made_study(path: Path) -> None:
    with child(DYING, path) as one:
        assert one.process.wait() == -9


def a_study_without_its_name(path: Path) -> None:
    """A crash between the last write and the renaming."""
    a_study(path)
    (path / "study.db").rename(path / "study.db.part")


def _in_database(path: Path, *statements: str) -> None:
    connection = sqlite3.connect(path / "study.db")
    for one in statements:
        connection.execute(one)
    connection.commit()
    connection.close()


# Opening


@pytest.mark.parametrize(
    ("maker", "says", "way_out"),
    [
        (nothing, "does not exist", "create one with: remap sample"),
        (an_empty_directory, "holds no study", "create one with: remap sample"),
        (something_else, "holds no study", "create one with: remap sample"),
        (weights_of_mine, "holds no study", "create one with: remap sample"),
        (a_half_made_study, "holds no study", "create one with: remap sample"),
        (a_study_without_its_name, "holds no study", "create one with: remap sample"),
        (a_directory_called_database, "holds no study", "create one with: remap sample"),
        (a_file, "is a file", "a study is a directory"),
        (an_empty_database, "has a study.db that is no study", "name another"),
        (a_text_called_database, "cannot be read (file is not a database)", "put a copy"),
        (a_header_alone, "has a study.db that is no study", "name another"),
        (a_truncated_study, "cannot be read (database disk image is malformed)", "put a copy"),
        (a_study_of_rubbish, "cannot be read (", "put a copy"),
        (a_study_without_its_row, "cannot be read (", "put a copy"),
        (a_study_without_its_tables, "cannot be read (no such table: study)", "put a copy"),
        (a_foreign_database, "has a study.db that is no study", "name another directory"),
    ],
)
@pytest.mark.promise("STUDY-9")
def test_what_is_no_study_is_refused(tmp_path: Path, maker: Maker, says: str, way_out: str) -> None:
    path = tmp_path / "s"
    maker(path)
    before = contents(path)
    with pytest.raises(NotAStudy) as caught:
        open_study(path)
    said = str(caught.value)
    assert said.startswith(f"{path} ")
    assert says in said
    assert way_out in said
    assert "\n" not in said
    assert caught.value.path == path
    assert isinstance(caught.value, FileNotFoundError)
    assert contents(path) == before


@pytest.mark.promise("STUDY-9")
def test_a_newer_format_is_refused_with_both_numbers(tmp_path: Path) -> None:
    path = tmp_path / "s"
    a_newer_study(path)
    before = contents(path)
    with pytest.raises(StudyTooNew) as caught:
        open_study(str(path))
    assert (caught.value.found, caught.value.known) == (FORMAT + 6, FORMAT)
    assert caught.value.path == path
    said = str(caught.value)
    assert f"format {FORMAT + 6}" in said
    assert f"up to format {FORMAT}" in said
    assert "install a newer REMAP" in said
    assert contents(path) == before


def test_a_study_says_what_it_was_created_with(tmp_path: Path) -> None:
    labels = np.array([0, 1, 1, 255], np.uint8)
    data = DataSummary("Toy", "/toy.npz", (3, 8, 9), ("a", "ü", "c d"), (7, 4, 5), "f00")
    thumbnails = [Thumbnail(1, b"one"), Thumbnail(0, b"\x00zero"), Thumbnail(1, b"")]
    recipe = Recipe(4, 32, 0.5, 1)
    made = Study.create(
        tmp_path / "s", data, labels, iter(thumbnails), recipe, 2**63 - 1, clock=lambda: 86400.5
    )
    with made, open_study(tmp_path / "s") as opened:
        for one in (made, opened):
            assert one.path == tmp_path / "s"
            assert (one.name, one.data, one.recipe) == ("s", data, recipe)
            assert (one.space, one.seed) == ("paper", 2**63 - 1)
            assert one.created.isoformat() == "1970-01-02T00:00:00.500000+00:00"
            assert one.validation_labels.dtype == np.uint8
            assert one.validation_labels.tolist() == labels.tolist()
            assert one.thumbnails() == tuple(thumbnails)
            assert one.models() == ()
            assert one.changes().number == 0
            assert not one.changes()
    assert names(tmp_path / "s") == ["study.db", "weights"]


@pytest.mark.parametrize(
    "name", ["a b", "what?mode=x", "a#b", "50%41", "ü'\"", "a&b=c;d", ":memory:", "s.part"]
)
def test_a_study_may_have_any_name(tmp_path: Path, name: str) -> None:
    path = tmp_path / name
    with synthetic.empty_study(path) as made:
        watch = made.watch()
        assert watch.changed()
        synthetic.queue_samples(made, 1)
        assert watch.changed()
        watch.close()
    with open_study(path) as opened:
        assert opened.name == name
        assert opened.counts()["queued"] == 1
    assert names(tmp_path) == [name]


def test_a_relative_path_holds_after_a_change_of_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    made = synthetic.empty_study(Path("s"))
    opened = open_study("s")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    monkeypatch.chdir(elsewhere)
    with made, opened:
        synthetic.queue_samples(made, 1)
        assert len(opened.models()) == 1
        watch = opened.watch()
        assert watch.changed()
        watch.close()
        assert opened.weights_path(3) == tmp_path / "s" / "weights" / "m3.safetensors"
        assert opened.checkpoint_path(3).name == "m3.checkpoint.safetensors"
    assert names(elsewhere) == []


def test_a_study_can_be_moved_and_copied(tmp_path: Path) -> None:
    synthetic.full_study(tmp_path / "old", 3, 1).close()
    shutil.copytree(tmp_path / "old", tmp_path / "copy")
    (tmp_path / "old").rename(tmp_path / "new")
    with open_study(tmp_path / "new") as new, open_study(tmp_path / "copy") as copy:
        assert new.models() == copy.models()
        assert copy.weights_path(1).read_bytes() == b"weights"


# Creating


@pytest.mark.parametrize(
    "maker", [nothing, an_empty_directory, a_half_made_study, a_study_without_its_name]
)
def test_a_study_is_created_where_nothing_stands(tmp_path: Path, maker: Maker) -> None:
    path = tmp_path / "s"
    maker(path)
    with synthetic.empty_study(path) as study:
        assert len(study.thumbnails()) == len(synthetic.CLASSES), "nothing of the half-made one"
    assert names(path) == ["study.db", "weights"]


def test_missing_parents_are_made(tmp_path: Path) -> None:
    synthetic.empty_study(tmp_path / "a" / "b" / "s").close()
    assert (tmp_path / "a" / "b" / "s" / "study.db").is_file()


@pytest.mark.parametrize(
    ("maker", "says"),
    [
        (a_study, "is a study already; open it instead"),
        (a_newer_study, "is a study already; open it instead"),
        (a_file, "is a file; name a directory that does not exist yet"),
        (something_else, "is not empty and no study; name another directory"),
        (weights_of_mine, "is not empty and no study; name another directory"),
        (a_file_called_weights, "is not empty and no study; name another directory"),
        (a_foreign_database, "has a study.db that is no study; name another directory"),
        (a_text_called_database, "has a study.db that is no study; name another directory"),
        (a_directory_called_database, "has a study.db that is no study; name another directory"),
    ],
)
def test_what_stands_there_is_not_touched(tmp_path: Path, maker: Maker, says: str) -> None:
    path = tmp_path / "s"
    maker(path)
    before = contents(path)
    with pytest.raises(StudyExists) as caught:
        synthetic.empty_study(path)
    assert str(caught.value) == f"{path} {says}"
    assert caught.value.path == path
    assert isinstance(caught.value, FileExistsError)
    assert contents(path) == before


def test_a_directory_that_cannot_be_made_is_refused(tmp_path: Path) -> None:
    a_file(tmp_path / "f")
    with pytest.raises(InvalidRequest) as caught:
        synthetic.empty_study(tmp_path / "f" / "s")
    assert str(caught.value) == (
        f"{tmp_path / 'f' / 's'} cannot be created (Not a directory); "
        "name a directory that can be written"
    )
    assert contents(tmp_path) == {"f": b"mine"}


@pytest.mark.parametrize("maker", [nothing, an_empty_directory])
@pytest.mark.parametrize("name", ["s", "a/b/s"])
def test_a_failure_leaves_nothing_behind(tmp_path: Path, maker: Maker, name: str) -> None:
    class Broken(Exception):
        pass

    def thumbnails() -> Iterator[Thumbnail]:
        yield Thumbnail(0, b"x" * 100_000)
        raise Broken

    path = tmp_path / name
    if maker is an_empty_directory:
        path.mkdir(parents=True)
    before = contents(tmp_path)
    data = DataSummary("toy", "toy", (1, 8, 8), ("a", "b"), (8, 4, 4), "0")
    with pytest.raises(Broken):
        Study.create(path, data, np.zeros(4, np.uint8), thumbnails(), Recipe(), 0)
    assert contents(tmp_path) == before
    with pytest.raises(OverflowError):
        synthetic.empty_study(path, seed=2**63)
    assert contents(tmp_path) == before


@pytest.mark.slow
def test_of_two_who_create_at_once_one_does(tmp_path: Path) -> None:
    with children(2, CREATING) as both:
        for round_ in range(8):
            path = tmp_path / f"s{round_}"
            for one in both:
                one.say(path)
            assert sorted(one.hear() for one in both) == ["created", "exists"]
            with open_study(path) as study:
                assert len(study.thumbnails()) == len(synthetic.CLASSES)
            assert names(path) == ["study.db", "weights"]


def test_every_refusal_is_of_the_one_family() -> None:
    for one in (NotAStudy, StudyExists, StudyTooNew, InvalidRequest):
        assert issubclass(one, RemapError)


# Images


def test_a_study_without_images_or_with_broken_ones_opens_all_the_same(tmp_path: Path) -> None:
    images = np.arange(200 * 4, dtype=np.uint8).reshape(200, 2, 2)
    with synthetic.empty_study(tmp_path / "s", images=images) as study:
        np.testing.assert_array_equal(study.images(), images)
        file = study.path / "validation.npy"
        whole = file.read_bytes()
        for broken in (b"", whole[:100], whole[:-5], b"PK no array"):
            file.write_bytes(broken)
            assert study.images() is None
        file.unlink()
        assert study.images() is None
    with synthetic.empty_study(tmp_path / "t", images=images[:7]) as study:
        assert study.images() is None


def test_images_that_a_dead_process_left_are_no_hindrance(tmp_path: Path) -> None:
    (tmp_path / "s" / "weights").mkdir(parents=True)
    (tmp_path / "s" / "validation.npy").write_bytes(b"half")
    with synthetic.empty_study(tmp_path / "s") as study:
        assert study.images() is None


def _tables(database: Path) -> dict[str, set[tuple[object, ...]]]:
    """Each table's columns: name, type, whether it must have a value, key or not."""
    with sqlite3.connect(database) as connection:
        names = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()
        found = {
            name: {
                (row[1], row[2], row[3], row[5])
                for row in connection.execute(f"PRAGMA table_info({name})")
            }
            for (name,) in names
        }
    connection.close()
    return found


def test_the_steps_from_an_older_format_make_the_tables_of_this_one(tmp_path: Path) -> None:
    a_study(tmp_path / "new")
    a_study(tmp_path / "old")
    added = {
        "models": ("halving", "full_epochs", "to_the_end", "losses", "deleted"),
        "lease": ("gpus_each", "cpus", "gpus", "starting"),
    }
    # A study of format 1 had all the rest.
    undone = [
        f"ALTER TABLE {table} DROP COLUMN {column}"
        for table, columns in added.items()
        for column in columns
    ]
    _in_database(tmp_path / "old", *undone, "DROP TABLE queue")
    assert _tables(tmp_path / "old" / "study.db") != _tables(tmp_path / "new" / "study.db")
    _in_database(tmp_path / "old", *STEPS[1])
    assert _tables(tmp_path / "old" / "study.db") == _tables(tmp_path / "new" / "study.db")
