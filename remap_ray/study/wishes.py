"""`Wishes`: what anyone on the study's host may ask of its queue. The wishing half of `Study`.

Each wish is one transaction: all that it names happens, or, with an error that
says why not, none of it. The scheduler obeys what concerns a training model; the
rest holds at once.
"""

from __future__ import annotations

import hashlib
import sqlite3
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import UTC, datetime
from math import isfinite
from pathlib import Path
from typing import Any, final

from sqlalchemy import Connection, func, insert, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from remap_ray.errors import InvalidRequest, UnknownModel
from remap_ray.recipe import Recipe
from remap_ray.space import Design, spaces
from remap_ray.study import deletion, halving, kept, rows, schema
from remap_ray.study.directory import DATABASE
from remap_ray.study.records import (
    DataSummary,
    DrawerEntry,
    Heartbeat,
    Model,
    Origin,
    Status,
)

__all__ = ["Submission", "Wishes", "check_share", "model_seed", "places", "stamp"]

CLOSEST = 1e-6
"""Positions nearer than this are dealt out anew: halves of halves would become equal."""


def model_seed(study_seed: int, identity: str, repeat: int) -> int:
    """Give a model's training seed: of what it is alone, never of order or time."""
    text = f"{study_seed}/{identity}/{repeat}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


@final
@dataclass(frozen=True)
class Submission:
    """A wish for one more model.

    Parameters
    ----------
    epochs
        What it shall be trained; None is the recipe's number.
    repeat
        0, or which further training of the same architecture, with another seed, this is.
    halving
        Whether it takes part in successive halving with the others of its submission.
    """

    architecture: Design
    origin: Origin = Origin.SAMPLED
    parent: int | None = None
    edits: tuple[Any, ...] = ()
    words: str = ""
    epochs: int | None = None
    repeat: int = 0
    halving: bool = False


class Wishes(ABC):
    """What anyone may wish of a study. Abstract: `Study` is the one kind there is."""

    clock: Callable[[], float]
    path: Path
    data: DataSummary
    recipe: Recipe
    seed: int

    @abstractmethod
    def writing(self) -> AbstractContextManager[tuple[Connection, int]]:
        """Write in one transaction; gives the connection and the new change number."""

    @abstractmethod
    def unnumbered(self) -> AbstractContextManager[Connection]:
        """Write what no reader follows."""

    @abstractmethod
    def heartbeat(self) -> Heartbeat:
        """Say who trains the study."""

    @abstractmethod
    def weights_path(self, number: int) -> Path:
        """Say where a model's weights lie once it is done."""

    @abstractmethod
    def checkpoint_path(self, number: int) -> Path:
        """Say where a model's last checkpoint lies once it has one."""

    # What shall be trained

    def submit(self, submissions: Iterable[Submission]) -> tuple[int, ...]:
        """Queue models, all in one transaction, and give their numbers.

        What the study has already (same identity, same repeat) is not queued
        again: its number is given. One that was deleted is there again, with all
        that it had.

        Raises
        ------
        InvalidRequest
            An architecture for other images or classes, or a number that is none.
        UnknownModel
            A parent that the study does not have.
        """
        wanted = tuple(submissions)
        for one in wanted:
            _check_whole("epochs", 1, self.recipe.epochs if one.epochs is None else one.epochs)
            _check_whole("repeat", 0, one.repeat)
            if spaces.entry(one.architecture.space).tables != self.data.is_table:
                raise InvalidRequest(
                    f"a model of the space {one.architecture.space} is not for this study's data, "
                    f"which are {'a table' if self.data.is_table else 'images'}"
                )
            shape, classes = one.architecture.input_shape, one.architecture.classes
            if shape != self.data.input_shape or classes != len(self.data.class_names):
                raise InvalidRequest(
                    f"the architecture is for {one.architecture.terms.items} {shape} and "
                    f"{classes} classes, this study has "
                    f"{self.data.input_shape} and {len(self.data.class_names)}"
                )
        with self.writing() as (connection, change):
            last = connection.execute(select(func.max(schema.models.c.position))).scalar() or 0.0
            group = connection.execute(select(func.max(schema.models.c.halving))).scalar() or 0
            return tuple(
                self._submit(connection, change, one, last + place, group + 1)
                for place, one in enumerate(wanted, start=1)
            )

    def _submit(
        self, connection: Connection, change: int, one: Submission, position: float, group: int
    ) -> int:
        table, identity = schema.models, one.architecture.identity
        same = select(table.c.number, table.c.deleted).where(
            table.c.identity == identity, table.c.repeat == one.repeat
        )
        if (known := connection.execute(same).first()) is not None:
            if known.deleted:
                deletion.restore(connection, change, known.number)
            return int(known.number)
        if one.parent is not None:
            find(connection, one.parent)
        epochs = self.recipe.epochs if one.epochs is None else one.epochs
        first, *further = halving.budgets(epochs)
        races = one.halving and bool(further)
        row = insert(table).values(
            identity=identity,
            repeat=one.repeat,
            seed=model_seed(self.seed, identity, one.repeat),
            space=one.architecture.space,
            form=one.architecture.to_dict(),
            origin=one.origin.value,
            parent=one.parent,
            edits=list(one.edits),
            words=one.words,
            parameters=one.architecture.parameter_count,
            multiply_adds=one.architecture.multiply_adds,
            status=Status.QUEUED.value,
            reason="",
            position=position,
            wanted_epochs=first if races else epochs,
            halving=group if races else None,
            full_epochs=epochs if races else None,
            to_the_end=False,
            losses=0,
            deleted=False,
            created=stamp(self.clock()),
            epochs=0,
            seconds=0.0,
            checkpoint_epoch=0,
            stop_wish=False,
            changed=change,
        )
        return int(connection.execute(row.returning(table.c.number)).scalar_one())

    def repeat(self, number: int, count: int = 1) -> tuple[int, ...]:
        """Queue a model's architecture again, with another seed, and give the new numbers.

        The repeats come from where the model came from: same origin, parent and edits.
        """
        _check_whole("count", 1, count)
        with self.writing() as (connection, change):
            model = find(connection, number)
            table = schema.models
            ever = select(func.max(table.c.repeat)).where(table.c.identity == model.identity)
            last = connection.execute(ever).scalar_one()
            end = connection.execute(select(func.max(table.c.position))).scalar() or 0.0
            return tuple(
                self._submit(
                    connection,
                    change,
                    Submission(
                        model.design,
                        model.origin,
                        model.parent,
                        model.edits,
                        model.words,
                        repeat=last + one,
                    ),
                    end + one,
                    0,
                )
                for one in range(1, count + 1)
            )

    def longer(self, *numbers: int, epochs: int) -> None:
        """Wish that models are trained so many epochs longer than they are now.

        They go on from their last checkpoint, with the learning rate that the recipe has for
        those epochs, as if they had been wished so long from the start. Neither early stopping
        nor halving ends them before. A waiting model gets as many epochs more.

        Raises
        ------
        InvalidRequest
            One trains now or has failed.
        """
        _check_whole("epochs", 1, epochs)
        with self.writing() as (connection, change):
            end = _end_of_queue(connection)
            for place, model in enumerate(_find_all(connection, numbers), start=1):
                values: dict[str, Any] = {"to_the_end": True, "halving": None, "full_epochs": None}
                if model.status is Status.QUEUED:
                    values |= {"wanted_epochs": model.wanted_epochs + epochs}
                elif model.status is Status.TRAINING:
                    raise InvalidRequest(
                        f"{model.name} is training: wait until it is done, or cancel it first"
                    )
                elif model.status is Status.FAILED:
                    raise InvalidRequest(f"{model.name} has failed: retry it instead")
                else:
                    values |= _queued(end + place)
                    values |= {"wanted_epochs": model.epochs + epochs, "stopped": None}
                _update(connection, change, model.number, **values)
                halving.settle(connection, change, model.halving)

    def retry(self, *numbers: int, anew: bool = False) -> None:
        """Wish that models that failed or were cancelled are trained after all.

        They go to the end of the queue and on from their last checkpoint.

        Parameters
        ----------
        anew
            Train from the first epoch, for a checkpoint that cannot be used. What was recorded
            stays recorded.

        Raises
        ------
        InvalidRequest
            One that neither failed nor was cancelled.
        """
        with self.writing() as (connection, change):
            end = _end_of_queue(connection)
            for place, model in enumerate(_find_all(connection, numbers), start=1):
                if model.status not in {Status.FAILED, Status.CANCELLED}:
                    raise InvalidRequest(
                        f"{model.name} is {model.status}: only a failed or cancelled model can be "
                        "retried"
                    )
                values = _queued(end + place) | ({"checkpoint_epoch": 0} if anew else {})
                _update(connection, change, model.number, **values)

    def cancel(self, *numbers: int) -> None:
        """Wish that waiting models are not trained, and that training ones stop.

        A waiting model is cancelled at once; a training one when the scheduler
        has stopped it. One that is neither raises `InvalidRequest`.
        """
        with self.writing() as (connection, change):
            for model in _find_all(connection, numbers):
                values: dict[str, Any]
                if model.status is Status.QUEUED:
                    values = {"status": Status.CANCELLED.value, "reason": "cancelled while waiting"}
                elif model.status is Status.TRAINING:
                    values = {"stop_wish": True}
                else:
                    raise InvalidRequest(
                        f"{model.name} is {model.status}: there is nothing to cancel"
                    )
                _update(connection, change, model.number, **values)
                halving.settle(connection, change, model.halving)

    # The queue's order and pace

    def move(self, *numbers: int, before: int | None = None, place: int | None = None) -> None:
        """Wish that waiting models are trained earlier or later, in the order given.

        Parameters
        ----------
        before
            The waiting model that shall come right after them.
        place
            Where the first of them shall stand among all that wait: 1 is trained next. With
            neither, they go to the end.

        Raises
        ------
        InvalidRequest
            One, or ``before``, does not wait.
        """
        if before is not None and place is not None:
            raise InvalidRequest("a model is moved before another or to a place, not both")
        if place is not None:
            _check_whole("place", 1, place)
        with self.writing() as (connection, change):
            moved = _find_all(connection, numbers)
            target = () if before is None else (find(connection, before),)
            for model in (*moved, *target):
                if model.status is not Status.QUEUED:
                    raise InvalidRequest(
                        f"{model.name} is {model.status}: only waiting models have a place"
                    )
            if before in numbers:
                raise InvalidRequest(f"m{before} cannot be moved before itself")
            rest = [(n, at) for n, at in _waiting(connection) if n not in numbers]
            if before is not None:
                index = [number for number, _ in rest].index(before)
            else:
                index = len(rest) if place is None else min(place - 1, len(rest))
            found = places(rest, tuple(dict.fromkeys(numbers)), index)
            for number, position in found.items():
                _update(connection, change, number, position=position)

    def pause(self) -> None:
        """Wish that nothing is trained until `resume`.

        What trains stops within a batch, goes back to its place, and continues from there.
        """
        with self.writing() as (connection, _):
            connection.execute(update(schema.queue).values(paused=True))

    def resume(self) -> None:
        """Wish that a paused queue goes on."""
        with self.writing() as (connection, _):
            connection.execute(update(schema.queue).values(paused=False))

    def set_workers(self, workers: int | None = None, gpus_per_model: float | None = None) -> None:
        """Wish how many models train at the same time, and what each gets of a GPU.

        Holds at once, and for later schedulers that are not told otherwise. What has to
        make room goes back to its place and continues from its last epoch. None leaves
        the choice to REMAP.

        Raises
        ------
        InvalidRequest
            Not possible, or more than whoever trains the study has.
        """
        if workers is not None:
            _check_whole("workers", 1, workers)
        check_share(gpus_per_model or 0.0)
        alive = self.heartbeat().alive
        with self.writing() as (connection, _):
            row = connection.execute(select(schema.lease)).mappings().first()
            if alive and row is not None and row["cpus"]:
                cpus, gpus = row["cpus"], row["gpus"]
                if (workers or 0) > cpus and not (gpus_per_model or row["gpus_each"]):
                    raise InvalidRequest(f"{workers} workers are more than the {cpus} CPUs there")
                if (gpus_per_model or 0) > gpus:
                    there = f"there are {gpus:g}" if gpus else "there is no GPU"
                    raise InvalidRequest(
                        f"{gpus_per_model:g} of a GPU is more than there is ({there})"
                    )
            connection.execute(
                update(schema.queue).values(workers=workers, gpus_per_model=gpus_per_model)
            )

    def wish_end(self) -> None:
        """Wish that the scheduler stops what trains and ends; what waits stays queued."""
        with self.unnumbered() as connection:
            connection.execute(update(schema.lease).values(end_wish=True))

    # What is kept

    def delete(self, *numbers: int) -> None:
        """Take models out of the study; `restore` brings them back until `compact`.

        Raises
        ------
        InvalidRequest
            One trains now, or is the parent of a model that stays.
        """
        with self.writing() as (connection, change):
            for model in _find_all(connection, numbers):
                if model.status is Status.TRAINING:
                    raise InvalidRequest(f"{model.name} is training: cancel it first")
                deletion.delete(connection, change, model.number, numbers)
                halving.settle(connection, change, model.halving)

    def restore(self, *numbers: int) -> None:
        """Bring deleted models back with all that they had; parents come with them.

        Raises
        ------
        UnknownModel
            One was never there, or is gone for good.
        """
        with self.writing() as (connection, change):
            for number in numbers:
                deletion.restore(connection, change, number)

    def compact(self) -> int:
        """Remove deleted models for good, with their files, and give room back to the disk.

        Returns
        -------
        int
            How many models are gone.

        Raises
        ------
        InvalidRequest
            The study is being trained.
        """
        if self.heartbeat().alive:
            raise InvalidRequest("the study is being trained: stop that first")
        with self.writing() as (connection, change):
            gone = deletion.forget(connection, change)
        for number in gone:
            self.weights_path(number).unlink(missing_ok=True)
            self.checkpoint_path(number).unlink(missing_ok=True)
        # VACUUM runs in no transaction, which ours always are.
        with closing(sqlite3.connect(self.path / DATABASE, isolation_level=None)) as connection:
            connection.execute("VACUUM")
        return len(gone)

    def keep(self, number: int, note: str = "") -> None:
        """Put a model into the drawer, at its end; one that is there stays as it is."""
        with self.writing() as (connection, change):
            find(connection, number)
            kept.append(connection, change, [number], note)

    def keep_all(self, numbers: Iterable[int]) -> tuple[int, ...]:
        """Put models into the drawer, at its end and in this order, all in one transaction.

        Gives those that were not there before; one that the study does not have raises
        `UnknownModel`, and nothing is kept.
        """
        with self.writing() as (connection, change):
            wanted = tuple(dict.fromkeys(numbers))
            for number in wanted:
                find(connection, number)
            return kept.append(connection, change, wanted)

    def put_back(self, entries: Iterable[DrawerEntry]) -> None:
        """Put models into the drawer with the place and the note that they had there."""
        with self.writing() as (connection, change):
            for entry in entries:
                find(connection, entry.model)
                kept.put(connection, change, entry)

    def let_go(self, *numbers: int) -> None:
        """Take models out of the drawer; one that is not there raises `UnknownModel`."""
        with self.writing() as (connection, change):
            hidden = set(connection.execute(deletion.gone()).scalars())
            for number in numbers:
                if number in hidden:
                    raise UnknownModel(number, "the drawer")
                kept.drop(connection, change, number)

    def annotate(self, number: int, note: str) -> None:
        """Write the note of a model in the drawer, instead of what was there.

        Raises
        ------
        UnknownModel
            The model is not in the drawer.
        InvalidRequest
            The note is longer than 10,000 characters.
        """
        with self.writing() as (connection, change):
            kept.annotate(connection, change, number, note)

    def arrange(self, number: int, before: int | None = None) -> None:
        """Move a model of the drawer to right above another, or to the end.

        Raises
        ------
        UnknownModel
            One of the two is not in the drawer.
        """
        with self.writing() as (connection, change):
            kept.arrange(connection, change, number, before)

    def keep_needs(self, browser: str, form: Mapping[str, Any]) -> None:
        """Keep what a browser's person needs of a model; no reader follows it."""
        with self.unnumbered() as connection:
            schema.needs.create(connection, checkfirst=True)
            row = upsert(schema.needs).values(browser=browser, form=dict(form))
            connection.execute(
                row.on_conflict_do_update(index_elements=("browser",), set_={"form": dict(form)})
            )


def places(
    waiting: Sequence[tuple[int, float]], moved: Sequence[int], index: int
) -> dict[int, float]:
    """Give positions that put ``moved`` before the waiting model at ``index``.

    Only where two stand too close for more between them are others given a new position too.

    Parameters
    ----------
    waiting
        Number and position of all other waiting models, in the order of the queue.
    moved
        In the order wanted.
    index
        Up to the number of ``waiting``, which is the end.
    """
    if not waiting:
        return {number: float(at) for at, number in enumerate(moved, start=1)}
    if index >= len(waiting):
        last = waiting[-1][1]
        return {number: last + at for at, number in enumerate(moved, start=1)}
    right = waiting[index][1]
    left = waiting[index - 1][1] if index else right - len(moved) - 1
    step = (right - left) / (len(moved) + 1)
    if step >= CLOSEST * max(1.0, abs(left), abs(right)):
        return {number: left + step * at for at, number in enumerate(moved, start=1)}
    order = [number for number, _ in waiting]
    order[index:index] = moved
    return {number: waiting[0][1] + at for at, number in enumerate(order)}


def check_share(share: float) -> None:
    """Refuse a share of a GPU that Ray could not fill: only 0, 1/k and whole numbers are."""
    whole = share if share >= 1 else 1 / share if share > 0 else 0.0
    if not isfinite(share) or share < 0 or abs(whole - round(whole)) > 1e-6:
        raise InvalidRequest(
            f"--gpus-per-model must be 0, a fraction such as 0.5 or 0.25 that divides a GPU, "
            f"or a whole number, not {share:g}"
        )


def stamp(seconds: float) -> str:
    """Write a moment (seconds since 1970) as ISO 8601 in UTC."""
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")


def find(connection: Connection, number: int) -> Model:
    """Give one model within a transaction, or raise `UnknownModel`."""
    table = schema.models
    query = select(table).where(table.c.number == number, ~table.c.deleted)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise UnknownModel(number)
    return rows.model(row)


def _find_all(connection: Connection, numbers: Sequence[int]) -> tuple[Model, ...]:
    return tuple(find(connection, number) for number in dict.fromkeys(numbers))


def _update(connection: Connection, change: int, number: int, **values: Any) -> None:
    table = schema.models
    connection.execute(
        update(table).where(table.c.number == number).values(changed=change, **values)
    )


def _waiting(connection: Connection) -> list[tuple[int, float]]:
    table = schema.models
    query = select(table.c.number, table.c.position).where(
        table.c.status == Status.QUEUED.value, ~table.c.deleted
    )
    query = query.order_by(table.c.position, table.c.number)
    return [(number, position) for number, position in connection.execute(query)]


def _end_of_queue(connection: Connection) -> float:
    return connection.execute(select(func.max(schema.models.c.position))).scalar() or 0.0


def _queued(position: float) -> dict[str, Any]:
    return {
        "status": Status.QUEUED.value,
        "reason": "",
        "position": position,
        "losses": 0,
        "stop_wish": False,
    }


def _check_whole(name: str, low: int, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value < 2**63:
        raise InvalidRequest(f"{name} must be a whole number of at least {low}, not {value!r}")
