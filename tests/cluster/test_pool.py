"""One contract, one set of tests: every pool passes these."""

from __future__ import annotations

import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np
import pytest

from remap_ray.cluster.plan import Plan
from remap_ray.cluster.pool import Event, Failed, Lost, Pool, last
from remap_ray.recipe import Recipe
from remap_ray.space import Architecture, Conv, Dense
from remap_ray.training.task import Checkpoint, EpochDone, Stopped, Task, Trained
from tests.processes import wait_for

MakePool = Callable[[int], Pool]


def drain(pool: Pool, numbers: set[int], seconds: float = 120) -> dict[int, list[Event]]:
    """Poll until each of ``numbers`` has had its last event."""
    found: dict[int, list[Event]] = defaultdict(list)
    open_ones = set(numbers)
    deadline = time.monotonic() + seconds
    pause = threading.Event()
    while open_ones:
        assert time.monotonic() < deadline, f"no end of {open_ones}; so far {dict(found)}"
        for number, event in pool.poll():
            assert number in open_ones, "an event after the last one"
            found[number].append(event)
            if last(event):
                open_ones.discard(number)
        pause.wait(0.002)
    return found


def trains(pool: Pool, number: int, task: Task) -> None:
    pool.start(number, task)
    assert isinstance(drain(pool, {number})[number][-1], Trained)


def until(pool: Pool, wanted: Callable[[int, Event], bool], seconds: float = 120) -> list[Event]:
    deadline = time.monotonic() + seconds
    seen: list[Event] = []
    pause = threading.Event()
    while time.monotonic() < deadline:
        for number, event in pool.poll():
            seen.append(event)
            if wanted(number, event):
                return seen
        pause.wait(0.002)
    raise AssertionError(f"it did not come: {seen}")


def endless(classes: int = 10) -> Task:
    """A task that would train for many minutes."""
    architecture = Architecture((1, 8, 8), classes, (Conv(64, 3), Conv(64, 3), Dense(64)))
    return Task(architecture, Recipe(batch_size=16), seed=1, epochs=10_000)


@pytest.mark.promise("QUEUE-2")
def test_a_task_streams_its_epochs_in_order_and_ends_once(
    make_pool: MakePool, tasks: list[Task]
) -> None:
    pool = make_pool(1)
    assert (pool.size(), pool.free()) == (1, 1)
    pool.start(7, tasks[0])
    assert pool.free() == 0
    events = drain(pool, {7})[7]
    assert [one.epoch for one in events if isinstance(one, EpochDone)] == [1, 2]
    assert isinstance(events[-1], Trained)
    assert events[-1].predictions.dtype == np.uint8
    assert [type(one) for one in events[-2:]] == [Checkpoint, Trained]
    assert pool.free() == 1


def test_more_trainers_train_at_the_same_time(make_pool: MakePool, tasks: list[Task]) -> None:
    pool = make_pool(2)
    pool.start(1, tasks[0])
    pool.start(2, tasks[1])
    assert pool.free() == 0
    found = drain(pool, {1, 2})
    assert all(isinstance(found[number][-1], Trained) for number in (1, 2))
    assert pool.free() == 2


def test_a_running_task_stops_and_its_trainer_goes_on(
    make_pool: MakePool, tasks: list[Task]
) -> None:
    pool = make_pool(1)
    pool.start(1, endless())
    until(pool, lambda _, event: isinstance(event, EpochDone))
    pool.stop(1)
    events = drain(pool, {1})[1]
    assert isinstance(events[-1], Stopped)
    trains(pool, 2, tasks[0])


def test_a_task_stopped_before_its_first_batch_stops(make_pool: MakePool) -> None:
    pool = make_pool(1)
    pool.start(1, endless())
    pool.stop(1)
    assert isinstance(drain(pool, {1})[1][-1], Stopped)


def test_an_earlier_stop_does_not_stop_the_same_model_again(
    make_pool: MakePool, tasks: list[Task]
) -> None:
    pool = make_pool(1)
    pool.start(1, endless())
    pool.stop(1)
    pool.stop(1)
    drain(pool, {1})
    trains(pool, 1, tasks[0])


def test_what_cannot_be_trained_fails_with_its_reason(
    make_pool: MakePool, tasks: list[Task]
) -> None:
    pool = make_pool(1)
    architecture = Architecture((1, 8, 8), 10, (Dense(64), Dense(64), Dense(64)))
    recipe = Recipe(batch_size=32, learning_rate=900.0, decay=999.0)
    pool.start(1, Task(architecture, recipe, seed=0, epochs=200))
    event = drain(pool, {1})[1][-1]
    assert isinstance(event, Failed)
    assert "epoch" in event.reason
    trains(pool, 2, tasks[0])


def test_a_checkpoint_continues_where_it_ended(make_pool: MakePool, tasks: list[Task]) -> None:
    pool = make_pool(1)
    pool.start(1, replace(tasks[0], epochs=1))
    first = drain(pool, {1})[1]
    (checkpoint,) = [one for one in first if isinstance(one, Checkpoint)]
    pool.start(1, replace(tasks[0], epochs=2, checkpoint=checkpoint.data))
    second = drain(pool, {1})[1]
    assert [one.epoch for one in second if isinstance(one, EpochDone)] == [2]
    pool.start(1, tasks[0])
    whole = drain(pool, {1})[1]
    assert (whole[-1].predictions == second[-1].predictions).all()


def test_a_task_that_does_not_stop_is_ended_with_its_trainer(
    make_pool: MakePool, tasks: list[Task]
) -> None:
    pool = make_pool(1)
    pool.start(1, endless())
    until(pool, lambda _, event: isinstance(event, EpochDone))
    pool.kill(1)
    # At once, however long the death of its process takes to be told.
    assert pool.poll() == [(1, Lost("its trainer was ended"))]
    wait_for(lambda: pool.free() == 1, "another trainer")
    trains(pool, 2, tasks[0])


def test_a_pool_grows_and_shrinks_and_lets_what_trains_end(
    make_pool: MakePool, tasks: list[Task]
) -> None:
    pool = make_pool(1)
    pool.start(1, endless())
    until(pool, lambda _, event: isinstance(event, EpochDone))
    pool.resize(Plan(2, 1, 0.0))
    wait_for(lambda: pool.free() == 1, "another trainer")
    assert pool.size() == 2
    pool.start(2, tasks[0])
    pool.resize(Plan(1, 1, 0.0))
    assert (pool.size(), pool.free()) == (1, 0)
    until(pool, lambda number, event: number == 2 and isinstance(event, Trained))
    assert pool.free() == 0
    pool.stop(1)
    assert isinstance(drain(pool, {1})[1][-1], Stopped)
    assert pool.free() == 1
    trains(pool, 3, tasks[1])


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.promise("QUEUE-2")
def test_a_killed_trainer_loses_its_task_and_is_replaced(
    ray_pool: MakePool, tasks: list[Task]
) -> None:
    from remap_ray.cluster import actors

    pool = ray_pool(1)
    pool.start(1, endless())
    until(pool, lambda _, event: isinstance(event, EpochDone))
    actors.ray.kill(pool._running[1].trainer.actor)
    event = drain(pool, {1})[1][-1]
    assert event == Lost("its trainer died")
    wait_for(lambda: pool.free() == 1, "another trainer")
    trains(pool, 2, tasks[0])


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.promise("QUEUE-2")
def test_a_trainer_that_lost_its_task_is_ended_though_it_lives(
    ray_pool: MakePool, tasks: list[Task]
) -> None:
    pool = ray_pool(1)
    wait_for(lambda: pool.free() == 1, "a trainer")
    # As one whose GPU failed: it answers, and would fail one model after another.
    pool.start(1, endless())
    trainer = pool._running.pop(1).trainer
    pool._free(trainer, lost=True)
    wait_for(lambda: pool.free() == 1, "another trainer")
    assert pool._idle[0].actor is not trainer.actor
    trains(pool, 2, tasks[0])


@pytest.mark.slow
@pytest.mark.promise("QUEUE-2")
def test_a_gpu_that_failed_loses_the_task_and_other_errors_do_not(
    tasks: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    from remap_ray.cluster import actors
    from remap_ray.training import ways

    said = "CUDA error: device-side assert triggered"

    def failing(*_: object) -> Iterator[Event]:
        raise RuntimeError(f"{said}\nSearch for it in CUDA's manual.")
        yield

    trainer = object.__new__(actors.Trainer)
    trainer._data, trainer._stopped = object(), set()
    monkeypatch.setattr(ways, "train", failing)
    assert list(trainer.train(1, tasks[0])) == [Lost(f"its trainer's GPU failed ({said})")]
    said = "mat1 and mat2 shapes cannot be multiplied"
    with pytest.raises(RuntimeError, match="cannot be multiplied"):
        list(trainer.train(2, tasks[0]))


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.promise("QUEUE-5")
def test_what_a_trainer_died_of_is_told_apart(local_ray: None) -> None:
    from ray.exceptions import OutOfMemoryError, RayActorError

    from remap_ray.cluster import actors

    def dying(error: Exception) -> Iterator[object]:
        raise error
        yield

    now = actors._kills()
    starved = Lost("killed: out of memory")
    assert actors._next(dying(RayActorError()), now) == Lost("its trainer died")
    assert actors._next(dying(OutOfMemoryError("the node ran low")), now) == starved
    ran_low = RayActorError(error_msg="the actor's node was running low on memory")
    assert actors._next(dying(ran_low), now) == starved
    # The kernel says nothing to anyone: it has killed one more since the training began.
    assert actors._next(dying(RayActorError()), now - 1) == starved


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.promise("QUEUE-17")
def test_a_ray_that_was_too_slow_is_started_again(
    local_ray: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from remap_ray.cluster import actors
    from remap_ray.cluster.plan import Wanted
    from remap_ray.errors import RayFailed

    outcomes: list[Exception | None] = []

    def init(**_: object) -> None:
        if (outcome := outcomes.pop(0)) is not None:
            raise outcome

    monkeypatch.setattr(actors.ray, "init", init)
    monkeypatch.setattr(actors.ray, "shutdown", lambda: None)
    slow = RuntimeError("The current node timed out during startup. This could happen")
    outcomes += [*[slow] * (actors.START_TRIES - 1), None]
    actors.start_ray(Wanted(), 1)
    assert outcomes == []
    for failing in ([slow] * actors.START_TRIES, [PermissionError("no room")]):
        outcomes += failing
        with pytest.raises(RayFailed, match="Ray could not be started here"):
            actors.start_ray(Wanted(), 1)
        assert outcomes == []
