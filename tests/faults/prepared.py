"""The study that is interrupted: few models, whose epochs last some seconds of real work.

It is made once in a folder, and copied for each kill; so are its data, which decide how long
an epoch lasts on this machine. PyTorch is loaded only where they are made.
"""

from __future__ import annotations

import hashlib
import itertools
import secrets
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from sqlalchemy import update

from remap_ray.creation import create_study
from remap_ray.recipe import Recipe
from remap_ray.space import Architecture
from remap_ray.study import Holder, Origin, Study, Submission, open_study, schema, take_lease
from remap_ray.training import datasets
from tests.synthetic import queue_samples, train_falsely

__all__ = ["LONG_SECONDS", "Outcome", "Prepared", "outcome"]

LONG_SECONDS = 3.0
"""What the epochs in which a fault falls last at least."""

AIM_SECONDS = 5.0
"""What they are made to last on this machine, which may be busier while that is measured."""

LONG = (
    "conv64x3p1 relu conv64x3p1 relu max2 dense64 relu",
    "conv64x3p1 relu conv64x3p1 tanh max2 dense64 relu",
    "conv64x3p1 tanh conv64x3p1 relu max2 dense64 relu",
)
SHORT = "max4 dense8"
EPOCHS = (2, 2, 1)
RECIPE = Recipe(epochs=2, batch_size=256)
PIECE = 2_048
"""Images over which the machine's speed is measured."""

MANY = 400
"""Models that keep a projector busy for seconds."""

Outcome = list[tuple[object, ...]]


@final
@dataclass(frozen=True)
class Prepared:
    """A folder with the data and the studies that are copied; what lacks is made."""

    folder: Path

    def study(self, path: Path, *, done: bool) -> None:
        """Put a fresh study at ``path``; where it is ``done``, with `MANY` that are."""
        shutil.copytree(self._template(done=done), path)

    def _template(self, *, done: bool) -> Path:
        path = self.folder / ("many" if done else "few")
        if not path.exists():
            data = self._data()
            part = path.with_name(f"{path.name}-{secrets.token_hex(4)}")
            _long_study(part, data, falsely=MANY if done else 0).close()
            part.rename(path)
        return path

    def _data(self) -> Path:
        path = self.folder / "long.npz"
        if not path.exists():
            self.folder.mkdir(parents=True, exist_ok=True)
            part = path.with_name(f"{secrets.token_hex(4)}.npz")
            _long_data(part)
            part.replace(path)
        return path


def _long_data(path: Path) -> None:
    """Write digits, repeated until an epoch lasts `AIM_SECONDS` here, as a ``.npz``."""
    digits = datasets.load("digits")
    count = int(PIECE * AIM_SECONDS / _seconds_of_a_piece(digits))
    images, labels = digits.train.images, digits.train.labels
    taken = np.arange(count) % len(labels)
    np.savez(
        path,
        x_train=images[taken],
        y_train=labels[taken],
        x_val=digits.validation.images,
        y_val=digits.validation.labels,
        x_test=digits.test.images,
        y_test=digits.test.labels,
    )


def _seconds_of_a_piece(digits: datasets.DataSet) -> float:
    import torch

    from remap_ray.training.task import EpochDone, Task
    from remap_ray.training.tensors import prepare
    from remap_ray.training.trainer import train

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        taken = np.arange(PIECE) % len(digits.train.labels)
        part = type(digits.train)(digits.train.images[taken], digits.train.labels[taken])
        data = prepare(part, digits.validation, "cpu")
        task = Task(_architecture(LONG[0]), RECIPE, seed=0, epochs=3)
        # Of processor time: others on the machine shall not make the epochs shorter.
        ends = [time.process_time()]
        events = train(task, data, lambda: False)
        ends += [time.process_time() for event in events if isinstance(event, EpochDone)]
        return min(after - before for before, after in itertools.pairwise(ends))
    finally:
        torch.set_num_threads(threads)


def _architecture(text: str) -> Architecture:
    return Architecture.from_text(text, (1, 8, 8), 10)


def _long_study(path: Path, data: Path, *, falsely: int = 0) -> Study:
    """Create the study: three models with long epochs, and a small one that waits for its turn.

    Parameters
    ----------
    falsely
        Further models, done before with made-up figures and weights, and on no map.
    """
    study = create_study(path, str(data), recipe=RECIPE, seed=1)
    wanted = [
        Submission(_architecture(text), Origin.HANDCRAFTED, epochs=epochs)
        for text, epochs in zip(LONG, EPOCHS, strict=True)
    ]
    study.submit([*wanted, Submission(_architecture(SHORT), Origin.HANDCRAFTED)])
    if falsely:
        _done_before(study, falsely)
    return study


def _done_before(study: Study, count: int) -> None:
    own = {one.number for one in study.models()}
    queue_samples(study, count)
    # They are claimed from the back, past those that are to be trained in earnest.
    with study.writing() as (connection, _):
        table = schema.models
        late = update(table).where(table.c.number.in_(own))
        connection.execute(late.values(position=table.c.position + 10 * count))
    lease = take_lease(study, Holder.this_process("test"), workers=1)
    train_falsely(study, lease, count)
    lease.release()


LONG_ONES = frozenset(_architecture(text).identity for text in (SHORT, *LONG))
"""The models that are trained in earnest, whose places are counted among themselves."""


def outcome(path: Path) -> Outcome:
    """Say what must be the same whatever happened on the way, to the bits of the weights."""
    with open_study(path) as study:
        queue = sorted(
            study.models(), key=lambda one: (one.identity not in LONG_ONES, one.position)
        )
        place = {one.number: at for at, one in enumerate(queue)}
        return [
            (
                one.name,
                one.identity,
                one.seed,
                place[one.number],
                str(one.status),
                one.accuracy,
                tuple(epoch.epoch for epoch in study.epochs(one.number)),
                hashlib.sha256(study.weights_path(one.number).read_bytes()).hexdigest()[:12],
            )
            for one in study.models()
        ]
