"""Training of a story's study in the test's own process."""

from __future__ import annotations

import torch

from remap_ray.cluster.pool import InlinePool
from remap_ray.cluster.projector import InlineMapper, Projector
from remap_ray.cluster.scheduler import Scheduler
from remap_ray.study import Holder, Study, take_lease
from remap_ray.training import datasets
from remap_ray.training.tensors import prepare
from remap_ray.training.trainer import train


def train_inline(study: Study) -> None:
    """Train and map what waits, in this process."""
    torch.set_num_threads(1)
    data = datasets.load(study.data.source, seed=study.seed)
    prepared = prepare(data.train, data.validation, torch.device("cpu"))
    lease = take_lease(study, Holder.this_process("test"), 1)
    pool = InlinePool(lambda task, stop: train(task, prepared, stop))
    scheduler = Scheduler(lease, pool, InlineMapper(Projector(**Projector.state_of(study))))
    while scheduler.step():
        pass
    scheduler.close()
    lease.release()
