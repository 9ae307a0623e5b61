"""Studies of thousands of models, made in seconds: written in bulk, with no training."""

from __future__ import annotations

import random
from itertools import islice
from pathlib import Path

import numpy as np
from sqlalchemy import bindparam, insert, update

from remap_ray.space import Space, sample
from remap_ray.study import MAPS, Holder, Layout, Status, Study, Submission, schema, take_lease
from tests import synthetic

__all__ = ["big_study"]

EPOCHS = 10
ITEMS = 200


def big_study(path: Path, models: int, seed: int = 0) -> Study:
    """Create a study of trained and mapped models, each a different sample of ``paper``.

    Each has 10 epochs, predictions of 200 items and a place on both maps, all drawn.
    """
    study = synthetic.empty_study(path, epochs=EPOCHS, items=ITEMS)
    if not models:
        return study
    shape, classes = study.data.input_shape, len(study.data.class_names)
    drawn = islice(sample(Space.named("paper"), random.Random(seed), shape, classes), models)
    numbers = study.submit(Submission(one) for one in drawn)

    rng = np.random.default_rng(seed)
    skills = rng.uniform(0.2, 0.95, models)
    epochs = [
        {
            "model": number,
            "epoch": epoch,
            "train_loss": 2.0 / epoch,
            "train_accuracy": float(skill * (1 - 0.5**epoch)),
            "validation_loss": 2.1 / epoch,
            "validation_accuracy": float(skill * (1 - 0.5**epoch)),
            "seconds": 0.1,
        }
        for number, skill in zip(numbers, skills, strict=True)
        for epoch in range(1, EPOCHS + 1)
    ]
    lasts = [one for one in epochs if one["epoch"] == EPOCHS]
    labels = rng.integers(0, classes, (models, ITEMS), dtype=np.uint8)
    table = schema.models
    with study.writing() as (connection, change):
        connection.execute(insert(schema.epochs).values(changed=change), epochs)
        connection.execute(
            insert(schema.predictions).values(epoch=EPOCHS, changed=change),
            [
                {"model": number, "labels": row.tobytes()}
                for number, row in zip(numbers, labels, strict=True)
            ],
        )
        connection.execute(
            update(table)
            .where(table.c.number == bindparam("model"))
            .values(
                status=Status.DONE.value,
                epochs=EPOCHS,
                accuracy=bindparam("validation_accuracy"),
                train_accuracy=bindparam("train_accuracy"),
                validation_loss=bindparam("validation_loss"),
                train_loss=bindparam("train_loss"),
                seconds=1.0,
                changed=change,
            ),
            [{key: one[key] for key in one if key not in {"epoch", "seconds"}} for one in lasts],
        )
    lease = take_lease(study, Holder.this_process("benchmark"), workers=1)
    for name in MAPS:
        points = rng.normal(size=(models, 2))
        shares = rng.dirichlet(np.ones(models))
        lease.record_layout(Layout(name, 1, np.array(numbers), points, shares, 0.1))
    lease.release()
    return study
