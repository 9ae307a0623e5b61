"""The only place that imports ray: the actors, their resources, how they start and end.

The driver starts a Ray of its own on loopback, or attaches to a cluster, and
makes the scheduler actor; that one owns the trainers and the projector, which
die with it. `remap_ray.cluster.run` sets the environment that Ray reads when it
is imported, so it must be what imports this module.
"""

from __future__ import annotations

import hashlib
import secrets
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, final

import numpy as np
import ray
from numpy.typing import NDArray
from ray.exceptions import OutOfMemoryError, RayActorError, RayTaskError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from remap_ray.cluster.deaths import (
    Deaths,
    Process,
    all_alive,
    end_all,
    ensure_alive,
    own_processes,
)
from remap_ray.cluster.plan import Plan, Wanted, cpus_here, plan
from remap_ray.cluster.pool import Event, Failed, Lost, last
from remap_ray.cluster.projector import Projector
from remap_ray.cluster.scheduler import Scheduler
from remap_ray.errors import DataError, RayFailed, RemapError, TrainingFailed
from remap_ray.space import Design
from remap_ray.study import Holder, Layout, Lease, Placement, Study, take_lease
from remap_ray.training import heap
from remap_ray.training.task import Checkpoint, Task

if TYPE_CHECKING:
    from remap_ray.training.tensors import Prepared
    from remap_ray.training.ways import Ready

__all__ = ["RayMapper", "RayPool", "drive", "start_ray"]

NAMESPACE = "remap"

STOP_SECONDS = 3.0
"""How long trainers may take to stop; then their models go back to the queue as they are."""

MOST_STILL_BORN = 5
"""Trainers that may die while they start, with none between them that starts."""

BUSY_PAUSE, IDLE_PAUSE = 0.01, 0.1
"""Seconds between two steps of the scheduler, while it has work and while it has none."""

EVENT_SECONDS = 0.05
"""Longest time between two steps while trainers are at work, who wake it by their events."""

END_SECONDS = 0.02
"""How long the end of a training is waited for after a checkpoint, which it often follows."""

START_TRIES = 4
"""Where Ray's start took too long, as on a busy machine: nobody may be there to try again."""

OUT_OF_MEMORY = "killed: out of memory"

Tick = Callable[[], None]

TICK_SECONDS = 0.25

FAREWELL_SECONDS = 5.0
"""How long a detached scheduler stays after its work, for who waits to hear its outcome."""

Ref = Any
"""Ray's references and handles have no public types."""


@final
class Trainer:
    """A long-lived trainer: prepares the data once and takes one task after another.

    Its actor runs two calls at a time, so that `stop` is heard while it trains.
    """

    def __init__(self, parts: list[Ref], plan: Plan) -> None:
        self._data = _ready(parts, plan)
        self._stopped: set[int] = set()

    def train(self, job: int, task: Task) -> Iterator[Event]:
        """Train one task, streaming its events; a task that cannot be trained ends `Failed`."""
        from remap_ray.training.ways import train

        try:
            yield from train(task, self._data, lambda: job in self._stopped)
        except TrainingFailed as error:
            yield Failed(error.reason)
        except RuntimeError as error:
            if not gpu_broken(error):
                raise
            # This process computes nothing on the GPU any more: another one takes its place.
            yield Lost(f"its trainer's GPU failed ({str(error).splitlines()[0]})")
        finally:
            self._stopped.discard(job)
            heap.give_back()

    def stop(self, job: int) -> None:
        """Stop a job at its next batch, or before its first."""
        self._stopped.add(job)


def gpu_broken(error: RuntimeError) -> bool:
    """Whether an error of PyTorch says that this process cannot use its GPU any more.

    Such as a kernel that failed: all that follows in this process gives the same error.
    """
    return "CUDA error" in str(error)


def _ready(parts: list[Ref], plan: Plan) -> Ready:
    """Make this process ready to train, whatever the data are."""
    from remap_ray.training import ways

    # The references come in a list so that this process maps the data itself.
    return ways.table(ray.get(parts)) or _prepare(parts, plan)


def _prepare(parts: list[Ref], plan: Plan) -> Prepared:
    """Make this process ready to train networks: its threads, its device, the data on it."""
    import torch

    from remap_ray.training.passes import adam
    from remap_ray.training.tensors import prepare

    # More threads than assigned CPUs cost a factor, not a share.
    torch.set_num_threads(plan.threads)
    heap.keep()
    device = torch.device("cpu")
    # Not the variable CUDA_VISIBLE_DEVICES, which Ray sets for declared GPUs too.
    if plan.gpus_each and ray.get_gpu_ids() and torch.cuda.is_available():
        device = torch.device("cuda")
        torch.cuda.set_per_process_memory_fraction(min(plan.gpus_each, 1.0))
    # A process's first optimizer loads much of PyTorch: seconds in which no stop would be heard.
    adam(torch.nn.Sequential(torch.nn.Linear(1, 1)).to(device))
    train, validation, _ = ray.get(parts)
    return prepare(train, validation, device)


def _bfloat16_pays(parts: list[Ref], plan: Plan, classes: int, batch_size: int) -> bool:
    from remap_ray.training.precision import pays

    return pays(_prepare(parts, plan), classes, batch_size)


@final
@dataclass(frozen=True)
class _Hired:
    """A trainer, and the plan by which it was made."""

    actor: Ref
    plan: Plan

    def fits(self, plan: Plan) -> bool:
        return (self.plan.cpus_each, self.plan.gpus_each) == (plan.cpus_each, plan.gpus_each)


@final
@dataclass(frozen=True)
class _Running:
    """What a trainer does, and how many were killed for want of memory when it began."""

    job: int
    trainer: _Hired
    events: Ref
    kills: int


@final
class RayPool:
    """A pool of `Trainer` actors. A dead one is replaced, its model's end is `Lost`."""

    def __init__(self, parts: list[Ref], plan: Plan) -> None:
        self._parts = parts
        self._plan = plan
        self._job = 0
        self._idle: list[_Hired] = []
        self._starting: list[tuple[_Hired, Ref]] = []
        self._running: dict[int, _Running] = {}
        self._killed: list[int] = []
        self._still_born = 0
        self._hire()

    def _hire(self) -> None:
        while self._hired() < self._plan.workers:
            made = ray.remote(Trainer).options(
                num_cpus=self._plan.cpus_each,
                num_gpus=self._plan.gpus_each,
                max_concurrency=2,
                # A trainer that Ray restarted would silently train from the start.
                max_restarts=0,
            )
            self._ask([_Hired(made.remote(self._parts, self._plan), self._plan)])

    def size(self) -> int:
        """Give the number of trainers."""
        return self._plan.workers

    def free(self) -> int:
        """Give the number of idle trainers, of those that have started.

        One that waits for room, which another node may have to bring, takes no model.
        """
        self._welcome()
        return len(self._idle)

    def start(self, number: int, task: Task) -> None:
        """Have an idle trainer train a model."""
        trainer = self._idle.pop(0)
        self._job += 1
        events = trainer.actor.train.options(num_returns="streaming").remote(self._job, task)
        self._running[number] = _Running(self._job, trainer, events, _kills())

    def stop(self, number: int) -> None:
        """Tell a model's trainer to stop it."""
        one = self._running[number]
        one.trainer.actor.stop.remote(one.job)

    def kill(self, number: int) -> None:
        """End the trainer of a model that does not stop."""
        # Its death may take long to be told, as on a busy machine; its end is certain now.
        ray.kill(self._running.pop(number).trainer.actor)
        self._killed.append(number)
        self._hire()

    def resize(self, plan: Plan) -> None:
        """Hire and let go as a plan says; those that train go when they are through."""
        self._plan = plan
        room = max(0, plan.workers - len(self._running))
        hired = [(one, None) for one in self._idle] + self._starting
        kept = [(one, ready) for one, ready in hired if one.fits(plan)][:room]
        for one, _ in hired:
            if all(one is not another for another, _ in kept):
                ray.kill(one.actor)
        self._idle = [one for one, ready in kept if ready is None]
        self._starting = [(one, ready) for one, ready in kept if ready is not None]
        self._hire()

    def poll(self) -> list[tuple[int, Event]]:
        """Take the events that have arrived."""
        self._welcome()
        found: list[tuple[int, Event]] = [
            (number, Lost("its trainer was ended")) for number in self._killed
        ]
        self._killed = []
        for number, one in tuple(self._running.items()):
            while number in self._running and one.events.next_ready():
                event = _next(one.events, one.kills)
                found.append((number, event))
                if isinstance(event, Checkpoint):
                    # So that who ends gets another model before the disk has this one's file.
                    ray.wait([one.events], timeout=END_SECONDS, fetch_local=False)
                if last(event):
                    del self._running[number]
                    self._free(one.trainer, lost=isinstance(event, Lost))
        return found

    def wait(self, seconds: float) -> bool:
        """Wait until a trainer has something to tell, at most so long.

        Returns
        -------
        bool
            False where none is at work that could: it has not waited then.
        """
        heard = [one.events for one in self._running.values() if not one.events.is_finished()]
        heard += [ready for _, ready in self._starting]
        if heard:
            ray.wait(heard, timeout=seconds, fetch_local=False)
        return bool(heard)

    def _free(self, trainer: _Hired, *, lost: bool) -> None:
        room = self._hired() < self._plan.workers
        if room and not lost and trainer.fits(self._plan):
            self._idle.append(trainer)
            return
        # One that lost a model may be alive, on a GPU that it cannot use any more.
        ray.kill(trainer.actor)
        if lost:
            # What took this one, such as a node that went, may have taken others that idle: a
            # model given to them would be lost too. Until they answer they are not free.
            self._ask(self._idle)
            self._idle = []
        self._hire()

    def _hired(self) -> int:
        return len(self._idle) + len(self._starting) + len(self._running)

    def _ask(self, trainers: Sequence[_Hired]) -> None:
        self._starting += [(one, one.actor.__ray_ready__.remote()) for one in trainers]

    def _welcome(self) -> None:
        """Take those that have started, and answer, among those that idle."""
        starting, self._starting = self._starting, []
        for trainer, ready in starting:
            if not ray.wait([ready], timeout=0)[0]:
                self._starting.append((trainer, ready))
                continue
            try:
                ray.get(ready)
            except RayActorError:
                self._still_born += 1
                if self._still_born >= MOST_STILL_BORN:
                    # Its first task ends at once as lost: so it is known why nothing trains.
                    self._idle.append(trainer)
            else:
                self._still_born = 0
                self._idle.append(trainer)
        # Such as one sent to a node that was gone, before the cluster knew.
        self._hire()

    def close(self) -> None:
        """Kill all trainers."""
        for trainer in (
            *self._idle,
            *(one for one, _ in self._starting),
            *(one.trainer for one in self._running.values()),
        ):
            ray.kill(trainer.actor)
        self._idle, self._starting, self._running = [], [], {}


def _kills() -> int:
    from remap_ray.training import memory

    return memory.kills()


def _next(events: Ref, kills: int) -> Event:
    try:
        event: Event = ray.get(next(events))
    except StopIteration:
        return Lost("its training ended without a result")
    except OutOfMemoryError:
        return Lost(OUT_OF_MEMORY)
    except RayActorError as error:
        # Ray's own watch over memory says so in words; the kernel only counts.
        starved = "memory" in str(error) or _kills() > kills
        return Lost(OUT_OF_MEMORY if starved else "its trainer died")
    except RayTaskError as error:
        cause = error.cause if isinstance(error.cause, Exception) else error
        return Failed(f"{type(cause).__name__}: {cause}")
    return event


@final
class RayMapper:
    """The scheduler's port to the projector actor, which is made anew where it died."""

    def __init__(self, study: Study) -> None:
        self._study = study
        self._actor = self._projector()
        self._pending: list[Ref] = []

    def _projector(self) -> Ref:

        # Beside the study, as the scheduler is: no other node that goes takes the maps with it.
        here = ray.get_runtime_context().get_node_id()
        beside = NodeAffinitySchedulingStrategy(here, soft=False)
        made = ray.remote(Projector).options(num_cpus=0, max_restarts=0, scheduling_strategy=beside)
        return made.remote(**Projector.state_of(self._study))

    def add(self, number: int, architecture: Design, predictions: NDArray[np.uint8]) -> None:
        """Hand over a model that is done."""
        self._pending.append(self._actor.add.remote([(number, architecture, predictions)]))

    def settle(self) -> None:
        """Lay out what waits for company."""
        self._pending.append(self._actor.settle.remote())

    def poll(self) -> list[Layout | Placement]:
        """Take the points that have arrived, in order."""

        points: list[Layout | Placement] = []
        while self._pending:
            ready, _ = ray.wait(self._pending[:1], timeout=0)
            if not ready:
                break
            try:
                points += ray.get(self._pending[0])
            except RayActorError:
                # The study knows what was done: the new projector maps what has no point yet.
                self._actor = self._projector()
                self._pending = [self._actor.settle.remote()]
                break
            self._pending.pop(0)
        return points

    def busy(self) -> bool:
        """Whether the projector still works."""
        return bool(self._pending)


@final
class SchedulerHost:
    """The scheduler actor: runs the queue of one study until it is stopped."""

    def __init__(self) -> None:
        self._stop = threading.Event()

    def run(self, path: str, wanted: Wanted, *, until_done: bool, detached: bool) -> None:
        """Run the queue; ends when stopped, or, with ``until_done``, when nothing is left.

        Parameters
        ----------
        detached
            Nobody may be there to end this actor: it ends itself a while after.
        """
        me = ray.get_runtime_context().current_actor
        try:
            self._run_queue(path, wanted, until_done=until_done, detached=detached)
        finally:
            if detached:
                end = threading.Timer(FAREWELL_SECONDS, ray.kill, [me])
                end.daemon = True
                end.start()

    def _run_queue(self, path: str, wanted: Wanted, *, until_done: bool, detached: bool) -> None:
        with Study.open(Path(path)) as study:
            planned = _planned(wanted)
            me = Holder.this_process("remap train")
            lease = take_lease(study, me, planned.workers, of_command=not detached)
            lease.tell_room(*_room())
            pool: RayPool | None = None
            try:
                parts = _put_parts(study)
                lease.beat("starting", planned.workers, planned.gpus_each)
                bfloat16 = _bfloat16(lease, parts, planned)
                pool = RayPool(parts, planned)
                scheduler = Scheduler(
                    lease,
                    pool,
                    RayMapper(study),
                    plan=planned,
                    replan=lambda wished: _planned(
                        replace(
                            wanted, workers=wished.workers, gpus_per_model=wished.gpus_per_model
                        )
                    ),
                    bfloat16=bfloat16,
                )
                try:
                    self._run(scheduler, pool, until_done=until_done)
                finally:
                    scheduler.close()
            finally:
                if pool is not None:
                    pool.close()
                lease.release()

    def _run(self, scheduler: Scheduler, pool: RayPool, *, until_done: bool) -> None:
        deadline: float | None = None
        while True:
            busy = scheduler.step()
            if deadline is None and (self._stop.is_set() or scheduler.stop_wished):
                scheduler.stop()
                deadline = time.monotonic() + STOP_SECONDS
            if deadline is not None:
                if time.monotonic() > deadline:
                    scheduler.abandon()
                if not scheduler.running:
                    return
                time.sleep(BUSY_PAUSE)
            elif until_done and not busy:
                return
            elif scheduler.held and not scheduler.running:
                self._stop.wait(IDLE_PAUSE)
            elif not pool.wait(EVENT_SECONDS):
                self._stop.wait(BUSY_PAUSE if busy else IDLE_PAUSE)

    def stop(self) -> None:
        """End `run` soon: running models stop within a batch and go back to the queue."""
        self._stop.set()


def _room() -> tuple[int, float]:
    """Count the CPUs and GPUs of this Ray."""
    there = ray.cluster_resources()
    return int(there.get("CPU", 1)), there.get("GPU", 0.0)


def _planned(wanted: Wanted) -> Plan:
    return plan(wanted, *_room())


def _bfloat16(lease: Lease, parts: list[Ref], planned: Plan) -> bool:
    """Whether the study's models are computed in bfloat16: measured where they will train, once."""
    study = lease.study
    if not study.recipe.bfloat16:
        return False
    pays = lease.bfloat16()
    if pays is None:
        # Its process ends with it, as Ray would see to only where a decorator names the GPUs: it
        # would go on holding its part of the GPU's memory.
        measure = ray.remote(num_cpus=planned.cpus_each, num_gpus=planned.gpus_each, max_calls=1)(
            _bfloat16_pays
        )
        batch = min(study.recipe.batch_size, study.data.sizes[0])
        pays = ray.get(measure.remote(parts, planned, len(study.data.class_names), batch))
        lease.record_bfloat16(pays=pays)
    return pays


def _put_parts(study: Study) -> list[Ref]:
    """Load the study's data and put what training sees of them into the object store."""

    from remap_ray.training import datasets

    data = datasets.load(study.data.source, seed=study.seed)
    if datasets.fingerprint(data) != study.data.fingerprint:
        raise DataError(
            f"the data at {study.data.source} have changed since this study was created; "
            "put the old data back, or start a new study",
            Path(study.data.source),
        )
    return [ray.put(one) for one in (data.train, data.validation, data.columns)]


def drive(path: Path, wanted: Wanted, store_bytes: int, *, until_done: bool, tick: Tick) -> bool:
    """Start Ray, run the queue in its actors and wait; `remap_ray.cluster.run` says the rest."""
    start_ray(wanted, store_bytes)
    _end_on_signals()
    own = own_processes() if wanted.address is None else ()
    try:
        detached = wanted.address is not None
        deaths = Deaths()
        while True:
            host = _make_host(path, detached=detached)
            done = host.run.remote(
                str(path.absolute()), wanted, until_done=until_done, detached=detached
            )
            try:
                _wait(done, tick, own)
            except KeyboardInterrupt:
                if not detached:
                    host.stop.remote()
                    ray.wait([done], timeout=STOP_SECONDS + 1.0)
                return False
            except RayActorError:
                # All that it knew stands in the study: the next one goes on from there.
                deaths.count(_epochs(path))
            else:
                return True
    finally:
        _end_ray(own)


def _end_ray(own: Sequence[Process]) -> None:
    if all_alive(own):
        ray.shutdown()
    else:
        # Its shutdown would wait for answers that do not come.
        end_all()


def _epochs(path: Path) -> int:
    with Study.open(path) as study:
        return sum(one.epochs for one in study.models())


def _end_on_signals() -> None:
    """Take every wish to end as Ctrl-C; after Ray's start, which puts handlers of its own."""
    if threading.current_thread() is threading.main_thread():
        for one in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            signal.signal(one, signal.default_int_handler)


def _wait(done: Ref, tick: Tick, own: Sequence[Process]) -> None:
    while not ray.wait([done], timeout=TICK_SECONDS)[0]:
        ensure_alive(own)
        tick()
    # A dead Ray makes all of its actors look dead: the nearest cause is said.
    ensure_alive(own)
    try:
        ray.get(done)
    except RayTaskError as error:
        if isinstance(error.cause, RemapError):
            raise error.cause from None
        raise


def _make_host(path: Path, *, detached: bool) -> Ref:

    options: dict[str, Any] = {"num_cpus": 0, "max_concurrency": 2, "max_restarts": 0}
    if detached:
        # All who write the study are on its host: this one's.
        here = ray.get_runtime_context().get_node_id()
        key = hashlib.sha256(str(path.absolute()).encode()).hexdigest()[:12]
        options |= {
            "name": f"scheduler-{key}-{secrets.token_hex(4)}",
            "lifetime": "detached",
            "scheduling_strategy": NodeAffinitySchedulingStrategy(here, soft=False),
        }
    return ray.remote(SchedulerHost).options(**options).remote()


def start_ray(wanted: Wanted, store_bytes: int) -> None:
    """Start a Ray on loopback, or attach to the cluster at ``wanted.address``.

    Raises
    ------
    RayFailed
        It does not start, or there is none at the address.
    """
    try:
        if wanted.address is not None:
            ray.init(address=wanted.address, namespace=NAMESPACE, log_to_driver=False)
        else:
            _start_local(wanted, store_bytes)
    except Exception as error:
        # Ray raises all kinds, plain Exception among them ("node timed out").
        raise RayFailed(wanted.address, error) from error


def _start_local(wanted: Wanted, store_bytes: int, tries: int = START_TRIES) -> None:
    try:
        ray.init(
            address="local",
            namespace=NAMESPACE,
            include_dashboard=False,
            log_to_driver=False,
            num_cpus=cpus_here(),
            num_gpus=wanted.logical_gpus or None,
            object_store_memory=store_bytes,
            configure_logging=False,
        )
    except Exception as error:
        # Ray gives its own processes 30 s, which a busy machine may not have the first time.
        if tries < 2 or "timed out" not in str(error):
            raise
        ray.shutdown()
        _start_local(wanted, store_bytes, tries - 1)
