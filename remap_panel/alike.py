"""The true nearest models of one model, by both distances: what a map only suggests."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
from numpy.typing import NDArray

from remap_panel.recalls import CHUNK
from remap_panel.snapshot import Snapshot
from remap_ray.study import Model, Status, Study

if TYPE_CHECKING:
    from remap_ray.projection.structures import Structure

__all__ = ["NEAREST", "Alike", "alike"]

NEAREST = 25
"""Neighbours by each distance; both lists together are what is shown."""


@final
@dataclass(frozen=True)
class Alike:
    """How far a model is from another.

    Parameters
    ----------
    structure
        Structural distance, 0 (the same) to 1.
    predictions
        Share of the validation images that both label differently, NaN where one has labelled
        none.
    """

    structure: float
    predictions: float


def alike(
    study: Study, snapshot: Snapshot, number: int, classes: Sequence[int] = ()
) -> Mapping[int, Alike]:
    """Measure one model against all trained ones, exactly; gives its nearest by either distance.

    Takes a fraction of a second for thousands of models: best called beside the page's own thread.

    Parameters
    ----------
    number
        Of a model of the snapshot.
    classes
        Labels to whose images the comparison of predictions is limited; empty for all images.
    """
    others = [
        one
        for one, model in snapshot.models.items()
        if one != number and model.status is Status.DONE
    ]
    if not others:
        return {}
    structure = _structure(snapshot, number, others)
    predictions = _predictions(study, number, others, classes)
    found: dict[int, Alike] = {}
    for values in (structure, predictions):
        for place in np.argsort(values, kind="stable")[:NEAREST].tolist():
            if not np.isnan(values[place]):
                pair = Alike(float(structure[place]), float(predictions[place]))
                found[others[place]] = pair
    return found


def _structure(snapshot: Snapshot, number: int, others: Sequence[int]) -> NDArray[np.float64]:
    # Compiled code and its libraries load when someone asks, not with the page.
    from remap_ray.projection.structures import structure_of  # noqa: PLC0415

    known = structure_of(snapshot.models[number].design)
    one, *rest = (_features(snapshot.models[each], known) for each in (number, *others))
    found: NDArray[np.float64] = known.distances([one], known.pack(rest))[0]
    return found


_known: dict[str, Any] = {}
"""Prepared architectures by identity, for all sessions; some hundred bytes each."""


def _features(model: Model, known: Structure) -> Any:
    if model.identity not in _known:
        _known[model.identity] = known.features(model.design)
    return _known[model.identity]


def _predictions(
    study: Study, number: int, others: Sequence[int], classes: Sequence[int]
) -> NDArray[np.float64]:
    found = np.full(len(others), np.nan)
    mine = study.predictions(number)
    if mine is None:
        return found
    chosen = np.isin(study.validation_labels, classes) if classes else slice(None)
    mine = mine[chosen]
    if not len(mine):
        return found
    for start in range(0, len(others), CHUNK):
        theirs = study.predictions_of(others[start : start + CHUNK])
        for place, other in enumerate(others[start : start + CHUNK], start):
            if other in theirs:
                found[place] = np.mean(theirs[other][chosen] != mine)
    return found
