"""How every model of a study is trained: fixed when the study is created."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, fields
from math import inf
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
    patience
        Early stopping (the original's rule, measured on the whole validation part): a model
        ends after so many epochs in a row without a gain; 0 trains all epochs.
    least_gain
        How far the validation loss must come below the best so far to be a gain.
    bfloat16
        Whether networks may be computed in bfloat16, if it proves quicker where they train.
    """

    epochs: int = 10
    batch_size: int = 256
    learning_rate: float = 1e-3
    decay: float = 0.75
    patience: int = 0
    least_gain: float = 0.005
    bfloat16: bool = False

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidRequest(f"{name} must be a whole number of at least 1, not {value!r}")
        patience = self.patience
        if isinstance(patience, bool) or not isinstance(patience, int) or patience < 0:
            raise InvalidRequest(f"patience must be a whole number of at least 0, not {patience!r}")
        if not isinstance(self.bfloat16, bool):
            raise InvalidRequest(f"bfloat16 must be true or false, not {self.bfloat16!r}")
        for name in ("learning_rate", "decay", "least_gain"):
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

    def has_stalled(self, losses: Iterable[float]) -> bool:
        """Whether early stopping ends a model that has had these validation losses, by epoch."""
        best, without = inf, 0
        for loss in losses:
            if best - loss >= self.least_gain:
                best, without = loss, 0
            else:
                without += 1
        return 0 < self.patience <= without

    def to_dict(self) -> dict[str, Any]:
        """Give the JSON form."""
        return asdict(self)

    @staticmethod
    def from_dict(form: Mapping[str, Any]) -> Recipe:
        """Make a recipe of its JSON form."""
        if surplus := form.keys() - {one.name for one in fields(Recipe)}:
            raise InvalidRequest(f"a recipe has no {min(surplus)!r}")
        return Recipe(**form)
