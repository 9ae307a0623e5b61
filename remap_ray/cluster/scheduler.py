"""`Scheduler`: claims what waits, records what happens, hands what is done to the projector.

Pure of ray: it is given a pool of trainers, a port to the projector and a
clock, and each `step` does what can be done now, without waiting.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from remap_ray.cluster.plan import Plan
from remap_ray.cluster.pool import Event, Failed, Lost, Pool, last
from remap_ray.errors import InvalidRequest
from remap_ray.space import Design
from remap_ray.study import Epoch, Layout, Lease, Model, Placement, Status, Wished
from remap_ray.training.task import Checkpoint, EpochDone, Stopped, Task, Trained

__all__ = ["Mapper", "Scheduler"]

BEAT_SECONDS = 2.0
"""Time between heartbeats: a fifth of what makes a lease stale."""

MOST_LOSSES = 2
"""A model whose trainer died this often is failed: it would take down one after another."""

CANCEL_SECONDS, PAUSE_SECONDS = 1.5, 10.0
"""How long a trainer may take to stop a model that was cancelled, or has to make room.

Then it is ended and replaced. Whoever is cancelled loses nothing by it; the others lose what
came after their last checkpoint.
"""

Replan: TypeAlias = Callable[[Wished], Plan]
"""Divides what there is to train on as people wish; raises `InvalidRequest` where it cannot."""


class Mapper(Protocol):
    """What a scheduler needs of the projector."""

    def add(self, number: int, architecture: Design, predictions: NDArray[np.uint8]) -> None:
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
        plan: Plan | None = None,
        replan: Replan | None = None,
        *,
        bfloat16: bool = False,
    ) -> None:
        self.lease = lease
        self.study = lease.study
        self.pool = pool
        self.mapper = mapper
        self.clock = clock
        self.running: dict[int, Model] = {}
        self.stop_wished = False
        self.held = False
        self._plan = plan or Plan(pool.size(), 1, 0.0)
        self._replan = replan
        self._bfloat16 = bfloat16
        self._wished = replace(self.study.wished(), paused=False)
        self._complaint = ""
        self._cancelling: set[int] = set()
        self._deadlines: dict[int, float] = {}
        self._ended: set[int] = set()
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
            or is being mapped. A paused queue in which models wait is not at its end.
        """
        if self._watch.changed():
            self._may_wait = True
            self._obey()
        self._beat()
        self._end_overdue()
        events = self.pool.poll()
        if not any(self._goes_back(number, event) for number, event in events):
            # Before the files and commits of what has ended: no trainer waits for the disk.
            self._claim()
        for number, event in events:
            self._record(number, event)
            # What has ended may send others of its halving into the queue.
            self._may_wait = self._may_wait or last(event)
        self._claim()
        for point in self.mapper.poll():
            self._record_point(point)
        if self.running or self.mapper.busy() or self._waits():
            return True
        if not self._settled:
            # The last ones may wait for company that does not come.
            self._settled = True
            self.mapper.settle()
            return self.mapper.busy() or self.held
        return self.held

    def _claim(self) -> None:
        free = self.pool.free()
        if free and self._may_wait and not self._stopping and not self._wished.paused:
            claimed = self.lease.claim(free)
            self._may_wait = len(claimed) == free
            for model in claimed:
                self._start(model)

    def _goes_back(self, number: int, event: Event) -> bool:
        """Whether a model returns to the queue, where it may be the first again."""
        return isinstance(event, Lost) or (
            isinstance(event, Stopped) and number not in self._cancelling
        )

    def _waits(self) -> bool:
        """Whether models wait for trainers that are still starting."""
        if self._stopping or self._wished.paused or not self._may_wait:
            return False
        return self.study.counts()[Status.QUEUED] > 0

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
                self._stop(number, CANCEL_SECONDS)
        wished, before = self.study.wished(), self._wished
        self._wished = wished
        if wished.paused and not before.paused:
            for number in self.running:
                self._stop(number, PAUSE_SECONDS)
        if replace(wished, paused=before.paused) != before:
            self._resize(wished)
        self.held = wished.paused and self.study.counts()[Status.QUEUED] > 0

    def _resize(self, wished: Wished) -> None:
        """Have other trainers, and have what trains make room where that is needed."""
        if self._replan is None:
            return
        try:
            plan = self._replan(wished)
        except InvalidRequest as error:
            self._complaint = str(error)
            return
        self._complaint = ""
        others = (plan.cpus_each, plan.gpus_each) != (self._plan.cpus_each, self._plan.gpus_each)
        self._plan = plan
        self.pool.resize(plan)
        # The first in the queue have the first right to what there is.
        ranked = sorted(self.running.values(), key=lambda one: (one.position, one.number))
        for model in ranked if others else ranked[plan.workers :]:
            self._stop(model.number, PAUSE_SECONDS)

    def _stop(self, number: int, seconds: float) -> None:
        due = self.clock() + seconds
        self._deadlines[number] = min(due, self._deadlines.get(number, due))
        self.pool.stop(number)

    def _end_overdue(self) -> None:
        now = self.clock()
        for number, due in tuple(self._deadlines.items()):
            if now >= due and number not in self._ended:
                self._ended.add(number)
                self.pool.kill(number)

    def _beat(self) -> None:
        now = self.clock()
        if self._beaten is None or now - self._beaten >= BEAT_SECONDS:
            said = f"training {len(self.running)}" if self.running else "idle"
            said = "paused" if self._wished.paused else said
            said = "stopping" if self._stopping else said
            complaint = f"; not possible: {self._complaint}" if self._complaint else ""
            self.lease.beat(said + complaint, self.pool.size(), self._plan.gpus_each)
            self._beaten = now

    def _start(self, model: Model) -> None:
        self.running[model.number] = model
        checkpoint: bytes | None = None
        losses: tuple[float, ...] = ()
        path = self.study.checkpoint_path(model.number)
        if model.checkpoint_epoch and path.exists():
            checkpoint = path.read_bytes()
            losses = tuple(one.validation_loss for one in self.study.epochs(model.number))
        self.pool.start(
            model.number,
            Task(
                model.design,
                self.study.recipe,
                model.seed,
                model.wanted_epochs,
                checkpoint,
                losses,
                stops_early=not model.to_the_end,
                bfloat16=self._bfloat16,
            ),
        )

    def _record(self, number: int, event: Event) -> None:
        match event:
            case EpochDone():
                self.lease.record_epoch(
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
            case Checkpoint():
                self.lease.record_checkpoint(number, event.epoch, event.data)
            case Trained():
                model = self.running[number]
                early = (
                    f"stopped early at {event.epoch} of {model.full_epochs or model.wanted_epochs}"
                )
                stopped = early if event.early else None
                if self.lease.finish(number, event.predictions, event.weights, stopped):
                    self.mapper.add(number, model.design, event.predictions)
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
            self._deadlines.pop(number, None)
            self._ended.discard(number)

    def _lose(self, number: int, reason: str) -> None:
        again = f"{reason}, tried again once"
        if number in self._cancelling:
            self.lease.record_cancelled(number)
        elif number in self._ended:
            self.lease.requeue(number, "interrupted")
        elif self.study.model(number).losses + 1 < MOST_LOSSES:
            self.lease.requeue(number, again, lost=True)
        else:
            self.lease.fail(number, again)

    def _record_point(self, point: Layout | Placement) -> None:
        if isinstance(point, Layout):
            self.lease.record_layout(point)
        else:
            self.lease.record_placement(point)
