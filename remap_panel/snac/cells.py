"""What the editor shows of each layer, as plain values: its picture, its words, its marks."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, fields
from typing import Any, TypeAlias

from remap_panel.draft import layer_of
from remap_panel.snac.layout import Block, Size, arrange
from remap_panel.snac.strip import lines
from remap_panel.snac.svg import piece
from remap_panel.theme import OUTPUT
from remap_ray.space import Dense, Part, Shape, spaces
from remap_ray.space.edits import NAMES
from remap_ray.space.part import Parameter, Value
from remap_ray.space.terms import LAYERS, Terms

__all__ = ["Cell", "bars", "cells", "kinds", "possible"]

Cell: TypeAlias = dict[str, Any]

MEASURES = Size("editor", 40, 40, 0, 16, 84, 40, 3.5, 1, 4, 1.35, 1.35, 2.1)
"""Blocks wide enough for a finger, however many there are: the editor breaks lines."""

PALETTE = Size("palette", 26, 26, 0, 30, 30, 30, 3, 1, 4, 1, 1, 1.8)
"""Blocks in the palette, where no tensor has a size yet."""

SHORT = 6
"""Letters of a name that fit under a block."""

Grids: TypeAlias = Mapping[str, Mapping[str, Sequence[Value]]]


def cells(
    layers: Sequence[Part],
    input_shape: Shape,
    shapes: Sequence[Shape],
    classes: int,
    *,
    output: Part | None = None,
    notes: Mapping[int, str] | None = None,
    faults: Mapping[int, str] | None = None,
    changed: Mapping[int, str] | None = None,
    gaps: Collection[int] = (),
    grids: Grids | None = None,
    terms: Terms = LAYERS,
) -> list[Cell]:
    """Give what is shown of each layer, and last of the output layer.

    Parameters
    ----------
    layers
        They need not be a network.
    input_shape, shapes
        What enters the first, and what leaves each; empty where that is not known.
    classes, output
        Units of the output layer, and the part that comes last where it is another.
    notes, faults
        By layer, words that belong to it, and why it cannot stand there.
    changed
        By layer, ``added`` or ``changed``.
    gaps
        Places before which something was taken out.
    grids
        By kind and parameter the values that a variation may draw; all declared ones by default.
    terms
        Those of the space.
    """
    whole = all(shapes)
    leaving = (input_shape, *shapes, (classes,) if whole else ())
    last = Dense(classes) if output is None else output
    chip = arrange((*layers, last), leaving, MEASURES)
    made = []
    for block, layer in zip(chip.blocks, (*layers, None), strict=True):
        at = block.index
        fault = (faults or {}).get(at, "")
        made.append(
            {
                "svg": piece(chip, block),
                "top": block.y,
                "kind": block.style,
                "name": layer.name if layer else "output",
                "words": block.words,
                "said": _said(block, terms),
                "size": _size(block.shape) if terms is LAYERS else _short(layer),
                "text": layer.text if layer else "",
                "values": {name: getattr(layer, name) for name in layer.parameters()}
                if layer
                else {},
                "can": possible(layer, grids),
                "note": (notes or {}).get(at, ""),
                "fault": fault,
                "mark": (changed or {}).get(at, ""),
                "gap": at in gaps,
            }
        )
    return made


def possible(layer: Part | None, grids: Grids | None = None) -> list[str]:
    """Give the types of edits that a variation could make at a layer; None is the output layer."""
    if layer is None:
        return ["prepend"]
    grid = {name: one.grid for name, one in layer.parameters().items()}
    values = grid if grids is None else grids.get(layer.kind, {})
    other = any(value != getattr(layer, name) for name, some in values.items() for value in some)
    return [name for name in NAMES if name in layer.edits and (name != "reparameterize" or other)]


def bars(importance: Mapping[int, Mapping[str, Any]]) -> dict[int, dict[str, Any]]:
    """Give where the bar of each layer's importance ends, from -1 to 1 of the largest there is.

    Parameters
    ----------
    importance
        By layer: ``delta``, the difference in accuracy without it; ``low`` and ``high``, the ends
        of its interval, None where unknown; ``words``; ``clear``, whether it has an effect.
    """
    ends = [
        abs(one[name])
        for one in importance.values()
        for name in ("delta", "low", "high")
        if one.get(name) is not None
    ]
    most = max(ends, default=0) or 1
    return {
        layer: {
            "to": one["delta"] / most,
            "low": None if one.get("low") is None else one["low"] / most,
            "high": None if one.get("high") is None else one["high"] / most,
            "short": f"{one['delta']:+.3f}".replace("-", "−").replace("0.", ".", 1),
            "words": one.get("words", ""),
            "clear": bool(one.get("clear")),
        }
        for layer, one in importance.items()
    }


def kinds(space: str = spaces.LAYERS, grids: Grids | None = None) -> list[dict[str, Any]]:
    """Give every kind of a space's parts with a picture, and what its parameters may be.

    Parameters
    ----------
    grids
        By kind and parameter, the names that a parameter may have where it is a name.
    """
    return [
        {
            "kind": kind,
            "name": cls.name,
            "svg": _picture(layer_of(kind, space, grids)),
            "words": cls.name if cls.quoted else layer_of(kind, space, grids).words,
            "about": (cls.__doc__ or "").strip().partition("\n")[0],
            "needed": [one.name for one in fields(cls) if one.default is MISSING],
            "parameters": [
                _declared(name, one, (grids or {}).get(kind, {}).get(name, ()))
                for name, one in cls.parameters().items()
            ],
            # What every design has once is no piece to put in.
            "palette": "remove" in cls.edits,
        }
        for kind, cls in spaces.entry(space).kinds.items()
    ]


def _declared(name: str, parameter: Parameter, names: Sequence[Value]) -> dict[str, Any]:
    picks = sorted(parameter.grid) if not parameter.choices else list(parameter.choices)
    is_name = parameter.type is str and not parameter.choices
    if is_name:
        picks = list(names)
    return {
        "name": name,
        "words": name.replace("_", " "),
        "picks": picks,
        "choices": bool(parameter.choices) or is_name,
        "whole": parameter.type is int,
        "low": parameter.low,
        "high": parameter.high,
    }


def _picture(layer: Part) -> str:
    chip = arrange((layer, Dense(2)), ((1,), (1,), (2,)), PALETTE)
    return piece(chip, chip.blocks[0])


def _said(block: Block, terms: Terms = LAYERS) -> str:
    place = "output" if block.style == OUTPUT else f"{block.index}"
    if terms is not LAYERS:
        return f"{place}: {block.words}"
    if not block.shape:
        return f"{place}: {block.words}, whose size is not known"
    size = "×".join(lines(block.shape))
    values = f" = {block.values:,} values" if len(block.shape) > 1 else " values"
    parameters = f"{block.parameters:,} parameters" if block.parameters else "no parameters"
    return f"{place}: {block.words}, {size}{values} leave it, {parameters}"


def _short(part: Part | None) -> list[str]:
    """Give a name in two short lines, by its first and its last word; nothing for the rest."""
    if part is None or not part.quoted:
        return ["", ""]
    first, *more = (one if len(one) <= SHORT else f"{one[: SHORT - 1]}…" for one in _ends(part))
    return [first, *more, ""][:2]


def _ends(part: Part) -> list[str]:
    pieces = part.arguments.replace("_", " ").split()
    return pieces if len(pieces) < 3 else [pieces[0], pieces[-1]]


def _size(shape: Shape) -> list[str]:
    """Give a shape in two short lines: the image, then the channels; or units."""
    return [*lines(shape), ""][:2] if shape else ["?", ""]
