"""Setting right what `checking` finds, as the study's only scheduler.

Nothing is thrown away that training could not give again: files of no model
are moved aside, and a model whose weights are lost is queued, since the same
seed gives the same weights.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sqlalchemy import delete, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from remap_ray.study import directory, schema
from remap_ray.study.checking import (
    FOLLOWED,
    LOST,
    Fault,
    Kind,
    file_problem,
    find_faults,
    metadata,
)
from remap_ray.study.files import checksum
from remap_ray.study.holder import Holder
from remap_ray.study.lease import take_lease
from remap_ray.study.records import Status
from remap_ray.study.study import Study

__all__ = ["mend"]

ROUNDS = 3
"""What is mended may show what was hidden behind it."""


def mend(study: Study) -> tuple[Fault, ...]:
    """Mend what can be, and give what was mended.

    Raises
    ------
    StudyBusy
        Someone trains it: end that first.
    StudyReadOnly, DiskFull
    """
    lease = take_lease(study, Holder.this_process("remap check"), 0)
    mended: list[Fault] = []
    try:
        for _ in range(ROUNDS):
            faults = [one for one in find_faults(study) if one.mendable]
            if not faults:
                break
            for fault in faults:
                _MENDERS[fault.kind](study, fault)
            mended += faults
    finally:
        lease.release()
    return tuple(mended)


def _file(study: Study, fault: Fault) -> None:
    (study.path / directory.WEIGHTS / fault.name).unlink(missing_ok=True)


def _aside(study: Study, fault: Fault) -> None:
    folder = study.path / LOST
    folder.mkdir(exist_ok=True)
    (study.path / directory.WEIGHTS / fault.name).replace(folder / fault.name)
    with study.unnumbered() as connection:
        connection.execute(delete(schema.files).where(schema.files.c.name == fault.name))


def _rows(study: Study, fault: Fault) -> None:
    table = schema.METADATA.tables[fault.name]
    numbers = select(schema.models.c.number)
    with study.writing() as (connection, change):
        if fault.name == schema.models.name:
            # A child whose parent is gone stays, as one without a parent.
            parent = table.c.parent
            gone = update(table).where(parent.is_not(None), parent.not_in(numbers))
            connection.execute(gone.values(parent=None, changed=change))
        else:
            connection.execute(delete(table).where(table.c.model.not_in(numbers)))


def _epochs(study: Study, fault: Fault) -> None:
    """Keep the epochs without a gap; more than the row says were recorded, not yet counted."""
    table, models = schema.epochs, schema.models
    with study.writing() as (connection, change):
        there = connection.execute(
            select(table).where(table.c.model == fault.model).order_by(table.c.epoch)
        )
        kept = [row for at, row in enumerate(there.mappings(), start=1) if row["epoch"] == at]
        connection.execute(
            delete(table).where(table.c.model == fault.model, table.c.epoch > len(kept))
        )
        last: Mapping[str, Any] = dict(kept[-1]) if kept else {}
        row = connection.execute(select(models).where(models.c.number == fault.model)).mappings()
        before = row.one()
        values: dict[str, Any] = {
            "epochs": len(kept),
            "accuracy": last.get("validation_accuracy"),
            "train_accuracy": last.get("train_accuracy"),
            "validation_loss": last.get("validation_loss"),
            "train_loss": last.get("train_loss"),
            "seconds": sum(one["seconds"] for one in kept),
            "changed": change,
        }
        if before["status"] == Status.DONE.value and len(kept) < before["wanted_epochs"]:
            values |= {"status": Status.QUEUED.value, "reason": MENDED}
        if before["checkpoint_epoch"] > len(kept):
            # Going on from there would leave the gap for good.
            values["checkpoint_epoch"] = 0
        connection.execute(update(models).where(models.c.number == fault.model).values(**values))


MENDED = "mended: to be trained again"


def _model(study: Study, fault: Fault) -> None:
    """Queue a model again, to go on from its checkpoint where that is whole."""
    assert fault.model is not None
    model = study.model(fault.model)
    path = study.checkpoint_path(model.number)
    epoch = 0
    if file_problem(path, model.identity, None) is None:
        told = metadata(path).get("epoch", "0")
        epoch = min(int(told), model.epochs) if told.isdigit() else 0
    with study.writing() as (connection, change):
        table = schema.models
        connection.execute(
            update(table)
            .where(table.c.number == model.number)
            .values(
                status=Status.QUEUED.value, reason=MENDED, checkpoint_epoch=epoch, changed=change
            )
        )


def _checkpoint(study: Study, fault: Fault) -> None:
    with study.writing() as (connection, change):
        table = schema.models
        connection.execute(
            update(table)
            .where(table.c.number == fault.model)
            .values(checkpoint_epoch=0, changed=change)
        )
        connection.execute(delete(schema.files).where(schema.files.c.name == fault.name))
    _file(study, fault)


def _map(study: Study, fault: Fault) -> None:
    with study.writing() as (connection, _):
        for table in (schema.placements, schema.layouts):
            connection.execute(delete(table).where(table.c.map == fault.name))


def _counter(study: Study, _: Fault) -> None:
    with study.unnumbered() as connection:
        last = max(
            connection.execute(select(func.max(table.c.changed))).scalar() or 0
            for table in FOLLOWED
        )
        connection.execute(update(schema.counter).values(number=last))


def _sum(study: Study, fault: Fault) -> None:
    data = (study.path / directory.WEIGHTS / fault.name).read_bytes()
    values = {"size": len(data), "sha256": checksum(data)}
    with study.unnumbered() as connection:
        row = upsert(schema.files).values(name=fault.name, **values)
        connection.execute(row.on_conflict_do_update(index_elements=("name",), set_=values))


_MENDERS: Mapping[Kind, Callable[[Study, Fault], None]] = {
    Kind.PART_FILE: _file,
    Kind.ORPHAN_FILE: _aside,
    Kind.ORPHAN_ROWS: _rows,
    Kind.WEIGHTS: _model,
    Kind.PREDICTIONS: _model,
    Kind.CHECKPOINT: _checkpoint,
    Kind.EPOCHS: _epochs,
    Kind.MAP: _map,
    Kind.COUNTER: _counter,
    Kind.CHECKSUM: _sum,
}
