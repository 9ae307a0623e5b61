"""Edits as values: what changes a network into another, said in words, undone, compared.

Edits of one list all speak of the positions of the architecture that they are
applied to, so their order and number shift nothing. Position n, one past the
last layer, is the output layer's: something can be put before it, but it can
neither go nor change.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias, final

from remap_ray.errors import InvalidArchitecture
from remap_ray.space import boosting, layers
from remap_ray.space.design import Design
from remap_ray.space.layers import part_from_dict
from remap_ray.space.part import Part, Value

__all__ = [
    "NAMES",
    "Edit",
    "Prepend",
    "Proposal",
    "Remove",
    "Reparameterize",
    "Replace",
    "apply",
    "describe",
    "from_dict",
    "inverse",
    "reparameterized",
    "to_dict",
    "words_of",
]


@final
@dataclass(frozen=True)
class Remove:
    """Take the layer at ``index`` out."""

    index: int


@final
@dataclass(frozen=True)
class Replace:
    """Put another layer in the place of the one at ``index``."""

    index: int
    layer: Part


@final
@dataclass(frozen=True)
class Prepend:
    """Put a new layer before the one at ``index``; several at one place keep their order."""

    index: int
    layer: Part


@final
@dataclass(frozen=True)
class Reparameterize:
    """Give one parameter of the layer at ``index`` another value."""

    index: int
    parameter: str
    value: Value


_KINDS: Mapping[str, type[Part]] = {**layers.KINDS, **boosting.KINDS}
"""Every kind of part of every space: an edit's JSON form does not name the space."""

Edit: TypeAlias = Remove | Replace | Prepend | Reparameterize

NAMES: Mapping[str, type[Edit]] = {
    "remove": Remove,
    "replace": Replace,
    "prepend": Prepend,
    "reparameterize": Reparameterize,
}
"""The four types of edits by their name in JSON and on the page."""


@final
@dataclass(frozen=True)
class Proposal:
    """What edits would make of an architecture, and why not, where it cannot be trained.

    Parameters
    ----------
    architecture
        The outcome; None where it would be no network.
    edits
        What leads to it.
    words
        The edits in words.
    problem
        Why it cannot, or need not, be trained; None where it can.
    fault
        Index of the layer at fault, where there is one: in ``layers``, or, where the
        edits themselves cannot be applied, in the layers of the architecture that
        they speak of.
    layers
        The layers of the outcome, also where they are no network; empty where the
        edits cannot be applied.
    """

    architecture: Design | None
    edits: tuple[Edit, ...]
    words: str
    problem: str | None = None
    fault: int | None = None
    layers: tuple[Part, ...] = ()


def apply(architecture: Design, edits: Sequence[Edit]) -> Proposal:
    """Apply edits together, all against the positions of ``architecture``.

    Returns
    -------
    Proposal
        Its ``problem`` says where an edit has no layer to speak of, where two
        edits contradict each other, where a value is not legal, where the outcome
        is no network, and where nothing would change.
    """
    given = tuple(edits)
    try:
        places = _places(architecture.parts, given)
    except InvalidArchitecture as error:
        return Proposal(None, given, "", str(error), error.layer)
    words = describe(architecture, given)
    made = tuple(part for place in places for part in place.outcome())
    try:
        outcome = architecture.with_parts(made)
    except InvalidArchitecture as error:
        return Proposal(None, given, words, str(error), error.layer, made)
    problem = "nothing would change" if outcome.identity == architecture.identity else None
    return Proposal(outcome, given, words, problem, None, made)


def inverse(architecture: Design, edits: Sequence[Edit]) -> tuple[Edit, ...]:
    """Give the edits that undo ``edits``, against the positions of their outcome.

    Raises
    ------
    InvalidArchitecture
        The edits cannot be applied to ``architecture``.
    """
    undoing: list[Edit] = []
    at = 0
    for place in _places(architecture.parts, edits):
        for _ in place.before:
            undoing.append(Remove(at))
            at += 1
        if place.old is None:
            continue
        if place.new is None:
            undoing.append(Prepend(at, place.old))
            continue
        if place.new != place.old:
            undoing.append(Replace(at, place.old))
        at += 1
    return tuple(undoing)


def describe(architecture: Design, edits: Sequence[Edit]) -> str:
    """Say in words what edits do, such as ``Removed MaxPool at 2; Added Dropout(0.25) at 6``."""
    return words_of(architecture.parts, edits)


def words_of(layers: Sequence[Part], edits: Sequence[Edit]) -> str:
    """Say the same of layers that need not be a network."""
    return "; ".join(_words(layers, edit) for edit in edits)


def to_dict(edit: Edit) -> dict[str, Any]:
    """Give the JSON form of an edit."""
    name = next(name for name, kind in NAMES.items() if isinstance(edit, kind))
    form: dict[str, Any] = {"edit": name, "index": edit.index}
    match edit:
        case Replace() | Prepend():
            form["layer"] = edit.layer.to_dict()
        case Reparameterize():
            form |= {"parameter": edit.parameter, "value": edit.value}
    return form


def from_dict(form: object) -> Edit:
    """Make an edit of its JSON form, or raise `InvalidArchitecture` naming what is wrong."""
    if not isinstance(form, Mapping):
        raise InvalidArchitecture(f"an edit must be an object, not {form!r}")
    name = form.get("edit")
    index = form.get("index")
    if not isinstance(name, str) or name not in NAMES:
        raise InvalidArchitecture(f"unknown edit {name!r}; known are {', '.join(NAMES)}")
    wanted = {"edit", "index"} | {
        "replace": {"layer"},
        "prepend": {"layer"},
        "reparameterize": {"parameter", "value"},
    }.get(name, set())
    if wanted != form.keys():
        raise InvalidArchitecture(f"an edit {name!r} has {', '.join(sorted(wanted))}")
    if isinstance(index, bool) or not isinstance(index, int) or index < 0:
        raise InvalidArchitecture(f"the index of an edit must be a whole number, not {index!r}")
    match name:
        case "remove":
            return Remove(index)
        case "replace":
            return Replace(index, part_from_dict(form["layer"], _KINDS))
        case "prepend":
            return Prepend(index, part_from_dict(form["layer"], _KINDS))
    if not isinstance(form["parameter"], str):
        raise InvalidArchitecture(f"a parameter is a name, not {form['parameter']!r}")
    return Reparameterize(index, form["parameter"], form["value"])


@final
@dataclass
class _Place:
    """What becomes of one position: new layers before it, and its own (None: none there)."""

    old: Part | None
    new: Part | None
    before: list[Part]

    def outcome(self) -> list[Part]:
        return self.before if self.new is None else [*self.before, self.new]


def _places(layers: Sequence[Part], edits: Sequence[Edit]) -> list[_Place]:
    places = [_Place(layer, layer, []) for layer in layers]
    places.append(_Place(None, None, []))
    changed: set[tuple[int, str]] = set()
    for edit in edits:
        last = len(layers) if isinstance(edit, Prepend) else len(layers) - 1
        if not 0 <= edit.index <= last:
            raise InvalidArchitecture(_nothing_at(edit, len(layers)), edit.index)
        place = places[edit.index]
        match edit:
            case Prepend():
                place.before.append(edit.layer)
            case Remove():
                _claim(changed, edit.index, "")
                place.new = None
            case Replace():
                _claim(changed, edit.index, "")
                place.new = edit.layer
            case Reparameterize():
                _claim(changed, edit.index, edit.parameter)
                assert place.new is not None
                place.new = reparameterized(place.new, edit.parameter, edit.value, edit.index)
    return places


def _claim(changed: set[tuple[int, str]], index: int, parameter: str) -> None:
    """Note that a layer, or one of its parameters, changes, unless it does already."""
    taken = {name for at, name in changed if at == index}
    if taken and (not parameter or "" in taken or parameter in taken):
        raise InvalidArchitecture("two edits contradict each other here", index)
    changed.add((index, parameter))


def _nothing_at(edit: Edit, count: int) -> str:
    if edit.index == count:
        return "the output layer, can neither go nor change: its units are the classes"
    return f"does not exist: there are {count} layers, from 0"


def reparameterized(layer: Part, parameter: str, value: Value, index: int) -> Part:
    """Give ``layer`` with another value of one parameter.

    Raises
    ------
    InvalidArchitecture
        The kind has no such parameter, or the value is not legal.
    """
    if parameter not in layer.parameters():
        known = ", ".join(layer.parameters()) or "none"
        raise InvalidArchitecture(f"{layer.words} has no {parameter!r} (it has {known})", index)
    try:
        return replace(layer, **{parameter: value})
    except InvalidArchitecture as error:
        raise InvalidArchitecture(error.reason, index) from None


def _words(layers: Sequence[Part], edit: Edit) -> str:
    at = edit.index
    match edit:
        case Remove():
            return f"Removed {layers[at].called}{_at(layers[at], at)}"
        case Replace():
            return f"Replaced {layers[at].words}{_at(layers[at], at)} with {edit.layer.words}"
        case Prepend():
            return f"Added {edit.layer.words}{_at(edit.layer, at)}"
        case Reparameterize():
            old = getattr(layers[at], edit.parameter)
            name = f"{edit.parameter} of {layers[at].called}{_at(layers[at], at)}"
            return f"{name} from {_value(old)} to {_value(edit.value)}"


def _at(part: Part, index: int) -> str:
    return f" at {index}" if part.placed else ""


def _value(value: Value) -> str:
    return f"{value:g}" if isinstance(value, float) else str(value)
