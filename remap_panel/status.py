"""What ``remap status`` says of a study: as JSON for programs, as a table for people."""

from __future__ import annotations

import shlex
from typing import Any

from rich.table import Table
from rich.text import Text

from remap_panel import wording
from remap_ray.study import MAPS, Model, Status, Study, duration, pace_of, reasons, seconds_left

__all__ = ["headline", "status_form", "status_table", "unmapped"]


def status_form(study: Study) -> dict[str, Any]:
    """Give the form that ``remap status --json`` prints."""
    models = study.models()
    said = reasons(models, study.heartbeat())
    points = {name: study.points(name) for name in MAPS}
    return {
        "study": {
            "name": study.name,
            "data": study.data.name,
            "space": study.space,
            "recipe": study.recipe.to_dict(),
        },
        "counts": {status.value: sum(one.status is status for one in models) for status in Status},
        "models": [_model_form(one, said[one.number], points) for one in models],
    }


def _model_form(
    model: Model, reason: str, points: dict[str, dict[int, tuple[float, float]]]
) -> dict[str, Any]:
    return {
        "number": model.number,
        "status": model.status.value,
        "reason": reason,
        "origin": model.origin.value,
        "parent": model.parent,
        "words": model.words,
        "architecture": dict(model.form),
        "parameters": model.parameters,
        "accuracy": model.accuracy,
        "train_accuracy": model.train_accuracy,
        "epochs": model.epochs,
        "seconds": model.seconds,
        "points": {
            name: list(places[model.number])
            for name, places in points.items()
            if model.number in places
        },
    }


def unmapped(study: Study) -> tuple[int, ...]:
    """Give the numbers of trained models that lack a point on one of the maps."""
    mapped = [study.points(name).keys() for name in MAPS]
    done = (one.number for one in study.models() if one.status is Status.DONE)
    return tuple(number for number in done if not all(number in places for places in mapped))


def headline(study: Study) -> str:
    """Say in one line where a study stands."""
    models = study.models()
    counts = {status: sum(one.status is status for one in models) for status in Status}
    heartbeat = study.heartbeat()
    said = {status: status.value for status in Status}
    if not heartbeat.alive or heartbeat.starting:
        said[Status.TRAINING] = "interrupted"
    words = [f"{counts[status]} {said[status]}" for status in Status if counts[status]]
    if counts[Status.QUEUED] or counts[Status.TRAINING]:
        left = seconds_left(models, pace_of(models), heartbeat.workers)
        if heartbeat.paused:
            way_out = f"remap queue {shlex.quote(str(study.path))} resume"
            words.append(f"the queue is paused; go on with: {way_out}")
        elif heartbeat.starting:
            words.append("the trainers are starting")
        elif not heartbeat.alive:
            way_out = f"remap train {shlex.quote(str(study.path))}"
            words.append(f"nobody trains it now; go on with: {way_out}")
        elif left is not None:
            words.append(f"about {duration(left)} left")
    return f"{study.name} ({study.data.name}): {', '.join(words) or 'no models yet'}"


def status_table(study: Study) -> Table:
    """Give every model as a row, the best first."""
    models = study.models()
    said = reasons(models, study.heartbeat())
    table = Table(box=None, expand=True)
    terms = study.data.terms
    for name in ("model", "accuracy", terms.size, "epochs", "reason"):
        table.add_column(name, no_wrap=True)
    table.add_column(wording.parts(terms).lower(), no_wrap=True, overflow="ellipsis", ratio=1)
    for one in sorted(models, key=lambda model: (-(model.accuracy or -1.0), model.number)):
        table.add_row(
            one.name,
            "" if one.accuracy is None else f"{one.accuracy:.3f}",
            f"{one.parameters:,}",
            f"{one.epochs}/{one.wanted_epochs}",
            Text(said[one.number]),
            Text(one.design.words),
        )
    return table
