"""A handcraft while it is made: its layers, what is chosen of them, and every step back.

A `Draft` is a value. Each function gives a new one and leaves the old as it is. What has been
made so far need not be a network: `remap_panel.check` says what it is, or where it fails and why.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields, replace
from typing import Any, TypeAlias, final

from remap_ray.errors import InvalidArchitecture, InvalidRequest
from remap_ray.space import Part, spaces
from remap_ray.space.edit import reparameterized
from remap_ray.space.part import Value

__all__ = [
    "LONGEST",
    "STEPS",
    "Draft",
    "begin",
    "change",
    "choose",
    "copied",
    "from_json",
    "from_nothing",
    "from_run",
    "from_text",
    "insert",
    "layer_of",
    "move",
    "paste",
    "redo",
    "remove",
    "restore",
    "to_json",
    "undo",
]

STEPS = 100
"""Steps that can be taken back."""

LONGEST = 200
"""Layers of a draft at most; far above what trains, so that no paste fills a browser."""

VERSION = 1

Layers: TypeAlias = tuple[Part, ...]

FIRST: Mapping[str, Mapping[str, Value]] = {
    "conv": {"filters": 16, "kernel_size": 3},
    "depthwise_conv": {"filters": 16, "kernel_size": 3},
    "dense": {"units": 64},
    "dropout": {"rate": 0.25},
}
"""What a new layer is, where the first of its kind's values would be an odd thing to begin with."""


@final
@dataclass(frozen=True)
class Draft:
    """What a person has made of a baseline so far.

    Parameters
    ----------
    layers
        As they stand now; they need not be a network.
    chosen
        Zero-based indices of the layers that the next step speaks of, in order.
    past, future
        The layers before each step that can be taken back, the last step last; and those after
        each step that was taken back, the next one last.
    baseline
        Number of the model that it started from; None where there is none.
    space
        Name of the space of what it is to be. Where the order of parts means nothing they stand
        in the order that a design has them in.
    """

    layers: Layers = ()
    chosen: tuple[int, ...] = ()
    past: tuple[Layers, ...] = ()
    future: tuple[Layers, ...] = ()
    baseline: int | None = None
    space: str = spaces.LAYERS


def begin(
    layers: Iterable[Part] = (), baseline: int | None = None, space: str = spaces.LAYERS
) -> Draft:
    """Start a draft from the layers of a baseline, or from nothing."""
    return Draft(tuple(layers), baseline=baseline, space=space)


def choose(draft: Draft, chosen: Iterable[int]) -> Draft:
    """Choose layers; indices without a layer are left out."""
    there = sorted({one for one in chosen if 0 <= one < len(draft.layers)})
    return replace(draft, chosen=tuple(there))


def copied(draft: Draft, indices: Iterable[int]) -> Layers:
    """Give the layers at some indices, in their order in the draft."""
    return tuple(draft.layers[one] for one in sorted(_there(draft, indices)))


def insert(draft: Draft, at: int, layers: Sequence[Part]) -> Draft:
    """Put layers before the one at ``at`` (the number of layers: at the end), and choose them.

    Raises
    ------
    InvalidRequest
        There is no such place, or the draft would get longer than `LONGEST`.
    """
    _check_place(draft, at)
    if not layers:
        return draft
    made = (*draft.layers[:at], *layers, *draft.layers[at:])
    return _step(draft, made, range(at, at + len(layers)))


def paste(draft: Draft, at: int, text: str) -> Draft:
    """Put the layers of a text, such as ``conv16x3 relu``, before the one at ``at``.

    Raises
    ------
    InvalidArchitecture
        The text names what is no layer.
    InvalidRequest
        As for `insert`.
    """
    return insert(draft, at, spaces.read_parts(text, draft.space))


def from_run(draft: Draft, at: int, layers: Sequence[Part], run: Iterable[int]) -> Draft:
    """Put some layers of another model, by their indices there, before the one at ``at``.

    Raises
    ------
    InvalidRequest
        As for `insert`.
    """
    wanted = sorted({one for one in run if 0 <= one < len(layers)})
    return insert(draft, at, [layers[one] for one in wanted])


def from_text(draft: Draft, text: str) -> Draft:
    """Make the draft what a text says, such as ``conv16x3 relu max2 dense64``.

    Raises
    ------
    InvalidArchitecture
        The text names what is no layer.
    InvalidRequest
        It is longer than `LONGEST` layers.
    """
    return _step(draft, spaces.read_parts(text, draft.space), ())


def from_nothing(draft: Draft) -> Draft:
    """Take all layers out."""
    return _step(draft, (), ())


def restore(draft: Draft, layers: Iterable[Part]) -> Draft:
    """Make the draft what its baseline is."""
    return _step(draft, tuple(layers), ())


def remove(draft: Draft, indices: Iterable[int]) -> Draft:
    """Take layers out; indices without a layer are left out."""
    gone = _there(draft, indices)
    return _step(draft, tuple(one for at, one in enumerate(draft.layers) if at not in gone), ())


def move(draft: Draft, indices: Iterable[int], to: int) -> Draft:
    """Move layers, together and in their order, to before the one that is at ``to`` now.

    Raises
    ------
    InvalidRequest
        There is no such place.
    """
    _check_place(draft, to)
    moved = _there(draft, indices)
    before = [one for at, one in enumerate(draft.layers[:to]) if at not in moved]
    between_them = copied(draft, moved)
    rest = [one for at, one in enumerate(draft.layers[to:], to) if at not in moved]
    start = len(before)
    chosen = range(start, start + len(between_them))
    return _step(draft, (*before, *between_them, *rest), chosen)


def change(draft: Draft, indices: Iterable[int], parameter: str, value: Value) -> Draft:
    """Give one parameter of some layers another value, off the grids too.

    Raises
    ------
    InvalidArchitecture
        A layer has no such parameter, or the value is not legal.
    """
    there = _there(draft, indices)
    made = tuple(
        reparameterized(one, parameter, value, at) if at in there else one
        for at, one in enumerate(draft.layers)
    )
    return _step(draft, made, draft.chosen)


def undo(draft: Draft) -> Draft:
    """Take the last step back; without one, nothing happens."""
    if not draft.past:
        return draft
    *past, layers = draft.past
    future = (*draft.future, draft.layers)
    chosen = _where(draft.layers, layers)
    return replace(draft, layers=layers, chosen=chosen, past=tuple(past), future=future)


def redo(draft: Draft) -> Draft:
    """Make the step that was last taken back once more; without one, nothing happens."""
    if not draft.future:
        return draft
    *future, layers = draft.future
    past = (*draft.past, draft.layers)[-STEPS:]
    chosen = _where(draft.layers, layers)
    return replace(draft, layers=layers, chosen=chosen, past=past, future=tuple(future))


def layer_of(
    kind: str,
    space: str = spaces.LAYERS,
    grids: Mapping[str, Mapping[str, Sequence[Value]]] | None = None,
    there: Sequence[Part] = (),
) -> Part:
    """Make a layer of a kind with values to begin with, as its declaration and its grid give them.

    Parameters
    ----------
    space
        Whose kind it is.
    grids, there
        Of what is a name, the first of the kind's grid that no part has yet.

    Raises
    ------
    InvalidRequest
        There is no such kind, or no name left.
    """
    known = spaces.entry(space).kinds
    if kind not in known:
        raise InvalidRequest(f"there is no kind {kind!r}; known are {', '.join(known)}")
    cls = known[kind]
    values: dict[str, Any] = {}
    if cls.quoted:
        (name,) = cls.parameters()
        taken = {getattr(one, name) for one in there if isinstance(one, cls)}
        free = [one for one in (grids or {}).get(kind, {}).get(name, ("x",)) if one not in taken]
        if not free:
            raise InvalidRequest(f"every {kind} is there already")
        return cls(**{name: free[0]})
    for one in fields(cls):
        parameter = cls.parameters()[one.name]
        if one.name in FIRST.get(kind, {}):
            values[one.name] = FIRST[kind][one.name]
        elif parameter.choices:
            values[one.name] = parameter.choices[0]
        elif one.default is MISSING:
            values[one.name] = min(parameter.grid, default=parameter.low)
    return cls(**values)


def to_json(draft: Draft) -> dict[str, Any]:
    """Give the JSON form, layers in their text form: short enough to keep after each step."""
    return {
        "version": VERSION,
        "baseline": draft.baseline,
        "space": draft.space,
        "layers": _text(draft.layers),
        "chosen": list(draft.chosen),
        "past": [_text(one) for one in draft.past],
        "future": [_text(one) for one in draft.future],
    }


def from_json(form: object) -> Draft:
    """Make a draft of its JSON form.

    Raises
    ------
    InvalidRequest
        It is none, or of a newer version.
    """
    if not isinstance(form, Mapping) or form.get("version") != VERSION:
        raise InvalidRequest(f"this is no draft of version {VERSION}: {str(form)[:80]}")
    baseline, chosen = form.get("baseline"), form.get("chosen", [])
    space = str(form.get("space", spaces.LAYERS))
    past, future = form.get("past", []), form.get("future", [])
    if not (baseline is None or _is_index(baseline)) or not all(
        isinstance(one, list) for one in (chosen, past, future)
    ):
        raise InvalidRequest("a draft has a baseline's number, and lists of what is chosen and was")
    try:
        draft = Draft(
            _read(form.get("layers"), space),
            past=tuple(_read(one, space) for one in past)[-STEPS:],
            future=tuple(_read(one, space) for one in future)[-STEPS:],
            baseline=baseline,
            space=space,
        )
    except InvalidArchitecture as error:
        raise InvalidRequest(f"a draft's layers cannot be read: {error}") from error
    return choose(draft, filter(_is_index, chosen))


def _step(draft: Draft, layers: Layers, chosen: Iterable[int]) -> Draft:
    """Give the draft with other layers, and the way back to these; none where nothing changes."""
    if len(layers) > LONGEST:
        what = spaces.entry(draft.space).design.terms.parts
        raise InvalidRequest(
            f"a handcraft has at most {LONGEST} {what}, not {len(layers)}: take some out first"
        )
    done = tuple(chosen)
    inorder = spaces.arranged(layers, draft.space)
    if inorder != layers:
        # What is chosen are parts, wherever they stand by now.
        found = [layers[one] for one in done]
        done = tuple(at for at, one in enumerate(inorder) if one in found)
    if inorder == draft.layers:
        return replace(draft, chosen=done)
    past = (*draft.past, draft.layers)[-STEPS:]
    return replace(draft, layers=inorder, chosen=done, past=past, future=())


def _there(draft: Draft, indices: Iterable[int]) -> Collection[int]:
    return {one for one in indices if 0 <= one < len(draft.layers)}


def _check_place(draft: Draft, at: int) -> None:
    if not 0 <= at <= len(draft.layers):
        raise InvalidRequest(f"there is no place {at}; places go from 0 to {len(draft.layers)}")


def _where(old: Layers, new: Layers) -> tuple[int, ...]:
    """Give the indices of the layers in ``new`` that ``old`` does not have at this place."""
    front = next(
        (at for at, pair in enumerate(zip(old, new, strict=False)) if pair[0] != pair[1]), None
    )
    if front is None:
        return tuple(range(len(old), len(new)))
    back = 0
    while back < min(len(old), len(new)) - front and old[-1 - back] == new[-1 - back]:
        back += 1
    return tuple(range(front, len(new) - back))


def _text(layers: Layers) -> str:
    return " ".join(layer.text for layer in layers)


def _read(text: object, space: str) -> Layers:
    if not isinstance(text, str):
        raise InvalidRequest(f"layers are a text such as 'conv16x3 relu', not {text!r}")
    return spaces.read_parts(text, space)


def _is_index(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0
