"""Models side by side: what differs in layers, cost and answers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from remap_panel.alignment import Aligned, align
from remap_ray.space.edits import difference
from remap_ray.space.terms import LAYERS, Terms
from remap_ray.study import Model
from remap_ray.study.metrics import Paired, class_accuracies, confusion_matrix, paired

__all__ = ["Common", "Compared", "Kind", "common", "compare"]


@final
@dataclass(frozen=True)
class Compared:
    """One model beside the first of those compared.

    Parameters
    ----------
    aligned
        Its layers in the columns that all share.
    words
        The fewest edits that turn the first model into it, in words; empty for equal ones.
    matrix
        Its confusion matrix, None before it has predicted.
    recalls
        Its accuracy on each class, float64 (classes,), NaN where that is not known.
    paired
        How it and the first answer the same images, the first's counts first; None where one of
        them has not predicted, and for the first itself.
    p_value
        Of McNemar's exact test of these answers.
    """

    model: Model
    aligned: Aligned
    words: str
    matrix: NDArray[np.int64] | None
    recalls: NDArray[np.float64]
    paired: Paired | None
    p_value: float | None


def compare(
    models: Sequence[Model],
    predicted: Mapping[int, NDArray[np.uint8]],
    truth: NDArray[np.uint8],
    classes: int,
) -> tuple[Compared, ...]:
    """Compare two to six models with the first of them.

    Takes some hundredths of a second, and a second at the first time.

    Parameters
    ----------
    predicted
        Predicted labels of the validation part, uint8 (n,), by model; without those that have
        none.
    truth
        True labels, uint8 (n,).
    """
    first = models[0]
    places = align([one.design for one in models])
    found = []
    for model, place in zip(models, places, strict=True):
        labels = predicted.get(model.number)
        matrix = None if labels is None else confusion_matrix(truth, labels, classes)
        against = None
        if model is not first and labels is not None and first.number in predicted:
            against = paired(predicted[first.number] == truth, labels == truth)
        found.append(
            Compared(
                model,
                place,
                difference(first.design, model.design).words,
                matrix,
                np.full(classes, np.nan) if matrix is None else class_accuracies(matrix),
                against,
                None if against is None else against.p_value,
            )
        )
    return tuple(found)


@final
@dataclass(frozen=True)
class Kind:
    """A kind of layer: in how many of the models, and how often in each at least and most."""

    name: str
    models: int
    least: int
    most: int


@final
@dataclass(frozen=True)
class Common:
    """What a larger number of models have in common, and where they differ.

    Parameters
    ----------
    models
        How many.
    begin, end
        The layers, in words, with which all of them begin and end.
    kinds
        Every kind of layer that occurs; those that all have first.
    layers, parameters
        Least and most of each.
    accuracy
        Least, median and most; None where none of them was trained.
    terms
        What the figures are called.
    """

    models: int
    begin: tuple[str, ...]
    end: tuple[str, ...]
    kinds: tuple[Kind, ...]
    layers: tuple[int, int]
    parameters: tuple[int, int]
    accuracy: tuple[float, float, float] | None
    terms: Terms = LAYERS


def common(models: Sequence[Model]) -> Common:
    """Sum up what at least one model's layers and figures share and where they differ."""
    layers = [one.design.parts for one in models]
    counts = [[layer.name for layer in each] for each in layers]
    names = dict.fromkeys(name for each in counts for name in each)
    kinds = []
    for name in names:
        found = [each.count(name) for each in counts]
        kinds.append(Kind(name, sum(map(bool, found)), min(found), max(found)))
    begin = _shared([[layer.words for layer in each] for each in layers])
    end = _shared([[layer.words for layer in reversed(each)] for each in layers])
    # A layer that is the beginning of all is not told again as their end.
    end = end[: max(0, min(map(len, layers)) - len(begin))]
    accuracies = [one.accuracy for one in models if one.accuracy is not None]
    return Common(
        len(models),
        begin,
        end[::-1],
        tuple(sorted(kinds, key=lambda kind: -kind.models)),
        (min(map(len, layers)), max(map(len, layers))),
        (min(one.parameters for one in models), max(one.parameters for one in models)),
        (min(accuracies), float(np.median(accuracies)), max(accuracies)) if accuracies else None,
        models[0].terms,
    )


def _shared(texts: Sequence[Sequence[str]]) -> tuple[str, ...]:
    """Give what all lists begin with."""
    found = []
    for column in zip(*texts, strict=False):
        if len(set(column)) > 1:
            break
        found.append(column[0])
    return tuple(found)
