"""`Study`: the only door to what has been tried, for readers and for those with wishes.

Who may write what, and when
----------------------------
Any process on the study's host may state **wishes**: submit models, cancel
them, keep them in the drawer. **Facts** (status, epochs, predictions, weights,
points) are written only through a `Lease`, which one scheduler holds at a
time. Every write is one short transaction that raises the change number;
heartbeats do not. Readers call `Study.changes`.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, RowMapping, Table, func, insert, inspect, select, update
from sqlalchemy.dialects.sqlite import insert as upsert
from sqlalchemy.exc import DBAPIError, NoResultFound

from remap_ray.errors import InvalidRequest, UnknownModel
from remap_ray.recipe import Recipe
from remap_ray.space import Architecture
from remap_ray.study import directory, kept, rows, schema
from remap_ray.study.holder import is_alive
from remap_ray.study.records import (
    Change,
    DataSummary,
    DrawerEntry,
    Epoch,
    Heartbeat,
    Layout,
    Model,
    Origin,
    Placement,
    Status,
    Thumbnail,
)
from remap_ray.study.watch import Watch

__all__ = ["Study", "Submission", "model_seed", "open_study"]


def model_seed(study_seed: int, identity: str, repeat: int) -> int:
    """Give a model's training seed: of what it is alone, never of order or time."""
    text = f"{study_seed}/{identity}/{repeat}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:6], "big")


def open_study(path: str | Path) -> Study:
    """Open the study in a directory.

    Raises
    ------
    NotAStudy, StudyTooNew
        Nothing is changed.
    """
    return Study.open(Path(path))


@final
@dataclass(frozen=True)
class Submission:
    """A wish for one more model.

    ``epochs`` is what it shall be trained; None is the recipe's number.
    """

    architecture: Architecture
    origin: Origin = Origin.SAMPLED
    parent: int | None = None
    edits: tuple[Any, ...] = ()
    words: str = ""
    epochs: int | None = None
    repeat: int = 0


@final
class Study:
    """One data set, one training recipe, and all models tried on it.

    Made by `Study.create` and `Study.open`. Safe to use from several threads.
    Close it, or use it in a ``with``.
    """

    def __init__(self, path: Path, clock: Callable[[], float] = time.time) -> None:
        self.path = path
        self.clock = clock
        self._engine = schema.connect(path / directory.DATABASE)
        self._writer = self._engine.execution_options(writes=True)
        try:
            with self._engine.begin() as connection:
                row = connection.execute(select(schema.study)).mappings().one()
        except (DBAPIError, NoResultFound) as error:
            self._engine.dispose()
            reason = error.orig if isinstance(error, DBAPIError) else error
            raise directory.unreadable(path, reason) from error
        self.name: str = row["name"]
        self.created = datetime.fromisoformat(row["created"])
        self.data: DataSummary = rows.summary(row["data"])
        self.recipe = Recipe.from_dict(row["recipe"])
        self.space: str = row["space"]
        self.seed: int = row["seed"]
        self.validation_labels: NDArray[np.uint8] = np.frombuffer(
            row["validation_labels"], dtype=np.uint8
        )

    @staticmethod
    def create(
        path: Path,
        data: DataSummary,
        validation_labels: NDArray[np.uint8],
        thumbnails: Iterable[Thumbnail],
        recipe: Recipe,
        seed: int,
        space: str = "paper",
        clock: Callable[[], float] = time.time,
        space_toml: str = "",
        images: NDArray[np.uint8] | None = None,
    ) -> Study:
        """Create a study in a directory that does not exist or is empty.

        The database gets its name only when it is complete, so a crash leaves no
        half-made study. ``images`` are those of the validation part as a person sees
        them, (n, H, W) or (n, H, W, 3), in the order of its labels.

        Parameters
        ----------
        space, space_toml
            The name of the space that its models are sampled from, and the text that
            is kept of it beside the database.

        Raises
        ------
        StudyExists
            There is a study, or something else, at ``path``.
        """
        directory.create(
            path.absolute(),
            {
                "created": _stamp(clock()),
                "data": rows.data_form(data),
                "recipe": recipe.to_dict(),
                "space": space,
                "seed": seed,
                "validation_labels": validation_labels.astype(np.uint8).tobytes(),
            },
            thumbnails,
            space_toml,
            images,
        )
        return Study(path.absolute(), clock)

    @staticmethod
    def open(path: Path, clock: Callable[[], float] = time.time) -> Study:
        """Open a study that exists.

        Raises
        ------
        NotAStudy
            ``path`` holds none, or one that cannot be read.
        StudyTooNew
            A newer REMAP wrote it; both formats are named and nothing is changed.
        """
        directory.check(path.absolute())
        return Study(path.absolute(), clock)

    def close(self) -> None:
        """Let go of the database."""
        self._engine.dispose()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # Transactions

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Read one consistent state of the study."""
        with self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[tuple[Connection, int]]:
        """Write in one transaction; gives the connection and the new change number."""
        with self._writer.begin() as connection:
            raised = update(schema.counter).values(number=schema.counter.c.number + 1)
            number = connection.execute(raised.returning(schema.counter.c.number)).scalar_one()
            yield connection, number

    @contextmanager
    def unnumbered(self) -> Iterator[Connection]:
        """Write what no reader follows, such as a heartbeat: no change number is raised."""
        with self._writer.begin() as connection:
            yield connection

    # Reading

    def changes(self, since: int = 0, *, epochs: bool = True) -> Change:
        """Give what changed after change number ``since``, each row in its latest state.

        Parameters
        ----------
        since
            A number that an earlier `Change` carried; 0 gives the whole study.
        epochs
            Whether to give the rows of epochs too.
        """
        with self.reading() as connection:
            number = connection.execute(select(schema.counter.c.number)).scalar_one()
            if number == since:
                return Change(number)

            def changed(table: Table, *order: str) -> Sequence[RowMapping]:
                query = select(table).where(table.c.changed > since)
                query = query.order_by(*(table.c[name] for name in order))
                return connection.execute(query).mappings().all()

            predicted = select(schema.predictions.c.model).where(
                schema.predictions.c.changed > since
            )
            deleted: dict[str, tuple[int, ...]] = {}
            for row in changed(schema.deletions, "table_name", "key"):
                deleted[row["table_name"]] = (*deleted.get(row["table_name"], ()), row["key"])
            return Change(
                number,
                tuple(rows.model(row) for row in changed(schema.models, "number")),
                tuple(rows.epoch(row) for row in changed(schema.epochs, "model", "epoch"))
                if epochs
                else (),
                tuple(rows.layout(row) for row in changed(schema.layouts, "map")),
                tuple(rows.placement(row) for row in changed(schema.placements, "map", "model")),
                tuple(rows.drawer_entry(row) for row in changed(schema.drawer, "position")),
                tuple(connection.execute(predicted).scalars()),
                deleted,
            )

    def watch(self) -> Watch:
        """Give a cheap way to ask whether anything was written since the last time."""
        return Watch(self.path / directory.DATABASE)

    def models(self) -> tuple[Model, ...]:
        """Give all models by number."""
        with self.reading() as connection:
            query = select(schema.models).order_by(schema.models.c.number)
            return tuple(rows.model(row) for row in connection.execute(query).mappings())

    def model(self, number: int) -> Model:
        """Give one model, or raise `UnknownModel`."""
        with self.reading() as connection:
            return _model(connection, number)

    def counts(self) -> dict[Status, int]:
        """Count the models in each status; every status is there."""
        with self.reading() as connection:
            query = select(schema.models.c.status, func.count()).group_by(schema.models.c.status)
            found = {str(status): int(number) for status, number in connection.execute(query)}
        return {status: found.get(status, 0) for status in Status}

    def epochs(self, number: int) -> tuple[Epoch, ...]:
        """Give a model's recorded epochs in order."""
        with self.reading() as connection:
            query = select(schema.epochs).where(schema.epochs.c.model == number)
            found = connection.execute(query.order_by(schema.epochs.c.epoch)).mappings().all()
        return tuple(rows.epoch(row) for row in found)

    def predictions(self, number: int) -> NDArray[np.uint8] | None:
        """Give a model's predicted labels of the validation part, uint8 (n,), None before any."""
        with self.reading() as connection:
            query = select(schema.predictions.c.labels).where(schema.predictions.c.model == number)
            found = connection.execute(query).scalar()
        return None if found is None else np.frombuffer(found, dtype=np.uint8)

    def predictions_of(self, numbers: Sequence[int]) -> dict[int, NDArray[np.uint8]]:
        """Give several models' predicted labels, uint8 (n,) each; those without any are left out.

        Parameters
        ----------
        numbers
            At most some thousands.
        """
        table = schema.predictions
        with self.reading() as connection:
            query = select(table.c.model, table.c.labels).where(table.c.model.in_(numbers))
            found = connection.execute(query).all()
        return {int(number): np.frombuffer(labels, np.uint8) for number, labels in found}

    def labels_of_item(self, item: int) -> dict[int, int]:
        """Give what every model predicts for one validation image, by model.

        Parameters
        ----------
        item
            Index in the validation part, from 0.

        Raises
        ------
        InvalidRequest
            There is no such image.
        """
        if not 0 <= item < len(self.validation_labels):
            raise InvalidRequest(
                f"there is no validation image {item}, only 0 to {len(self.validation_labels) - 1}"
            )
        table = schema.predictions
        with self.reading() as connection:
            # SQLite cuts out the one byte: labels of thousands of models do not travel for it.
            query = select(table.c.model, func.substr(table.c.labels, item + 1, 1))
            return {int(number): label[0] for number, label in connection.execute(query)}

    def thumbnails(self) -> tuple[Thumbnail, ...]:
        """Give the images that were kept of each class when the study was created."""
        with self.reading() as connection:
            query = select(schema.thumbnails).order_by(schema.thumbnails.c.id)
            found = connection.execute(query).mappings().all()
        return tuple(Thumbnail(row["label"], row["png"]) for row in found)

    def images(self) -> NDArray[np.uint8] | None:
        """Give the validation images as a person sees them, in the order of their labels.

        They are read from the disk only where they are looked at.

        Returns
        -------
        numpy.ndarray or None
            uint8 (n, H, W) or (n, H, W, 3); None where the study keeps none, as those made
            before it did.
        """
        found = directory.read_images(self.path)
        return found if found is not None and len(found) == len(self.validation_labels) else None

    def layout(self, name: str) -> Layout | None:
        """Give a map's layout as its last refit left it, None before the first."""
        with self.reading() as connection:
            query = select(schema.layouts).where(schema.layouts.c.map == name)
            found = connection.execute(query).mappings().first()
        return None if found is None else rows.layout(found)

    def placements(self, name: str) -> tuple[Placement, ...]:
        """Give a map's points placed since its last refit, in the order of placing."""
        with self.reading() as connection:
            table = schema.placements
            query = (
                select(table).where(table.c.map == name).order_by(table.c.changed, table.c.model)
            )
            found = connection.execute(query).mappings().all()
        return tuple(rows.placement(row) for row in found)

    def points(self, name: str) -> dict[int, tuple[float, float]]:
        """Give every model's place on a map."""
        layout = self.layout(name)
        found: dict[int, tuple[float, float]] = {}
        if layout is not None:
            pairs = zip(layout.models.tolist(), layout.points.tolist(), strict=True)
            found = {number: (x, y) for number, (x, y) in pairs}
        return found | {one.model: (one.x, one.y) for one in self.placements(name)}

    def drawer(self) -> tuple[DrawerEntry, ...]:
        """Give the drawer from top to bottom."""
        with self.reading() as connection:
            query = select(schema.drawer).order_by(schema.drawer.c.position)
            found = connection.execute(query).mappings().all()
        return tuple(rows.drawer_entry(row) for row in found)

    def needs(self, browser: str) -> dict[str, Any] | None:
        """Give what was kept for a browser by `keep_needs`, None where nothing was."""
        table = schema.needs
        with self.reading() as connection:
            if not inspect(connection).has_table(table.name):
                return None
            found = connection.execute(select(table.c.form).where(table.c.browser == browser))
            form = found.scalar()
        return None if form is None else dict(form)

    def heartbeat(self) -> Heartbeat:
        """Say who trains the study and whether they are alive."""
        with self.reading() as connection:
            row = connection.execute(select(schema.lease)).mappings().first()
        if row is None:
            return Heartbeat(0, "", alive=False, seconds=None, workers=0, said="")
        now = self.clock()
        return Heartbeat(
            row["number"],
            row["holder"],
            is_alive(row, now),
            max(0.0, now - row["heartbeat"]),
            row["workers"],
            row["said"],
        )

    def weights_path(self, number: int) -> Path:
        """Say where a model's weights lie once it is done."""
        return self.path / directory.WEIGHTS / f"m{number}.safetensors"

    def checkpoint_path(self, number: int) -> Path:
        """Say where a model's last checkpoint lies once it has one."""
        return self.path / directory.WEIGHTS / f"m{number}.checkpoint.safetensors"

    # Wishes

    def submit(self, submissions: Iterable[Submission]) -> tuple[int, ...]:
        """Queue models, all in one transaction, and give their numbers.

        What the study has already (same identity, same repeat) is not queued
        again: its number is given.

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
            shape, classes = one.architecture.input_shape, one.architecture.classes
            if shape != self.data.input_shape or classes != len(self.data.class_names):
                raise InvalidRequest(
                    f"the architecture is for images {shape} and {classes} classes, this study has "
                    f"{self.data.input_shape} and {len(self.data.class_names)}"
                )
        with self.writing() as (connection, change):
            last = connection.execute(select(func.max(schema.models.c.position))).scalar() or 0.0
            return tuple(
                self._submit(connection, change, one, last + place)
                for place, one in enumerate(wanted, start=1)
            )

    def _submit(self, connection: Connection, change: int, one: Submission, position: float) -> int:
        table, identity = schema.models, one.architecture.identity
        same = select(table.c.number).where(
            table.c.identity == identity, table.c.repeat == one.repeat
        )
        if (known := connection.execute(same).scalar()) is not None:
            return int(known)
        if one.parent is not None:
            _model(connection, one.parent)
        row = insert(table).values(
            identity=identity,
            repeat=one.repeat,
            seed=model_seed(self.seed, identity, one.repeat),
            space="layers",
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
            wanted_epochs=self.recipe.epochs if one.epochs is None else one.epochs,
            created=_stamp(self.clock()),
            epochs=0,
            seconds=0.0,
            checkpoint_epoch=0,
            stop_wish=False,
            changed=change,
        )
        return int(connection.execute(row.returning(table.c.number)).scalar_one())

    def cancel(self, number: int) -> None:
        """Wish that a waiting model is not trained, or that a training one stops.

        A waiting model is cancelled at once; a training one when the scheduler
        has stopped it. One that is neither raises `InvalidRequest`.
        """
        with self.writing() as (connection, change):
            model = _model(connection, number)
            values: dict[str, Any]
            if model.status is Status.QUEUED:
                values = {"status": Status.CANCELLED.value, "reason": "cancelled while waiting"}
            elif model.status is Status.TRAINING:
                values = {"stop_wish": True}
            else:
                raise InvalidRequest(f"{model.name} is {model.status}: there is nothing to cancel")
            table = schema.models
            connection.execute(
                update(table).where(table.c.number == number).values(changed=change, **values)
            )

    def wish_end(self) -> None:
        """Wish that the scheduler stops what trains and ends; what waits stays queued."""
        with self.unnumbered() as connection:
            connection.execute(update(schema.lease).values(end_wish=True))

    def keep(self, number: int, note: str = "") -> None:
        """Put a model into the drawer, at its end; one that is there stays as it is."""
        with self.writing() as (connection, change):
            _model(connection, number)
            kept.append(connection, change, [number], note)

    def keep_all(self, numbers: Iterable[int]) -> tuple[int, ...]:
        """Put models into the drawer, at its end and in this order, all in one transaction.

        Gives those that were not there before; one that the study does not have raises
        `UnknownModel`, and nothing is kept.
        """
        with self.writing() as (connection, change):
            wanted = tuple(dict.fromkeys(numbers))
            for number in wanted:
                _model(connection, number)
            return kept.append(connection, change, wanted)

    def put_back(self, entries: Iterable[DrawerEntry]) -> None:
        """Put models into the drawer with the place and the note that they had there."""
        with self.writing() as (connection, change):
            for entry in entries:
                _model(connection, entry.model)
                kept.put(connection, change, entry)

    def let_go(self, *numbers: int) -> None:
        """Take models out of the drawer; one that is not there raises `UnknownModel`."""
        with self.writing() as (connection, change):
            for number in numbers:
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


def _check_whole(name: str, low: int, value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value < 2**63:
        raise InvalidRequest(f"{name} must be a whole number of at least {low}, not {value!r}")


def _model(connection: Connection, number: int) -> Model:
    query = select(schema.models).where(schema.models.c.number == number)
    row = connection.execute(query).mappings().first()
    if row is None:
        raise UnknownModel(number)
    return rows.model(row)


def _stamp(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="milliseconds")
