"""What is wrong with a study is found, told from what is not, and mended."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest

from remap_panel.cli import main
from remap_ray.errors import StudyBusy
from remap_ray.study import Epoch, Holder, Status, Study, open_study, take_lease
from remap_ray.study.checking import Kind, find_faults
from remap_ray.study.mending import mend
from tests import synthetic


def safetensors(identity: str, epoch: int, size: int = 400) -> bytes:
    """A whole file of one tensor."""
    header = {
        "__metadata__": {"identity": identity, "epoch": str(epoch)},
        "x": {"dtype": "U8", "shape": [size], "data_offsets": [0, size]},
    }
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + bytes(size)


@pytest.fixture
def study(tmp_path: Path) -> Iterator[Study]:
    """Four models: three done with whole files and a checkpoint, one waiting."""
    with synthetic.empty_study(tmp_path / "s") as study:
        synthetic.queue_samples(study, 4)
        lease = take_lease(study, Holder.this_process("test"), 1)
        truth = study.validation_labels
        for one in lease.claim(3):
            for at in (1, 2, 3):
                lease.record_epoch(Epoch(one.number, at, 1 / at, 0.1 * at, 1 / at, 0.1 * at, 0.5))
            lease.record_checkpoint(one.number, 3, safetensors(one.identity, 3))
            lease.finish(one.number, truth, safetensors(one.identity, 3))
        synthetic.lay_out(lease, (1, 2, 3))
        lease.release()
        yield study


def in_database(study: Study, *commands: str) -> None:
    with closing(sqlite3.connect(study.path / "study.db", isolation_level=None)) as connection:
        for one in commands:
            connection.execute(one)


def kinds(study: Study) -> list[Kind]:
    return [one.kind for one in find_faults(study)]


def train_what_waits(study: Study) -> None:
    """What a scheduler does: from the checkpoint on, each epoch again that it lacks."""
    lease = take_lease(study, Holder.this_process("test"), 1)
    for one in lease.claim(10):
        for at in range(one.checkpoint_epoch + 1, 4):
            lease.record_epoch(Epoch(one.number, at, 1 / at, 0.1 * at, 1 / at, 0.1 * at, 0.5))
        lease.finish(one.number, study.validation_labels, safetensors(one.identity, 3))
    lease.release()


@pytest.mark.promise("STUDY-31")
def test_a_whole_study_has_no_faults(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    assert find_faults(study) == ()
    assert main(["check", str(study.path)]) == 0
    assert capsys.readouterr().out == "s: whole\n"


def weights_gone(study: Study) -> None:
    study.weights_path(2).unlink()


def weights_cut_short(study: Study) -> None:
    path = study.weights_path(2)
    path.write_bytes(path.read_bytes()[:-10])


def one_bit_of_the_weights(study: Study) -> None:
    data = bytearray(study.weights_path(2).read_bytes())
    data[-1] ^= 1
    study.weights_path(2).write_bytes(bytes(data))


def weights_of_another(study: Study) -> None:
    study.weights_path(2).write_bytes(study.weights_path(1).read_bytes())


def no_predictions(study: Study) -> None:
    in_database(study, "DELETE FROM predictions WHERE model = 2")


def few_predictions(study: Study) -> None:
    in_database(study, "UPDATE predictions SET labels = x'0001' WHERE model = 2")


def checkpoint_gone(study: Study) -> None:
    study.checkpoint_path(2).unlink()


def checkpoint_behind(study: Study) -> None:
    study.checkpoint_path(2).write_bytes(safetensors(study.model(2).identity, 1))


def an_epoch_gone(study: Study) -> None:
    in_database(study, "DELETE FROM epochs WHERE model = 2 AND epoch = 2")


def an_epoch_not_counted(study: Study) -> None:
    in_database(study, "UPDATE models SET epochs = 2 WHERE number = 2")


def a_part(study: Study) -> None:
    (study.path / "weights" / "m4.safetensors.part").write_bytes(b"half")


def an_orphan(study: Study) -> None:
    (study.path / "weights" / "m77.safetensors").write_bytes(b"whose?")


def rows_of_nobody(study: Study) -> None:
    in_database(
        study,
        "PRAGMA foreign_keys = OFF",
        "INSERT INTO epochs VALUES (77, 1, 1, 1, 1, 1, 1, 1)",
        "INSERT INTO drawer VALUES (77, 1, '', 1)",
    )


def a_parent_gone(study: Study) -> None:
    in_database(
        study, "PRAGMA foreign_keys = OFF", "UPDATE models SET parent = 77 WHERE number = 3"
    )


def a_torn_map(study: Study) -> None:
    in_database(study, "UPDATE layouts SET points = x'00' WHERE map = 'structure'")


def places_without_a_map(study: Study) -> None:
    in_database(study, "DELETE FROM layouts WHERE map = 'predictions'")


def a_counter_behind(study: Study) -> None:
    in_database(study, "UPDATE counter SET number = 3")


FAULTS: list[tuple[Callable[[Study], None], Kind, bool]] = [
    (weights_gone, Kind.WEIGHTS, True),
    (weights_cut_short, Kind.WEIGHTS, True),
    (one_bit_of_the_weights, Kind.WEIGHTS, True),
    (weights_of_another, Kind.WEIGHTS, True),
    (no_predictions, Kind.PREDICTIONS, True),
    (few_predictions, Kind.PREDICTIONS, True),
    (checkpoint_gone, Kind.CHECKPOINT, False),
    (checkpoint_behind, Kind.CHECKPOINT, False),
    (an_epoch_gone, Kind.EPOCHS, True),
    (an_epoch_not_counted, Kind.EPOCHS, False),
    (a_part, Kind.PART_FILE, False),
    (an_orphan, Kind.ORPHAN_FILE, False),
    (rows_of_nobody, Kind.ORPHAN_ROWS, False),
    (a_parent_gone, Kind.ORPHAN_ROWS, False),
    (a_torn_map, Kind.MAP, False),
    (places_without_a_map, Kind.MAP, False),
    (a_counter_behind, Kind.COUNTER, False),
]


@pytest.mark.parametrize(
    ("harm", "kind", "trains"), FAULTS, ids=[harm.__name__ for harm, _, _ in FAULTS]
)
@pytest.mark.promise("STUDY-31")
def test_a_fault_is_found_and_mended(
    study: Study, harm: Callable[[Study], None], kind: Kind, trains: bool
) -> None:
    before = [(one.number, one.identity, one.position) for one in study.models()]
    harm(study)
    assert set(kinds(study)) == {kind}
    mended = mend(study)
    assert {one.kind for one in mended} == {kind}
    assert kinds(study) == []
    assert study.model(2).status is (Status.QUEUED if trains else Status.DONE)
    assert [(one.number, one.identity, one.position) for one in study.models()] == before
    train_what_waits(study)
    assert kinds(study) == []
    for number in (1, 2, 3, 4):
        assert [one.epoch for one in study.epochs(number)] == [1, 2, 3]
        assert study.model(number).accuracy == pytest.approx(0.3)
        assert study.model(number).seconds == pytest.approx(1.5)
        assert np.array_equal(study.predictions(number), study.validation_labels)
    assert mend(study) == ()


def test_weights_that_are_lost_come_from_a_whole_checkpoint(study: Study) -> None:
    weights_gone(study)
    mend(study)
    assert study.model(2).checkpoint_epoch == 3
    checkpoint_gone(study)
    mend(study)
    assert study.model(2).checkpoint_epoch == 0


def test_what_belongs_to_nobody_is_kept_aside(study: Study) -> None:
    an_orphan(study)
    mend(study)
    assert (study.path / "lost" / "m77.safetensors").read_bytes() == b"whose?"


def test_a_file_ahead_of_its_row_is_no_fault(study: Study) -> None:
    """A kill between the rename and the commit leaves these; the next training goes on."""
    model = study.model(4)
    study.weights_path(4).write_bytes(safetensors(model.identity, 3))
    study.checkpoint_path(4).write_bytes(safetensors(model.identity, 1))
    study.checkpoint_path(2).write_bytes(safetensors(study.model(2).identity, 4))
    assert kinds(study) == []


@pytest.mark.promise("STUDY-31")
def test_what_cannot_be_mended_is_said(study: Study, capsys: pytest.CaptureFixture[str]) -> None:
    in_database(study, "UPDATE models SET identity = 'feedfeedfeed' WHERE number = 4")
    weights_gone(study)
    assert main(["check", str(study.path)]) == 1
    out = capsys.readouterr().out
    assert "cannot be mended: the architecture of m4 is not feedfeedfeed" in out
    assert "wrong: the weights of m2 are missing; with --mend: it is queued" in out
    assert out.endswith("s: 2 faults\n")
    assert main(["check", str(study.path), "--mend"]) == 1
    out = capsys.readouterr().out
    assert "mended: the weights of m2 are missing" in out
    assert out.endswith("s: 1 fault\n")


def test_a_damaged_page_of_the_database_is_said(study: Study) -> None:
    path = study.path
    study.close()
    with closing(sqlite3.connect(path / "study.db", isolation_level=None)) as connection:
        # In the middle of a table's tree, as a bad block would be.
        connection.execute("PRAGMA writable_schema = ON")
        (root,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'thumbnails'"
        ).fetchone()
        connection.execute(
            "UPDATE sqlite_schema SET rootpage = ? WHERE name = 'deletions'", (root,)
        )
    with open_study(path) as damaged:
        (fault,) = find_faults(damaged)
        assert fault.kind is Kind.DATABASE
        assert not fault.mendable
        assert ".recover" in fault.way_out


def test_nothing_is_mended_under_a_scheduler(study: Study) -> None:
    take_lease(study, Holder.this_process("remap train"), 1)
    weights_gone(study)
    with pytest.raises(StudyBusy, match="remap train"):
        mend(study)
    assert kinds(study) == [Kind.WEIGHTS]
