"""The page's address: what one browser session looks at, as the query of a link. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import groupby
from math import isfinite
from typing import Any
from urllib.parse import parse_qsl, urlencode

from remap_panel.needs import COSTS, Needs

__all__ = ["LONGEST", "query_of", "view_of"]

LONGEST = 1500
"""Characters that a selection may take: longer addresses are cut by what they are pasted into."""

BOUNDS = {**{name: f"max_{name}" for name in COSTS}, "least": "min_accuracy"}
"""Names of the needs' bounds in an address."""


def query_of(view: Mapping[str, Any]) -> str:
    """Write a view as a query such as ``model=17&map=structure``; what is as usual is left out.

    Parameters
    ----------
    view
        Values of the session's state by name: ``inspected``, ``projection``, ``classes``,
        ``needs``, ``selection``, ``comparison``, ``item``, ``tab``.
    """
    found: dict[str, object] = {}
    if view["inspected"] is not None:
        found["model"] = view["inspected"]
    if view["projection"] != "accuracy":
        found["map"] = view["projection"]
    if view["tab"] != _usual_tab(view["inspected"]):
        found["tab"] = view["tab"]
    if view["classes"]:
        found["classes"] = ",".join(
            f"{label}" if weight == 1 else f"{label}x{weight:g}"
            for label, weight in sorted(view["classes"].items())
        )
    for name, value in view["needs"].to_dict().items():
        found[BOUNDS[name]] = f"{value:.12g}"
    if view["comparison"]:
        found["compare"] = ",".join(map(str, view["comparison"]))
    if view["item"] is not None:
        found["image"] = view["item"]
    selection = _ranges(view["selection"])
    if selection and len(selection) <= LONGEST:
        found["models"] = selection
    return urlencode(found, safe=",")


def view_of(query: str) -> dict[str, Any]:
    """Read the values that a query gives; what is missing or makes no sense is left out.

    Whether the study has such models, classes and images is for the reader to see.
    """
    given = dict(parse_qsl(query.removeprefix("?")))
    found: dict[str, Any] = {}
    for key, name in (("model", "inspected"), ("image", "item")):
        if given.get(key, "").isascii() and given.get(key, "").isdecimal():
            found[name] = int(given[key][:18])
    for key, name in (("map", "projection"), ("tab", "tab")):
        if key in given:
            found[name] = given[key]
    found.setdefault("tab", _usual_tab(found.get("inspected")))
    if "classes" in given:
        found["classes"] = dict(filter(None, map(_class, given["classes"].split(","))))
    bounds = {name: number for name, key in BOUNDS.items() if (number := _number(given.get(key)))}
    if needs := Needs.from_dict(bounds):
        found["needs"] = needs
    for key, name in (("compare", "comparison"), ("models", "selection")):
        if key in given:
            found[name] = list(_numbers(given[key]))
    return found


def _usual_tab(inspected: int | None) -> str:
    return "data" if inspected is None else "inspector"


def _number(text: str | None) -> float | None:
    try:
        found = float(text or "")
    except ValueError:
        return None
    return found if isfinite(found) else None


def _class(text: str) -> tuple[int, float] | None:
    label, _, weight = text.partition("x")
    if not (label.isascii() and label.isdecimal()):
        return None
    weighs = _number(weight) if weight else 1.0
    return None if weighs is None else (int(label[:9]), weighs)


def _ranges(numbers: Iterable[int]) -> str:
    """Write numbers as people do: ``1-5,9``."""
    rows = [
        [number for _, number in run]
        for _, run in groupby(enumerate(sorted(set(numbers))), lambda pair: pair[1] - pair[0])
    ]
    return ",".join(f"{one[0]}" if len(one) == 1 else f"{one[0]}-{one[-1]}" for one in rows)


def _numbers(text: str, most: int = 100_000) -> Iterable[int]:
    """Read what `_ranges` wrote, and lists in any order; never more than ``most`` numbers."""
    for part in text.split(","):
        first, _, last = part.partition("-")
        if not (first.isascii() and first.isdecimal()) or (last and not last.isdecimal()):
            continue
        start = int(first[:9])
        for number in range(start, int(last[:9]) + 1 if last else start + 1):
            if most <= 0:
                return
            most -= 1
            yield number
