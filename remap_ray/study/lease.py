"""`Lease`: the right of one scheduler to write facts into a study.

A number that grows with every holder. Claims carry it, and an event of a
model that another lease claimed, or that was finished since, changes nothing.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, RowMapping, case, delete, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from remap_ray.errors import LeaseLost, StudyBusy
from remap_ray.study import halving, rows, schema
from remap_ray.study.files import checksum, write_whole
from remap_ray.study.holder import Holder, age, beating, is_alive, is_orphan, is_starting
from remap_ray.study.records import LEGAL, Epoch, Layout, Model, Placement, Status
from remap_ray.study.study import Study
from remap_ray.study.wishes import find

__all__ = ["Lease", "announce", "announce_in_turn", "announced", "take_lease", "withdraw"]

DYING_SECONDS = 30.0
"""How long a scheduler may take to notice that its command was killed, on a busy machine."""

LOOK_SECONDS = 0.1

CANCELLED = "cancelled while training"


def announce(study: Study, holder: Holder) -> None:
    """Say that this process is about to have the study trained, while Ray starts.

    Raises
    ------
    StudyBusy
        Another scheduler holds the lease and is alive, or is about to be; it is named.
    """
    with study.unnumbered() as connection:
        row = connection.execute(select(schema.lease)).mappings().first()
        now, up = study.clock(), study.uptime()
        if row is not None:
            _refuse_second(row, now, up, holder)
        starting = {
            "holder": holder.words,
            "host": holder.host,
            "pid": holder.pid,
            "process_created": holder.process_created,
            **beating(now, up),
        }
        values = {"starting": starting, "end_wish": False}
        if row is not None:
            connection.execute(update(schema.lease).values(**values))
            return
        nobody = {
            "number": 0,
            "held": False,
            "holder": "",
            "host": "",
            "pid": 0,
            "process_created": 0.0,
            "heartbeat": 0.0,
            "workers": 0,
            "said": "",
        }
        connection.execute(insert(schema.lease).values(id=1, **nobody, **values))


def announce_in_turn(study: Study, holder: Holder) -> None:
    """Announce, as `announce` does, once the scheduler of a killed command has ended.

    Raises
    ------
    StudyBusy
        Another scheduler is alive, and belongs to a living command or does not end.
    """
    last, pause = time.monotonic() + DYING_SECONDS, threading.Event()
    while True:
        try:
            return announce(study, holder)
        except StudyBusy as error:
            if not error.ends or time.monotonic() >= last:
                raise
        pause.wait(LOOK_SECONDS)


def withdraw(study: Study, holder: Holder) -> None:
    """Take back what `announce` said, where nothing came of it."""
    with study.unnumbered() as connection:
        row = connection.execute(select(schema.lease)).mappings().first()
        if row is not None and row["starting"] and row["starting"]["pid"] == holder.pid:
            connection.execute(update(schema.lease).values(starting=None))


@contextmanager
def announced(study: Study, holder: Holder) -> Iterator[None]:
    """Announce that a study will be trained, for as long as the block runs or nobody does so."""
    announce_in_turn(study, holder)
    try:
        yield
    finally:
        withdraw(study, holder)


def _refuse_second(row: RowMapping, now: float, up: float, holder: Holder) -> None:
    if is_alive(row, now, up):
        raise StudyBusy(row["holder"], age(row, now, up), ends=is_orphan(row))
    starting = row["starting"]
    # Whoever starts a process may announce it, which then does so itself.
    if is_starting(starting, now, up) and starting["pid"] != holder.pid:
        raise StudyBusy(starting["holder"], age(starting, now, up))


def take_lease(study: Study, holder: Holder, workers: int, *, of_command: bool = False) -> Lease:
    """Become the study's scheduler.

    What an earlier one left in training goes back to the queue, at its old
    place, and will continue from its last checkpoint.

    Parameters
    ----------
    of_command
        Whether it belongs to the process that announced it (`announce`), and ends with that one.

    Raises
    ------
    StudyBusy
        Another scheduler holds the lease and is alive; it is named.
    """
    with study.writing() as (connection, change):
        row = connection.execute(select(schema.lease)).mappings().first()
        now, up = study.clock(), study.uptime()
        if row is not None and is_alive(row, now, up):
            raise StudyBusy(row["holder"], age(row, now, up))
        number = 1 if row is None else row["number"] + 1
        values = {
            "number": number,
            "held": True,
            "holder": holder.words,
            "host": holder.host,
            "pid": holder.pid,
            "process_created": holder.process_created,
            **beating(now, up),
            "workers": workers,
            "said": "starting",
            "gpus_each": 0.0,
            "cpus": 0,
            "gpus": 0.0,
            "starting": row["starting"] if row is not None and of_command else None,
            # Whoever wished the end while Ray started meant this scheduler.
            "end_wish": row is not None and row["starting"] is not None and row["end_wish"],
        }
        taken = upsert(schema.lease).values(id=1, **values)
        connection.execute(taken.on_conflict_do_update(index_elements=("id",), set_=values))
        left = select(schema.models).where(schema.models.c.status == Status.TRAINING.value)
        for one in connection.execute(left).mappings().all():
            # A wish to stop that the dead scheduler did not fulfil is fulfilled now.
            wished = one["stop_wish"]
            values = {
                "status": (Status.CANCELLED if wished else Status.QUEUED).value,
                "reason": CANCELLED if wished else "interrupted",
                "stop_wish": False,
                "lease": None,
                "changed": change,
            }
            table = schema.models
            connection.execute(
                update(table).where(table.c.number == one["number"]).values(**values)
            )
            halving.settle(connection, change, one["halving"])
    return Lease(study, number)


@final
class Lease:
    """The facts that one scheduler may write. Made by `take_lease`; not to be shared.

    Every method raises `LeaseLost` once another scheduler has taken over.
    """

    def __init__(self, study: Study, number: int) -> None:
        self.study = study
        self.number = number

    def beat(self, said: str, workers: int, gpus_each: float = 0.0) -> None:
        """Leave a heartbeat, with what the scheduler does in words; raises no change number."""
        with self.study.unnumbered() as connection:
            self._check(connection)
            beat = beating(self.study.clock(), self.study.uptime())
            values = {**beat, "said": said, "workers": workers, "gpus_each": gpus_each}
            connection.execute(update(schema.lease).values(**values))

    def tell_room(self, cpus: int, gpus: float) -> None:
        """Say what there is to train on, so that wishes for more can be refused."""
        with self.study.unnumbered() as connection:
            self._check(connection)
            connection.execute(update(schema.lease).values(cpus=cpus, gpus=gpus))

    def bfloat16(self) -> bool | None:
        """Say whether bfloat16 was found to pay; None where nobody has measured it yet."""
        with self.study.reading() as connection:
            self._check(connection)
            found = connection.execute(select(schema.queue.c.bfloat16)).scalar()
        return None if found is None else bool(found)

    def record_bfloat16(self, *, pays: bool) -> None:
        """Record whether bfloat16 pays; from then on every model is trained so."""
        with self._facts() as (connection, _):
            connection.execute(update(schema.queue).values(bfloat16=pays))

    def release(self) -> None:
        """Let go of the study; nothing of this lease may be in training any more."""
        with self.study.unnumbered() as connection:
            self._check(connection)
            ended = {"held": False, "said": "ended", "workers": 0, "starting": None}
            connection.execute(update(schema.lease).values(**ended))

    def claim(self, count: int) -> tuple[Model, ...]:
        """Take the next ``count`` models off the queue, in its order, for training."""
        table = schema.models
        waiting = (
            select(table.c.number)
            .where(table.c.status == Status.QUEUED.value, ~table.c.deleted)
            .order_by(table.c.position, table.c.number)
            .limit(count)
        )
        # Looked at before the transaction: an empty queue is no reason to raise the number.
        with self.study.reading() as connection:
            self._check(connection)
            if count < 1 or connection.execute(waiting).first() is None:
                return ()
        with self._facts() as (connection, change):
            numbers = connection.execute(waiting).scalars().all()
            # What it was lost by stays said while it is tried again.
            reason = case((table.c.losses > 0, table.c.reason), else_="")
            values = {"status": Status.TRAINING.value, "reason": reason, "stop_wish": False}
            connection.execute(
                update(table)
                .where(table.c.number.in_(numbers))
                .values(lease=self.number, changed=change, **values)
            )
            claimed = select(table).where(table.c.number.in_(numbers))
            claimed = claimed.order_by(table.c.position, table.c.number)
            return tuple(rows.model(row) for row in connection.execute(claimed).mappings())

    def stop_wishes(self) -> tuple[int, ...]:
        """Give the numbers of training models that someone wishes to stop."""
        table = schema.models
        with self.study.reading() as connection:
            self._check(connection)
            query = select(table.c.number).where(
                table.c.status == Status.TRAINING.value, table.c.stop_wish
            )
            return tuple(connection.execute(query).scalars())

    def end_wished(self) -> bool:
        """Whether someone wishes that this scheduler ends."""
        with self.study.reading() as connection:
            self._check(connection)
            return bool(connection.execute(select(schema.lease.c.end_wish)).scalar())

    def record_epoch(self, epoch: Epoch) -> bool:
        """Record one epoch; False where it is there already or the model is no longer ours."""
        with self._facts() as (connection, change):
            if not self._trains(connection, epoch.model):
                return False
            figures = {
                "train_loss": epoch.train_loss,
                "train_accuracy": epoch.train_accuracy,
                "validation_loss": epoch.validation_loss,
                "validation_accuracy": epoch.validation_accuracy,
                "seconds": epoch.seconds,
            }
            row = upsert(schema.epochs).values(
                model=epoch.model, epoch=epoch.epoch, changed=change, **figures
            )
            if not connection.execute(row.on_conflict_do_nothing()).rowcount:
                return False
            table = schema.models
            connection.execute(
                update(table)
                .where(table.c.number == epoch.model)
                .values(
                    epochs=epoch.epoch,
                    accuracy=epoch.validation_accuracy,
                    train_accuracy=epoch.train_accuracy,
                    validation_loss=epoch.validation_loss,
                    train_loss=epoch.train_loss,
                    seconds=table.c.seconds + epoch.seconds,
                    changed=change,
                )
            )
            return True

    def record_checkpoint(self, number: int, epoch: int, data: bytes) -> bool:
        """Keep a checkpoint from which training can continue after ``epoch`` epochs."""
        # Asked before the file is touched: a late event must not replace a newer file.
        with self.study.reading() as connection:
            self._check(connection)
            if not self._trains(connection, number):
                return False
        write_whole(self.study.checkpoint_path(number), data)
        with self._facts() as (connection, change):
            if not self._trains(connection, number):
                return False
            table = schema.models
            connection.execute(
                update(table)
                .where(table.c.number == number)
                # It gets on: what its trainers died of before was not its doing.
                .values(checkpoint_epoch=epoch, losses=0, changed=change)
            )
            _record_file(connection, self.study.checkpoint_path(number), data)
            return True

    def finish(
        self,
        number: int,
        predictions: NDArray[np.uint8],
        weights: bytes,
        stopped: str | None = None,
    ) -> bool:
        """Record that a model is done: weights first, then the row that speaks of them.

        Parameters
        ----------
        predictions
            Predicted label of each image of the validation part, uint8 (n,).
        weights
            The weights as safetensors.
        stopped
            By what and when it was stopped before its wanted epochs, if it was: it then takes
            no part in halving any more.
        """
        expected = self.study.validation_labels.shape
        if predictions.dtype != np.uint8 or predictions.shape != expected:
            raise ValueError(
                f"predictions of m{number} must be uint8 {expected}, "
                f"not {predictions.dtype} {predictions.shape}"
            )
        with self.study.reading() as connection:
            self._check(connection)
            if not self._trains(connection, number):
                return False
        write_whole(self.study.weights_path(number), weights)
        with self._facts() as (connection, change):
            if not self._trains(connection, number):
                return False
            epochs = select(schema.models.c.epochs).where(schema.models.c.number == number)
            values = {
                "epoch": connection.execute(epochs).scalar_one(),
                "labels": predictions.tobytes(),
                "changed": change,
            }
            row = upsert(schema.predictions).values(model=number, **values)
            connection.execute(row.on_conflict_do_update(index_elements=("model",), set_=values))
            _record_file(connection, self.study.weights_path(number), weights)
            more: dict[str, Any] = {"stopped": stopped, "losses": 0}
            model = find(connection, number)
            if stopped is not None:
                more["halving"] = None
            elif model.full_epochs is not None and model.epochs < model.full_epochs:
                more["stopped"] = halving.waits(model.epochs, model.full_epochs)
            self._move(connection, change, number, Status.DONE, "", **more)
            return True

    def fail(self, number: int, reason: str) -> bool:
        """Record that a model cannot be trained, and why."""
        return self._end(number, Status.FAILED, reason)

    def requeue(self, number: int, reason: str, *, lost: bool = False) -> bool:
        """Put a model back to the queue, at its old place; it continues from its checkpoint.

        One that someone wishes to stop is cancelled instead.

        Parameters
        ----------
        lost
            Whether its trainer died, which counts towards giving it up.
        """
        with self._facts() as (connection, change):
            if not self._trains(connection, number):
                return False
            table = schema.models
            wished = select(table.c.stop_wish).where(table.c.number == number)
            if connection.execute(wished).scalar():
                self._move(connection, change, number, Status.CANCELLED, CANCELLED)
            else:
                more = {"losses": table.c.losses + 1} if lost else {}
                self._move(connection, change, number, Status.QUEUED, reason, **more)
            return True

    def record_cancelled(self, number: int) -> bool:
        """Record that a training model was stopped because someone wished so."""
        return self._end(number, Status.CANCELLED, CANCELLED)

    def record_layout(self, layout: Layout) -> None:
        """Switch a map to a new layout; placements of the old one go with it."""
        table = schema.layouts
        values = rows.layout_form(layout)
        with self._facts() as (connection, change):
            row = upsert(table).values(map=layout.map, changed=change, **values)
            connection.execute(
                row.on_conflict_do_update(
                    index_elements=("map",), set_=values | {"changed": change}
                )
            )
            placed = schema.placements
            connection.execute(
                delete(placed).where(placed.c.map == layout.map, placed.c.version < layout.version)
            )

    def record_placement(self, placement: Placement) -> bool:
        """Record a model's place; False where its layout has been refitted since.

        One that has a place, and has predicted anew since, gets another.
        """
        with self._facts() as (connection, change):
            current = select(schema.layouts.c.version).where(schema.layouts.c.map == placement.map)
            if connection.execute(current).scalar() != placement.version:
                return False
            values = {
                "version": placement.version,
                "x": placement.x,
                "y": placement.y,
                "share": placement.share,
                "changed": change,
            }
            row = upsert(schema.placements).values(
                map=placement.map, model=placement.model, **values
            )
            keys = ("map", "model")
            connection.execute(row.on_conflict_do_update(index_elements=keys, set_=values))
            return True

    # Inside a transaction

    @contextmanager
    def _facts(self) -> Iterator[tuple[Connection, int]]:
        with self.study.writing() as (connection, change):
            self._check(connection)
            yield connection, change

    def _check(self, connection: Connection) -> None:
        current = connection.execute(select(func.max(schema.lease.c.number))).scalar() or 0
        if current != self.number:
            raise LeaseLost(self.number, current)

    def _trains(self, connection: Connection, number: int) -> bool:
        table = schema.models
        query = select(table.c.number).where(
            table.c.number == number,
            table.c.status == Status.TRAINING.value,
            table.c.lease == self.number,
        )
        return connection.execute(query).scalar() is not None

    def _end(self, number: int, status: Status, reason: str) -> bool:
        with self._facts() as (connection, change):
            if not self._trains(connection, number):
                return False
            self._move(connection, change, number, status, reason)
            return True

    def _move(
        self,
        connection: Connection,
        change: int,
        number: int,
        status: Status,
        reason: str,
        **more: Any,
    ) -> None:
        if status not in LEGAL[Status.TRAINING]:
            raise ValueError(f"a training model cannot become {status}")
        table = schema.models
        values = {"status": status.value, "reason": reason, "stop_wish": False, "lease": None}
        row = update(table).where(table.c.number == number)
        connection.execute(row.values(changed=change, **values, **more))
        if status is not Status.QUEUED:
            group = select(table.c.halving).where(table.c.number == number)
            halving.settle(connection, change, connection.execute(group).scalar())


def _record_file(connection: Connection, path: Path, data: bytes) -> None:
    """Keep the checksum of a file that has been renamed into place."""
    values = {"size": len(data), "sha256": checksum(data)}
    row = upsert(schema.files).values(name=path.name, **values)
    connection.execute(row.on_conflict_do_update(index_elements=("name",), set_=values))
