"""The drawer's rows: what is put in, taken out, moved and written, each within a transaction."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import Connection, delete, func, select, update
from sqlalchemy.dialects.sqlite import insert as upsert

from remap_ray.errors import InvalidRequest, UnknownModel
from remap_ray.study.records import DrawerEntry
from remap_ray.study.schema import deletions, drawer, models

__all__ = ["LONGEST_NOTE", "annotate", "append", "arrange", "drop", "put"]

LONGEST_NOTE = 10_000
"""Characters of a note."""


def append(
    connection: Connection, change: int, numbers: Iterable[int], note: str = ""
) -> tuple[int, ...]:
    """Add models that exist at the end; gives those that were not there, the others stay."""
    _check(note)
    known = set(connection.execute(select(drawer.c.model)).scalars())
    fresh = tuple(one for one in numbers if one not in known)
    last = float(connection.execute(select(func.max(drawer.c.position))).scalar() or 0.0)
    for place, number in enumerate(fresh, start=1):
        put(connection, change, DrawerEntry(number, last + place, note))
    return fresh


def put(connection: Connection, change: int, entry: DrawerEntry) -> None:
    """Give a model that exists this place and note, whether it is there or not."""
    _check(entry.note)
    values = {"position": entry.position, "note": entry.note, "changed": change}
    row = upsert(drawer).values(model=entry.model, **values)
    connection.execute(row.on_conflict_do_update(index_elements=("model",), set_=values))
    gone = deletions.c
    connection.execute(
        delete(deletions).where(gone.table_name == drawer.name, gone.key == entry.model)
    )


def drop(connection: Connection, change: int, number: int) -> None:
    """Remove a model, or raise `UnknownModel` where it is not there."""
    # One that was deleted keeps its place, for when it is restored.
    shown = select(models.c.number).where(~models.c.deleted)
    gone = delete(drawer).where(drawer.c.model == number, drawer.c.model.in_(shown))
    if not connection.execute(gone).rowcount:
        raise UnknownModel(number, "the drawer")
    row = upsert(deletions).values(table_name=drawer.name, key=number, changed=change)
    keys = ("table_name", "key")
    connection.execute(row.on_conflict_do_update(index_elements=keys, set_={"changed": change}))


def annotate(connection: Connection, change: int, number: int, note: str) -> None:
    """Write a model's note."""
    _check(note)
    row = update(drawer).where(drawer.c.model == number).values(note=note, changed=change)
    if not connection.execute(row).rowcount:
        raise UnknownModel(number, "the drawer")


def arrange(connection: Connection, change: int, number: int, before: int | None) -> None:
    """Move a model to right above another, or to the end; only rows that move are written."""
    query = select(drawer.c.model, drawer.c.position).order_by(drawer.c.position, drawer.c.model)
    places = [(int(model), float(place)) for model, place in connection.execute(query)]
    for one in (number, before):
        if one is not None and one not in dict(places):
            raise UnknownModel(one, "the drawer")
    if number == before:
        return
    others = [one for one in places if one[0] != number]
    at = next((place for place, (one, _) in enumerate(others) if one == before), len(others))
    low = others[at - 1][1] if at else (others[0][1] - 2 if others else 0.0)
    high = others[at][1] if at < len(others) else low + 2
    middle = low / 2 + high / 2
    moved = {number: middle}
    if not low < middle < high:
        # Halved so often that there is no number left in between: all get new places.
        order = [one for one, _ in others]
        order.insert(at, number)
        moved = {one: float(place) for place, one in enumerate(order, start=1)}
    for one, place in moved.items():
        connection.execute(
            update(drawer).where(drawer.c.model == one).values(position=place, changed=change)
        )


def _check(note: str) -> None:
    if not isinstance(note, str) or len(note) > LONGEST_NOTE:
        length = f"{len(note):,}" if isinstance(note, str) else repr(note)
        raise InvalidRequest(f"a note has at most {LONGEST_NOTE:,} characters, not {length}")
