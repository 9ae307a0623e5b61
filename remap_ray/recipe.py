"""How every model of a study is trained: fixed when the study is created."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, final

from remap_ray.errors import InvalidRequest

__all__ = ["Recipe"]


@final
@dataclass(frozen=True)
class Recipe:
    """Adam with a learning rate that shrinks each epoch, cross entropy on logits.

    The defaults are the paper's (section 5.3 and the authors' code).

    Parameters
    ----------
    epochs
        Epochs that a new model gets.
    batch_size
        Images per step.
    learning_rate
        Adam's, in the first epoch.
    decay
        Factor on the learning rate after each epoch.
    """

    epochs: int = 10
    batch_size: int = 256
    learning_rate: float = 1e-3
    decay: float = 0.75

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidRequest(f"{name} must be a whole number of at least 1, not {value!r}")
        for name in ("learning_rate", "decay"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e3:
                raise InvalidRequest(
                    f"{name} must be a number above 0 and below 1000, not {value!r}"
                )
            # One number has one JSON form.
            object.__setattr__(self, name, float(value))

    def rate(self, epoch: int) -> float:
        """Give the learning rate of an epoch, counted from 1."""
        return self.learning_rate * self.decay ** (epoch - 1)

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)

    @staticmethod
    def from_dict(form: Mapping[str, Any]) -> Recipe:
        """Make a recipe of its JSON form."""
        if surplus := form.keys() - {one.name for one in fields(Recipe)}:
            raise InvalidRequest(f"a recipe has no {min(surplus)!r}")
        return Recipe(**form)
