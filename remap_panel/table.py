"""`LiveTable`: the one table of the page; only what changed goes over the wire.

A view states at each snapshot what the whole table is to show; the table
compares, and sends what is new, changed and gone. Drawings such as chips and
sparklines are asked for by the browser when their rows come into sight.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeAlias, final

import param

from remap_panel.component import Component
from remap_ray.version import VERSION

__all__ = ["Action", "Changes", "Column", "LiveTable", "Row", "changes"]

Row: TypeAlias = Mapping[str, Any]
"""A row's values by column; see `Column` for what each kind of column takes.

Besides, ``order`` is the list of numbers by which rows are sorted from the
start, and ``name`` says which row a button belongs to, for screen readers.
"""

AHEAD = 40
"""Rows whose drawings are sent unasked: more than most screens show."""

ASKED = 1000
"""Drawings made for one request; a browser shows fewer rows at a time."""

LIBRARY = "vendor/tabulator-6.5.3.min.js"


@final
@dataclass(frozen=True)
class Action:
    """A button in a row: what it does in words, and its symbol."""

    label: str
    symbol: str


@final
@dataclass(frozen=True)
class Column:
    """One column.

    Parameters
    ----------
    field
        Key of its values in a row.
    title
        Its header.
    kind
        What its values are: ``text`` a string; ``number`` a pair of the number, or None, and how
        it is written, and if wanted its tone (``good``, ``bad``, ``unclear``) and what it means;
        ``mark`` a status, its symbol and words; ``sign`` the same with its words
        seen only when hovered; ``drawn`` a key that changes when the drawing does; ``actions`` the
        names of the buttons that the row has now; ``note`` a text that a person may change;
        ``check`` whether the row is ticked; ``handle`` None: by it the row is dragged to another
        place of the natural order; False where this row stays.
    width
        Its least width in px.
    grow
        Its share of the width that is left; 0 is none.
    keep
        Where there is too little room, columns with larger numbers are hidden first; 0 never is.
    right, descending, sortable
        Set to the right; sorted from the largest at the first click; sorted at all.
    hint
        What it shows, in a sentence.
    actions
        The buttons by name.
    """

    field: str
    title: str
    kind: Literal[
        "text", "number", "mark", "sign", "drawn", "actions", "note", "check", "handle"
    ] = "text"
    width: int = 80
    grow: int = 0
    keep: int = 0
    right: bool = False
    descending: bool = False
    sortable: bool = True
    hint: str = ""
    actions: Mapping[str, Action] | None = None


@final
@dataclass(frozen=True)
class Changes:
    """What makes a table of before into the table of now.

    Parameters
    ----------
    put
        Ids of the rows that are new.
    patch
        By id, the values that changed.
    gone
        Ids of the rows that are not there any more.
    """

    put: tuple[int, ...] = ()
    patch: Mapping[int, Row] = field(default_factory=dict)
    gone: tuple[int, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.put or self.patch or self.gone)


def changes(before: Mapping[int, Row], now: Mapping[int, Row]) -> Changes:
    """Compare two tables of rows by id; a row that is the identical object is unchanged."""
    patch = {}
    for key, row in now.items():
        old = before.get(key)
        if old is None or old is row:
            continue
        if changed := {name: value for name, value in row.items() if old.get(name) != value}:
            patch[key] = changed
    put = tuple(key for key in now if key not in before)
    return Changes(put, patch, tuple(key for key in before if key not in now))


def _no_drawing(name: str, _: int) -> str:
    raise LookupError(f"this table draws no {name}")


class LiveTable(Component):
    """A table of rows with integer ids, such as model numbers.

    Parameters
    ----------
    columns
        From left to right.
    rows
        Gives the rows of now by id; a row that did not change had better be the identical object.
    label
        What the table lists, for screen readers.
    empty
        What it says where it has no rows.
    on_hover
        Called with the id of the row under the mouse or the keyboard's mark, None after it.
    on_click
        Called with the id of a clicked row.
    on_action
        Called with the id of a row and the name of the button pressed in it.
    on_edit
        Called with the id of a row and the text that a person wrote into its ``note`` column.
    on_check
        Called with the id of a row and whether it is to be ticked.
    on_move
        Called with the id of a row and that of the row above which it was put, None for the end.
    draw
        Gives the drawing of a ``drawn`` column (its field, a row's id) as HTML of our own making.
    """

    columns = param.List(default=[], doc="Columns as JSON.")
    label = param.String(default="", doc="What the table lists.")
    empty = param.String(default="", doc="What is said where there are no rows.")
    row_height = param.Integer(default=38, doc="Height of every row in px.")
    hovered = param.Integer(default=None, allow_None=True, doc="Row marked as under the mouse.")
    inspected = param.Integer(default=None, allow_None=True, doc="Row marked as inspected.")

    _bundle = "table.js"
    # In the document itself: a table that is measured before its style is there is laid out wrong.
    _stylesheets: ClassVar[list[str]] = [
        (Path(__file__).parent / "table_style.css").read_text(encoding="utf-8")
    ]
    # Panel serves what is listed here; table.js imports it from there.
    _resources: ClassVar[dict[str, dict[str, str]]] = {"modules": {"tabulator": LIBRARY}}

    def __init__(
        self,
        columns: Sequence[Column],
        rows: Callable[[], Mapping[int, Row]],
        *,
        on_hover: Callable[[int | None], None] | None = None,
        on_click: Callable[[int], None] | None = None,
        on_action: Callable[[int, str], None] | None = None,
        on_edit: Callable[[int, str], None] | None = None,
        on_check: Callable[[int, bool], None] | None = None,
        on_move: Callable[[int, int | None], None] | None = None,
        draw: Callable[[str, int], str] = _no_drawing,
        **params: Any,
    ) -> None:
        super().__init__(columns=[_json(column) for column in columns], **params)
        self._drawn = tuple(one.field for one in columns if one.kind == "drawn")
        self._actions = {name for one in columns for name in one.actions or ()}
        self._on_hover, self._on_click, self._on_action = on_hover, on_click, on_action
        self._on_edit, self._on_check, self._on_move = on_edit, on_check, on_move
        self._draw = draw
        self._rows_now = rows
        self._rows: Mapping[int, Row] = {}
        self._number = 0
        self._watched = False

    def update(self) -> None:
        """Show the rows of now; what the browser has already is not sent again."""
        if not self._watched:
            # No browser has built the table yet; it will ask for all rows when it has.
            return
        before, self._rows = self._rows, self._rows_now()
        if change := changes(before, self._rows):
            self._number += 1
            changed = ((name, key) for key, row in change.patch.items() for name in row)
            drawn = [one for one in changed if one[0] in self._drawn]
            fresh = [(name, key) for key in change.put[:AHEAD] for name in self._drawn]
            self._say(
                number=self._number,
                put=[self._whole(key) for key in change.put],
                patch=[{"id": key, **row} for key, row in change.patch.items()],
                gone=change.gone,
                drawings=self._drawings([*drawn, *fresh][:ASKED]),
            )

    def _whole(self, key: int) -> Row:
        return {"id": key, **self._rows[key]}

    def _drawings(self, cells: Iterable[tuple[str, int]]) -> list[tuple[str, int, Any, str]]:
        return [
            (name, key, self._rows[key][name], self._draw(name, key))
            for name, key in cells
            if self._rows[key][name] is not None
        ]

    def _say(self, **message: Any) -> None:
        # One text is far quicker for both sides than Bokeh's own form of nested values.
        self._send_msg(json.dumps(message, separators=(",", ":"), allow_nan=False))

    def _handle_msg(self, data: Any) -> None:
        if not isinstance(data, dict):
            return
        if data.get("ask") == "rows":
            self._watched = True
            self._rows = self._rows_now()
            first = sorted(self._rows, key=lambda key: self._rows[key]["order"])[:AHEAD]
            self._say(
                number=self._number,
                rows=[self._whole(key) for key in self._rows],
                drawings=self._drawings((name, key) for key in first for name in self._drawn),
            )
        elif data.get("ask") == "drawings":
            wanted = [
                (name, key)
                for name, keys in data.get("cells", ())
                for key in keys
                if name in self._drawn and key in self._rows
            ]
            self._say(drawings=self._drawings(wanted[:ASKED]))
        elif "hover" in data and self._on_hover:
            self._on_hover(data["hover"] if data["hover"] in self._rows else None)
        elif data.get("click") in self._rows and self._on_click:
            self._on_click(data["click"])
        elif "act" in data and self._on_action:
            key, name = data["act"]
            if key in self._rows and name in self._actions:
                self._on_action(key, name)
        else:
            self._handle_change(data)

    def _handle_change(self, data: dict[str, Any]) -> None:
        """Take what a person changed in a row that is there."""
        if "edit" in data and self._on_edit:
            key, text = data["edit"]
            if key in self._rows and isinstance(text, str):
                self._on_edit(key, text)
        elif "check" in data and self._on_check:
            key, ticked = data["check"]
            if key in self._rows:
                self._on_check(key, bool(ticked))
        elif "move" in data and self._on_move:
            key, before = data["move"]
            if key in self._rows and (before is None or before in self._rows):
                self._on_move(key, before)

    @classmethod
    def _render_esm(cls, compiled: bool | Literal["compiling"] = True, server: bool = False) -> str:
        """Give the script's address where a server has one, else its text, library included."""
        text: str = super()._render_esm(compiled, server)
        if "\n" not in text:
            # A browser must not run an older release's script from its cache.
            return f"{text}?{VERSION}"
        library = Path(__file__).parent / LIBRARY
        return _self_contained(text, library.read_text(encoding="utf-8"))


def _json(column: Column) -> dict[str, Any]:
    return {name: value for name, value in asdict(column).items() if value is not None}


def _self_contained(script: str, library: str) -> str:
    """Put a library's text into a script that imports it, for pages without a server."""
    start, end = script.index("import {"), script.index('"\n', script.index("} from")) + 2
    names = script[start:end].removeprefix("import ").partition(" from ")[0]
    blob = f"new Blob([{json.dumps(library)}], {{type: 'text/javascript'}})"
    return (
        f"{script[:start]}const {names} = await import(URL.createObjectURL({blob}))\n{script[end:]}"
    )
