"""Training all that waits in a study, in this process."""

from __future__ import annotations

from remap_ray.cluster.pool import InlinePool
from remap_ray.cluster.projector import InlineMapper, Projector
from remap_ray.cluster.scheduler import Scheduler
from remap_ray.study import Holder, Study, take_lease
from remap_ray.training import datasets
from remap_ray.training.tensors import prepare
from remap_ray.training.trainer import train

__all__ = ["train_inline"]


def train_inline(study: Study) -> None:
    """Run the queue until nothing waits."""
    loaded = datasets.load(study.data.source, seed=study.seed)
    assert datasets.fingerprint(loaded) == study.data.fingerprint
    prepared = prepare(loaded.train, loaded.validation, "cpu")
    pool = InlinePool(lambda task, stop: train(task, prepared, stop))
    lease = take_lease(study, Holder.this_process("test"), 1)
    scheduler = Scheduler(lease, pool, InlineMapper(Projector(**Projector.state_of(study))))
    while scheduler.step():
        pass
    lease.release()
