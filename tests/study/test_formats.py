"""Studies of older formats: migrated on a copy, whole or not at all."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sqlalchemy import create_engine, inspect

from remap_panel.cli import main
from remap_ray.errors import StudyTooOld
from remap_ray.study import Holder, Status, Study, open_study, schema, take_lease
from remap_ray.study.checking import find_faults
from remap_ray.study.migration import migrate
from tests import synthetic

FORMAT_1 = Path(__file__).parent / "formats" / "format1.sql"
"""A study as the first format wrote it: 5 models done and mapped, one waiting, one cancelled."""


@pytest.fixture
def old(tmp_path: Path) -> Path:
    path = tmp_path / "old"
    (path / "weights").mkdir(parents=True)
    with closing(sqlite3.connect(path / "study.db")) as connection:
        connection.executescript(FORMAT_1.read_text(encoding="utf-8"))
        connection.execute("PRAGMA journal_mode = WAL")
    return path


def dump(database: Path) -> list[tuple[Any, ...]]:
    """All rows of all tables."""
    with closing(sqlite3.connect(database)) as connection:
        names = connection.execute("SELECT name FROM sqlite_schema WHERE type = 'table'")
        return [
            (name, *row)
            for (name,) in sorted(names.fetchall())
            for row in connection.execute(f"SELECT * FROM {name}")
        ]


def columns(database: Path) -> dict[str, dict[str, tuple[str, bool, int]]]:
    """Of each table its columns: type, whether there must be a value, place in the key."""
    with closing(sqlite3.connect(database)) as connection:
        names = connection.execute(
            "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"
        ).fetchall()
        return {
            name: {
                one[1]: (one[2], bool(one[3]), one[5])
                for one in connection.execute(f"PRAGMA table_info({name})")
            }
            for (name,) in names
        }


def version(database: Path) -> int:
    with closing(sqlite3.connect(database)) as connection:
        found: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return found


@pytest.mark.promise("STUDY-33")
def test_a_study_of_format_1_opens_with_all_that_it_held(old: Path) -> None:
    before = dump(old / "study.db")
    with open_study(old) as study:
        models = study.models()
        assert [str(one.status) for one in models] == [*["done"] * 5, "queued", "cancelled"]
        assert [one.epochs for one in models] == [3, 3, 3, 3, 3, 0, 0]
        assert all(one.architecture.identity == one.identity for one in models)
        assert study.changes().number == 31
        assert len(study.points("structure")) == len(study.points("predictions")) == 5
        assert [(one.model, one.note) for one in study.drawer()] == [(2, "good")]
        assert np.array_equal(study.predictions(1), study.predictions(1))
        assert not study.heartbeat().alive
        # And it can be written: by people and by a scheduler.
        lease = take_lease(study, Holder.this_process("test"), 1)
        assert synthetic.train_falsely(study, lease, 1) == (6,)
        lease.release()
        assert study.counts()[Status.DONE] == 6
    assert version(old / "study.db") == schema.FORMAT
    # The old one stays beside it, as it was.
    assert dump(old / "study.db.format-1") == before
    assert version(old / "study.db.format-1") == 1
    assert not (old / "study.db.part").exists()


@pytest.mark.promise("STUDY-33")
def test_a_migrated_study_has_the_tables_of_a_new_one(old: Path, tmp_path: Path) -> None:
    open_study(old).close()
    synthetic.empty_study(tmp_path / "new").close()
    assert columns(old / "study.db") == columns(tmp_path / "new" / "study.db")
    for name in (old / "study.db", tmp_path / "new" / "study.db"):
        engine = create_engine(f"sqlite:///{name}")
        assert set(inspect(engine).get_table_names()) >= set(schema.METADATA.tables)
        engine.dispose()


def test_a_migrated_study_is_checked_and_mended(old: Path, capsys: pytest.CaptureFixture) -> None:
    """The weights of this one were never kept: it is trained again."""
    with open_study(old) as study:
        assert len(find_faults(study)) == 5
    assert main(["check", str(old), "--mend"]) == 0
    assert capsys.readouterr().out.endswith("old: whole\n")


STEPS = {
    **schema.STEPS,
    0: ("ALTER TABLE study RENAME COLUMN label TO name", "DROP TABLE rubbish"),
}


@pytest.fixture
def older(old: Path) -> Path:
    """A made-up format before the first."""
    with closing(sqlite3.connect(old / "study.db", isolation_level=None)) as connection:
        connection.execute("ALTER TABLE study RENAME COLUMN name TO label")
        connection.execute("CREATE TABLE rubbish (x)")
        connection.execute("PRAGMA user_version = 0")
    return old


def test_several_steps_are_taken_at_once(older: Path) -> None:
    migrate(older / "study.db", 0, STEPS)
    assert (older / "study.db.format-0").exists()
    with open_study(older) as study:
        assert study.name == "old"
        assert len(study.models()) == 7


@pytest.mark.promise("STUDY-33")
@pytest.mark.parametrize("broken", ["SELECT * FROM nowhere", "DELETE FROM models WHERE number = 1"])
def test_a_step_that_fails_leaves_the_old_study(older: Path, broken: str) -> None:
    """The second one leaves rows of a model that is not there."""
    before = dump(older / "study.db")
    steps = {**STEPS, 1: (*schema.STEPS[1], broken)}
    with pytest.raises(StudyTooOld, match="format 0 and could not be brought to format"):
        migrate(older / "study.db", 0, steps)
    assert dump(older / "study.db") == before
    assert version(older / "study.db") == 0
    assert sorted(one.name for one in older.iterdir()) == ["study.db", "weights"]


def test_a_format_from_which_no_way_leads_is_refused(older: Path) -> None:
    before = dump(older / "study.db")
    with pytest.raises(StudyTooOld, match="knows no way from there"):
        open_study(older)
    assert dump(older / "study.db") == before


@pytest.fixture
def reader(old: Path) -> Iterator[sqlite3.Connection]:
    with closing(sqlite3.connect(old / "study.db", isolation_level=None)) as connection:
        connection.execute("BEGIN")
        connection.execute("SELECT count(*) FROM models").fetchone()
        yield connection


@pytest.mark.slow
def test_a_study_in_use_is_not_migrated(old: Path, reader: sqlite3.Connection) -> None:
    """By an older REMAP, say, which would write on into a file that has no name any more."""
    with pytest.raises(StudyTooOld, match="it is in use"):
        Study.open(old)
    assert version(old / "study.db") == 1
    reader.execute("COMMIT")
    reader.close()
    Study.open(old).close()
    assert version(old / "study.db") == schema.FORMAT
