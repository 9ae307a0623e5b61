"""Gradient boosting on tables: `BoostedTrees`, a design that is no sequence of layers.

It is a set of settings and a set of columns (or groups of columns) that its trees may see. Their
order means nothing. To ablate is to hide a column: what is lost says what it is worth.

References
----------
Friedman, 2001, Greedy function approximation; Ke et al., 2017, LightGBM (histograms).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from math import ceil, log2
from typing import Any, ClassVar, final

from remap_ray.errors import InvalidArchitecture
from remap_ray.space.cost import Cost
from remap_ray.space.design import Design, identity_of
from remap_ray.space.layers import part_from_dict
from remap_ray.space.part import Parameter, Part, Shape, number, whole
from remap_ray.space.terms import Terms

__all__ = [
    "JSON_VERSION",
    "KINDS",
    "SETTINGS",
    "SPACE",
    "TERMS",
    "Bins",
    "Boost",
    "BoostedTrees",
    "Classes",
    "Column",
    "Tree",
    "arranged",
    "natural",
    "of_parts",
]

JSON_VERSION = 1

SPACE = "boosting"

TERMS = Terms(
    size="leaves per round",
    size_short="leaves",
    steps="comparisons",
    work="Comparisons per row and round",
    work_short="Comparisons",
    unit="comparisons",
    per_step=1,
    part="column",
    parts="columns",
    item="row",
    items="rows",
    network="model",
)
"""An epoch is a round of trees, so size and work are those of one: all models of a study have the
same rounds to begin with."""


@dataclass(frozen=True)
class _Setting(Part):
    """A part that every design has once: it can change, and neither go nor come twice."""

    edits = frozenset({"reparameterize"})
    placed = False


@final
@dataclass(frozen=True)
class Boost(_Setting):
    """Trees per round (and class), how much of each counts, and the penalty on leaves' values."""

    kind = "boost"
    name = "Boost"
    word = "boost"
    letter = "E"

    trees: int = whole(None, (5, 10, 20), high=1000)
    rate: float = number(0.1, (0.03, 0.1, 0.3), 0.001, 1, symbol="r")
    penalty: float = number(0.0, (0.0, 1.0, 10.0), 0, 1e6, symbol="l")

    @property
    def arguments(self) -> str:
        more = f", penalty {self.penalty:g}" if self.penalty else ""
        return f"{self.trees} trees, rate {self.rate:g}{more}"

    def output(self, shape: Shape) -> Shape:
        return (self.trees,)


@final
@dataclass(frozen=True)
class Tree(_Setting):
    """Most leaves, most depth (0: any), fewest rows of a leaf, and the share of columns per split.

    The share is drawn for each split; the columns that are hidden from the design are none of it.
    """

    kind = "tree"
    name = "Tree"
    word = "tree"
    letter = "T"

    leaves: int = whole(None, (4, 8, 16, 31, 63), low=2, high=4096)
    depth: int = whole(0, (0, 2, 4, 6), low=0, symbol="d", high=64)
    rows: int = whole(20, (5, 20, 50), symbol="m")
    share: float = number(1.0, (0.25, 0.5, 1.0), 0.01, 1, symbol="s")

    @property
    def most(self) -> int:
        """Leaves that a tree can have, its depth taken into account."""
        return min(self.leaves, 2**self.depth) if self.depth else self.leaves

    @property
    def arguments(self) -> str:
        said = [f"{self.leaves} leaves"]
        said += [f"depth {self.depth}"] if self.depth else []
        said += [f"{self.rows} rows a leaf"]
        said += [f"{self.share:.0%} of columns"] if self.share < 1 else []
        return ", ".join(said)

    def output(self, shape: Shape) -> Shape:
        return (self.most,)


@final
@dataclass(frozen=True)
class Bins(_Setting):
    """How many bins a column's values are divided into, those that are missing apart."""

    kind = "bins"
    name = "Bins"
    word = "bins"
    letter = "H"

    bins: int = whole(None, (15, 31, 63, 127, 255), low=2, high=255)

    @property
    def arguments(self) -> str:
        return f"{self.bins}"

    def output(self, shape: Shape) -> Shape:
        return (self.bins,)


@final
@dataclass(frozen=True)
class Column(Part):
    """A column of the table, or a group of columns, that the trees may see."""

    kind = "column"
    name = "Column"
    word = ""
    letter = "I"
    edits = frozenset({"remove"})
    placed = False
    quoted = True

    column: str = field(metadata={"parameter": Parameter(str)})

    @property
    def arguments(self) -> str:
        return self.column

    @property
    def called(self) -> str:
        return f"column {self.column}"

    @property
    def words(self) -> str:
        return f"column {self.column}"

    def output(self, shape: Shape) -> Shape:
        return (1,)


@final
@dataclass(frozen=True)
class Classes(Part):
    """What the trees' values are added up to: a score for each class."""

    kind = "classes"
    name = "Classes"
    word = "classes"
    letter = "D"
    edits = frozenset({"prepend"})
    placed = False

    classes: int = whole(None, low=2)

    @property
    def arguments(self) -> str:
        return f"{self.classes}"

    def output(self, shape: Shape) -> Shape:
        return (self.classes,)


SETTINGS: tuple[type[Part], ...] = (Boost, Tree, Bins)
"""What every design has once, in the order in which it stands before the columns."""

PARTS: tuple[type[Part], ...] = (*SETTINGS, Column)

KINDS: Mapping[str, type[Part]] = {one.kind: one for one in PARTS}
"""Every kind of part by its name in JSON."""


def natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """Give a key that puts names in order, ``x2`` before ``x10``."""
    pieces = re.findall(r"\d+|\D+", name)
    return tuple(
        (not one.isdecimal(), int(one) if one.isdecimal() else 0, one.casefold()) for one in pieces
    )


@final
@dataclass(frozen=True)
class BoostedTrees(Design):
    """Gradient boosting for a table: it can be trained, or making it raises `InvalidArchitecture`.

    Parameters
    ----------
    input_shape
        ``(columns of the table, 1, 1)``: a row is an image of one pixel with a channel a column.
    classes
        Number of classes, at least 2.
    boost, tree, bins
        The settings.
    columns
        Names of the columns, or groups of columns, that it sees: at least one, none twice. They
        are put in order.
    """

    space: ClassVar[str] = SPACE
    terms = TERMS
    ordered = False

    input_shape: Shape
    classes: int
    boost: Boost
    tree: Tree
    bins: Bins
    columns: tuple[str, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
        if len(self.input_shape) != 3 or self.input_shape[1:] != (1, 1):
            raise InvalidArchitecture(
                f"boosting takes the rows of a table (columns, 1, 1), not {self.input_shape!r}"
            )
        if isinstance(self.classes, bool) or not isinstance(self.classes, int) or self.classes < 2:
            raise InvalidArchitecture(
                f"classes must be a whole number of at least 2, not {self.classes!r}"
            )
        for kind in SETTINGS:
            if not isinstance(getattr(self, kind.kind), kind):
                raise InvalidArchitecture(f"boosting needs {kind.name}, as in {_EXAMPLES[kind]}")
        named = [Column(one).column for one in self.columns]
        if twice := [one for at, one in enumerate(named) if one in named[:at]]:
            raise InvalidArchitecture(f"column {twice[0]} is there twice")
        if not named:
            raise InvalidArchitecture("the trees need at least one column")
        if len(named) > self.input_shape[0]:
            raise InvalidArchitecture(
                f"{len(named)} columns are more than the {self.input_shape[0]} of the table"
            )
        named.sort(key=lambda one: (natural(one), one))
        object.__setattr__(self, "columns", tuple(named))

    @cached_property
    def parts(self) -> tuple[Part, ...]:
        """The settings, and then the columns in order."""
        return (self.boost, self.tree, self.bins, *map(Column, self.columns))

    @property
    def output(self) -> Classes:
        """The classes."""
        return Classes(self.classes)

    @property
    def sizes(self) -> tuple[Shape, ...]:
        """The number that each part is about: trees, leaves, bins, 1 for a column, classes."""
        parts = (*self.parts, self.output)
        return ((self.input_shape[0],), *(part.output(()) for part in parts))

    @property
    def trees_per_round(self) -> int:
        """Trees of a round: one for each class where there are more than two."""
        return self.boost.trees * (self.classes if self.classes > 2 else 1)

    @cached_property
    def cost(self) -> Cost:
        """Leaves that a round of trees can have, and the comparisons in them if they are balanced.

        Its bytes are known once the trees are grown.
        """
        trees, leaves = self.trees_per_round, self.tree.most
        return Cost(trees * leaves, trees * ceil(log2(leaves)), 0, 0)

    @property
    def countable(self) -> int:
        """How many columns it sees."""
        return len(self.columns)

    def with_parts(self, parts: Sequence[Part]) -> BoostedTrees:
        """Give the design of other settings and columns for the same table."""
        return of_parts(self.input_shape, self.classes, parts)

    @cached_property
    def identity(self) -> str:
        """First 12 hex digits of SHA-256 over the canonical JSON, equal on every machine."""
        return identity_of(self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, every default filled in."""
        return {
            "version": JSON_VERSION,
            "space": SPACE,
            "input_shape": list(self.input_shape),
            "classes": self.classes,
            **{kind.kind: _values(getattr(self, kind.kind)) for kind in SETTINGS},
            "columns": list(self.columns),
        }

    @staticmethod
    def from_dict(form: object) -> BoostedTrees:
        """Make a design of its JSON form.

        Raises
        ------
        InvalidArchitecture
            Not this form, a newer version, or what makes no model.
        """
        if not isinstance(form, Mapping):
            raise InvalidArchitecture(f"a design must be an object, not {form!r}")
        known = {"version", "space", "input_shape", "classes", "columns", *KINDS} - {Column.kind}
        if missing := known - {"version"} - form.keys():
            raise InvalidArchitecture(f"a design of boosting needs {', '.join(sorted(missing))}")
        if surplus := form.keys() - known:
            raise InvalidArchitecture(f"a design of boosting has no {min(surplus, key=str)!r}")
        version = form.get("version", JSON_VERSION)
        if version != JSON_VERSION or form["space"] != SPACE:
            raise InvalidArchitecture(
                f"version {version!r} of space {form['space']!r} is not known, only "
                f"{JSON_VERSION} of {SPACE!r}"
            )
        if not all(isinstance(form[one], list | tuple) for one in ("input_shape", "columns")):
            raise InvalidArchitecture("input_shape and columns must be lists")
        parts = []
        for kind in SETTINGS:
            values = form[kind.kind]
            if not isinstance(values, Mapping):
                raise InvalidArchitecture(f"{kind.kind} must be an object, not {values!r}")
            parts.append(part_from_dict({**values, "kind": kind.kind}, KINDS))
        columns = (Column(one) for one in form["columns"])
        return of_parts(tuple(form["input_shape"]), form["classes"], (*parts, *columns))


def of_parts(input_shape: Shape, classes: int, parts: Sequence[Part]) -> BoostedTrees:
    """Make a design of its parts, in whatever order they come.

    Raises
    ------
    InvalidArchitecture
        They make no model; the message names the part at fault.
    """
    settings: dict[str, Any] = dict.fromkeys(kind.kind for kind in SETTINGS)
    columns: list[str] = []
    for index, part in enumerate(parts):
        if isinstance(part, Column):
            if part.column in columns:
                raise InvalidArchitecture(f"{part.words} is there twice", index, "part")
            columns.append(part.column)
        elif not isinstance(part, SETTINGS):
            raise InvalidArchitecture(f"{part.words} is no part of boosting", index, "part")
        elif settings[part.kind] is not None:
            raise InvalidArchitecture(f"there is one {part.name} only", index, "part")
        else:
            settings[part.kind] = part
    return BoostedTrees(input_shape, classes, columns=tuple(columns), **settings)


def arranged(parts: Sequence[Part]) -> tuple[Part, ...]:
    """Put parts that need not be a design in the order in which a design has them."""
    return tuple(sorted(parts, key=_rank))


def _rank(part: Part) -> tuple[int, Any, str]:
    if isinstance(part, Column):
        return len(SETTINGS), natural(part.column), part.column
    return [*SETTINGS, type(part)].index(type(part)), (), ""


def _values(part: Part) -> dict[str, Any]:
    return {name: getattr(part, name) for name in part.parameters()}


_EXAMPLES: Mapping[type[Part], str] = {Boost: "boost10r0.1", Tree: "tree31", Bins: "bins255"}
