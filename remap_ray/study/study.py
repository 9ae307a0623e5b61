"""`Study`: the only door to what has been tried, for readers and for those with wishes.

Who may write what, and when
----------------------------
Any process on the study's host may state **wishes** (`Wishes`): submit models,
order, cancel or prolong them, pause the queue, delete models, keep them in the
drawer. **Facts** (status, epochs, predictions, weights, points) are written only
through a `Lease`, which one scheduler holds at a time. Every write is one short
transaction that raises the change number; heartbeats do not. Readers call
`Study.changes`.
"""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray
from sqlalchemy import Connection, RowMapping, Table, and_, func, inspect, select, update
from sqlalchemy.exc import DBAPIError, NoResultFound

from remap_ray.errors import DiskFull, InvalidRequest, StudyReadOnly
from remap_ray.recipe import Recipe
from remap_ray.study import deletion, directory, media, rows, schema
from remap_ray.study.files import is_full, is_read_only
from remap_ray.study.holder import age, is_alive, is_starting, uptime
from remap_ray.study.records import (
    Change,
    DataSummary,
    DrawerEntry,
    Epoch,
    Heartbeat,
    Layout,
    Model,
    Placement,
    Status,
    Thumbnail,
    Wished,
)
from remap_ray.study.watch import Watch
from remap_ray.study.wishes import Wishes, find, stamp

__all__ = ["Study", "open_study"]


def open_study(path: str | Path) -> Study:
    """Open the study in a directory.

    Raises
    ------
    NotAStudy, StudyTooNew, StudyTooOld
        Nothing is changed.
    """
    return Study.open(Path(path))


@final
class Study(Wishes):
    """One data set, one training recipe, and all models tried on it.

    Made by `Study.create` and `Study.open`. Safe to use from several threads.
    Close it, or use it in a ``with``.
    """

    def __init__(
        self,
        path: Path,
        clock: Callable[[], float] = time.time,
        uptime: Callable[[], float] | None = None,
    ) -> None:
        self.path = path
        self.clock = clock
        self._uptime = uptime
        self.read_only = directory.is_read_only(path)
        shared = not self.read_only and media.is_network(path)
        if shared:
            warnings.warn(
                f"{path} lies on a network file system ({media.file_system(path)}): only one host "
                "may use the study at a time, and it will be slow; keep it on a disk of the host "
                "that trains",
                stacklevel=3,
            )
        self._engine = schema.connect(
            path / directory.DATABASE, read_only=self.read_only, shared=shared
        )
        self._writer = self._engine.execution_options(writes=True)
        try:
            with self._engine.begin() as connection:
                row = connection.execute(select(schema.study)).mappings().one()
        except (DBAPIError, NoResultFound) as error:
            self._engine.dispose()
            if isinstance(error, DBAPIError) and is_full(error):
                raise DiskFull(path) from error
            reason = error.orig if isinstance(error, DBAPIError) else error
            raise directory.unreadable(path, reason) from error
        self.name: str = row["name"]
        self.created = datetime.fromisoformat(row["created"])
        self.data: DataSummary = rows.summary(row["data"])
        if self.data.source == directory.DATA:
            # Kept beside the database, wherever that is by now.
            self.data = replace(self.data, source=str(path / directory.DATA))
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
        arrays: Mapping[str, NDArray[Any]] | None = None,
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
        arrays
            The data set as a ``.npz`` holds it, where it is to be kept in the study itself;
            ``data.source`` is then `directory.DATA`.

        Raises
        ------
        StudyExists
            There is a study, or something else, at ``path``.
        """
        directory.create(
            path.absolute(),
            {
                "created": stamp(clock()),
                "data": rows.data_form(data),
                "recipe": recipe.to_dict(),
                "space": space,
                "seed": seed,
                "validation_labels": validation_labels.astype(np.uint8).tobytes(),
            },
            thumbnails,
            space_toml,
            images,
            arrays,
        )
        return Study(path.absolute(), clock)

    @staticmethod
    def open(
        path: Path,
        clock: Callable[[], float] = time.time,
        uptime: Callable[[], float] | None = None,
    ) -> Study:
        """Open a study that exists.

        Parameters
        ----------
        clock
            Gives the time of day, in seconds since 1970.
        uptime
            Gives seconds that nobody can set; None is the machine's, or ``clock`` where
            that is one of your own.

        Raises
        ------
        NotAStudy
            ``path`` holds none, or one that cannot be read.
        StudyTooNew
            A newer REMAP wrote it; both formats are named and nothing is changed.
        StudyTooOld
            An older REMAP wrote it, and it cannot be brought to this format.
        """
        if directory.check(path.absolute()) < schema.FORMAT:
            directory.bring_up_to_date(path.absolute())
        return Study(path.absolute(), clock, uptime)

    def uptime(self) -> float:
        """Give seconds that nobody can set: of the machine, or of a clock of one's own."""
        if self._uptime is not None:
            return self._uptime()
        return uptime() if self.clock is time.time else self.clock()

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
        """Write in one transaction; gives the connection and the new change number.

        Raises
        ------
        StudyReadOnly, DiskFull
            Nothing is written.
        """
        with self.unnumbered() as connection:
            raised = update(schema.counter).values(number=schema.counter.c.number + 1)
            number = connection.execute(raised.returning(schema.counter.c.number)).scalar_one()
            yield connection, number

    @contextmanager
    def unnumbered(self) -> Iterator[Connection]:
        """Write what no reader follows, such as a heartbeat: no change number is raised."""
        if self.read_only:
            raise StudyReadOnly(self.path)
        try:
            with self._writer.begin() as connection:
                yield connection
        except DBAPIError as error:
            if is_full(error):
                raise DiskFull(self.path) from error
            if is_read_only(error):
                # The mount has become read-only while it was open, as after a fault of the disk.
                raise StudyReadOnly(self.path) from error
            raise

    # Reading

    def changes(self, since: int = 0, *, epochs: bool = True) -> Change:
        """Give what changed after change number ``since``, each row in its latest state.

        This is how programs of other people follow a study: the page itself knows no other
        way. Read from one consistent state; any process on the study's host may call it, at
        any time, whoever trains. Every write raises the number by one; heartbeats do not. A
        row that changed several times comes once, as it is now, so a reader that comes late
        misses nothing but states that have passed::

            number = 0
            watch = study.watch()  # asks cheaply whether anything was written
            while following:
                if watch.changed():
                    change = study.changes(since=number)
                    number = change.number
                    ...  # change.models, change.epochs, change.placements, change.deleted
                time.sleep(0.25)

        Parameters
        ----------
        since
            A number that an earlier `Change` carried; 0 gives the whole study. One that is
            larger than the study's, which an older copy put back may leave a reader with,
            gives nothing and the study's number: start again from 0 then.
        epochs
            Whether to give the rows of epochs too.

        Returns
        -------
        Change
            With the number to give next time. Weights and predictions are not in it, only
            the numbers of models whose predictions changed: `predictions`, `weights_path`.
        """
        with self.reading() as connection:
            number = connection.execute(select(schema.counter.c.number)).scalar_one()
            if number == since:
                return Change(number)

            def changed(table: Table, *order: str) -> Sequence[RowMapping]:
                query = select(table).where(table.c.changed > since)
                query = query.order_by(*(table.c[name] for name in order))
                return connection.execute(query).mappings().all()

            hidden = set(connection.execute(deletion.gone()).scalars())

            def seen(found: Sequence[RowMapping], key: str) -> list[RowMapping]:
                return [row for row in found if row[key] not in hidden] if hidden else list(found)

            predicted = select(schema.predictions.c.model).where(
                schema.predictions.c.changed > since
            )
            deleted: dict[str, tuple[int, ...]] = {}
            for row in changed(schema.deletions, "table_name", "key"):
                deleted[row["table_name"]] = (*deleted.get(row["table_name"], ()), row["key"])
            return Change(
                number,
                tuple(rows.model(row) for row in seen(changed(schema.models, "number"), "number")),
                tuple(
                    rows.epoch(row)
                    for row in seen(changed(schema.epochs, "model", "epoch"), "model")
                )
                if epochs
                else (),
                tuple(
                    deletion.without(rows.layout(row), hidden)
                    for row in changed(schema.layouts, "map")
                ),
                tuple(
                    rows.placement(row)
                    for row in seen(changed(schema.placements, "map", "model"), "model")
                ),
                tuple(
                    rows.drawer_entry(row)
                    for row in seen(changed(schema.drawer, "position"), "model")
                ),
                tuple(one for one in connection.execute(predicted).scalars() if one not in hidden),
                deleted,
            )

    def watch(self) -> Watch:
        """Give a cheap way to ask whether anything was written since the last time."""
        return Watch(self.path / directory.DATABASE, read_only=self.read_only)

    def models(self, *, deleted: bool = False) -> tuple[Model, ...]:
        """Give all models by number; with ``deleted`` those instead that could be restored."""
        with self.reading() as connection:
            table = schema.models
            query = select(table).where(table.c.deleted == deleted).order_by(table.c.number)
            return tuple(rows.model(row) for row in connection.execute(query).mappings())

    def model(self, number: int) -> Model:
        """Give one model, or raise `UnknownModel`."""
        with self.reading() as connection:
            return find(connection, number)

    def counts(self) -> dict[Status, int]:
        """Count the models in each status; every status is there."""
        with self.reading() as connection:
            table = schema.models
            query = select(table.c.status, func.count()).where(~table.c.deleted)
            query = query.group_by(table.c.status)
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
            hidden = set(connection.execute(deletion.gone()).scalars())
        return None if found is None else deletion.without(rows.layout(found), hidden)

    def placements(self, name: str) -> tuple[Placement, ...]:
        """Give a map's points placed since its last refit, in the order of placing."""
        with self.reading() as connection:
            table = schema.placements
            query = select(table).where(table.c.map == name, table.c.model.not_in(deletion.gone()))
            query = query.order_by(table.c.changed, table.c.model)
            found = connection.execute(query).mappings().all()
        return tuple(rows.placement(row) for row in found)

    def predicted_since_placed(self, name: str) -> tuple[int, ...]:
        """Give the models that have predicted anew since they got their place on a map."""
        laid, placed, told = schema.layouts.c, schema.placements.c, schema.predictions.c
        query = (
            select(told.model)
            .select_from(schema.predictions)
            .join(schema.layouts, laid.map == name)
            .outerjoin(schema.placements, and_(placed.map == name, placed.model == told.model))
            .where(told.changed > func.coalesce(placed.changed, laid.changed))
        )
        with self.reading() as connection:
            return tuple(connection.execute(query).scalars())

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
            table = schema.drawer
            query = select(table).where(table.c.model.not_in(deletion.gone()))
            query = query.order_by(table.c.position)
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
        """Say who trains the study, whether they are alive, and whether the queue is paused."""
        with self.reading() as connection:
            row = connection.execute(select(schema.lease)).mappings().first()
            paused = bool(connection.execute(select(schema.queue.c.paused)).scalar())
        if row is None:
            return Heartbeat(0, "", alive=False, seconds=None, workers=0, said="", paused=paused)
        now, up = self.clock(), self.uptime()
        alive = is_alive(row, now, up)
        if not alive and is_starting(row["starting"], now, up):
            starting = row["starting"]
            return Heartbeat(
                row["number"],
                starting["holder"],
                alive=True,
                seconds=age(starting, now, up),
                workers=0,
                said="starting",
                paused=paused,
                starting=True,
            )
        return Heartbeat(
            row["number"],
            row["holder"],
            alive,
            age(row, now, up),
            row["workers"],
            row["said"],
            row["gpus_each"],
            paused,
        )

    def wished(self) -> Wished:
        """Give what is wished of the queue as a whole."""
        with self.reading() as connection:
            row = connection.execute(select(schema.queue)).mappings().one()
        return Wished(row["paused"], row["workers"], row["gpus_per_model"])

    def weights_path(self, number: int) -> Path:
        """Say where a model's weights lie once it is done."""
        return self.path / directory.WEIGHTS / f"m{number}.safetensors"

    def checkpoint_path(self, number: int) -> Path:
        """Say where a model's last checkpoint lies once it has one."""
        return self.path / directory.WEIGHTS / f"m{number}.checkpoint.safetensors"
