"""The text form of networks that people type and paste: ``conv16x3s2p1 relu max2 dense64``.

One word per layer. It starts with the kind's word and goes on with the values of its
parameters, each after its symbol; what has a default may be left out. All of it is read
from the declarations of the kinds.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import MISSING, fields
from difflib import get_close_matches
from functools import cache

from remap_ray.errors import InvalidArchitecture
from remap_ray.space.layers import KINDS
from remap_ray.space.part import Part, Value

__all__ = ["SAME", "pattern", "read"]

SAME = "same"
"""Stands for the padding with which a convolution of stride 1 keeps the size of the image."""

_WORD = re.compile(r"[^\s,]+")
_QUOTED = re.compile(r"'[^']*'|[^\s,]+")
_HEAD = re.compile(r"[a-z_]*")
_VALUE = re.compile(r"([a-z]*?)((?:\d{1,18}(?:\.\d*)?|\.\d+)(?:e[-+]?\d+)?(?!\d)|same)")


Kinds = Mapping[str, type[Part]]


def read(text: str, kinds: Kinds = KINDS) -> tuple[Part, ...]:
    """Read the parts of a text, whose words are parted by blanks, line ends or commas.

    Case does not matter, and a kind is also known by its whole name, such as ``maxpool2``.

    Raises
    ------
    InvalidArchitecture
        Naming the first word that cannot be read, its place among the layers and among
        the characters (both from 0), and what it could be.
    """
    quoted = next((kind for kind in kinds.values() if kind.quoted), None)
    noun = "layer" if quoted is None else "part"
    known = _words(tuple(kinds.items()))
    parts = []
    for index, found in enumerate((_QUOTED if quoted else _WORD).finditer(text)):
        try:
            if quoted and found[0][0] == found[0][-1] == "'" != found[0]:
                parts.append(_named(quoted, found[0][1:-1]))
            else:
                parts.append(_part(found[0].lower(), known, noun))
        except InvalidArchitecture as error:
            where = f"{_short(found[0])!r} at character {found.start()}"
            raise InvalidArchitecture(f"{where}: {error.reason}", index, noun) from None
    return tuple(parts)


def _named(kind: type[Part], name: str) -> Part:
    (parameter,) = kind.parameters()
    return kind(**{parameter: name})


def pattern(kind: type[Part]) -> str:
    """Give how a layer of a kind is written, such as ``conv{filters}x{kernel_size}``."""
    if not kind.word:
        return " or ".join(c for one in kind.parameters().values() for c in one.choices)
    needed = (one for one in fields(kind) if one.default is MISSING)
    parts = (f"{one.metadata['parameter'].symbol}{{{one.name}}}" for one in needed)
    return kind.word + "".join(parts)


Words = Mapping[str, tuple[type[Part], Mapping[str, Value]]]


@cache
def _words(kinds: tuple[tuple[str, type[Part]], ...]) -> Words:
    """Give what each word starts: a kind, and the value that the word itself is."""
    known: dict[str, tuple[type[Part], Mapping[str, Value]]] = {}
    for name, kind in kinds:
        if kind.word:
            known |= {kind.word: (kind, {}), name.replace("_", ""): (kind, {})}
            continue
        for parameter, declared in kind.parameters().items():
            known |= {choice: (kind, {parameter: choice}) for choice in declared.choices}
    return known


def _part(word: str, known: Words, noun: str) -> Part:
    head = _HEAD.match(word)
    assert head is not None
    name = head[0].replace("_", "")
    # Without a value in between, an option is part of the letters: batchnorm, relu.
    if name not in known:
        near = get_close_matches(name, known, 1)
        hint = f"did you mean {near[0]}? " if near else ""
        also = "" if noun == "layer" else ", and a column's name in 'quotes'"
        raise InvalidArchitecture(f"unknown {noun}; {hint}known are {', '.join(known)}{also}")
    kind, given = known[name]
    values = {**given, **_values(kind, word[head.end() :])}
    needed = [one.name for one in fields(kind) if one.default is MISSING]
    if missing := [one for one in needed if one not in values]:
        said = f"{kind.name} needs {' and '.join(missing)}, as in {pattern(kind)}"
        raise InvalidArchitecture(said)
    return kind(**_with_padding(kind, values))


def _values(kind: type[Part], rest: str) -> dict[str, Value]:
    symbols = {
        declared.symbol: name
        for name, declared in kind.parameters().items()
        if not declared.choices
    }
    values: dict[str, Value] = {}
    at = 0
    while at < len(rest):
        found = _VALUE.match(rest, at)
        if found is None:
            raise InvalidArchitecture(f"{_short(rest[at:])!r} cannot be read{_options(kind)}")
        symbol, value = found.groups()
        name = "padding" if value == SAME and not symbol else symbols.get(symbol, "")
        if name not in kind.parameters() or (value == SAME and name != "padding"):
            raise InvalidArchitecture(f"{kind.name} has no {found[0]!r}{_options(kind)}")
        if name in values:
            raise InvalidArchitecture(f"{name} is given twice")
        is_word = value == SAME
        values[name] = value if is_word else int(value) if value.isdigit() else float(value)
        at = found.end()
    return values


def _with_padding(kind: type[Part], values: dict[str, Value]) -> dict[str, Value]:
    if values.get("padding") != SAME:
        return values
    size = values["kernel_size"]
    if not isinstance(size, int) or size % 2 == 0:
        raise InvalidArchitecture(f"{kind.name}: {SAME} needs an odd kernel_size, not {size}")
    return {**values, "padding": (size - 1) // 2}


def _short(word: str) -> str:
    return word if len(word) <= 40 else word[:40] + "…"


def _options(kind: type[Part]) -> str:
    options = [
        f"{one.metadata['parameter'].symbol}{{{one.name}}}"
        for one in fields(kind)
        if one.default is not MISSING
    ]
    known = f"; it is written {pattern(kind)}"
    return known + (f", with the options {' and '.join(options)}" if options else "")
