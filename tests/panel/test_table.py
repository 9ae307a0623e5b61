"""The live table: what travels to the browser, and what of its messages is believed."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from remap_panel import table
from remap_panel.table import AHEAD, Action, Column, LiveTable, Row, changes

COLUMNS = (
    Column("name", "Name"),
    Column("curve", "Curve", "drawn"),
    Column("actions", "", "actions", actions={"cancel": Action("Cancel", "×")}),
)

VALUES = st.fixed_dictionaries({"a": st.integers(0, 2), "b": st.sampled_from("xy")})
TABLES = st.dictionaries(st.integers(0, 8), VALUES, max_size=8)


def row(number: int, *, curve: int | None = 1) -> Row:
    return {"name": f"m{number}", "curve": curve, "actions": ["cancel"], "order": (number,)}


class Watched:
    """A table with a browser that hears every message."""

    def __init__(self, rows: dict[int, Row], **options: Any) -> None:
        self.rows: dict[int, Row] = rows
        self.said: list[dict[str, Any]] = []
        self.drawn: list[tuple[str, int]] = []
        self.table = LiveTable(COLUMNS, lambda: dict(self.rows), draw=self.draw, **options)
        self.table._send_msg = lambda text: self.said.append(json.loads(text))

    def draw(self, name: str, number: int) -> str:
        self.drawn.append((name, number))
        return f"<svg>{number}</svg>"

    def hear(self, message: object) -> list[dict[str, Any]]:
        """Take a browser's message; gives what is answered."""
        self.said.clear()
        self.table._handle_msg(message)
        return self.said

    def update(self, rows: dict[int, Row]) -> list[dict[str, Any]]:
        self.said.clear()
        self.rows = rows
        self.table.update()
        return self.said


@given(TABLES, TABLES)
def test_the_changes_make_the_table_of_before_into_that_of_now(
    before: Mapping[int, Row], now: Mapping[int, Row]
) -> None:
    found = changes(before, now)
    made = {key: dict(value) for key, value in before.items() if key not in found.gone}
    for key, values in found.patch.items():
        made[key] |= values
    made |= {key: dict(now[key]) for key in found.put}
    assert made == now


@given(TABLES, TABLES)
def test_a_change_names_only_what_differs(
    before: Mapping[int, Row], now: Mapping[int, Row]
) -> None:
    found = changes(before, now)
    assert set(found.put) == now.keys() - before.keys()
    assert set(found.gone) == before.keys() - now.keys()
    for key, values in found.patch.items():
        assert values
        assert all(before[key][name] != value for name, value in values.items())
    assert bool(found) == (before != now)


def test_nothing_is_sent_before_a_browser_asks() -> None:
    watched = Watched({1: row(1)})
    assert watched.update({1: row(1), 2: row(2)}) == []
    assert watched.drawn == []


def test_all_rows_are_sent_when_asked_for_and_drawings_of_the_first() -> None:
    # The natural order is the reverse of that of the ids.
    rows = {number: row(number) | {"order": (-number,)} for number in range(1, AHEAD + 11)}
    (message,) = Watched(rows).hear({"ask": "rows"})
    assert message["number"] == 0
    assert [one["id"] for one in message["rows"]] == list(rows)
    assert message["rows"][0] == {
        "id": 1,
        "name": "m1",
        "curve": 1,
        "actions": ["cancel"],
        "order": [-1],
    }
    assert [number for _, number, _, _ in message["drawings"]] == list(range(AHEAD + 10, 10, -1))
    assert message["drawings"][0] == ["curve", AHEAD + 10, 1, f"<svg>{AHEAD + 10}</svg>"]


@pytest.mark.promise("PAGE-7")
def test_only_what_changed_is_sent_afterwards() -> None:
    rows = {number: row(number) for number in range(1, 1001)}
    watched = Watched(rows)
    watched.hear({"ask": "rows"})
    watched.drawn.clear()
    assert watched.update(dict(rows)) == []
    now = rows | {7: row(7, curve=2), 2000: row(2000)}
    del now[9]
    (message,) = watched.update(now)
    assert message["number"] == 1
    assert message["patch"] == [{"id": 7, "curve": 2}]
    assert [one["id"] for one in message["put"]] == [2000]
    assert message["gone"] == [9]
    assert watched.drawn == [("curve", 7), ("curve", 2000)]
    assert len(json.dumps(message)) < 500


def test_messages_are_numbered_so_that_a_lost_one_is_noticed() -> None:
    watched = Watched({1: row(1)})
    watched.hear({"ask": "rows"})
    (first,) = watched.update({1: row(1, curve=2)})
    (second,) = watched.update({1: row(1, curve=3)})
    (whole,) = watched.hear({"ask": "rows"})
    assert (first["number"], second["number"], whole["number"]) == (1, 2, 2)


def test_drawings_are_made_for_known_cells_alone() -> None:
    watched = Watched({1: row(1), 2: row(2, curve=None)})
    watched.hear({"ask": "rows"})
    watched.drawn.clear()
    cells = [["curve", [1, 2, 99]], ["name", [1]], ["__class__", [1]]]
    (message,) = watched.hear({"ask": "drawings", "cells": cells})
    assert message == {"drawings": [["curve", 1, 1, "<svg>1</svg>"]]}
    assert watched.drawn == [("curve", 1)]


def heard(message: object) -> list[object]:
    told: list[object] = []
    watched = Watched(
        {1: row(1)},
        on_hover=lambda number: told.append(("hover", number)),
        on_click=lambda number: told.append(("click", number)),
        on_action=lambda number, name: told.append((name, number)),
    )
    watched.hear({"ask": "rows"})
    watched.hear(message)
    return told


@pytest.mark.parametrize(
    ("message", "told"),
    [
        ({"hover": 1}, [("hover", 1)]),
        ({"hover": None}, [("hover", None)]),
        ({"click": 1}, [("click", 1)]),
        ({"act": [1, "cancel"]}, [("cancel", 1)]),
    ],
)
def test_what_a_person_does_is_told(message: object, told: list[object]) -> None:
    assert heard(message) == told


@pytest.mark.parametrize(
    "message",
    [{"click": 5}, {"act": [5, "cancel"]}, {"act": [1, "delete"]}, {"say": 1}, "rows", None],
)
def test_what_no_table_of_ours_says_is_not_believed(message: object) -> None:
    assert heard(message) == []


def test_a_hover_over_no_known_row_ends_the_hover() -> None:
    assert heard({"hover": 5}) == [("hover", None)]


def test_a_column_that_is_drawn_needs_someone_who_draws() -> None:
    silent = LiveTable(COLUMNS, lambda: {1: row(1)})
    with pytest.raises(LookupError, match="draws no curve"):
        silent._handle_msg({"ask": "rows"})


def test_on_a_server_the_script_is_an_address_of_this_release() -> None:
    from remap_ray.version import VERSION

    address = LiveTable._render_esm(server=True)
    assert address.endswith(f"table.js?{VERSION}")


def test_without_a_server_the_script_holds_its_library(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    text = LiveTable._render_esm()
    assert "import {" not in text
    assert "Oliver Folkerd" in text
    assert "const {\n  FormatModule," in text
    # The script says itself where its library lies on a server: the same file.
    script = (table.Path(table.__file__).parent / "table.js").read_text(encoding="utf-8")
    assert f"/_resources/modules/{table.LIBRARY}" in script
