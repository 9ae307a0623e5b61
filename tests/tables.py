"""A small study of tables, trained for real in the test's own process."""

from __future__ import annotations

from pathlib import Path

from remap_ray.cluster.pool import InlinePool
from remap_ray.cluster.projector import InlineMapper, Projector
from remap_ray.cluster.scheduler import Scheduler
from remap_ray.creation import create_study
from remap_ray.study import Holder, Study, take_lease
from remap_ray.training import datasets, ways


def table_study(path: Path, models: int = 5, *, data: str = "breast-cancer") -> Study:
    """Create a study of a table with some sampled models, trained and mapped."""
    study = create_study(path, data, models=models, epochs=2, seed=1)
    train_inline(study)
    return study


def scheduler_of(study: Study) -> Scheduler:
    """Give a scheduler of a table's study with one trainer in this process."""
    data = datasets.load(study.data.source, seed=study.seed)
    ready = ways.table((data.train, data.validation, data.columns))
    assert ready is not None
    lease = take_lease(study, Holder.this_process("test"), 1)
    pool = InlinePool(lambda task, stop: ways.train(task, ready, stop))
    return Scheduler(lease, pool, InlineMapper(Projector(**Projector.state_of(study))))


def train_inline(study: Study) -> None:
    """Train and map what waits."""
    scheduler = scheduler_of(study)
    while scheduler.step():
        pass
    scheduler.close()
    scheduler.lease.release()
