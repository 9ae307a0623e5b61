"""How every model of a study is trained: fixed when the study is created."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from math import inf, isfinite
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
    flip
        Whether half of the training images, drawn anew in each epoch, are mirrored left to right.
    shift
        By how many pixels at most a training image is moved up or down and left or right, drawn
        anew in each epoch; the pixels of its border are repeated where it leaves a gap.
    channels
        Mean and standard deviation of each channel over the training part, where a network sees
        images less the one and divided by the other. `remap_ray.create_study` measures them
        where it is asked to ``standardize``; empty where a network sees images as they are.
    """

    epochs: int = 10
    batch_size: int = 256
    learning_rate: float = 1e-3
    decay: float = 0.75
    patience: int = 0
    least_gain: float = 0.005
    bfloat16: bool = False
    flip: bool = False
    shift: int = 0
    channels: tuple[tuple[float, float], ...] = ()

    def __post_init__(self) -> None:
        for name in ("epochs", "batch_size"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise InvalidRequest(f"{name} must be a whole number of at least 1, not {value!r}")
        for name in ("patience", "shift"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 0:
                raise InvalidRequest(f"{name} must be a whole number of at least 0, not {value!r}")
        for name in ("bfloat16", "flip"):
            value = getattr(self, name)
            if not isinstance(value, bool):
                raise InvalidRequest(f"{name} must be true or false, not {value!r}")
        for name in ("learning_rate", "decay", "least_gain"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 1e3:
                raise InvalidRequest(
                    f"{name} must be a number above 0 and below 1000, not {value!r}"
                )
            # One number has one JSON form.
            object.__setattr__(self, name, float(value))
        object.__setattr__(self, "channels", _channels(self.channels))

    @property
    def words(self) -> str:
        """How training images are changed at random, as a sentence; empty where they are not."""
        said = ["half of the training images were mirrored left to right"] if self.flip else []
        if self.shift:
            pixels = "1 pixel" if self.shift == 1 else f"{self.shift} pixels"
            said.append(f"each was shifted by up to {pixels} up or down and left or right")
        return f"In each epoch anew {', and '.join(said)}." if said else ""

    def check_fits(self, input_shape: Sequence[int]) -> None:
        """See that images of this shape can be trained on so.

        Parameters
        ----------
        input_shape
            Channels, height and width.

        Raises
        ------
        InvalidRequest
            A shift out of the picture, nothing to mirror, or other channels than are measured.
        """
        channels, height, width = input_shape
        if self.shift and self.shift >= min(height, width):
            raise InvalidRequest(
                f"images of {height} x {width} pixels cannot be shifted by {self.shift}: choose a "
                f"shift below {min(height, width)}, such as {max(1, min(height, width) // 10)}"
            )
        if self.flip and width < 2:
            raise InvalidRequest(
                f"images of {height} x {width} pixels look the same when they are mirrored: leave "
                "the flip out"
            )
        if self.channels and len(self.channels) != channels:
            raise InvalidRequest(
                f"the recipe standardizes {len(self.channels)} channels, the images have {channels}"
            )

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
        return asdict(self) | {"channels": [list(pair) for pair in self.channels]}

    @staticmethod
    def from_dict(form: Mapping[str, Any]) -> Recipe:
        """Make a recipe of its JSON form."""
        if surplus := form.keys() - {one.name for one in fields(Recipe)}:
            raise InvalidRequest(f"a recipe has no {min(surplus)!r}")
        return Recipe(**form)


def _channels(given: object) -> tuple[tuple[float, float], ...]:
    """Give pairs of numbers as they are kept, whatever JSON has made of them."""
    try:
        pairs = tuple((float(mean), float(deviation)) for mean, deviation in given)  # type: ignore[attr-defined]
    except (TypeError, ValueError):
        pairs = ((0.0, 0.0),)
    if not all(isfinite(mean) and isfinite(by) and by > 0 for mean, by in pairs):
        raise InvalidRequest(
            "channels must be a mean and a standard deviation above 0 for each channel, not "
            f"{given!r}"
        )
    return pairs
