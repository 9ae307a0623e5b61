"""`Architecture`: a sequence of layers with an input shape and a number of classes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, final

from remap_ray.errors import InvalidArchitecture
from remap_ray.space import cost, from_torch, shapes
from remap_ray.space import layers as kinds
from remap_ray.space import text as words
from remap_ray.space.cost import Cost
from remap_ray.space.design import Design, identity_of
from remap_ray.space.layers import Dense, Layer, Shape
from remap_ray.space.part import Part
from remap_ray.space.terms import LAYERS

__all__ = ["JSON_VERSION", "Architecture"]

JSON_VERSION = 1
"""Version of the JSON form. A newer one is refused, a missing one is taken as this."""

SPACE = "layers"
"""Name of the space whose models are sequences of layers."""


@final
@dataclass(frozen=True)
class Architecture(Design):
    """A network as a pure value: it can be built, or making it raises `InvalidArchitecture`.

    The output layer (dense, ``classes`` units) is implied and not among ``layers``.

    Parameters
    ----------
    input_shape
        ``(channels, height, width)`` of one image.
    classes
        Number of classes, at least 2.
    layers
        The layers in order; indices are zero-based everywhere.
    """

    space: ClassVar[str] = SPACE
    terms = LAYERS

    input_shape: Shape
    classes: int
    layers: tuple[Layer, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "input_shape", tuple(self.input_shape))
        object.__setattr__(self, "layers", tuple(self.layers))
        if len(self.input_shape) != 3 or not all(_is_count(n) for n in self.input_shape):
            raise InvalidArchitecture(
                "input_shape must be three positive whole numbers (channels, height, width), "
                f"not {self.input_shape!r}"
            )
        if not _is_count(self.classes) or self.classes < 2:
            raise InvalidArchitecture(
                f"classes must be a whole number of at least 2, not {self.classes!r}"
            )
        # The value exists only where the sequence is possible.
        _ = self.shapes

    @cached_property
    def shapes(self) -> tuple[Shape, ...]:
        """Shape after each layer, in order: ``(C, H, W)``, or ``(units,)`` once flat."""
        return shapes.infer(self.input_shape, self.layers)

    @cached_property
    def cost(self) -> Cost:
        """What it costs to train and to keep, the output layer included."""
        return cost.of(self.input_shape, self.layers, self.classes)

    @property
    def parts(self) -> tuple[Layer, ...]:
        """The layers."""
        return self.layers

    @property
    def output(self) -> Dense:
        """The implied output layer."""
        return Dense(self.classes)

    @property
    def sizes(self) -> tuple[Shape, ...]:
        """The shape of an image, and what leaves each layer and the output layer."""
        return (self.input_shape, *self.shapes, (self.classes,))

    def with_parts(self, parts: Sequence[Part]) -> Architecture:
        """Give the network of other layers for the same images."""
        for index, one in enumerate(parts):
            if not isinstance(one, Layer):
                raise InvalidArchitecture(f"{one.words} is no layer of a network", index)
        return replace(self, layers=tuple(one for one in parts if isinstance(one, Layer)))

    @cached_property
    def identity(self) -> str:
        """First 12 hex digits of SHA-256 over the canonical JSON, equal on every machine."""
        canonical = self.to_dict()
        canonical["layers"] = [one.to_dict() for one in self.layers if not one.does_nothing()]
        return identity_of(canonical)

    @staticmethod
    def from_text(text: str, input_shape: Shape, classes: int) -> Architecture:
        """Make an architecture of its text form, such as ``conv16x3s2p1 relu max2 drop0.25``.

        Words are parted by blanks or commas; ``same`` may stand for the padding
        ``(kernel_size - 1) // 2``, as in ``conv16x3same``.

        Raises
        ------
        InvalidArchitecture
            Naming the word that cannot be read, or the layer that cannot stand there.
        """
        none = Architecture(input_shape, classes, ())
        return none.with_parts(words.read(text))

    @staticmethod
    def from_torch(network: Any, input_shape: Shape) -> Architecture:
        """Make an architecture of an ``nn.Sequential``; its last ``nn.Linear`` is the output.

        Nested ``nn.Sequential`` and what stands for nothing (``nn.Flatten``,
        ``nn.Identity``) are taken apart. Weights are left where they are: the network
        that is built of the architecture has the same ones in the same order.

        Parameters
        ----------
        network
            Read by the names of its modules' classes and attributes; PyTorch is not
            imported.
        input_shape
            ``(channels, height, width)`` of one image.

        Raises
        ------
        InvalidArchitecture
            Naming the module or the setting that no layer stands for, and its place.
        """
        none = Architecture(input_shape, 2, ())
        layers, classes = from_torch.read(network, none.input_shape)
        return Architecture(input_shape, classes, layers)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form, every default filled in."""
        return {
            "version": JSON_VERSION,
            "space": SPACE,
            "input_shape": list(self.input_shape),
            "classes": self.classes,
            "layers": [layer.to_dict() for layer in self.layers],
        }

    @staticmethod
    def from_dict(form: object) -> Architecture:
        """Make an architecture of its JSON form; ``version`` and ``space`` may be left out.

        Raises
        ------
        InvalidArchitecture
            Not this form, a newer version, or a sequence that cannot be a network.
        """
        if not isinstance(form, Mapping):
            raise InvalidArchitecture(f"an architecture must be an object, not {form!r}")
        known = {"version", "space", "input_shape", "classes", "layers"}
        if missing := known - {"version", "space"} - form.keys():
            raise InvalidArchitecture(f"an architecture needs {', '.join(sorted(missing))}")
        if surplus := form.keys() - known:
            raise InvalidArchitecture(f"an architecture has no {min(surplus, key=str)!r}")
        version = form.get("version", JSON_VERSION)
        if version != JSON_VERSION:
            raise InvalidArchitecture(
                f"architecture version {version!r} is not known, only {JSON_VERSION}"
            )
        if form.get("space", SPACE) != SPACE:
            raise InvalidArchitecture(f"space {form['space']!r} is not known, only {SPACE!r}")
        if not _is_list(form["input_shape"]) or not _is_list(form["layers"]):
            raise InvalidArchitecture("input_shape and layers must be lists")
        made = []
        for index, layer in enumerate(form["layers"]):
            try:
                made.append(kinds.from_dict(layer))
            except InvalidArchitecture as error:
                raise InvalidArchitecture(error.reason, index) from None
        return Architecture(tuple(form["input_shape"]), form["classes"], tuple(made))


def _is_count(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 1


def _is_list(value: object) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)
