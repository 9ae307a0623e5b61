"""A space of networks: a Markov chain over layer kinds, as data."""

from __future__ import annotations

import tomllib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from pathlib import Path
from random import Random
from typing import ClassVar, final

from remap_ray.errors import InvalidArchitecture, InvalidRequest
from remap_ray.space import shapes, space_file
from remap_ray.space.architecture import SPACE, Architecture
from remap_ray.space.design import Design
from remap_ray.space.edit import Edit, Prepend, apply
from remap_ray.space.layers import KINDS, Layer, Shape, Value
from remap_ray.space.limits import Limits
from remap_ray.space.model_space import ModelSpace
from remap_ray.space.space_file import START, STOP, Row, Table

__all__ = ["SPACES", "START", "STOP", "Row", "Space", "Table"]

SPACES = ("paper", "modern")
"""The spaces that come with REMAP."""

REDRAWS = 1_000
"""Successors of one layer that do not fit, in a row, before a network ends there."""

NEW_REDRAWS = 50
"""Draws of one new layer of a variation before its place is given up."""

LONGEST = 1_000
"""Layers after which a network ends, however seldom its space lets one end."""


@final
@dataclass(frozen=True)
class Space(ModelSpace):
    """A Markov chain over layer kinds with a grid of values for each kind's parameters.

    Parameters
    ----------
    name
        What it is called.
    strictly_larger
        Whether windows must be strictly smaller than the image.
    grids
        The values of each parameter of each kind, all equally likely.
    transitions
        For ``start`` and each kind the weights of what follows: kinds, and ``stop``.
    transitions_after_dense
        The same once the data is flat, by a dense layer or a global pool.
    limits
        Kept by samples where no others are asked for.
    """

    kind: ClassVar[str] = SPACE

    name: str
    strictly_larger: bool
    grids: Mapping[str, Mapping[str, tuple[Value, ...]]]
    transitions: Table
    transitions_after_dense: Table
    limits: Limits = field(default_factory=Limits)

    @staticmethod
    @cache
    def named(name: str) -> Space:
        """Give a space that comes with REMAP, one of `SPACES`."""
        if name not in SPACES:
            raise InvalidRequest(
                f"there is no space {name!r}; known are {', '.join(SPACES)}, and "
                "Space.load reads a file of your own"
            )
        text = (resources.files("remap_ray.space") / f"{name}.toml").read_text(encoding="utf-8")
        return _of_text(text, f"{name}.toml")

    @staticmethod
    def load(path: str | Path) -> Space:
        """Read a space of a TOML file; `remap_ray.space.space_file` says what stands in it.

        Raises
        ------
        InvalidRequest
            The file cannot be read or is no space; the message names the file and the entry.
        """
        try:
            text = Path(path).read_text(encoding="utf-8")
        except OSError as error:
            raise InvalidRequest(f"{path} cannot be read: {error.strerror}") from None
        except UnicodeDecodeError:
            raise InvalidRequest(f"{path} is no text file in UTF-8") from None
        return _of_text(text, str(path))

    @staticmethod
    def find(name_or_path: str) -> Space:
        """Give a space that comes with REMAP by its name, or read that of a file.

        Raises
        ------
        InvalidRequest
            It is neither one of `SPACES` nor a file that holds a space.
        """
        if name_or_path in SPACES:
            return Space.named(name_or_path)
        if not Path(name_or_path).exists():
            raise InvalidRequest(
                f"there is no space {name_or_path!r}, and no such file; known are "
                f"{', '.join(SPACES)}, and a TOML file of your own goes by its path"
            )
        return Space.load(name_or_path)

    @property
    def toml(self) -> str:
        """The space as the text of a file that `load` reads as an equal one."""
        return space_file.written(
            {
                "name": self.name,
                "strictly_larger": self.strictly_larger,
                "grids": self.grids,
                "transitions": self.transitions,
                "transitions_after_dense": self.transitions_after_dense,
                "limits": self.limits,
            }
        )

    def row(self, previous: Layer | None, after_dense: bool) -> Row:
        """Give the successors of a layer (None: of the input) with their weights.

        A kind that the space does not know, as a person may have put it into a network,
        is followed by what the input is followed by.
        """
        table = self.transitions_after_dense if after_dense else self.transitions
        return table.get(START if previous is None else previous.kind, table.get(START, {}))

    def draw(self, rng: Random, row: Row) -> Layer | None:
        """Draw one successor, its parameters uniform over the grid; None is the end."""
        (kind,) = rng.choices(tuple(row), tuple(row.values()))
        if kind == STOP:
            return None
        grid = self.grids[kind]
        return KINDS[kind](**{name: rng.choice(values) for name, values in grid.items()})

    def fits(self, layer: Layer, shape: Shape) -> bool:
        """Whether the sampler may put ``layer`` where the data has ``shape``."""
        try:
            shapes.after(layer, shape, 0)
        except InvalidArchitecture:
            return False
        if not (layer.needs_image and self.strictly_larger):
            return True
        return min(shape[1:]) > layer.window

    def walk(self, rng: Random, input_shape: Shape, classes: int) -> Architecture:
        """Draw one architecture: successors until the end, each redrawn until it fits."""
        shape, layers = input_shape, list[Layer]()
        while len(layers) < LONGEST:
            row = self.row(layers[-1] if layers else None, not shapes.is_image(shape))
            drawn = (self.draw(rng, row) for _ in range(REDRAWS))
            layer = next((one for one in drawn if one is None or self.fits(one, shape)), None)
            if layer is None:
                break
            shape = shapes.after(layer, shape, len(layers))
            layers.append(layer)
        return Architecture(input_shape, classes, tuple(layers))

    def new_part(
        self, rng: Random, design: Design, edits: Sequence[Edit], index: int, name: str
    ) -> Layer | None:
        """Draw a layer that follows its predecessor in the child, and fits where it stands."""
        before = _before(design, edits, index)
        if before is None:
            return None
        previous, shape, after_dense = before
        row = {
            kind: weight
            for kind, weight in self.row(previous, after_dense).items()
            if kind != STOP and weight
        }
        if not row:
            return None
        old = design.parts[index] if name == "replace" else None
        for _ in range(NEW_REDRAWS):
            layer = self.draw(rng, row)
            if layer is not None and layer != old and self.fits(layer, shape):
                return layer
        return None

    def fitted(self, columns: Sequence[str]) -> Space:
        """Give this space, for images."""
        if columns:
            raise InvalidRequest(
                f"the space {self.name} is for images, and these data are a table; use "
                "--space boosting"
            )
        return self

    @property
    def new_kinds(self) -> Mapping[str, type[Layer]]:
        """The kinds of layers that have an entry in the grids."""
        return {kind: cls for kind, cls in KINDS.items() if kind in self.grids}

    def only(self, kinds: Collection[str]) -> Space:
        """Give a space in which new layers are of some kinds only; none is all."""
        if not kinds:
            return self

        def among(table: Table) -> Table:
            return {
                name: {kind: weight for kind, weight in row.items() if kind in kinds}
                for name, row in table.items()
            }

        return replace(
            self,
            transitions=among(self.transitions),
            transitions_after_dense=among(self.transitions_after_dense),
        )


def _before(
    design: Design, edits: Sequence[Edit], index: int
) -> tuple[Layer | None, Shape, bool] | None:
    """Give the predecessor, the shape and whether it is flat, where a new layer will stand.

    None where the edits so far leave no network up to there.
    """
    earlier = [edit for edit in edits if edit.index < index]
    earlier += [edit for edit in edits if isinstance(edit, Prepend) and edit.index == index]
    head = design.with_parts(design.parts[:index])
    outcome = apply(head, earlier).architecture if earlier else head
    if not isinstance(outcome, Architecture):
        return None
    made = outcome.layers
    shape = outcome.shapes[-1] if made else outcome.input_shape
    return (made[-1] if made else None), shape, not shapes.is_image(shape)


def _of_text(text: str, source: str) -> Space:
    try:
        form = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise InvalidRequest(f"{source} is no TOML: {error}") from None
    try:
        return Space(**space_file.checked(form))
    except InvalidRequest as error:
        raise InvalidRequest(f"{source}: {error}") from None
