"""`BoostingSpace`: which boosted trees there are, and how they are drawn.

A file of your own is TOML with ``kind = "boosting"`` and, each as you like:

``name``
    What the space is called.
``all_columns``
    The share of samples that see every column; the others see a share of them.
``shares``
    These shares, all equally likely.
``[grids.boost]``, ``[grids.tree]``, ``[grids.bins]``
    Lists of values for their parameters, all equally likely.
``[limits]``
    As in a space of layers: ``parameters`` are leaves per round, ``multiply_adds`` comparisons,
    ``layers`` columns.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from random import Random
from typing import Any, ClassVar, Self, final

from remap_ray.errors import InvalidArchitecture, InvalidRequest
from remap_ray.space import boosting
from remap_ray.space.boosting import SETTINGS, BoostedTrees, Column, natural
from remap_ray.space.design import Design
from remap_ray.space.edit import Edit, Prepend
from remap_ray.space.layers import part_from_dict
from remap_ray.space.limits import Limits
from remap_ray.space.model_space import ModelSpace
from remap_ray.space.part import Part, Shape, Value
from remap_ray.space.space_file import limits_of, limits_text

__all__ = ["BoostingSpace"]

COLUMNS = 4096
"""Columns or groups of columns at most: each is a block of the drawing."""


def _declared() -> dict[str, dict[str, tuple[Value, ...]]]:
    return {
        kind.kind: {name: one.grid for name, one in kind.parameters().items()} for kind in SETTINGS
    }


@final
@dataclass(frozen=True)
class BoostingSpace(ModelSpace):
    """Settings drawn from grids, and columns drawn from those of the data.

    Parameters
    ----------
    columns
        Of the data, by name; none before `fitted`.
    grids
        The values of each setting, all equally likely.
    all_columns
        The probability that a sample sees every column.
    shares
        What share of the columns the others see, each column drawn alone.
    """

    kind: ClassVar[str] = boosting.SPACE

    name: str = "boosting"
    columns: tuple[str, ...] = ()
    grids: Mapping[str, Mapping[str, tuple[Value, ...]]] = field(default_factory=_declared)
    all_columns: float = 0.5
    shares: tuple[float, ...] = (0.25, 0.5, 0.75)
    limits: Limits = field(default_factory=Limits)

    def __post_init__(self) -> None:
        self.check(self.limits)

    def check(self, limits: Limits) -> None:
        """Refuse limits on kinds."""
        if limits.required or limits.forbidden:
            raise InvalidRequest(
                "limits on kinds are for layers: boosting has the same settings in every model; "
                "limit its columns with --max-layers"
            )

    @staticmethod
    def of_form(form: Mapping[str, Any]) -> BoostingSpace:
        """Make a space of what a TOML file holds.

        Raises
        ------
        InvalidRequest
            Naming the entry at fault, and what it must be.
        """
        known = {"kind", "name", "columns", "grids", "all_columns", "shares", "limits"}
        if surplus := form.keys() - known:
            raise InvalidRequest(
                f"the file has an unknown entry {min(surplus)!r}; it may have "
                f"{', '.join(sorted(known))}"
            )
        name = form.get("name", "boosting")
        if not isinstance(name, str) or not name.strip():
            raise InvalidRequest(f"name must be a text, not {name!r}")
        shares = form.get("shares", [0.25, 0.5, 0.75])
        if not isinstance(shares, list) or not shares:
            raise InvalidRequest(f"shares must be a list of numbers, not {shares!r}")
        for what, value in (("all_columns", form.get("all_columns", 0.5)), *_named(shares)):
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value <= 1:
                raise InvalidRequest(f"{what} must be a number from 0 to 1, not {value!r}")
        columns = form.get("columns", [])
        if not isinstance(columns, list):
            raise InvalidRequest(f"columns must be a list of names, not {columns!r}")
        return BoostingSpace(
            name,
            _columns(columns),
            _grids(form.get("grids", {})),
            float(form.get("all_columns", 0.5)),
            tuple(map(float, shares)),
            limits_of(form.get("limits", {})),
        )

    @property
    def toml(self) -> str:
        """The space as the text of a file that `of_form` reads as an equal one."""
        lines = [
            f'kind = "{self.kind}"',
            f"name = {_text(self.name)}",
            f"all_columns = {self.all_columns!r}",
            f"shares = {_text(list(self.shares))}",
            f"columns = {_text(list(self.columns))}",
            *limits_text(self.limits),
        ]
        for kind, grid in self.grids.items():
            lines += ["", f"[grids.{kind}]"]
            lines += [f"{name} = {_text(list(values))}" for name, values in grid.items()]
        return "\n".join(lines) + "\n"

    @property
    def data_columns(self) -> tuple[str, ...]:
        """The columns of the table."""
        return self.columns

    def fitted(self, columns: Sequence[str]) -> BoostingSpace:
        """Give this space for the columns of a table."""
        if not columns:
            raise InvalidRequest(
                "the space boosting is for tables, and these data are images; leave --space out, "
                "or choose data such as breast-cancer"
            )
        return replace(self, columns=_columns(columns))

    def walk(self, rng: Random, input_shape: Shape, classes: int) -> BoostedTrees:
        """Draw settings from the grids, and which columns are seen."""
        settings: dict[str, Any] = {
            kind.kind: part_from_dict(
                {
                    "kind": kind.kind,
                    **{name: rng.choice(grid) for name, grid in self.grids[kind.kind].items()},
                },
                boosting.KINDS,
            )
            for kind in SETTINGS
        }
        columns = self.columns
        if rng.random() >= self.all_columns:
            share = rng.choice(self.shares)
            drawn = tuple(one for one in columns if rng.random() < share)
            columns = drawn or (rng.choice(columns),)
        return BoostedTrees(input_shape, classes, columns=columns, **settings)

    def new_part(
        self, rng: Random, design: Design, edits: Sequence[Edit], index: int, name: str
    ) -> Part | None:
        """Draw a column that is hidden from the design so far."""
        there = {part.column for part in design.parts if isinstance(part, Column)}
        there |= {
            edit.layer.column
            for edit in edits
            if isinstance(edit, Prepend) and isinstance(edit.layer, Column)
        }
        hidden = [one for one in self.columns if one not in there]
        return Column(rng.choice(hidden)) if hidden else None

    @property
    def choices(self) -> Mapping[str, Mapping[str, tuple[Value, ...]]]:
        """The grids, and the names of the columns."""
        return {**self.grids, Column.kind: {"column": self.columns}}

    def place(self, design: Design, part: Part, index: int) -> int:
        """Give where a column stands in order."""
        if not isinstance(part, Column):
            return index
        key = (natural(part.column), part.column)
        before = sum(
            not isinstance(one, Column) or (natural(one.column), one.column) < key
            for one in design.parts
        )
        return min(before, len(design.parts))

    @property
    def new_kinds(self) -> Mapping[str, type[Part]]:
        """Columns: the settings are always there."""
        return {Column.kind: Column}

    def only(self, kinds: Collection[str]) -> Self:
        """Give the space as it is: there is one kind of new parts."""
        return self


def _named(shares: Sequence[object]) -> list[tuple[str, object]]:
    return [("each of shares", one) for one in shares]


def _columns(names: Sequence[object]) -> tuple[str, ...]:
    if len(names) > COLUMNS:
        raise InvalidRequest(f"{len(names):,} columns are too many; {COLUMNS:,} are the most")
    try:
        found = [Column(name).column for name in names]  # type: ignore[arg-type]
    except InvalidArchitecture as error:
        raise InvalidRequest(f"a column's name cannot be used: {error.reason}") from None
    if len(set(found)) < len(found):
        raise InvalidRequest("two columns have the same name")
    return tuple(found)


def _grids(given: object) -> dict[str, dict[str, tuple[Value, ...]]]:
    grids = _declared()
    if not isinstance(given, Mapping):
        raise InvalidRequest(f"grids must be a table, not {given!r}")
    for kind, grid in given.items():
        if kind not in grids or not isinstance(grid, Mapping):
            raise InvalidRequest(f"grids has no {kind!r}; it may have {', '.join(grids)}")
        declared = boosting.KINDS[kind].parameters()
        for name, values in grid.items():
            if name not in declared:
                raise InvalidRequest(
                    f"grids.{kind} has no {name!r}; it may have {', '.join(declared)}"
                )
            if not isinstance(values, list) or not values:
                raise InvalidRequest(
                    f"grids.{kind}.{name} must be a list of values, not {values!r}"
                )
            for value in values:
                if (problem := declared[name].problem(value)) is not None:
                    raise InvalidRequest(f"grids.{kind}.{name}: each value {problem}")
            grids[kind][name] = tuple(values)
    return grids


def _text(value: object) -> str:
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
