"""What the overview says in words: hover card, legend, summary for screen readers. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from html import escape
from math import isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from remap_panel import theme, wording
from remap_panel.needs import Judged, Needs, shortfalls
from remap_panel.snac import SIZES, svg
from remap_panel.snac.legend import symbol
from remap_panel.snapshot import Snapshot
from remap_panel.state import PROJECTIONS
from remap_ray.space.terms import LAYERS, Terms
from remap_ray.study import MAPS, Model, Status

__all__ = ["MAP_NEEDS", "chip_legend", "darkness", "notes", "preview", "summary", "trust"]

SPOKEN = 12
"""Models of the front that the summary names."""

MAP_NEEDS = 4
"""Trained models that the first layout of a map needs."""


def notes(snapshot: Snapshot, *, any_circle: bool) -> dict[str, str]:
    """Say for each projection why nothing is seen; empty where circles are.

    Parameters
    ----------
    any_circle
        Whether any model has a circle at all.
    """
    done = snapshot.counts[Status.DONE]
    said = {"accuracy": "" if any_circle else _nothing(snapshot)}
    for name in MAPS:
        if snapshot.points[name]:
            said[name] = ""
        elif done < MAP_NEEDS:
            said[name] = f"The map appears once {MAP_NEEDS} models are trained: {done} so far"
        elif snapshot.heartbeat.alive:
            said[name] = "The map is being laid out"
        else:
            said[name] = "The map is laid out as soon as someone trains this study again"
    return said


def _nothing(snapshot: Snapshot) -> str:
    failed = snapshot.counts[Status.FAILED]
    if failed and failed == len(snapshot.models):
        each = "The model" if failed == 1 else f"All {failed} models"
        return f"{each} failed in training: the queue says why"
    return "Models appear here as soon as they have trained their first epoch"


def summary(
    snapshot: Snapshot,
    columns: Mapping[str, NDArray[Any]],
    projection: str,
    note: str,
    judged: Judged | None = None,
    needed: bool = False,
) -> str:
    """Tell a screen reader what the overview shows.

    Parameters
    ----------
    columns
        The table of circles.
    note
        Why nothing is seen, where nothing is.
    judged, needed
        How the models measure up, and whether the person has said what they need.
    """
    if note:
        return f"{note}."
    accuracy, size = columns["accuracy"], columns["size"]
    there = ~np.isnan(accuracy)
    done = np.flatnonzero(there & (columns["solid"] == 1))
    hollow = int(there.sum()) - len(done)
    axes = (
        f"from left to right by validation accuracy, from bottom to top by {_size(snapshot)}"
        if projection == "accuracy"
        else f"on a map: models with similar {projection} are near each other"
    )
    words = [
        f"Overview, {PROJECTIONS[projection]}: {_models(len(done))} trained"
        + (f", {_models(hollow)} in training" if hollow else "")
        + f", {axes}."
    ]
    for said, order in (("Best", (size, -accuracy)), ("Smallest", (-accuracy, size))):
        if len(done):
            first = done[np.lexsort([key[done] for key in order])[0]]
            words.append(f"{said}: {_figures(snapshot.models[int(columns['number'][first])])}.")
    if needed and judged is not None:
        words.append(f"{_models(len(judged.meets))} of these fall short of nothing that is needed.")
    if judged is not None and judged.front:
        front = ", ".join(f"m{number}" for number in judged.front[:SPOKEN])
        more = len(judged.front) - SPOKEN
        words.append(f"Pareto front: {front}{f' and {more} more' if more > 0 else ''}.")
    return " ".join(words)


def preview(
    snapshot: Snapshot,
    number: int,
    projection: str,
    *,
    judged: Judged | None = None,
    classes: Mapping[int, float] | None = None,
    needs: Needs | None = None,
    names: Sequence[str] = (),
    right: bool | None = None,
) -> str:
    """Give the HTML that is shown beside the circle under the mouse, every name escaped.

    Parameters
    ----------
    judged, classes, needs
        How the models measure up to the chosen classes and needs.
    names
        Of the classes, by label.
    right
        Whether the model gets the chosen image right, None where none is chosen.
    """
    model, judged, classes = snapshot.models[number], judged or Judged(), classes or {}
    epochs = (
        f"{model.epochs} {'epoch' if model.epochs == 1 else 'epochs'}"
        if model.status is Status.DONE
        else f"epoch {model.epochs} of {model.wanted_epochs}, {model.status.value}"
    )
    reached = f"<strong>{wording.accuracy(model.accuracy)}</strong>"
    terms = model.terms
    work = wording.flops(model.flops, terms)
    cost = f"{wording.compact(model.parameters)} {terms.size} · {work}"
    lines = [
        f"<strong>{model.name}</strong> {escape(wording.origin(model))}",
        f"accuracy {reached} (training {wording.accuracy(model.train_accuracy)})"
        + ("" if classes else _rank(judged, number)),
    ]
    if classes:
        chosen = wording.listed([names[label] for label in classes])
        score = wording.accuracy(judged.scores.get(number))
        lines.append(f"on {escape(chosen)} <strong>{score}</strong>{_rank(judged, number)}")
    if right is not None:
        item = model.terms.item
        lines.append(f"✓ gets the {item} right" if right else f"✗ gets the {item} wrong")
    lines.append(f"{cost} · {epochs}")
    short = shortfalls(snapshot, number, classes, needs or Needs(), names)
    if short:
        lines.append(f"falls short: {escape('; '.join(short))}")
    if trusted := trust(snapshot, number, projection):
        lines.append(f"place: {trusted}")
    return svg(model.design, "small") + "".join(f"<p>{line}</p>" for line in lines)


def _rank(judged: Judged, number: int) -> str:
    if number not in judged.meets:
        return ""
    return f" · rank {judged.rank(number)} of {len(judged.ranking)}"


def trust(snapshot: Snapshot, number: int, projection: str) -> str:
    """Say how far a model's place on a map can be trusted, by its share of the map's stress.

    Empty where the projection is no map, or where the model has no place.
    """
    points = snapshot.points.get(projection, {})
    point = points.get(number)
    if point is None or not isfinite(point.share):
        return ""
    # A place that is as wrong as the average one has a share of 1 / n.
    times = point.share * len(points)
    if times < 0.5:
        words = "can be trusted"
    elif times < 1.5:
        words = "about right"
    elif times < 3:
        words = "rough: look at its nearest models too"
    else:
        words = "misleading: its nearest models may lie elsewhere"
    return f"{words} ({times:.1f}× the map's average error)"


def _size(snapshot: Snapshot) -> str:
    return next((one.terms.size for one in snapshot.models.values()), LAYERS.size)


def _models(count: int) -> str:
    return f"{count} {'model' if count == 1 else 'models'}"


def _figures(model: Model) -> str:
    return (
        f"{model.name} with accuracy {wording.accuracy(model.accuracy)} "
        f"and {wording.compact(model.parameters)} {model.terms.size}"
    )


def darkness(
    classes: Mapping[int, float],
    names: Sequence[str],
    item: int | None,
    chance: float,
    terms: Terms = LAYERS,
) -> dict[str, str]:
    """Say what darkness shows now: its title, and the words at both ends of its ramp.

    The rule: one shade is one figure, from chance level to 1, whatever the models; so no circle
    changes when another arrives.
    """
    if item is not None:
        return {"title": f"the {terms.item} is", "low": "wrong", "high": "right"}
    ends = {"low": f"{chance:.2f}", "high": "1"}
    if not classes:
        return {"title": "accuracy", **ends}
    said = [
        names[label] if weight == 1 else f"{names[label]} ×{weight:g}"
        for label, weight in sorted(classes.items())
    ]
    return {"title": f"accuracy on {wording.listed(said)}", **ends}


CHIPS = (
    ("conv", "C", "convolution"),
    ("activation", "relu", "activation: ReLU, tanh or sigmoid"),
    ("max_pool", "M", "max pooling"),
    ("avg_pool", "A", "average pooling"),
    ("dropout", "", "dropout: dotted"),
    ("dense", "D", "dense"),
    ("depthwise_conv", "W", "depthwise convolution"),
    ("global_avg_pool", "G", "global average pooling"),
    ("batch_norm", "B", "batch normalization"),
    (theme.OUTPUT, "D", "output, one unit per class"),
)
"""Kinds of a chip's blocks, with their marks, in the order of the legend."""


BOOSTED = (
    ("boost", "E", "boosting: trees a round, and how much each counts"),
    ("tree", "T", "what a tree may be"),
    ("bins", "H", "bins of a column's values"),
    ("column", "I", "a column that the trees see"),
    (theme.OUTPUT, "D", "the classes"),
)
"""The same for gradient boosting."""


def chip_legend(terms: Terms = LAYERS) -> str:
    """Draw the legend of a chip's letters and colours as HTML."""
    known = CHIPS if terms is LAYERS else BOOSTED
    return "".join(f"<li>{_block(kind, mark)}{escape(words)}</li>" for kind, mark, words in known)


def overview_words(terms: Terms) -> dict[str, str]:
    """Give the words of the overview that are others for other models; none for layers."""
    if terms is LAYERS:
        return {}
    return {
        "size": terms.size,
        "chips": "Chips: one block per setting and column, as high as its number",
        "legend": chip_legend(terms),
        "predictions": f"{{}} of the {terms.items} labelled differently",
    }


def _block(kind: str, mark: str) -> str:
    size = SIZES["medium"]
    # An activation's block is that of its function.
    drawn = symbol(mark if kind == "activation" else kind, size)
    return (
        f'<svg width="{size.width}" height="{size.equal}" '
        f'viewBox="0 0 {size.width} {size.equal}" aria-hidden="true">{drawn}</svg>'
    )
