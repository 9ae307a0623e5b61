"""The table of a baseline's children, and what kinds of change did to them. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from html import escape
from statistics import fmean
from typing import Any, final

from remap_panel import deltas, snac, wording
from remap_panel.deltas import Deltas, Effect, Pair, Runs
from remap_panel.snapshot import Snapshot
from remap_panel.table import Action, Row
from remap_panel.theme import STATUS_SYMBOLS
from remap_ray.errors import InvalidArchitecture
from remap_ray.space import Design
from remap_ray.space.edit import Edit, Prepend, Remove, Reparameterize, from_dict
from remap_ray.space.edits import ablations, difference
from remap_ray.space.part import Part
from remap_ray.space.terms import LAYERS
from remap_ray.study import Epoch, Model, Origin, Status

__all__ = [
    "KINDS_OF_CHANGE",
    "Line",
    "Summary",
    "family",
    "importance",
    "importance_pairs",
    "lines",
    "marked",
    "summaries",
    "wishes",
]

ORIGINS = {
    Origin.SAMPLED: "sampled",
    Origin.ABLATION: "ablation",
    Origin.VARIATION: "variation",
    Origin.HANDCRAFTED: "by hand",
}

NOUNS = {
    "conv": "convolutions",
    "depthwise_conv": "depthwise convolutions",
    "max_pool": "pools",
    "avg_pool": "pools",
    "global_avg_pool": "global pools",
    "batch_norm": "batch norms",
    "activation": "activations",
    "dropout": "dropout",
    "dense": "dense layers",
    "boost": "boosting",
    "tree": "trees",
    "bins": "bins",
    "column": "columns",
}

KINDS_OF_CHANGE = ("removing", "adding", "replacing", "changing")


@final
@dataclass(frozen=True)
class Line:
    """A child's row, and what it was made of: as long as that is the same, so is the row."""

    model: Model
    epochs: tuple[Epoch, ...]
    reason: str
    effect: Effect | None
    classes: tuple[tuple[int, str], ...]
    kept: bool
    row: Row


@final
@dataclass(frozen=True)
class Summary:
    """What one kind of change did to the models that differ from their parents by it alone.

    Parameters
    ----------
    words
        The kind, such as ``removing pools``.
    accuracy, parameters
        Means of the differences from the parents.
    least, most
        Of the differences in accuracy.
    count
        How many models.
    size
        What ``parameters`` counts.
    """

    words: str
    accuracy: float
    parameters: float
    least: float
    most: float
    count: int
    size: str = LAYERS.size

    @property
    def text(self) -> str:
        """All of it in a line, such as ``removing pools: +.040, +12.0k parameters, n = 5``."""
        more = _more(round(self.parameters))
        said = f"{more} {self.size}, n = {self.count}"
        return f"{self.words}: {deltas.signed(self.accuracy)}, {said}"


def family(snapshot: Snapshot, baseline: int, *, descendants: bool) -> tuple[int, ...]:
    """Give the numbers of a model's children, or of all its descendants, in rising order."""
    found: set[int] = set()
    waiting = list(snapshot.children.get(baseline, ()))
    while waiting:
        number = waiting.pop()
        if number in found or number == baseline:
            continue
        found.add(number)
        if descendants:
            waiting.extend(snapshot.children.get(number, ()))
    return tuple(sorted(found))


def lines(
    snapshot: Snapshot,
    baseline: Model,
    numbers: Sequence[int],
    runs: Mapping[str, Runs],
    known: Deltas,
    classes: Mapping[int, float],
    names: Sequence[str],
    before: Mapping[int, Line],
) -> dict[int, Line]:
    """Give the line of each of some descendants; what did not change is taken over.

    Parameters
    ----------
    baseline
        What they are compared with.
    runs
        Finished trainings by identity.
    known
        Where differences are looked up; those that are not known yet are left out.
    classes
        Weights of the chosen classes, by label.
    names
        Of all classes.
    """
    found = {}
    chosen = tuple((label, names[label]) for label in sorted(classes) if label < len(names))
    drawer = set(snapshot.drawer_numbers)
    for number in numbers:
        model = snapshot.models[number]
        epochs, reason = snapshot.epochs.get(number, ()), snapshot.reasons[number]
        effect = None
        if model.status is Status.DONE:
            effect = known.get(deltas.pair(runs, baseline.identity, model.identity))
        made: tuple[Any, ...] = (model, epochs, reason, effect, chosen, number in drawer)
        line = before.get(number)
        if line is None or not _same(line, made):
            row = _row(baseline, model, epochs, reason, effect, chosen, number in drawer, names)
            line = Line(model, epochs, reason, effect, chosen, number in drawer, row)
        found[number] = line
    return found


def _same(line: Line, made: tuple[Any, ...]) -> bool:
    model, epochs, reason, effect, chosen, kept = made
    return (
        line.model is model
        and line.epochs is epochs
        and line.effect is effect
        and (line.reason, line.classes, line.kept) == (reason, chosen, kept)
    )


def _row(
    baseline: Model,
    model: Model,
    epochs: tuple[Epoch, ...],
    reason: str,
    effect: Effect | None,
    chosen: tuple[tuple[int, str], ...],
    kept: bool,
    names: Sequence[str],
) -> Row:
    more = model.parameters - baseline.parameters
    tone = "good" if more < 0 else "bad" if more else ""
    origin = ORIGINS[model.origin]
    if model.parent != baseline.number:
        origin = f"{origin} of m{model.parent}"
    again = f" (repeat {model.repeat})" if model.repeat else ""
    return {
        "name": model.name,
        "snac": f"{baseline.identity}-{model.identity}",
        "origin": origin,
        "changes": (changes_from(baseline, model)[0] or f"the same {model.terms.parts}") + again,
        "parameters": (more, _more(more), tone),
        "accuracy": _accuracy(model, effect),
        "classes": _of_classes(effect, chosen, names),
        "loss": len(epochs) or None,
        "status": (model.status.value, STATUS_SYMBOLS[model.status.value], reason),
        "actions": wishes(model, kept=kept),
        "order": (-number_of_group(model), -model.number),
    }


def number_of_group(model: Model) -> int:
    """Give where a row stands: what trains above what waits, then the rest, the newest first."""
    return {Status.TRAINING: 2, Status.QUEUED: 1}.get(model.status, 0)


WISHES: Mapping[str, Action] = {
    "up": Action("Train it next", "↑"),
    "longer": Action("Train it longer", "+"),
    "repeat": Action("Repeat it with another seed", "⚄"),
    "retry": Action("Train it after all", "↻"),
    "cancel": Action("Cancel", "×"),
}
"""What can be wished of a model wherever it is listed."""


def wishes(model: Model, *, kept: bool = True) -> list[str]:
    """Give the names of what can be wished of a model where it stands."""
    if model.status is Status.QUEUED:
        return ["up", "cancel"]
    if model.status is Status.TRAINING:
        return [] if model.stop_wish else ["cancel"]
    if model.status is Status.DONE:
        return [*([] if kept else ["keep"]), "baseline", "longer", "repeat"]
    return ["retry"]


def _more(count: int) -> str:
    if not count:
        return "±0"
    return ("+" if count > 0 else "−") + wording.compact(abs(count))


def _accuracy(model: Model, effect: Effect | None) -> tuple[float | None, str, str, str]:
    if model.status is not Status.DONE or model.accuracy is None:
        # The place of what a later release predicts.
        return None, "–", "unclear", "Known once it is trained"
    if effect is None:
        return None, "…", "unclear", "The baseline must be trained too; then it is worked out"
    one = effect.overall
    words = deltas.said(one)
    span = f"{deltas.signed(one.low, 2)} to {deltas.signed(one.high, 2)}"
    text = f"{deltas.signed(one.value)} ({span})"
    tone = ("good" if one.low > 0 else "bad") if one.clear else "unclear"
    return one.value, text, tone, words


def _of_classes(
    effect: Effect | None, chosen: Sequence[tuple[int, str]], names: Sequence[str]
) -> str:
    """Say the differences on the chosen classes; with none chosen, the largest clear ones."""
    if effect is None:
        return "–"
    if chosen:
        found = [(name, effect.classes[label]) for label, name in chosen]
        return " · ".join(
            f"{name} {deltas.signed(one.value)}{'' if one.clear else ' (not clear)'}"
            for name, one in found
            if one is not None
        )
    clear = [
        (names[label], one)
        for label, one in enumerate(effect.classes)
        if one is not None and one.clear
    ]
    clear.sort(key=lambda pair: -abs(pair[1].value))
    if not clear:
        return "none is clear"
    return " · ".join(f"{name} {deltas.signed(one.value)}" for name, one in clear[:3])


# What changed


def changes_from(baseline: Model, model: Model) -> tuple[str, tuple[Edit, ...]]:
    """Give what leads from a baseline to a descendant, in words and as edits.

    A child's are those that made it; those of a grandchild are the fewest that do.
    """
    if model.parent == baseline.number and model.edits:
        try:
            return model.words, tuple(from_dict(edit) for edit in model.edits)
        except InvalidArchitecture:
            # A newer release's edits: the two networks say what differs.
            pass
    return _difference(baseline.design, model.design)


@lru_cache(maxsize=4096)
def _difference(a: Design, b: Design) -> tuple[str, tuple[Edit, ...]]:
    found = difference(a, b)
    return found.words, found.edits


def marks(edits: Sequence[Edit], layers: Sequence[Part]) -> list[tuple[float, str]]:
    """Give what changed in a child: places among its layers, and ``added``, ``changed``, ``gone``.

    Parameters
    ----------
    edits
        Against the positions of the parent.
    layers
        The parent's.

    Returns
    -------
    list
        A place is the index of a layer; what is gone lies half an index before the next.
    """
    found: list[tuple[float, str]] = []
    at = 0
    for index in range(len(layers) + 1):
        here = [edit for edit in edits if edit.index == index]
        for edit in here:
            if isinstance(edit, Prepend):
                found.append((float(at), "added"))
                at += 1
        rest = [edit for edit in here if not isinstance(edit, Prepend)]
        if any(isinstance(edit, Remove) for edit in rest):
            found.append((at - 0.5, "gone"))
            continue
        if rest:
            found.append((float(at), "changed"))
        at += 1
    return found


SIGNS = {
    "added": "m-2.5 0h5m-2.5-2.5v5",
    "gone": "m-2.5 0h5",
    "changed": "m-2.5 1.2l2.5-2.5l2.5 2.5",
}
FOOT = 9
"""Room below a chip for the signs, in px."""


def marked(architecture: Design, found: Sequence[tuple[float, str]]) -> str:
    """Draw a small chip as HTML, with a sign below each layer that changed."""
    return _marked(architecture, tuple(found))


@lru_cache(maxsize=4096)
def _marked(architecture: Design, found: tuple[tuple[float, str], ...]) -> str:
    chip = snac.blocks(architecture, "small")
    picture = snac.svg(architecture, "small")
    step = chip.size.gap
    signs = []
    for place, what in found:
        if what == "gone":
            index = round(place + 0.5)
            x = float(chip.blocks[index].x) - step / 2 if index else 2.5
        else:
            block = chip.blocks[int(place)]
            x = block.x + block.width / 2
        tone = {"added": "good", "gone": "bad", "changed": "accent"}[what]
        signs.append(f'<path d="M{x:.1f} {FOOT / 2}{SIGNS[what]}" stroke="var(--remap-{tone})"/>')
    if not signs:
        return picture
    said = escape(", ".join(_said(place, what) for place, what in found))
    width = max(chip.width, 6)
    return (
        f'<span style="display:inline-block">{picture}<svg width="{width}" height="{FOOT}" '
        f'viewBox="0 0 {width} {FOOT}" fill="none" stroke-width="1.7" stroke-linecap="round" '
        f'role="img" aria-label="{said}" style="display:block;overflow:visible">'
        f"{''.join(signs)}</svg></span>"
    )


def _said(place: float, what: str) -> str:
    return f"taken out before {place + 0.5:g}" if what == "gone" else f"{what} at {place:g}"


# What layers and kinds of change did


@lru_cache(maxsize=256)
def _ablated(architecture: Design) -> tuple[str | None, ...]:
    """Give the identity of the network without each layer; None where it would be none."""
    every = range(len(architecture.parts))
    return tuple(
        None if one.architecture is None or one.problem == "nothing would change"
        else one.architecture.identity
        for one in ablations(architecture, every)
    )  # fmt: skip


def importance_pairs(baseline: Model, runs: Mapping[str, Runs]) -> dict[int, Pair]:
    """Give by layer what its importance is made of, where the network without it was trained."""
    found = {}
    for layer, identity in enumerate(_ablated(baseline.design)):
        if identity and (wanted := deltas.pair(runs, baseline.identity, identity)):
            found[layer] = wanted
    return found


def importance(baseline: Model, runs: Mapping[str, Runs], known: Deltas) -> dict[int, Any]:
    """Give by layer the difference in accuracy without it, as the editor draws it."""
    found = {}
    for layer, wanted in importance_pairs(baseline, runs).items():
        effect = known.get(wanted)
        if effect is not None:
            one = effect.overall
            part = baseline.design.parts[layer]
            place = f"{part.words} at {layer}" if part.placed else part.words
            found[layer] = {
                "delta": one.value,
                "low": one.low,
                "high": one.high,
                "words": f"Without {place}: {deltas.said(one)}",
                "clear": one.clear,
            }
    return found


def summaries(snapshot: Snapshot, numbers: Sequence[int]) -> tuple[Summary, ...]:
    """Say what each kind of change did, over the models that differ from their parents by it alone.

    Parameters
    ----------
    numbers
        Of models with parents; those that are not trained, and whose parents are not, are left out.
    """
    groups: dict[str, list[tuple[float, int]]] = {}
    size = LAYERS.size
    for number in numbers:
        model = snapshot.models[number]
        size = model.terms.size
        parent = snapshot.models.get(model.parent or 0)
        if parent is None or model.accuracy is None or parent.accuracy is None:
            continue
        if {model.status, parent.status} != {Status.DONE}:
            continue
        _, edits = changes_from(parent, model)
        kinds = {_kind(edit, parent.design.parts) for edit in edits}
        if len(kinds) == 1:
            change = (model.accuracy - parent.accuracy, model.parameters - parent.parameters)
            groups.setdefault(kinds.pop(), []).append(change)
    made = [
        Summary(
            words,
            fmean(one for one, _ in found),
            fmean(more for _, more in found),
            min(one for one, _ in found),
            max(one for one, _ in found),
            len(found),
            size,
        )
        for words, found in groups.items()
    ]
    return tuple(sorted(made, key=lambda one: (-one.count, one.words)))


def _kind(edit: Edit, layers: Sequence[Part]) -> str:
    if isinstance(edit, Prepend):
        return f"adding {NOUNS[edit.layer.kind]}"
    noun = NOUNS[layers[edit.index].kind]
    if isinstance(edit, Remove):
        return f"removing {noun}"
    if isinstance(edit, Reparameterize):
        return f"changing the {edit.parameter.replace('_', ' ')} of {noun}"
    return f"replacing {noun}"
