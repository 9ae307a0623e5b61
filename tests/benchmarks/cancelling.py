"""What a cancel of a running model takes, and what the trainer loses by it: real processes."""

from __future__ import annotations

import random
import sys
import tempfile
import threading
import time
from pathlib import Path
from statistics import median

from remap_ray.creation import create_study
from remap_ray.recipe import Recipe
from remap_ray.space import Limits
from remap_ray.study import Status, Study
from tests.benchmarks.report import Table, quantity
from tests.faults.log import Log, environment
from tests.processes import Started, wait_for

__all__ = ["measure"]

LONG = 10_000
"""Epochs of each model: none ends by itself."""

LIMITS = Limits(parameters=100_000)
REMAP = (sys.executable, "-m", "remap_panel")


def measure(quick: bool) -> Table:
    """Cancel running models one after another, each at a seeded moment of its training."""
    count = 2 if quick else 20
    with tempfile.TemporaryDirectory(prefix="remap-") as name:
        path, log = Path(name) / "study", Log(Path(name) / "log")
        made = create_study(
            path, recipe=Recipe(epochs=LONG, batch_size=32), models=count + 2, limits=LIMITS
        )
        with made as study:
            env = environment(log.path, often=False)
            command = Started("train", path, command=REMAP, env=env)
            try:
                outcomes = _cancel(study, log, count)
                gaps = _gaps(log)[:count]
            finally:
                command.kill_all()
                if command.process.stdout is not None:
                    command.process.stdout.close()
    rows = (
        ("until the study says that it is cancelled, s", *_told(outcomes, 2.0)),
        ("until its trainer begins the next model, s", *_told(gaps, 0.1)),
    )
    return Table(
        f"`remap train` with a trainer on each core, of which {count} running models are cancelled "
        "one after another at seeded moments. The second row counts from when the trainer has "
        "left the cancelled model, having seen the wish between two batches and handed over its "
        "checkpoint, to when it begins the next one.",
        ("what", "cancels", "median", "least", "most", "wanted at most", "within"),
        rows,
    )


def _told(seconds: list[float], most: float) -> tuple[str, ...]:
    within = sum(one <= most for one in seconds)
    return (
        str(len(seconds)),
        quantity(median(seconds)),
        quantity(min(seconds)),
        quantity(max(seconds)),
        quantity(most),
        f"{within} of {len(seconds)}",
    )


def _cancel(study: Study, log: Log, count: int) -> list[float]:
    rng, pause = random.Random(0), threading.Event()
    outcomes = []
    for _ in range(count):
        wait_for(lambda: _trained(study, log) != (), "a model in training", 300)
        pause.wait(rng.uniform(0.2, 1.0))
        number = rng.choice(_trained(study, log))
        began = time.monotonic()
        study.cancel(number)
        while study.model(number).status is not Status.CANCELLED:
            pause.wait(0.002)
        outcomes.append(time.monotonic() - began)
    wait_for(lambda: len(_gaps(log)) >= count, "the next model", 60)
    return outcomes


def _trained(study: Study, log: Log) -> tuple[int, ...]:
    """Give the models that trainers are inside of."""
    begun = {model for model, _ in log.begun(0.0)}
    return tuple(
        one.number
        for one in study.models()
        if one.status is Status.TRAINING and one.identity in begun
    )


def _gaps(log: Log) -> list[float]:
    """Give the seconds from when a trainer left a model to when it began another."""
    left: dict[int, float] = {}
    found = []
    for line in log.lines():
        if "left" in line:
            left[line["pid"]] = line["at"]
        elif line["pid"] in left:
            found.append(line["at"] - left.pop(line["pid"]))
    return found
