"""What is wrong with a study: looked for without changing anything. `mending` sets it right.

A kill leaves nothing of this kind but files that no row speaks of yet. What
else is found comes from disks, from copies made by halves, and from hands.
"""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import final

import numpy as np
from sqlalchemy import Connection, Table, func, select
from sqlalchemy.exc import DBAPIError

from remap_ray.errors import RemapError
from remap_ray.space import spaces
from remap_ray.study import directory, schema
from remap_ray.study.files import PART, checksum
from remap_ray.study.records import Status
from remap_ray.study.study import Study

__all__ = ["FOLLOWED", "LOST", "Fault", "Kind", "file_problem", "find_faults", "metadata"]


class Kind(StrEnum):
    """The kinds of faults; all but the first two can be mended."""

    DATABASE = "database"
    ARCHITECTURE = "architecture"
    PART_FILE = "part of a file"
    ORPHAN_FILE = "file of no model"
    ORPHAN_ROWS = "rows of no model"
    WEIGHTS = "weights"
    CHECKPOINT = "checkpoint"
    PREDICTIONS = "predictions"
    EPOCHS = "epochs"
    MAP = "map"
    COUNTER = "counter"
    CHECKSUM = "checksum"


@final
@dataclass(frozen=True)
class Fault:
    """One thing that is wrong.

    Parameters
    ----------
    what
        In words, with the name of the thing.
    way_out
        What `remap check --mend` does about it, or what a person can do where it cannot.
    model
        The model's number, None where it is of none.
    name
        The file, the map or the table, where there is one.
    """

    kind: Kind
    what: str
    way_out: str
    model: int | None = None
    name: str = ""

    @property
    def mendable(self) -> bool:
        """Whether `mending` can set it right."""
        return self.kind not in {Kind.DATABASE, Kind.ARCHITECTURE}

    @property
    def harmless(self) -> bool:
        """Whether the study is whole with it, such as what a kill leaves."""
        return self.kind in {Kind.PART_FILE, Kind.CHECKSUM}


def find_faults(study: Study) -> tuple[Fault, ...]:
    """Look for all that is wrong with a study, in the order in which it is mended.

    Every file of weights is read. Nothing is changed.
    """
    try:
        with study.reading() as connection:
            broken = tuple(_database(connection))
            if broken:
                # Of what lies in a damaged database nothing can be said.
                return broken
            return tuple(
                fault
                for look in (_rows, _epochs, _models, _files, _maps, _counter)
                for fault in look(study, connection)
            )
    except DBAPIError as error:
        return (_damaged(str(error.orig)),)


def _damaged(reason: str) -> Fault:
    return Fault(
        Kind.DATABASE,
        f"{directory.DATABASE} is damaged ({reason})",
        "put a copy of it back, or save what can be read: sqlite3 study.db .recover",
    )


def _database(connection: Connection) -> Iterator[Fault]:
    told = connection.exec_driver_sql("PRAGMA integrity_check(3)").scalars().all()
    if list(told) != ["ok"]:
        yield _damaged("; ".join(map(str, told)))


def _rows(_: Study, connection: Connection) -> Iterator[Fault]:
    found: dict[str, int] = defaultdict(int)
    for table, *_rest in connection.exec_driver_sql("PRAGMA foreign_key_check").all():
        found[table] += 1
    for table, count in found.items():
        rows = "row" if count == 1 else "rows"
        yield Fault(
            Kind.ORPHAN_ROWS,
            f"{count} {rows} in {table} of models that are not there",
            "removed",
            name=table,
        )


def _epochs(_: Study, connection: Connection) -> Iterator[Fault]:
    recorded: dict[int, list[int]] = defaultdict(list)
    table = schema.epochs
    for number, epoch in connection.execute(
        select(table.c.model, table.c.epoch).order_by(table.c.model, table.c.epoch)
    ):
        recorded[number].append(epoch)
    models = schema.models
    for number, said in connection.execute(select(models.c.number, models.c.epochs)):
        there = recorded.get(number, [])
        if there != list(range(1, said + 1)):
            yield Fault(
                Kind.EPOCHS,
                f"m{number} is said to have {said} epochs, recorded are {_ranges(there)}",
                "those without a gap are kept, and it is trained on from there",
                number,
            )


def _ranges(numbers: list[int]) -> str:
    return ", ".join(map(str, numbers)) or "none"


def _models(study: Study, connection: Connection) -> Iterator[Fault]:
    table = schema.models
    query = select(table.c.number, table.c.identity, table.c.form).order_by(table.c.number)
    for number, identity, form in connection.execute(query):
        try:
            found = spaces.design_from_dict(form).identity
        except RemapError as error:
            found = str(error)
        if found != identity:
            yield Fault(
                Kind.ARCHITECTURE,
                f"the architecture of m{number} is not {identity}: {found}",
                f"put a copy of {directory.DATABASE} back; nothing else holds it",
                number,
            )
    expected = len(study.validation_labels)
    query = select(table.c.number, schema.predictions.c.labels).outerjoin_from(
        table, schema.predictions, schema.predictions.c.model == table.c.number
    )
    labels: bytes | None
    for number, labels in connection.execute(query.where(table.c.status == Status.DONE.value)):
        if labels is None or len(labels) != expected:
            there = "no" if labels is None else f"{len(labels)}"
            yield Fault(
                Kind.PREDICTIONS,
                f"m{number} is done and has {there} predictions of {expected}",
                "it is queued, to be made again from its checkpoint or its first epoch",
                number,
            )


def _files(study: Study, connection: Connection) -> Iterator[Fault]:
    folder = study.path / directory.WEIGHTS
    summed = connection.execute(select(schema.files.c.name, schema.files.c.sha256))
    known: dict[str, str] = {row.name: row.sha256 for row in summed}
    there = {one.name for one in folder.iterdir()} if folder.is_dir() else set()
    expected: set[str] = set()
    table = schema.models
    columns = (table.c.number, table.c.identity, table.c.status, table.c.checkpoint_epoch)
    for number, identity, status, epoch in connection.execute(select(*columns)):
        weights, checkpoint = study.weights_path(number), study.checkpoint_path(number)
        expected |= {weights.name, checkpoint.name}
        if status == Status.DONE.value:
            problem = file_problem(weights, identity, known.get(weights.name))
            if problem:
                yield Fault(
                    Kind.WEIGHTS,
                    f"the weights of m{number} {problem}",
                    "it is queued, to be made again from its checkpoint or its first epoch",
                    number,
                    weights.name,
                )
            elif weights.name not in known:
                yield _unsummed(number, weights)
        if epoch:
            # A kill between file and row leaves a newer checkpoint, which is as good.
            problem = file_problem(checkpoint, identity, None) or _behind(checkpoint, epoch)
            if problem is None and metadata(checkpoint).get("epoch") == str(epoch):
                problem = file_problem(checkpoint, identity, known.get(checkpoint.name))
            if problem:
                yield Fault(
                    Kind.CHECKPOINT,
                    f"the checkpoint of m{number} {problem}",
                    "it is forgotten: training would go on from the first epoch",
                    number,
                    checkpoint.name,
                )
    for name in sorted(there):
        if name.endswith(PART):
            yield Fault(Kind.PART_FILE, f"{name} was never completed", "removed", name=name)
        elif name not in expected and name.endswith(".safetensors"):
            yield Fault(
                Kind.ORPHAN_FILE,
                f"{name} is of no model",
                f"moved to {LOST}, for you to look at",
                name=name,
            )


LOST = "lost"
"""Folder of a study that takes what belongs to nothing in it."""


def _unsummed(number: int, path: Path) -> Fault:
    return Fault(
        Kind.CHECKSUM,
        f"{path.name} is whole and has no checksum yet: an older format knew none",
        "it gets one",
        number,
        path.name,
    )


def _behind(path: Path, epoch: int) -> str | None:
    found = metadata(path).get("epoch", "0")
    if found.isdigit() and int(found) >= epoch:
        return None
    return f"is that of epoch {found}, not of {epoch}"


def file_problem(path: Path, identity: str, sha256: str | None) -> str | None:
    """Say in words what is wrong with a file of weights or a checkpoint, or None.

    Parameters
    ----------
    identity
        The architecture that its metadata must name.
    sha256
        What its checksum must be, None where that is not known.
    """
    if not path.is_file():
        return "are missing" if not path.name.endswith("checkpoint.safetensors") else "is missing"
    are = "is" if path.name.endswith("checkpoint.safetensors") else "are"
    data = path.read_bytes()
    found = _header(data)
    if found is None:
        return f"{are} not whole"
    if found.get("identity") not in {identity, None}:
        return f"{are} those of another network ({found['identity']})"
    if sha256 is not None and checksum(data) != sha256:
        return f"{are} not what was written: the checksum is wrong"
    return None


def metadata(path: Path) -> Mapping[str, str]:
    """Read what a safetensors file says of itself; nothing where it is none."""
    return _header(path.read_bytes()) or {}


def _header(data: bytes) -> dict[str, str] | None:
    """Read the metadata of a safetensors file's data, None where it is not whole."""
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or 8 + length > len(data):
        return None
    try:
        header = json.loads(data[8 : 8 + length])
        told = header.pop("__metadata__", {})
        ends = [one["data_offsets"][1] for one in header.values()]
    except (ValueError, KeyError, TypeError, AttributeError):
        return None
    if len(data) - 8 - length != max(ends, default=0):
        return None
    return {str(key): str(value) for key, value in told.items()}


def _maps(_: Study, connection: Connection) -> Iterator[Fault]:
    numbers = set(connection.execute(select(schema.models.c.number)).scalars())
    versions: dict[str, int] = {}
    for row in connection.execute(select(schema.layouts)).mappings():
        versions[row["map"]] = row["version"]
        sizes = len(row["models"]) / 8, len(row["points"]) / 16, len(row["shares"]) / 8
        whole = len(set(sizes)) == 1 and sizes[0] == int(sizes[0])
        models = set(np.frombuffer(row["models"], "<i8").tolist()) if whole else set()
        if not whole or not models <= numbers:
            yield Fault(
                Kind.MAP, f"the map {row['map']} is not whole", "laid out anew", name=row["map"]
            )
    placed = schema.placements
    query = select(placed.c.map, placed.c.version).distinct()
    for name, version in connection.execute(query):
        if versions.get(name) != version:
            yield Fault(
                Kind.MAP,
                f"places on the map {name} are those of layout {version}, which is not there",
                "laid out anew",
                name=name,
            )


FOLLOWED: tuple[Table, ...] = (
    schema.models,
    schema.epochs,
    schema.predictions,
    schema.layouts,
    schema.placements,
    schema.drawer,
    schema.deletions,
)


def _counter(_: Study, connection: Connection) -> Iterator[Fault]:
    number = connection.execute(select(schema.counter.c.number)).scalar() or 0
    last = max(
        connection.execute(select(func.max(table.c.changed))).scalar() or 0 for table in FOLLOWED
    )
    if last > number:
        yield Fault(
            Kind.COUNTER,
            f"the change number is {number}, rows were changed up to {last}",
            f"it becomes {last}",
        )
