"""`Scheduler`: claims what waits, records what happens, hands what is done to the projector.

Pure of ray: it is given a pool of trainers, a port to the projector and a
clock, and each `step` does what can be done now, without waiting.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from typing import Protocol, final

import numpy as np
from numpy.typing import NDArray

from remap_ray.cluster.pool import Event, Failed, Lost, Pool, last
from remap_ray.space import Architecture
from remap_ray.study import Epoch, Layout, Lease, Model, Placement
from remap_ray.training.task import Checkpoint, EpochDone, Stopped, Task, Trained

__all__ = ["Mapper", "Scheduler"]

BEAT_SECONDS = 2.0
"""Time between heartbeats: a fifth of what makes a lease stale."""

MOST_LOSSES = 2
"""A model whose trainer died this often without a new epoch in between is failed.

It would take down one trainer after another.
"""


class Mapper(Protocol):
    """What a scheduler needs of the projector."""

    def add(self, number: int, architecture: Architecture, predictions: NDArray[np.uint8]) -> None:
        """Hand over a model that is done."""
        ...

    def settle(self) -> None:
        """Lay out what waits for more models, since none may come for a while."""
        ...

    def poll(self) -> list[Layout | Placement]:
        """Take the points that are ready, in order. Never waits."""
        ...

    def busy(self) -> bool:
        """Whether points are still to come for what was handed over."""
        ...


@final
class Scheduler:
    """Runs a study's queue, one `step` after another, until it is told to stop."""

    def __init__(
        self,
        lease: Lease,
        pool: Pool,
        mapper: Mapper,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.lease = lease
        self.study = lease.study
        self.pool = pool
        self.mapper = mapper
        self.clock = clock
        self.running: dict[int, Model] = {}
        self.stop_wished = False
        self._cancelling: set[int] = set()
        self._losses: Counter[int] = Counter()
        self._beaten: float | None = None
        self._settled = False
        self._stopping = False
        self._watch = lease.study.watch()
        self._may_wait = True

    def step(self) -> bool:
        """Do what can be done now.

        Returns
        -------
        bool
            False when nothing is left to do at this moment: nothing waits, trains
            or is being mapped.
        """
        self._beat()
        if self._watch.changed():
            self._may_wait = True
            self._obey()
        for number, event in self.pool.poll():
            self._record(number, event)
        free = self.pool.free()
        if free and self._may_wait and not self._stopping:
            claimed = self.lease.claim(free)
            self._may_wait = len(claimed) == free
            for model in claimed:
                self._start(model)
        for point in self.mapper.poll():
            self._record_point(point)
        if self.running or self.mapper.busy():
            return True
        if not self._settled:
            # The last ones may wait for company that does not come.
            self._settled = True
            self.mapper.settle()
            return self.mapper.busy()
        return False

    def stop(self) -> None:
        """Claim nothing more and stop what trains; `step` goes on until `running` is empty."""
        self._stopping = True
        for number in self.running:
            self.pool.stop(number)

    def abandon(self) -> None:
        """Put back to the queue what still trains, its trainer not answering."""
        for number in tuple(self.running):
            self.running.pop(number)
            self.lease.requeue(number, "interrupted")

    def close(self) -> None:
        """Let go of the study's change watch."""
        self._watch.close()

    def _obey(self) -> None:
        self.stop_wished = self.lease.end_wished()
        for number in self.lease.stop_wishes():
            if number in self.running and number not in self._cancelling:
                self._cancelling.add(number)
                self.pool.stop(number)

    def _beat(self) -> None:
        now = self.clock()
        if self._beaten is None or now - self._beaten >= BEAT_SECONDS:
            said = f"training {len(self.running)}" if self.running else "idle"
            self.lease.beat("stopping" if self._stopping else said, self.pool.size())
            self._beaten = now

    def _start(self, model: Model) -> None:
        self.running[model.number] = model
        checkpoint = None
        path = self.study.checkpoint_path(model.number)
        if model.checkpoint_epoch and path.exists():
            checkpoint = path.read_bytes()
        self.pool.start(
            model.number,
            Task(
                model.architecture,
                self.study.recipe,
                model.seed,
                model.wanted_epochs,
                checkpoint,
            ),
        )

    def _record(self, number: int, event: Event) -> None:
        match event:
            case EpochDone():
                new = self.lease.record_epoch(
                    Epoch(
                        number,
                        event.epoch,
                        event.train_loss,
                        event.train_accuracy,
                        event.validation_loss,
                        event.validation_accuracy,
                        event.seconds,
                    )
                )
                if new:
                    # It gets on: nodes that go, one after another, must not fail it.
                    self._losses.pop(number, None)
            case Checkpoint():
                self.lease.record_checkpoint(number, event.epoch, event.data)
            case Trained():
                if self.lease.finish(number, event.predictions, event.weights):
                    model = self.running[number]
                    self.mapper.add(number, model.architecture, event.predictions)
                    self._settled = False
            case Stopped() if number in self._cancelling:
                self.lease.record_cancelled(number)
            case Stopped():
                self.lease.requeue(number, "interrupted")
            case Failed():
                self.lease.fail(number, event.reason)
            case Lost():
                self._lose(number, event.reason)
        if last(event):
            self.running.pop(number)
            self._cancelling.discard(number)

    def _lose(self, number: int, reason: str) -> None:
        self._losses[number] += 1
        if number in self._cancelling:
            self.lease.record_cancelled(number)
        elif self._losses[number] < MOST_LOSSES:
            self.lease.requeue(number, reason)
        else:
            self.lease.fail(number, f"{reason}, and so the time before")

    def _record_point(self, point: Layout | Placement) -> None:
        if isinstance(point, Layout):
            self.lease.record_layout(point)
        else:
            self.lease.record_placement(point)
