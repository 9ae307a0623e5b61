"""Figures and origins in words, the same in every view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from remap_ray.space.terms import LAYERS, Terms
from remap_ray.study import Model, Origin

if TYPE_CHECKING:
    # Which loads Panel, and words need none.
    from remap_panel.table import Column

__all__ = ["accuracy", "compact", "flops", "listed", "origin", "parts", "size", "titled"]

UNITS = ("", "k", "M", "G", "T")


def compact(count: float) -> str:
    """Write a number of things as people say it: ``950``, ``1.6k``, ``412.8k``, ``1.2M``."""
    number, unit = _scaled(count)
    return f"{number}{unit}"


def flops(count: int, terms: Terms = LAYERS) -> str:
    """Write operations with their unit: ``950 FLOP``, ``1.1 MFLOP``, ``1.2k comparisons``."""
    number, unit = _scaled(count)
    return f"{number} {unit}FLOP" if terms.unit == "FLOP" else f"{number}{unit} {terms.unit}"


def parts(terms: Terms) -> str:
    """Give the title of a chip: layers, or what else a design is made of."""
    return "Layers" if terms is LAYERS else "Parts"


def titled(columns: Sequence[Column], terms: Terms) -> tuple[Column, ...]:
    """Give the columns of a table with titles and hints that speak of what a study's models are."""

    def made(one: Column) -> Column:
        title = {"Layers": parts(terms)}.get(one.title, one.title)
        title = title.replace("Params", terms.size_short.capitalize())
        title = title.replace("params", terms.size_short)
        hint = one.hint.replace("images", terms.items).replace("the layers", "the blocks")
        return replace(one, title=title, hint=hint)

    return tuple(columns) if terms is LAYERS else tuple(map(made, columns))


def size(count: int) -> str:
    """Write bytes with their unit: ``950 B``, ``1.5 kB``."""
    number, unit = _scaled(count)
    return f"{number} {unit}B"


def accuracy(share: float | None) -> str:
    """Write an accuracy (0 to 1) with three decimals, and one that is not known as a dash."""
    return "–" if share is None else f"{share:.3f}"


def listed(names: Sequence[str], most: int = 3) -> str:
    """List names as people do: ``a``, ``a and b``, ``a, b and 4 more``."""
    if len(names) > most:
        return f"{', '.join(names[: most - 1])} and {len(names) - most + 1} more"
    return " and ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def origin(model: Model) -> str:
    """Say where a model comes from: ``sampled``, ``child of m3: Removed MaxPool(2) at 2``.

    The words of edits may hold what a person wrote: escape them before they become HTML.
    """
    if model.origin is Origin.SAMPLED and model.parent is None:
        return "sampled"
    source = model.origin.value if model.parent is None else f"child of m{model.parent}"
    return f"{source}: {model.words}" if model.words else source


def _scaled(count: float) -> tuple[str, str]:
    for power, unit in enumerate(UNITS):
        scaled = count / 1000**power
        # What would be rounded up to 1000 belongs to the next unit.
        if scaled < (999.5 if power == 0 else 999.95) or unit == UNITS[-1]:
            break
    return (f"{scaled:.0f}" if power == 0 else f"{scaled:.1f}"), unit
