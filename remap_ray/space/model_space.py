"""`ModelSpace`: what a space of models must give, so that REMAP can search it.

A space is a frozen value: which designs there are, and how they are drawn. What it gives is
spread over the rooms that need it, and all of it is listed here:

sample
    `ModelSpace.walk`; `remap_ray.space.sampling.sample` adds limits and sees that none is twice.
edit
    `remap_ray.space.design.Design.with_parts`; `remap_ray.space.edits` makes ablations,
    variations and handcrafts of it, with what `ModelSpace.grids` and `ModelSpace.new_part` say.
describe
    The words and the text form of its parts (`remap_ray.space.part.Part`), and its
    `remap_ray.space.terms.Terms`.
draw
    `remap_ray.space.design.Design.sizes`, and a look for each kind of part in
    `remap_panel.theme`.
distance
    An entry of `remap_ray.projection.structures.STRUCTURES`.
train
    An entry of `remap_ray.training.ways.WAYS`.

`remap_ray.space.spaces` holds the entry by which all others find it.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping, Sequence
from random import Random
from typing import ClassVar, Self

from remap_ray.space.design import Design
from remap_ray.space.edit import Edit
from remap_ray.space.limits import Limits
from remap_ray.space.part import Part, Shape, Value

__all__ = ["ModelSpace"]


class ModelSpace(ABC):
    """What designs are drawn from. Abstract: each kind of design has one kind of space."""

    kind: ClassVar[str]
    """Name of its designs' space in JSON, by which `remap_ray.space.spaces` knows it."""

    name: str
    """What it is called."""
    limits: Limits
    """Kept by samples where no others are asked for."""
    grids: Mapping[str, Mapping[str, tuple[Value, ...]]]
    """By kind of part, the values of each parameter that samples and variations may have."""

    @property
    @abstractmethod
    def toml(self) -> str:
        """The space as the text of a file that `remap_ray.space.spaces.load` reads as equal."""

    @abstractmethod
    def walk(self, rng: Random, input_shape: Shape, classes: int) -> Design:
        """Draw one design for data of a shape and with so many classes; limits are not kept."""

    @abstractmethod
    def new_part(
        self, rng: Random, design: Design, edits: Sequence[Edit], index: int, name: str
    ) -> Part | None:
        """Draw a part that a variation puts at ``index`` (``prepend``) or there (``replace``).

        Parameters
        ----------
        design, edits
            What is varied, and what was changed of it so far.

        Returns
        -------
        Part or None
            None where nothing fits.
        """

    @property
    def data_columns(self) -> tuple[str, ...]:
        """The columns that it is fitted to; none where it is for images."""
        return ()

    @abstractmethod
    def fitted(self, columns: Sequence[str]) -> Self:
        """Give this space for data of these columns; images have none.

        Raises
        ------
        InvalidRequest
            It is no space for such data.
        """

    @property
    @abstractmethod
    def new_kinds(self) -> Mapping[str, type[Part]]:
        """The kinds of which new parts may be put into a design, by name."""

    @abstractmethod
    def only(self, kinds: Collection[str]) -> Self:
        """Give a space in which new parts are of some kinds only; none is all."""

    @property
    def choices(self) -> Mapping[str, Mapping[str, tuple[Value, ...]]]:
        """By kind and parameter, all values that are offered: the grids, and names there are."""
        return self.grids

    def check(self, limits: Limits) -> None:
        """Raise `InvalidRequest` where limits mean nothing in this space."""
        return

    def place(self, design: Design, part: Part, index: int) -> int:
        """Say before which part of a design a new one stands that is put at ``index``."""
        return index
