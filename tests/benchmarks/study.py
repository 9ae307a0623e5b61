"""Commits per second and reading time of a study, against the bare sqlite3."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing
from itertools import count, islice
from pathlib import Path
from statistics import median

from remap_ray.study import Epoch, Holder, Lease, take_lease
from remap_ray.study.directory import DATABASE
from tests import synthetic
from tests.benchmarks.big_study import EPOCHS, big_study
from tests.benchmarks.machine import file_system
from tests.benchmarks.report import Table, quantity
from tests.benchmarks.timing import seconds_in_turn, speed_ratio, timed

__all__ = ["measure"]

TRAINING = 20
"""Models that train at the same time while their epochs are recorded."""

PRAGMAS = ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON")
"""Those of the study's own connections."""

FOLLOWED = (
    "SELECT * FROM models ORDER BY number",
    "SELECT * FROM epochs ORDER BY model, epoch",
    "SELECT * FROM layouts ORDER BY map",
    "SELECT * FROM placements ORDER BY map, model",
    "SELECT * FROM drawer ORDER BY position",
    "SELECT * FROM deletions ORDER BY table_name, key",
    "SELECT model FROM predictions",
)
"""What a reader of all changes gets, as it lies in the database."""

RAISE = "UPDATE counter SET number = number + 1 RETURNING number"
INSERT = """
INSERT INTO epochs VALUES (:model, :epoch, :train_loss, :train_accuracy, :validation_loss,
    :validation_accuracy, :seconds, :changed)
"""
UPDATE = """
UPDATE models SET epochs = :epoch, accuracy = :validation_accuracy,
    train_accuracy = :train_accuracy, validation_loss = :validation_loss,
    train_loss = :train_loss, seconds = seconds + :seconds, changed = :changed
WHERE number = :model
"""
WRITTEN = (
    "SELECT * FROM epochs ORDER BY model, epoch",
    "SELECT number, epochs, accuracy, seconds, changed FROM models ORDER BY number",
)


def measure(quick: bool) -> Table:
    """Time the recording of epochs and the reading of whole studies."""
    commits, rounds, sizes = (5, 1, (50,)) if quick else (200, 7, (1_000, 10_000))
    with tempfile.TemporaryDirectory(prefix="remap-") as name:
        folder = Path(name)
        lies_on = file_system(folder)
        rows = [_recording(folder, commits, rounds)]
        rows += [_reading(folder / str(size), size, rounds) for size in sizes]
    return Table(
        f"`Lease.record_epoch`, one commit each, for {TRAINING} models in training, against the "
        "bare `sqlite3` writing the same rows, each with the change number, with the same pragmas "
        f"({'; '.join(PRAGMAS)}). `Study.changes(0)` of a study whose models have {EPOCHS} epochs "
        "each, as records, against the bare `sqlite3` fetching the same rows as tuples. "
        f"The studies lie on {lies_on}.",
        ("what", "ours", "plain", "ratio"),
        tuple(rows),
    )


def _recording(folder: Path, commits: int, rounds: int) -> tuple[str, ...]:
    lease, numbers = _in_training(folder / "ours")
    other, _ = _in_training(folder / "plain")
    other.study.close()
    with lease.study, closing(_connect(folder / "plain" / DATABASE)) as connection:
        seconds = seconds_in_turn(
            {
                "ours": timed(_recorder(commits, numbers, lambda epoch: _must(lease, epoch))),
                "plain": timed(
                    _recorder(commits, numbers, lambda epoch: _record(connection, epoch))
                ),
            },
            rounds,
        )
        with closing(_connect(folder / "ours" / DATABASE)) as ours:
            if _written(ours) != _written(connection):
                raise AssertionError("the study and the bare sqlite3 wrote different rows")
    return (
        "`record_epoch`",
        f"{quantity(commits / median(seconds['ours']))} commits/s",
        f"{quantity(commits / median(seconds['plain']))} commits/s",
        speed_ratio(seconds["ours"], seconds["plain"]),
    )


def _in_training(path: Path) -> tuple[Lease, tuple[int, ...]]:
    study = synthetic.empty_study(path)
    synthetic.queue_samples(study, TRAINING)
    lease = take_lease(study, Holder.this_process("benchmark"), workers=TRAINING)
    return lease, tuple(model.number for model in lease.claim(TRAINING))


def _connect(database: Path) -> sqlite3.Connection:
    connection = sqlite3.connect(database, isolation_level=None)
    for pragma in PRAGMAS:
        connection.execute(f"PRAGMA {pragma}")
    return connection


def _epochs(numbers: tuple[int, ...]) -> Iterator[Epoch]:
    for epoch in count(1):
        for number in numbers:
            accuracy = 0.9 * (1 - 1 / (epoch + 1))
            yield Epoch(number, epoch, 2.0 / epoch, accuracy, 2.1 / epoch, accuracy, 0.1)


def _recorder(
    commits: int, numbers: tuple[int, ...], record: Callable[[Epoch], None]
) -> Callable[[], None]:
    epochs = _epochs(numbers)

    def run() -> None:
        for epoch in islice(epochs, commits):
            record(epoch)

    return run


def _must(lease: Lease, epoch: Epoch) -> None:
    if not lease.record_epoch(epoch):
        raise AssertionError(f"epoch {epoch.epoch} of m{epoch.model} was refused")


def _record(connection: sqlite3.Connection, one: Epoch) -> None:
    connection.execute("BEGIN IMMEDIATE")
    ((change,),) = connection.execute(RAISE).fetchall()
    values = vars(one) | {"changed": change}
    connection.execute(INSERT, values)
    connection.execute(UPDATE, values)
    connection.execute("COMMIT")


def _written(connection: sqlite3.Connection) -> list[tuple[object, ...]]:
    return [row for query in WRITTEN for row in connection.execute(query)]


def _reading(path: Path, models: int, rounds: int) -> tuple[str, ...]:
    with big_study(path, models) as study, closing(_connect(path / DATABASE)) as connection:

        def plain() -> None:
            connection.execute("BEGIN")
            for query in FOLLOWED:
                connection.execute(query).fetchall()
            connection.execute("COMMIT")

        seconds = seconds_in_turn(
            {"ours": timed(lambda: study.changes(0)), "plain": timed(plain)}, rounds
        )
    return (
        f"`changes(0)`, {models:,} models",
        f"{quantity(median(seconds['ours']))} s",
        f"{quantity(median(seconds['plain']))} s",
        speed_ratio(seconds["ours"], seconds["plain"]),
    )
