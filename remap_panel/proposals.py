"""What children a person is offered, and what each would cost, before anything trains. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from random import Random
from typing import final

from remap_panel.settings import Drawn, Settings
from remap_panel.wording import compact
from remap_ray.errors import InvalidRequest
from remap_ray.space import Design, Limits, ModelSpace
from remap_ray.space.edit import Edit, apply, to_dict
from remap_ray.space.edits import Proposal, ablations, variations
from remap_ray.space.terms import LAYERS
from remap_ray.study import Model, Origin, Status, Submission, duration
from remap_ray.study.queue import Pace

__all__ = [
    "Offer",
    "Offered",
    "draw",
    "draw_one",
    "epochs_of",
    "known_of",
    "limits_of",
    "offer",
    "price",
    "submissions",
]

ORIGINS = {
    "ablations": Origin.ABLATION,
    "variations": Origin.VARIATION,
    "handcrafted": Origin.HANDCRAFTED,
}

REDRAWS = 20
"""Draws of one variation that is to be another than those beside it."""


@final
@dataclass(frozen=True)
class Offered:
    """One child that could be trained.

    Parameters
    ----------
    proposal
        Its architecture, its words, and why it cannot be trained, where it cannot.
    exists
        The model that it already is, None where the study has none.
    struck
        Whether the person wants it left out.
    more
        Parameters more than the baseline's; None where it would be no network.
    seconds
        Expected for all its epochs; None where nothing is known of this study's pace, and where it
        would be no network.
    """

    proposal: Proposal
    exists: int | None
    struck: bool
    more: int | None
    seconds: float | None

    @property
    def trains(self) -> bool:
        """Whether it will be trained once the person says so."""
        return self.proposal.problem is None and self.exists is None and not self.struck


@final
@dataclass(frozen=True)
class Offer:
    """The children of one baseline that a person is offered.

    Parameters
    ----------
    baseline
        Number of the model that they come from.
    mode
        One of `remap_panel.settings.MODES`.
    children
        In the order of the preview.
    epochs
        What each will be trained.
    seconds
        Expected until all are trained, once it is their turn; None where that is not known.
    wait
        Expected before that, for what is in the queue already; None where that is not known.
    """

    baseline: int
    mode: str
    children: tuple[Offered, ...]
    epochs: int
    seconds: float | None
    wait: float | None = None

    @property
    def trained(self) -> tuple[Offered, ...]:
        """Those that will be trained."""
        return tuple(one for one in self.children if one.trains)


def known_of(models: Mapping[int, Model]) -> dict[str, int]:
    """Give by identity the model that a study has of it, the first where there are repeats."""
    found: dict[str, int] = {}
    for number, model in models.items():
        if model.repeat == 0 or model.identity not in found:
            found[model.identity] = number
    return found


def epochs_of(model: Model) -> int:
    """Say how long children of a model are trained: as long as it was meant to be.

    Not as long as it was in the end: a child of one that stopped early would have less chance.
    """
    return model.full_epochs or model.wanted_epochs


def limits_of(settings: Settings, space: ModelSpace) -> Limits:
    """Give what a child may cost at most: what the person says, else what the space says."""
    return Limits(parameters=settings.parameters or space.limits.parameters)


def draw(
    model: Model, settings: Settings, space: ModelSpace, known: Mapping[str, int]
) -> tuple[tuple[Edit, ...], ...]:
    """Draw the variations of a preview; the same settings and seed give the same.

    Takes seconds for hundreds that are hard to find: not for an event loop.
    """
    chosen = settings.of(model.number, model.design)
    drawn = _variations(model, settings, space, known, settings.count, chosen.seed)
    return tuple(one.edits for one in drawn)


def draw_one(
    model: Model, settings: Settings, space: ModelSpace, known: Mapping[str, int], place: int
) -> Drawn:
    """Draw one variation of a preview anew, other than all that are there; gives all of them.

    Raises
    ------
    InvalidRequest
        No other was found: there is nothing else, or too little of it.
    """
    chosen = settings.of(model.number, model.design)
    drawn = chosen.drawn or ()
    beside = [apply(model.design, edits).architecture for edits in drawn]
    taken = {one.identity: 0 for one in beside if one is not None}
    for attempt in range(REDRAWS):
        seed = Random(f"{chosen.seed}/{place}/{attempt}").randrange(2**31)
        (found,) = _variations(model, settings, space, {**known, **taken}, 1, seed)
        if found.problem is None:
            return (*drawn[:place], found.edits, *drawn[place + 1 :])
    raise InvalidRequest(
        "no other variation was found: allow more changes, more kinds or more parameters"
    )


def _variations(
    model: Model,
    settings: Settings,
    space: ModelSpace,
    known: Mapping[str, int],
    count: int,
    seed: int,
) -> tuple[Proposal, ...]:
    chosen = settings.of(model.number, model.design)
    return variations(
        model.design,
        count,
        settings.changes,
        chosen.allowed,
        limits_of(settings, space),
        seed,
        known,
        space.only(settings.kinds),
    )


def offer(
    model: Model,
    settings: Settings,
    space: ModelSpace,
    models: Mapping[int, Model],
    known: Mapping[str, int],
    pace: Pace | None,
    workers: int,
    handcraft: Proposal | None = None,
    wait: float | None = None,
) -> Offer:
    """Say what children of a baseline a person is offered, and at what price.

    Parameters
    ----------
    model
        The baseline.
    models, known
        The study's, by number, and their numbers by identity.
    pace
        Of this study on its machine, None before anything was measured.
    workers
        How many models are trained at a time.
    handcraft
        What was made by hand; None where nothing was.
    wait
        Seconds until the queue of now is empty; None where that is not known.
    """
    architecture = model.design
    chosen = settings.of(model.number, architecture)
    limits = limits_of(settings, space)
    found: Sequence[Proposal]
    if settings.mode == "ablations":
        found = _ablations(architecture, chosen.layers, limits)
    elif settings.mode == "variations":
        found = _drawn(architecture, chosen.drawn or (), limits)
    else:
        found = () if handcraft is None else (handcraft,)
    struck = chosen.struck if settings.mode == "variations" else frozenset()
    epochs = epochs_of(model)
    children = tuple(
        _offered(one, model, models, known, pace, epochs, struck=place in struck)
        for place, one in enumerate(found)
    )
    work = [one.seconds for one in children if one.trains]
    total = None
    if pace is not None:
        seconds = [one for one in work if one is not None]
        total = max(sum(seconds) / max(workers, 1), max(seconds, default=0.0))
    return Offer(model.number, settings.mode, children, epochs, total, wait)


@lru_cache(maxsize=64)
def _ablations(
    architecture: Design, layers: frozenset[int], limits: Limits
) -> tuple[Proposal, ...]:
    return ablations(architecture, layers or None, limits)


@lru_cache(maxsize=64)
def _drawn(architecture: Design, drawn: Drawn, limits: Limits) -> tuple[Proposal, ...]:
    """Judge the variations of a preview as they were drawn."""
    found: list[Proposal] = []
    first: dict[str, int] = {}
    for place, edits in enumerate(drawn):
        one = apply(architecture, edits)
        if not edits:
            one = replace(one, problem="no further variation was found: allow more")
        elif one.architecture is not None and one.problem is None:
            identity = one.architecture.identity
            problem = limits.problem(one.architecture)
            if problem is None and identity in first:
                problem = f"same as proposal {first[identity]}"
            first.setdefault(identity, place)
            one = replace(one, problem=problem)
        found.append(one)
    return tuple(found)


def _offered(
    proposal: Proposal,
    model: Model,
    models: Mapping[int, Model],
    known: Mapping[str, int],
    pace: Pace | None,
    epochs: int,
    *,
    struck: bool,
) -> Offered:
    made = proposal.architecture
    if made is None:
        return Offered(proposal, None, struck, None, None)
    exists = known.get(made.identity)
    if exists == model.number:
        exists = None
    elif exists is not None:
        proposal = replace(proposal, problem=_exists(models[exists]))
    seconds = None if pace is None else epochs * pace.epoch(made.multiply_adds)
    return Offered(proposal, exists, struck, made.parameter_count - model.parameters, seconds)


def _exists(model: Model) -> str:
    there = {
        Status.QUEUED: ", which waits",
        Status.TRAINING: ", which is training",
        Status.FAILED: ", which failed: retry it in the queue",
        Status.CANCELLED: ", which was cancelled: retry it in the queue",
    }.get(model.status, "")
    return f"already model {model.name}{there}"


def submissions(made: Offer) -> tuple[Submission, ...]:
    """Give the wishes for all children of an offer that will be trained."""
    return tuple(
        Submission(
            one.proposal.architecture,
            ORIGINS[made.mode],
            made.baseline,
            tuple(to_dict(edit) for edit in one.proposal.edits),
            one.proposal.words,
            made.epochs,
        )
        for one in made.trained
        if one.proposal.architecture is not None
    )


def price(made: Offer) -> tuple[str, ...]:
    """Say in words what an offer is, what it costs, and what of it is left out and why."""
    trained = made.trained
    said = []
    architectures = (one.proposal.architecture for one in trained)
    designs = [one for one in architectures if one is not None]
    sizes = [one.parameter_count for one in designs]
    terms = designs[0].terms if designs else LAYERS
    children = "1 child" if len(trained) == 1 else f"{len(trained)} children"
    if sizes:
        least, most = compact(min(sizes)), compact(max(sizes))
        span = least if least == most else f"{least} to {most}"
        each = "" if len(trained) == 1 else " each"
        said.append(f"{children}, {span} {terms.size}{each}, {made.epochs} epochs")
        about = "the time is not known before something was trained here"
        if made.seconds is not None:
            about = f"about {duration(made.seconds)} on this machine"
            if made.wait and made.wait >= 1:
                about += f", after about {duration(made.wait)} for what waits now"
        said.append(about)
    else:
        said.append("nothing to train")
    exist = [f"m{one.exists}" for one in made.children if one.exists is not None]
    if exist:
        verb = "exists" if len(exist) == 1 else "exist"
        said.append(f"{len(exist)} {verb} already: {_listed(exist)}")
    unfit = sum(one.proposal.problem is not None and one.exists is None for one in made.children)
    if unfit:
        said.append(f"{unfit} cannot be trained")
    struck = sum(one.struck and one.proposal.problem is None for one in made.children)
    if struck:
        said.append(f"{struck} struck out")
    return tuple(said)


def _listed(names: Sequence[str], most: int = 6) -> str:
    rest = len(names) - most
    return ", ".join(names[:most]) + (f" and {rest} more" if rest > 0 else "")
