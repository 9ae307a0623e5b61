"""Taking models out of a study: out of sight first, for good only when it is compacted."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

import numpy as np
from sqlalchemy import Connection, Table, select, update
from sqlalchemy import delete as remove
from sqlalchemy.dialects.sqlite import insert as upsert

from remap_ray.errors import InvalidRequest, UnknownModel
from remap_ray.study import rows, schema
from remap_ray.study.records import Layout

__all__ = ["delete", "forget", "gone", "mark", "restore", "unmark", "without"]


def gone() -> Any:
    """Select the numbers of deleted models."""
    return select(schema.models.c.number).where(schema.models.c.deleted)


def without(layout: Layout, numbers: Collection[int]) -> Layout:
    """Give a layout without the points of some models."""
    if not numbers:
        return layout
    stay = ~np.isin(layout.models, np.array(sorted(numbers), dtype=np.int64))
    return Layout(
        layout.map,
        layout.version,
        layout.models[stay],
        layout.points[stay],
        layout.shares[stay],
        layout.stress,
    )


def delete(connection: Connection, change: int, number: int, along: Collection[int]) -> None:
    """Put a model out of sight.

    Parameters
    ----------
    along
        Models deleted in the same breath: its children among them do not keep it.

    Raises
    ------
    InvalidRequest
        Another model descends from it.
    """
    table = schema.models
    children = select(table.c.number).where(
        table.c.parent == number, ~table.c.deleted, table.c.number.not_in(tuple(along))
    )
    if (child := connection.execute(children.order_by(table.c.number)).scalar()) is not None:
        raise InvalidRequest(f"m{child} descends from m{number}: delete that one first")
    connection.execute(
        update(table).where(table.c.number == number).values(deleted=True, changed=change)
    )
    mark(connection, table, number, change)
    kept = select(schema.drawer.c.model).where(schema.drawer.c.model == number)
    if connection.execute(kept).scalar() is not None:
        mark(connection, schema.drawer, number, change)


def restore(connection: Connection, change: int, number: int) -> None:
    """Bring a deleted model back, and its parents; one that is there stays as it is.

    Raises
    ------
    UnknownModel
        The study knows no such model any more.
    """
    table = schema.models
    row = connection.execute(
        select(table.c.parent, table.c.deleted).where(table.c.number == number)
    ).first()
    if row is None:
        raise UnknownModel(number)
    if not row.deleted:
        return
    if row.parent is not None:
        restore(connection, change, row.parent)
    connection.execute(
        update(table).where(table.c.number == number).values(deleted=False, changed=change)
    )
    # Whoever followed the study has forgotten all of it: it is told anew.
    for told in (schema.epochs, schema.predictions, schema.drawer, schema.placements):
        connection.execute(update(told).where(told.c.model == number).values(changed=change))
    for laid in connection.execute(select(schema.layouts)).mappings().all():
        if number in rows.layout(laid).models:
            for told in (schema.layouts, schema.placements):
                connection.execute(
                    update(told).where(told.c.map == laid["map"]).values(changed=change)
                )
    unmark(connection, table, number)
    unmark(connection, schema.drawer, number)


def forget(connection: Connection, change: int) -> tuple[int, ...]:
    """Remove all deleted models for good, and give their numbers."""
    numbers = tuple(connection.execute(gone()).scalars())
    if not numbers:
        return ()
    for row in connection.execute(select(schema.layouts)).mappings().all():
        layout = without(rows.layout(row), numbers)
        connection.execute(
            update(schema.layouts)
            .where(schema.layouts.c.map == layout.map)
            .values(changed=change, **rows.layout_form(layout))
        )
        placed = schema.placements
        connection.execute(update(placed).where(placed.c.map == layout.map).values(changed=change))
    for table in (schema.epochs, schema.predictions, schema.placements, schema.drawer):
        connection.execute(remove(table).where(table.c.model.in_(numbers)))
    connection.execute(remove(schema.models).where(schema.models.c.number.in_(numbers)))
    return numbers


def mark(connection: Connection, table: Table, key: int, change: int) -> None:
    """Tell readers that a row is gone."""
    row = upsert(schema.deletions).values(table_name=table.name, key=key, changed=change)
    connection.execute(
        row.on_conflict_do_update(index_elements=("table_name", "key"), set_={"changed": change})
    )


def unmark(connection: Connection, table: Table, key: int) -> None:
    """Tell readers no more that a row is gone, since it is there again."""
    told = schema.deletions
    connection.execute(remove(told).where(told.c.table_name == table.name, told.c.key == key))
