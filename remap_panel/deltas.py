"""Differences of accuracies from paired answers: worked out beside the sessions, once for all."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep
from typing import ClassVar, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from remap_panel import wording
from remap_panel.snapshot import Snapshot
from remap_ray.study import Status, Study
from remap_ray.study.paired import Delta, delta

__all__ = ["Deltas", "Effect", "Pair", "Runs", "pair", "runs_by_identity", "said", "signed"]

Runs: TypeAlias = tuple[tuple[int, int], ...]
"""Trainings of one architecture: numbers of models, and the epochs of each."""

Pair: TypeAlias = tuple[Runs, Runs]
"""The trainings of a parent and of a child: whose difference is known is known by these."""

KEPT = 50_000
"""Effects that are kept."""

REST_SECONDS = 0.001
"""Between two effects, so that the sessions have the processor in between."""


@final
@dataclass(frozen=True)
class Effect:
    """What a child gained or lost: over all images, and on those of each class, if it has any."""

    overall: Delta
    classes: tuple[Delta | None, ...]


def runs_by_identity(snapshot: Snapshot) -> dict[str, Runs]:
    """Give the finished trainings of each architecture that has any."""
    found: dict[str, list[tuple[int, int]]] = {}
    for number, model in snapshot.models.items():
        if model.status is Status.DONE and model.epochs:
            found.setdefault(model.identity, []).append((number, model.epochs))
    return {identity: tuple(runs) for identity, runs in found.items()}


def pair(runs: Mapping[str, Runs], parent: str, child: str) -> Pair | None:
    """Give what the difference of two identities is made of; None before both are trained."""
    if parent not in runs or child not in runs:
        return None
    return runs[parent], runs[child]


@final
@dataclass
class Deltas:
    """The differences that are known in one study. Get it by `Deltas.of`."""

    study: Study
    _known: dict[Pair, Effect | None] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    _all: ClassVar[dict[Path, Deltas]] = {}

    @classmethod
    def of(cls, study: Study) -> Deltas:
        """Give the process's differences of a study."""
        known = cls._all.get(study.path)
        if known is None or known.study is not study:
            known = cls._all[study.path] = cls(study)
        return known

    def get(self, wanted: Pair | None) -> Effect | None:
        """Give an effect that is known; None where it is not, or cannot be."""
        return None if wanted is None else self._known.get(wanted)

    def missing(self, wanted: Iterable[Pair | None]) -> tuple[Pair, ...]:
        """Give those that are still to be worked out."""
        return tuple(dict.fromkeys(one for one in wanted if one and one not in self._known))

    def work_out(self, wanted: Sequence[Pair]) -> None:
        """Work effects out; takes a millisecond each, so not on an event loop."""
        with self._guard:
            numbers = {number for one in wanted for runs in one for number, _ in runs}
            right = self._right(numbers)
            for one in self.missing(wanted):
                # Predictions of a model that was deleted meanwhile are gone.
                known = all(number in right for runs in one for number, _ in runs)
                self._known[one] = self._effect(one, right) if known else None
                sleep(REST_SECONDS)
            while len(self._known) > KEPT:
                del self._known[next(iter(self._known))]

    def _right(self, numbers: Iterable[int]) -> dict[int, NDArray[np.bool_]]:
        truth = self.study.validation_labels
        wanted = sorted(numbers)
        found: dict[int, NDArray[np.bool_]] = {}
        for start in range(0, len(wanted), 100):
            portion = self.study.predictions_of(wanted[start : start + 100])
            found |= {number: labels == truth for number, labels in portion.items()}
        return found

    def _effect(self, wanted: Pair, right: Mapping[int, NDArray[np.bool_]]) -> Effect:
        parent, child = (np.stack([right[number] for number, _ in runs]) for runs in wanted)
        truth = self.study.validation_labels
        classes = []
        for label in range(len(self.study.data.class_names)):
            there = truth == label
            classes.append(delta(parent[:, there], child[:, there]) if there.any() else None)
        return Effect(delta(parent, child), tuple(classes))


def signed(value: float, places: int = 3) -> str:
    """Write a difference of accuracies: ``+.042``, ``−.010``, ``±0``."""
    text = f"{value:+.{places}f}".replace("-", "−").replace("0.", ".", 1)
    return text if text.strip("+−.0") else "±0"


def said(one: Delta) -> str:
    """Say a difference in words, with its interval and what the interval does not know."""
    span = f"{signed(one.low)} to {signed(one.high)}"
    text = f"{signed(one.value)} accuracy, {span}" if one.clear else f"no clear effect, {span}"
    parent, child = one.runs
    if not one.knows_luck:
        return (
            f"{text}; from one training each: how much trainings differ by luck alone is not "
            "known, and not in it (repeat with another seed to know)"
        )
    trainings = wording.listed([f"{parent} of the baseline", f"{child} of the child"])
    return f"{text}; from trainings: {trainings}, whose spread is in it"
