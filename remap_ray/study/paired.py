"""How much more accurate one network is than another, from what both answer to the same images.

Two things make such a difference uncertain. Which images happen to be in the validation part is
known from the paired answers of single runs. How lucky a training was is known only from repeats
with another seed, and is added where there are any.

References
----------
Bonett, Price: Adjusted Wald confidence interval for a difference of binomial proportions based on
paired data. Journal of Educational and Behavioral Statistics 37(4), 2012. It was chosen over
Agresti and Min's (Statistics in Medicine 24, 2005) after the comparison by Fagerland, Lydersen and
Laake (Statistics in Medicine 33, 2014): it keeps its level where few images are answered
differently, as those of one class are.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import inf, sqrt
from typing import final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from remap_ray.errors import InvalidRequest

__all__ = ["LEVEL", "Delta", "delta", "weighted"]

LEVEL = 0.95
"""Share of intervals that hold the true difference, were everything done again and again."""


@final
@dataclass(frozen=True)
class Delta:
    """A difference of accuracies, the child's less the parent's, with its interval.

    Parameters
    ----------
    value
        The difference seen, -1 to 1.
    low, high
        Ends of the interval at `LEVEL`.
    images
        Of how many images.
    runs
        How many trainings of the parent and of the child it is made of.
    """

    value: float
    low: float
    high: float
    images: int
    runs: tuple[int, int] = (1, 1)

    @property
    def clear(self) -> bool:
        """Whether the interval leaves out no difference at all."""
        return self.low > 0 or self.high < 0

    @property
    def knows_luck(self) -> bool:
        """Whether there are repeats that say how much trainings of one network differ."""
        return max(self.runs) > 1


def delta(parent: ArrayLike, child: ArrayLike) -> Delta:
    """Compare two networks by whether each of their runs gets the same images right.

    One run each: Bonett and Price's interval. With repeats, the variance between the trainings'
    accuracies is added, pooled over both where each has its own, and the quantile is Student's
    with Satterthwaite's degrees of freedom.

    Parameters
    ----------
    parent, child
        bool (runs, n) or (n,): whether each run gets each image right.

    Raises
    ------
    InvalidRequest
        No images, no runs, or not the same images.
    """
    return weighted([(_runs(parent), _runs(child))], [1.0])


def weighted(
    parts: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]], weights: Sequence[float]
) -> Delta:
    """Compare two networks by a weighted mean of their accuracies on several sets of images.

    Parameters
    ----------
    parts
        For each set, such as the images of a class, whether the runs of the parent and of the
        child get its images right, bool (runs, n).
    weights
        Of each set, at least 0; divided here by their sum.

    Raises
    ------
    InvalidRequest
        No images, no runs, not the same images or runs, or no weight.
    """
    total = float(sum(weights))
    if not parts or len(parts) != len(weights) or total <= 0 or min(weights) < 0:
        raise InvalidRequest("a weighted difference needs a weight for each set, one above 0")
    shares = [weight / total for weight in weights]
    value = centre = variance = 0.0
    for (parent, child), share in zip(parts, shares, strict=True):
        _check(parent, child, parts[0])
        seen, middle, uncertain = _of_images(parent, child)
        value += share * seen
        centre += share * middle
        variance += share**2 * uncertain
    runs = len(parts[0][0]), len(parts[0][1])
    luck, freedom = _of_runs(
        sum(share * parent.mean(axis=1) for (parent, _), share in zip(parts, shares, strict=True)),
        sum(share * child.mean(axis=1) for (_, child), share in zip(parts, shares, strict=True)),
    )
    reach = _quantile(variance, luck, freedom) * sqrt(variance + luck)
    images = sum(parent.shape[1] for parent, _ in parts)
    return Delta(value, max(centre - reach, -1.0), min(centre + reach, 1.0), images, runs)


def _runs(right: ArrayLike) -> NDArray[np.bool_]:
    return np.atleast_2d(np.asarray(right, bool))


def _check(
    parent: NDArray[np.bool_],
    child: NDArray[np.bool_],
    first: tuple[NDArray[np.bool_], NDArray[np.bool_]],
) -> None:
    if parent.ndim != 2 or child.ndim != 2 or parent.shape[1] != child.shape[1]:
        raise InvalidRequest(f"the same images are compared, not {parent.shape} and {child.shape}")
    if not parent.size or not child.size:
        raise InvalidRequest("a difference needs at least one image and one run of each network")
    if (len(parent), len(child)) != (len(first[0]), len(first[1])):
        raise InvalidRequest("every set of images needs the answers of the same runs")


def _of_images(parent: NDArray[np.bool_], child: NDArray[np.bool_]) -> tuple[float, float, float]:
    """Give the difference seen, the middle of its interval and the variance for the images."""
    difference = child.mean(axis=0) - parent.mean(axis=0)
    count = len(difference)
    # One image more on either side, of two further ones: with one run each, these are Bonett and
    # Price's (b + 1) / (n + 2) and (c + 1) / (n + 2).
    total = difference.sum()
    squares = (difference**2).sum() + 2
    middle = total / (count + 2)
    variance = (squares / (count + 2) - middle**2) / (count + 2)
    return float(total / count), float(middle), float(variance)


def _of_runs(parent: NDArray[np.float64], child: NDArray[np.float64]) -> tuple[float, float]:
    """Give the variance that trainings add, and its degrees of freedom; none with one run each."""
    freedom = len(parent) + len(child) - 2
    if not freedom:
        return 0.0, inf
    squares = sum(((each - each.mean()) ** 2).sum() for each in (parent, child))
    # Pooled: who has one run is taken to be as lucky or unlucky as the other.
    return float(squares / freedom * (1 / len(parent) + 1 / len(child))), float(freedom)


def _quantile(images: float, luck: float, freedom: float) -> float:
    from scipy.special import stdtrit  # noqa: PLC0415 - takes a moment to import

    if luck > 0:
        freedom *= ((images + luck) / luck) ** 2
    # So many degrees of freedom are as good as infinitely many.
    return float(stdtrit(min(freedom, 1e9), (1 + LEVEL) / 2))
