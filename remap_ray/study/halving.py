"""Successive halving: all of a group get few epochs, and the best third of them goes on.

A decision falls once every model of a group has the epochs of its round, in the
transaction that ends the last one, so the same models go on whatever the order
in which they were trained.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import ceil, inf

from sqlalchemy import Connection, select, update

from remap_ray.study import rows, schema
from remap_ray.study.records import Model, Status

__all__ = ["SHARE", "best", "budgets", "settle", "waits"]

SHARE = 3
"""One of so many goes on, and gets so many times the epochs."""

ROUNDS = 3


def budgets(epochs: int) -> tuple[int, ...]:
    """Give the epochs that a model has after each round, up to all ``epochs``: 2, 4, 10."""
    return tuple(sorted({ceil(epochs / SHARE**power) for power in range(ROUNDS)}))


def best(models: Iterable[Model]) -> tuple[int, ...]:
    """Give the numbers of those that go on: the most accurate third, rounded up."""
    ranked = sorted(
        models,
        key=lambda one: (
            -(one.accuracy or 0.0),
            inf if one.validation_loss is None else one.validation_loss,
            one.number,
        ),
    )
    return tuple(one.number for one in ranked[: ceil(len(ranked) / SHARE)])


def waits(epochs: int, full: int) -> str:
    """Say why a model that has the epochs of its round does not train."""
    return f"{epochs} of {full} epochs: halving goes on with the best third once all have them"


def settle(connection: Connection, change: int, halving: int | None) -> None:
    """Decide who goes on, where every model of a halving has what its round asks for.

    Called in each transaction that ends a model's round in any way.
    """
    if halving is None:
        return
    table = schema.models
    racing = {Status.QUEUED.value, Status.TRAINING.value, Status.DONE.value}
    query = select(table).where(
        table.c.halving == halving,
        table.c.status.in_(racing),
        table.c.wanted_epochs < table.c.full_epochs,
        ~table.c.deleted,
    )
    there = [rows.model(row) for row in connection.execute(query).mappings()]
    if not there:
        return
    budget = min(one.wanted_epochs for one in there)
    group = [one for one in there if one.wanted_epochs == budget]
    if any(one.status is not Status.DONE for one in group):
        return
    going = set(best(group))
    for one in group:
        full = one.full_epochs or budget
        if one.number in going:
            further = next((more for more in budgets(full) if more > budget), full)
            values = {
                "status": Status.QUEUED.value,
                "reason": "",
                "stopped": None,
                "wanted_epochs": further,
            }
        else:
            values = {
                "halving": None,
                "stopped": f"put aside by halving at {one.epochs} of {full} epochs",
            }
        connection.execute(
            update(table).where(table.c.number == one.number).values(changed=change, **values)
        )
