"""Every space of models by its name in JSON: where a design's form, text or file is read.

To add a space is to add an entry here, and what `remap_ray.space.model_space` lists.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

from remap_ray.errors import InvalidArchitecture, InvalidRequest
from remap_ray.space import boosting, layers
from remap_ray.space import text as words
from remap_ray.space.architecture import SPACE as LAYERS
from remap_ray.space.architecture import Architecture
from remap_ray.space.boosting import BoostedTrees
from remap_ray.space.boosting_space import BoostingSpace
from remap_ray.space.chain import SPACES, Space
from remap_ray.space.design import Design
from remap_ray.space.model_space import ModelSpace
from remap_ray.space.part import Part, Shape
from remap_ray.space.terms import Terms

__all__ = [
    "ENTRIES",
    "LAYERS",
    "NAMED",
    "Entry",
    "arranged",
    "design_from_dict",
    "design_from_text",
    "entry",
    "find",
    "load",
    "read_parts",
    "terms_for",
]


@final
@dataclass(frozen=True)
class Entry:
    """What a space gives those who only know its name.

    Parameters
    ----------
    design
        The class of its designs.
    kinds
        The kinds of its parts, by their names in JSON.
    from_dict
        Makes a design of its JSON form.
    from_parts
        Makes a design of an input shape, a number of classes and parts.
    arranged
        Puts parts that need not be a design in the order that they would have in one.
    tables
        Whether its models are for tables; else they are for images.
    named
        The spaces that come with REMAP, by name, before they are `ModelSpace.fitted` to data.
    """

    design: type[Design]
    kinds: Mapping[str, type[Part]]
    from_dict: Callable[[object], Design]
    from_parts: Callable[[Shape, int, Sequence[Part]], Design]
    arranged: Callable[[Sequence[Part]], tuple[Part, ...]]
    tables: bool
    named: Mapping[str, Callable[[], ModelSpace]]


def _network(input_shape: Shape, classes: int, parts: Sequence[Part]) -> Architecture:
    return Architecture(input_shape, classes, ()).with_parts(parts)


ENTRIES: Mapping[str, Entry] = {
    LAYERS: Entry(
        Architecture,
        layers.KINDS,
        Architecture.from_dict,
        _network,
        tuple,
        False,
        {name: lambda name=name: Space.named(name) for name in SPACES},  # type: ignore[misc]
    ),
    boosting.SPACE: Entry(
        BoostedTrees,
        boosting.KINDS,
        BoostedTrees.from_dict,
        boosting.of_parts,
        boosting.arranged,
        True,
        {"boosting": BoostingSpace},
    ),
}
"""The spaces that there are."""

NAMED = {name: made for one in ENTRIES.values() for name, made in one.named.items()}


def entry(space: object) -> Entry:
    """Give the entry of a space by its name in JSON.

    Raises
    ------
    InvalidArchitecture
        There is no such space.
    """
    if not isinstance(space, str) or space not in ENTRIES:
        raise InvalidArchitecture(f"space {space!r} is not known, only {', '.join(ENTRIES)}")
    return ENTRIES[space]


def design_from_dict(form: object) -> Design:
    """Make a design of its JSON form, whose ``space`` is ``layers`` where it is left out.

    Raises
    ------
    InvalidArchitecture
        An unknown space, or not the form of its designs.
    """
    space = form.get("space", LAYERS) if isinstance(form, Mapping) else LAYERS
    return entry(space).from_dict(form)


def read_parts(text: str, space: str = LAYERS) -> tuple[Part, ...]:
    """Read the parts of a text; they need not be a design.

    Raises
    ------
    InvalidArchitecture
        Naming the first word that cannot be read.
    """
    return words.read(text, entry(space).kinds)


def design_from_text(text: str, space: str, input_shape: Shape, classes: int) -> Design:
    """Make a design of its text form: ``conv16x3 relu``, ``boost10 tree31 bins255 'age'``.

    Raises
    ------
    InvalidArchitecture
        Naming the word that cannot be read, or the part at fault.
    """
    return entry(space).from_parts(input_shape, classes, read_parts(text, space))


def terms_for(*, tables: bool) -> Terms:
    """Give the words of the models that tables, or images, are for."""
    return next(one.design.terms for one in ENTRIES.values() if one.tables == tables)


def arranged(parts: Sequence[Part], space: str) -> tuple[Part, ...]:
    """Put parts in the order in which a design of a space has them."""
    return entry(space).arranged(parts)


def find(name_or_path: str) -> ModelSpace:
    """Give a space that comes with REMAP by its name, or read that of a file.

    Raises
    ------
    InvalidRequest
        It is neither the name of a space nor a file that holds one.
    """
    if name_or_path in NAMED:
        return NAMED[name_or_path]()
    if not Path(name_or_path).exists():
        raise InvalidRequest(
            f"there is no space {name_or_path!r}, and no such file; known are "
            f"{', '.join(NAMED)}, and a TOML file of your own goes by its path"
        )
    return load(name_or_path)


def load(path: str | Path) -> ModelSpace:
    """Read a space of a TOML file, whose ``kind`` is ``layers`` where it is left out.

    Raises
    ------
    InvalidRequest
        The file cannot be read or is no space; the message names the file and the entry.
    """
    form = _kind_of(path)
    if form.get("kind", LAYERS) == LAYERS:
        return Space.load(path)
    if form["kind"] != boosting.SPACE:
        raise InvalidRequest(
            f"{path}: kind {form['kind']!r} is not known, only {', '.join(ENTRIES)}"
        )
    try:
        return BoostingSpace.of_form(form)
    except InvalidRequest as error:
        raise InvalidRequest(f"{path}: {error}") from None


def _kind_of(path: str | Path) -> dict[str, Any]:
    """Read a file as far as its kind is concerned; what is wrong with it its space says."""
    try:
        return tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return {}
