"""What stands in the TOML file of a space, and what is wrong with one.

``name``
    What the space is called.
``strictly_larger``
    Whether windows must be strictly smaller than the image; false when left out.
``[grids]``
    A table for each kind that may occur, with a list of values for its parameters; a
    parameter with a default may be left out, and a kind without parameters is ``{}``.
``[transitions]``
    A row for ``start``, the first layer, and for each kind that can occur: the weight of
    each successor, a kind or ``stop``. Rows need not add up to anything.
``[transitions_after_dense]``
    The same once the data is flat, by a dense layer or a global pool. Left out, it is the
    first table without what needs an image.
``[limits]``
    ``parameters``, ``multiply_adds``, ``layers``: the most of each, or ``"any"``. ``required``
    and ``forbidden``: lists of kinds. Parameters are limited to a million when left out.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import MISSING, fields
from math import inf
from typing import Any

from remap_ray.errors import InvalidRequest
from remap_ray.space.layers import KINDS, Value
from remap_ray.space.limits import Limits

__all__ = ["START", "STOP", "Row", "Table", "checked", "limits_of", "limits_text", "written"]

START = "start"
STOP = "stop"
Row = Mapping[str, float]
Table = Mapping[str, Row]
Grids = dict[str, dict[str, tuple[Value, ...]]]

COUNTED = ("parameters", "multiply_adds", "layers")
ANY = "any"
"""Stands for no limit: TOML has no null."""

FLAT = ("dense", "global_avg_pool")
"""Kinds after which the second table counts."""


def checked(form: Mapping[str, Any]) -> dict[str, Any]:
    """Give the fields of a `Space` out of what a TOML file holds.

    Raises
    ------
    InvalidRequest
        Naming the entry at fault, and what it must be.
    """
    needed = {"name", "grids", "transitions"}
    optional = {"strictly_larger", "transitions_after_dense", "limits"}
    _keys("the file", form, needed, optional)
    name, strictly = form["name"], form.get("strictly_larger", False)
    if not isinstance(name, str) or not name.strip():
        raise InvalidRequest(f"name must be a text, not {name!r}")
    if not isinstance(strictly, bool):
        raise InvalidRequest(f"strictly_larger must be true or false, not {strictly!r}")
    grids = _grids(_table("grids", form["grids"]))
    before = _rows("transitions", form["transitions"], grids)
    if "transitions_after_dense" in form:
        after = _rows("transitions_after_dense", form["transitions_after_dense"], grids)
        _without_images(after)
    else:
        after = _flattened(before)
    _check_walks(before, after)
    return {
        "name": name,
        "strictly_larger": strictly,
        "grids": grids,
        "transitions": before,
        "transitions_after_dense": after,
        "limits": limits_of(form.get("limits", {})),
    }


def _keys(where: str, table: Mapping[str, Any], needed: set[str], optional: set[str]) -> None:
    if missing := needed - table.keys():
        raise InvalidRequest(f"{where} has no {min(missing)}")
    if surplus := table.keys() - needed - optional:
        known = ", ".join(sorted(needed | optional)) or "nothing"
        raise InvalidRequest(f"{where} has an unknown entry {min(surplus)!r}; it may have {known}")


def _table(where: str, value: object) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise InvalidRequest(f"{where} must be a table, not {value!r}")
    return value


def _grids(given: Mapping[str, Any]) -> Grids:
    grids: Grids = {}
    for kind, grid in given.items():
        if kind not in KINDS:
            raise InvalidRequest(f"grids: unknown kind {kind!r}; known are {', '.join(KINDS)}")
        where, cls = f"grids.{kind}", KINDS[kind]
        needed = {one.name for one in fields(cls) if one.default is MISSING}
        _keys(where, _table(where, grid), needed, cls.parameters().keys() - needed)
        grids[kind] = {name: _values(f"{where}.{name}", kind, name, grid[name]) for name in grid}
    return grids


def _values(where: str, kind: str, parameter: str, values: object) -> tuple[Value, ...]:
    if not isinstance(values, list) or not values:
        raise InvalidRequest(f"{where} must be a list of values, not {values!r}")
    for place, value in enumerate(values):
        problem = KINDS[kind].parameters()[parameter].problem(value)
        if problem is not None:
            raise InvalidRequest(f"{where}: each value {problem}, not {value!r}")
        if value in values[:place]:
            raise InvalidRequest(f"{where}: {value!r} is listed twice")
    return tuple(values)


def _rows(where: str, given: object, grids: Grids) -> Table:
    table = _table(where, given)
    for name, row in table.items():
        if name != START and name not in grids:
            raise InvalidRequest(f"{where} has a row for {name!r}, which has no entry in grids")
        for successor, weight in _table(f"{where}.{name}", row).items():
            if successor != STOP and successor not in grids:
                raise InvalidRequest(f"{where}.{name}: {successor!r} has no entry in grids")
            is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not is_number or not 0 <= weight < inf:
                raise InvalidRequest(
                    f"{where}.{name}.{successor} must be a number of at least 0, not {weight!r}"
                )
        if not 0 < sum(row.values()) < inf:
            raise InvalidRequest(f"{where}.{name} must have a weight above 0")
    return table


def _without_images(table: Table) -> None:
    for name, row in table.items():
        for successor in row:
            if successor != STOP and KINDS[successor].needs_image:
                raise InvalidRequest(
                    f"transitions_after_dense.{name}: {successor!r} needs an image, but the data "
                    "is flat there"
                )


def _flattened(table: Table) -> Table:
    made: dict[str, Row] = {}
    for name, row in table.items():
        kept = {
            successor: weight
            for successor, weight in row.items()
            if successor == STOP or not KINDS[successor].needs_image
        }
        made[name] = kept if any(kept.values()) else {STOP: 1}
    return made


def _check_walks(before: Table, after: Table) -> None:
    """See that each walk finds a row wherever it comes, and that from there it can end."""
    tables = {"transitions": before, "transitions_after_dense": after}
    if START not in before:
        raise InvalidRequest("transitions has no row for start, the first layer")
    waiting = [("transitions", START)]
    leads: dict[tuple[str, str], set[tuple[str, str]]] = {}
    ends = set()
    while waiting:
        place = name, kind = waiting.pop()
        if place in leads:
            continue
        if kind not in tables[name]:
            raise InvalidRequest(f"{name} has no row for {kind}, which can occur there")
        row = {one for one, weight in tables[name][kind].items() if weight}
        if STOP in row:
            ends.add(place)
        leads[place] = {
            ("transitions_after_dense" if one in FLAT else name, one) for one in row - {STOP}
        }
        waiting += leads[place]
    while grown := {place for place in leads if leads[place] & ends} - ends:
        ends |= grown
    if endless := sorted(leads.keys() - ends):
        name, kind = endless[0]
        raise InvalidRequest(f"{name}.{kind} leads to no stop: a network could never end")


def limits_of(given: object) -> Limits:
    """Make limits of the table of a file, or raise `InvalidRequest` naming the entry at fault."""
    known = {one.name for one in fields(Limits)}
    table = _table("limits", given)
    _keys("limits", table, set(), known)
    for name in COUNTED:
        value = table.get(name, 0)
        if value != ANY and (isinstance(value, bool) or not isinstance(value, int)):
            raise InvalidRequest(f'limits.{name} must be a whole number or "any", not {value!r}')
    for name in ("required", "forbidden"):
        if not isinstance(table.get(name, []), list):
            raise InvalidRequest(f"limits.{name} must be a list of kinds, not {table[name]!r}")
    without = {name: None for name in COUNTED if table.get(name) == ANY}
    return Limits(**{**table, **without})


def written(form: Mapping[str, Any]) -> str:
    """Write the fields of a `Space` as a TOML file that `checked` reads as the same.

    A kind with no entry in the grids, or a name with a quote, comes out as it went in.
    """
    lines = [
        f"name = {_text(form['name'])}",
        f"strictly_larger = {_text(form['strictly_larger'])}",
        *limits_text(form["limits"]),
    ]
    for title in ("transitions", "transitions_after_dense"):
        lines += ["", f"[{title}]"]
        for name, row in form[title].items():
            cells = ", ".join(f"{successor} = {weight!r}" for successor, weight in row.items())
            lines.append(f"{name} = {{ {cells} }}")
    for kind, grid in form["grids"].items():
        lines += ["", f"[grids.{kind}]", *(f"{name} = {_text(grid[name])}" for name in grid)]
    return "\n".join(lines) + "\n"


def limits_text(limits: Limits) -> list[str]:
    """Write limits as lines of a file that `limits_of` reads as the same."""
    lines = ["", "[limits]"]
    for one in fields(Limits):
        value = getattr(limits, one.name)
        lines.append(f"{one.name} = {_text(ANY if value is None else value)}")
    return lines


def _text(value: object) -> str:
    """Write a TOML value: what JSON writes, but for the one control character that it leaves."""
    if isinstance(value, Collection) and not isinstance(value, str):
        value = sorted(value) if isinstance(value, frozenset) else list(value)
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
