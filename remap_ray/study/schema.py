"""The tables of `study.db`, its format version, and how connections to it behave.

SQLite in WAL mode. Every row that a reader follows carries ``changed``, the
change number of the transaction that wrote it last.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import (
    URL,
    Boolean,
    CheckConstraint,
    Column,
    Connection,
    Engine,
    Float,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    create_engine,
    event,
)
from sqlalchemy.pool import QueuePool
from sqlalchemy.types import JSON

from remap_ray.study.media import reading_uri

__all__ = [
    "APPLICATION_ID",
    "FORMAT",
    "METADATA",
    "STEPS",
    "connect",
    "counter",
    "deletions",
    "drawer",
    "epochs",
    "files",
    "layouts",
    "lease",
    "models",
    "needs",
    "placements",
    "predictions",
    "queue",
    "study",
    "thumbnails",
]

APPLICATION_ID = 0x52454D41
"""What SQLite's ``application_id`` says of a study: the letters REMA."""

FORMAT = 2
"""Version of the tables, kept in SQLite's ``user_version``; `migration` knows the way here."""

STEPS: Mapping[int, tuple[str, ...]] = {
    1: (
        "ALTER TABLE models ADD COLUMN halving INTEGER",
        "ALTER TABLE models ADD COLUMN full_epochs INTEGER",
        "ALTER TABLE models ADD COLUMN to_the_end BOOLEAN NOT NULL DEFAULT 0",
        "ALTER TABLE models ADD COLUMN losses INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE models ADD COLUMN deleted BOOLEAN NOT NULL DEFAULT 0",
        "ALTER TABLE lease ADD COLUMN gpus_each FLOAT NOT NULL DEFAULT 0",
        "ALTER TABLE lease ADD COLUMN cpus INTEGER NOT NULL DEFAULT 0",
        "ALTER TABLE lease ADD COLUMN gpus FLOAT NOT NULL DEFAULT 0",
        "ALTER TABLE lease ADD COLUMN starting JSON",
        (
            "CREATE TABLE queue (id INTEGER NOT NULL, paused BOOLEAN NOT NULL, workers INTEGER, "
            "gpus_per_model FLOAT, bfloat16 BOOLEAN, PRIMARY KEY (id), CHECK (id = 1))"
        ),
        "INSERT INTO queue (id, paused) VALUES (1, 0)",
        """CREATE TABLE files (
            name TEXT NOT NULL, size INTEGER NOT NULL, sha256 TEXT NOT NULL, PRIMARY KEY (name)
        )""",
        "ALTER TABLE lease ADD COLUMN boot TEXT NOT NULL DEFAULT ''",
        "ALTER TABLE lease ADD COLUMN beat FLOAT NOT NULL DEFAULT 0",
        """CREATE TABLE IF NOT EXISTS needs (
            browser TEXT NOT NULL, form JSON NOT NULL, PRIMARY KEY (browser)
        )""",
        """CREATE TABLE IF NOT EXISTS drafts (
            browser TEXT NOT NULL, form JSON NOT NULL, PRIMARY KEY (browser)
        )""",
    ),
}
"""By format, the statements that make the next one of it, within one transaction."""

BUSY_SECONDS = 30.0
"""How long a writer waits for another; transactions are short, so this is far above need."""

METADATA = MetaData()


def _one_row() -> tuple[Any, ...]:
    return Column("id", Integer, primary_key=True), CheckConstraint("id = 1")


def _changed() -> Column[int]:
    return Column("changed", Integer, nullable=False, index=True)


study = Table(
    "study",
    METADATA,
    *_one_row(),
    Column("name", Text, nullable=False),
    Column("created", Text, nullable=False),
    Column("remap", Text, nullable=False),
    Column("data", JSON, nullable=False),
    Column("recipe", JSON, nullable=False),
    Column("space", Text, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("validation_labels", LargeBinary, nullable=False),
)

counter = Table("counter", METADATA, *_one_row(), Column("number", Integer, nullable=False))

lease = Table(
    "lease",
    METADATA,
    *_one_row(),
    Column("number", Integer, nullable=False),
    Column("held", Boolean, nullable=False),
    Column("holder", Text, nullable=False),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("process_created", Float, nullable=False),
    Column("heartbeat", Float, nullable=False),
    Column("workers", Integer, nullable=False),
    Column("said", Text, nullable=False),
    Column("end_wish", Boolean, nullable=False),
    # The heartbeat once more, in seconds since the machine's start ``boot``: nobody sets these.
    Column("boot", Text, nullable=False, server_default=""),
    Column("beat", Float, nullable=False, server_default="0"),
    # Of a GPU, what each trainer has.
    Column("gpus_each", Float, nullable=False, server_default="0"),
    # What there is to train on, as far as the holder knows; 0 CPUs where it does not.
    Column("cpus", Integer, nullable=False, server_default="0"),
    Column("gpus", Float, nullable=False, server_default="0"),
    # The process that is about to take the lease, while Ray starts; then the one that the holder
    # belongs to, where that ends with it.
    Column("starting", JSON(none_as_null=True)),
)

# What people wish of the queue as a whole; None leaves the choice to REMAP.
queue = Table(
    "queue",
    METADATA,
    *_one_row(),
    Column("paused", Boolean, nullable=False),
    Column("workers", Integer),
    Column("gpus_per_model", Float),
    # Whether bfloat16 pays on this study's trainers: measured once, at the first start.
    Column("bfloat16", Boolean),
)

models = Table(
    "models",
    METADATA,
    Column("number", Integer, primary_key=True),
    Column("identity", Text, nullable=False),
    Column("repeat", Integer, nullable=False),
    Column("seed", Integer, nullable=False),
    Column("space", Text, nullable=False),
    Column("form", JSON, nullable=False),
    Column("origin", Text, nullable=False),
    Column("parent", Integer, ForeignKey("models.number")),
    Column("edits", JSON, nullable=False),
    Column("words", Text, nullable=False),
    Column("parameters", Integer, nullable=False),
    Column("multiply_adds", Integer, nullable=False),
    Column("status", Text, nullable=False, index=True),
    Column("reason", Text, nullable=False),
    Column("position", Float, nullable=False),
    Column("wanted_epochs", Integer, nullable=False),
    Column("created", Text, nullable=False),
    Column("epochs", Integer, nullable=False),
    Column("accuracy", Float),
    Column("train_accuracy", Float),
    Column("validation_loss", Float),
    Column("train_loss", Float),
    Column("seconds", Float, nullable=False),
    Column("stopped", Text),
    Column("checkpoint_epoch", Integer, nullable=False),
    Column("stop_wish", Boolean, nullable=False),
    Column("lease", Integer),
    # Those that were queued together for successive halving, and what the best will get.
    Column("halving", Integer),
    Column("full_epochs", Integer),
    # Wished so: neither early stopping nor halving ends it before its wanted epochs.
    Column("to_the_end", Boolean, nullable=False, server_default="0"),
    # How often its trainer died since someone last wished that it be trained.
    Column("losses", Integer, nullable=False, server_default="0"),
    # Out of sight until it is restored, or gone for good at the next compaction.
    Column("deleted", Boolean, nullable=False, server_default="0"),
    _changed(),
    UniqueConstraint("identity", "repeat"),
    Index("models_queue", "status", "position"),
    # A number once given is never given again, even after a deletion.
    sqlite_autoincrement=True,
)

epochs = Table(
    "epochs",
    METADATA,
    Column("model", Integer, ForeignKey("models.number"), primary_key=True),
    Column("epoch", Integer, primary_key=True),
    Column("train_loss", Float, nullable=False),
    Column("train_accuracy", Float, nullable=False),
    Column("validation_loss", Float, nullable=False),
    Column("validation_accuracy", Float, nullable=False),
    Column("seconds", Float, nullable=False),
    _changed(),
)

predictions = Table(
    "predictions",
    METADATA,
    Column("model", Integer, ForeignKey("models.number"), primary_key=True),
    Column("epoch", Integer, nullable=False),
    Column("labels", LargeBinary, nullable=False),
    _changed(),
)

layouts = Table(
    "layouts",
    METADATA,
    Column("map", Text, primary_key=True),
    Column("version", Integer, nullable=False),
    Column("models", LargeBinary, nullable=False),
    Column("points", LargeBinary, nullable=False),
    Column("shares", LargeBinary, nullable=False),
    Column("stress", Float, nullable=False),
    _changed(),
)

placements = Table(
    "placements",
    METADATA,
    Column("map", Text, primary_key=True),
    Column("model", Integer, ForeignKey("models.number"), primary_key=True),
    Column("version", Integer, nullable=False),
    Column("x", Float, nullable=False),
    Column("y", Float, nullable=False),
    Column("share", Float, nullable=False),
    _changed(),
)

drawer = Table(
    "drawer",
    METADATA,
    Column("model", Integer, ForeignKey("models.number"), primary_key=True),
    Column("position", Float, nullable=False),
    Column("note", Text, nullable=False),
    _changed(),
)

needs = Table(
    "needs",
    METADATA,
    Column("browser", Text, primary_key=True),
    Column("form", JSON, nullable=False),
)
"""What each browser's person needs of a model; made where it is missing, so that a study of
before needs no migration."""

deletions = Table(
    "deletions",
    METADATA,
    Column("table_name", Text, primary_key=True),
    Column("key", Integer, primary_key=True),
    _changed(),
)

files = Table(
    "files",
    METADATA,
    # Relative to ``weights/``. Nobody follows these: they speak of files, which are read anew.
    Column("name", Text, primary_key=True),
    Column("size", Integer, nullable=False),
    Column("sha256", Text, nullable=False),
)

thumbnails = Table(
    "thumbnails",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("label", Integer, nullable=False),
    Column("png", LargeBinary, nullable=False),
)


def connect(path: Path, *, read_only: bool = False, shared: bool = False) -> Engine:
    """Make the engine of an existing database file.

    Transactions begin as plain reads; those of
    ``engine.execution_options(writes=True)`` begin IMMEDIATE, since SQLite in
    WAL mode refuses to turn a read into a write at once, whatever the timeout.

    Parameters
    ----------
    read_only
        It lies where nothing can be written.
    shared
        It lies on a file system that other hosts see, where the shared memory that WAL
        needs would not reach them: the rollback journal is used.
    """
    if read_only:
        uri = reading_uri(path)
        engine = create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(uri, uri=True, check_same_thread=False),
            poolclass=QueuePool,
            pool_size=2,
            max_overflow=8,
        )
        event.listen(engine, "connect", _on_connect_to_read)
    else:
        engine = create_engine(
            # Not a text: a path may hold what a URL would read otherwise, such as ? and #.
            URL.create("sqlite", database=str(path)),
            connect_args={"timeout": BUSY_SECONDS},
            pool_size=2,
            max_overflow=8,
        )
        event.listen(engine, "connect", _on_connect_shared if shared else _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: sqlite3.Connection, _record: object) -> None:
    _prepare(connection, "WAL")


def _on_connect_shared(connection: sqlite3.Connection, _record: object) -> None:
    _prepare(connection, "DELETE")


def _on_connect_to_read(connection: sqlite3.Connection, _record: object) -> None:
    connection.isolation_level = None


def _prepare(connection: sqlite3.Connection, journal: str) -> None:
    # Python's own transaction handling would begin deferred: SQLAlchemy begins instead.
    connection.isolation_level = None
    cursor = connection.cursor()
    cursor.execute(f"PRAGMA journal_mode = {journal}")
    # A commit is on the disk when it returns: what was written survives a power cut too.
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.close()


def _on_begin(connection: Connection) -> None:
    writes = connection.get_execution_options().get("writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")
