"""`Design`: a model before it is trained, whatever its space; a study records it, a page draws it.

A design is a frozen value. It is told apart by its `identity`, kept as JSON, typed as text, and
changed part by part: `remap_ray.space.edit` needs no more of it than its parts.
"""

from __future__ import annotations

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Self

from remap_ray.space.cost import Cost
from remap_ray.space.part import Part, Shape
from remap_ray.space.terms import Terms

__all__ = ["Design", "identity_of"]


class Design(ABC):
    """What all designs have in common. Abstract: each space has one kind.

    Laws, by which every space is tested: a design equals what `from_dict` makes of its
    `to_dict`, and what its text form is read as; equal `identity` means that they train alike;
    `with_parts` of its own parts is itself, and of parts that are none of its space's designs
    raises `InvalidArchitecture` naming the part at fault.
    """

    space: ClassVar[str]
    """Name of its space in JSON."""
    terms: ClassVar[Terms]
    """What its figures are called."""
    ordered: ClassVar[bool] = True
    """Whether the order of its parts means anything."""

    input_shape: Shape
    classes: int

    @property
    @abstractmethod
    def parts(self) -> tuple[Part, ...]:
        """What it is made of; indices are zero-based everywhere."""

    @property
    @abstractmethod
    def output(self) -> Part:
        """What follows the parts in every design: it can neither go nor change."""

    @property
    @abstractmethod
    def sizes(self) -> tuple[Shape, ...]:
        """What enters the first part, and what leaves each and the output: a chip's heights."""

    @property
    @abstractmethod
    def cost(self) -> Cost:
        """What it costs to train and to keep, known before it is trained."""

    @abstractmethod
    def with_parts(self, parts: Sequence[Part]) -> Self:
        """Give the design of other parts for the same data.

        Raises
        ------
        InvalidArchitecture
            They make no model; the message names the part and the reason.
        """

    @abstractmethod
    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, every default filled in; ``space`` names the space."""

    @property
    @abstractmethod
    def identity(self) -> str:
        """12 hex digits, equal on every machine for designs that train alike."""

    @property
    def parameter_count(self) -> int:
        """Its size, in what `terms` calls ``size``."""
        return self.cost.parameters

    @property
    def multiply_adds(self) -> int:
        """Steps of one answer for one item, in what `terms` calls ``steps``."""
        return self.cost.multiply_adds

    @property
    def flops(self) -> int:
        """The same in the unit that `terms` names."""
        return self.terms.per_step * self.cost.multiply_adds

    @property
    def countable(self) -> int:
        """How many parts it has of those that a limit counts."""
        return len(self.parts)

    @property
    def words(self) -> str:
        """The parts in words, such as ``Conv(16, 3x3), Activation(relu)``."""
        return ", ".join(part.words for part in self.parts) or f"no hidden {self.terms.part}"

    @property
    def text(self) -> str:
        """The parts as people type them, such as ``conv16x3 relu max2 dense64``."""
        return " ".join(part.text for part in self.parts)


def identity_of(canonical: Mapping[str, Any]) -> str:
    """Give the first 12 hex digits of SHA-256 over the canonical JSON."""
    text = json.dumps(canonical, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:12]
