"""What a person needs of a model, and how each model measures up. Pure.

A person says which classes matter and what a model may cost; score, front,
ranking and what falls short follow from the study's figures alone.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from math import isfinite
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from remap_panel import wording
from remap_panel.snapshot import Figures, Snapshot
from remap_ray.study.metrics import pareto_front

__all__ = ["COSTS", "Judged", "Needs", "judge", "shortfalls", "weights_of"]

COSTS = ("parameters", "flops", "seconds")
"""What a need may bound from above; seconds are those of an epoch's training."""


@final
@dataclass(frozen=True)
class Needs:
    """What a person needs of a model; None bounds nothing.

    Parameters
    ----------
    parameters, flops
        At most so many; FLOPs are those of one image's forward pass.
    seconds
        At most so many for an epoch of its training.
    least
        At least this accuracy (0 to 1) on every chosen class, or in all where none is chosen.
    """

    parameters: int | None = None
    flops: int | None = None
    seconds: float | None = None
    least: float | None = None

    def __bool__(self) -> bool:
        return any(value is not None for value in (*self._costs().values(), self.least))

    def to_dict(self) -> dict[str, Any]:
        """Give what is bounded as JSON."""
        return {k: v for k, v in {**self._costs(), "least": self.least}.items() if v is not None}

    @classmethod
    def from_dict(cls, form: Mapping[str, object]) -> Self:
        """Read what `to_dict` gave; what is no sensible bound is left out."""
        found: dict[str, Any] = {}
        for name in (*COSTS, "least"):
            value = form.get(name)
            if isinstance(value, bool) or not isinstance(value, int | float):
                continue
            if not isfinite(value) or value <= 0 or (name == "least" and value > 1):
                continue
            found[name] = int(value) if name in {"parameters", "flops"} else float(value)
        return cls(**found)

    def with_bound(self, name: str, value: float | None) -> Self:
        """Give these needs with one bound changed, None for no bound."""
        rest = {key: bound for key, bound in self.to_dict().items() if key != name}
        return replace(type(self).from_dict(rest if value is None else {**rest, name: value}))

    def _costs(self) -> dict[str, int | float | None]:
        return {name: getattr(self, name) for name in COSTS}


@final
@dataclass(frozen=True)
class Judged:
    """How a study's models measure up to needs.

    Parameters
    ----------
    scores
        By model, its accuracy (0 to 1) over the chosen classes, or over all where none is chosen;
        models without that figure are left out.
    meets
        Trained models that fall short of nothing.
    short
        Models, trained or in training, that cost too much or have shown too little.
    front
        Of these, the ones that no other beats in score without having more parameters, from the
        smallest to the largest.
    ranking
        Of these, from the highest score to the lowest; equal ones by parameters, then number.
    """

    scores: Mapping[int, float] = field(default_factory=dict)
    meets: frozenset[int] = frozenset()
    short: frozenset[int] = frozenset()
    front: tuple[int, ...] = ()
    ranking: tuple[int, ...] = ()

    def rank(self, number: int) -> int:
        """Give a model's place in the ranking, from 1; it must be one that `meets`."""
        return self._ranks[number]

    @cached_property
    def _ranks(self) -> Mapping[int, int]:
        return {number: place for place, number in enumerate(self.ranking, start=1)}

    @property
    def best(self) -> int | None:
        """The model with the highest score of those that fall short of nothing."""
        return self.ranking[0] if self.ranking else None


def weights_of(classes: Mapping[int, float], count: int) -> dict[int, float]:
    """Give the weights of the classes that exist and weigh anything.

    Parameters
    ----------
    classes
        Weight by label.
    count
        Number of classes.
    """
    return {
        label: float(weight)
        for label, weight in sorted(classes.items())
        if 0 <= label < count and isfinite(weight) and weight > 0
    }


def judge(snapshot: Snapshot, classes: Mapping[int, float], needs: Needs) -> Judged:
    """Measure every model by what a person needs.

    Parameters
    ----------
    classes
        Weight of each chosen class, by label; empty weighs all images alike.
    """
    # Most sessions ask the same of a snapshot.
    key = (tuple(sorted(classes.items())), needs)
    found: Judged | None = snapshot.judged.get(key)
    if found is None:
        found = snapshot.judged[key] = _judge(snapshot.figures, classes, needs)
    return found


def _judge(figures: Figures, classes: Mapping[int, float], needs: Needs) -> Judged:
    scores = _scores(figures, classes)
    known = ~np.isnan(scores)
    good, shown = _good(figures, classes, needs)
    short = ~_affordable(figures, needs) | (shown & ~good)
    meets = known & figures.done & good & ~short
    rows = np.flatnonzero(meets)
    order = rows[np.lexsort((figures.number[rows], figures.parameters[rows], -scores[rows]))]
    front = rows[pareto_front(scores[rows], figures.parameters[rows])] if len(rows) else rows
    return Judged(
        dict(zip(figures.number[known].tolist(), scores[known].tolist(), strict=True)),
        frozenset(figures.number[rows].tolist()),
        frozenset(figures.number[short].tolist()),
        tuple(figures.number[front].tolist()),
        tuple(figures.number[order].tolist()),
    )


def shortfalls(
    snapshot: Snapshot,
    number: int,
    classes: Mapping[int, float],
    needs: Needs,
    names: Iterable[str],
) -> tuple[str, ...]:
    """Say in words what a model falls short of; class names are not escaped here."""
    model = snapshot.models[number]
    found = []
    if needs.parameters is not None and model.parameters > needs.parameters:
        allowed = wording.compact(needs.parameters)
        found.append(f"{wording.compact(model.parameters)} {model.terms.size}, over {allowed}")
    if needs.flops is not None and model.flops > needs.flops:
        work = (wording.flops(one, model.terms) for one in (model.flops, needs.flops))
        found.append(", over ".join(work))
    if needs.seconds is not None and model.epochs:
        seconds = model.seconds / model.epochs
        if seconds > needs.seconds:
            found.append(f"{seconds:.3g} s an epoch, over {needs.seconds:.3g} s")
    recalls = snapshot.recalls.get(number)
    if needs.least is not None and recalls is not None:
        found += [
            f"{recalls[label]:.3f} on {name}, under {needs.least:.3g}"
            for label, name in enumerate(names)
            if (not classes or label in classes) and recalls[label] < needs.least
        ]
    return tuple(found)


def _scores(figures: Figures, classes: Mapping[int, float]) -> NDArray[np.float64]:
    if not classes:
        return figures.accuracy
    if not figures.recalls.shape[1]:
        return np.full(len(figures.number), np.nan)
    weights = weights_of(classes, figures.recalls.shape[1])
    if not weights:
        return figures.accuracy
    labels = list(weights)
    # A class without validation images says nothing of any model.
    shares = figures.recalls[:, labels]
    share = np.array([weights[label] for label in labels])[None, :] * ~np.isnan(shares)
    total = share.sum(axis=1)
    sums = (np.nan_to_num(shares) * share).sum(axis=1)
    found = np.full(len(sums), np.nan)
    np.divide(sums, total, out=found, where=total > 0)
    return found


def _affordable(figures: Figures, needs: Needs) -> NDArray[np.bool_]:
    fits = np.ones(len(figures.number), bool)
    for name, bound in needs.to_dict().items():
        if name in COSTS:
            fits &= getattr(figures, name) <= bound
    return fits


def _good(
    figures: Figures, classes: Mapping[int, float], needs: Needs
) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Say which models are accurate enough on each class, and which have shown it at all."""
    count = len(figures.number)
    if needs.least is None or not figures.recalls.shape[1]:
        return np.full(count, needs.least is None), np.zeros(count, bool)
    labels = sorted(weights_of(classes, figures.recalls.shape[1])) or slice(None)
    recalls = figures.recalls[:, labels]
    # Where a class has no images there is nothing to fall short of; a model without predictions
    # has shown nothing yet.
    shown = np.logical_not(np.isnan(recalls).all(axis=1), dtype=bool)
    return np.logical_and(shown, ~(recalls < needs.least).any(axis=1), dtype=bool), shown
