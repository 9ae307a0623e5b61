"""The scheduler over a real study and real training, with no clock and no Ray."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import pytest

from remap_ray.cluster.pool import Event, InlinePool, Lost, Pool
from remap_ray.cluster.projector import InlineMapper, Projector
from remap_ray.cluster.scheduler import Scheduler
from remap_ray.errors import LeaseLost
from remap_ray.study import MAPS, Holder, Lease, Status, Study, take_lease
from remap_ray.training.task import Task

MakePool = Callable[[int], Pool]
STEPS = 10_000


class Clock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def schedule(study: Study, pool: Pool, lease: Lease | None = None) -> Scheduler:
    lease = lease or take_lease(study, Holder.this_process("test"), pool.size())
    return Scheduler(lease, pool, InlineMapper(Projector(**Projector.state_of(study))))


def run(scheduler: Scheduler, until: Callable[[], bool] = lambda: False) -> None:
    """Step until nothing is left, or until a condition holds."""
    for _ in range(STEPS):
        if not scheduler.step() or until():
            return
    raise AssertionError("the scheduler does not come to an end")


def figures(study: Study) -> list[tuple[object, ...]]:
    """All that must be equal in two studies of the same seed, whatever happened on the way."""
    return [
        (
            one.identity,
            one.seed,
            one.status,
            one.accuracy,
            one.epochs,
            *((e.epoch, e.train_loss, e.validation_loss) for e in study.epochs(one.number)),
        )
        for one in study.models()
    ]


@pytest.fixture
def scheduler(small: Study, inline_pool: MakePool) -> Iterator[Scheduler]:
    made = schedule(small, inline_pool(2))
    yield made
    made.close()


@pytest.mark.promise("MAPS-5", "TRAIN-4")
def test_a_queue_is_trained_and_mapped(small: Study, scheduler: Scheduler) -> None:
    run(scheduler)
    models = small.models()
    assert [one.status for one in models] == [Status.DONE] * 6
    for one in models:
        epochs = small.epochs(one.number)
        assert [e.epoch for e in epochs] == [1, 2]
        predicted = small.predictions(one.number)
        assert predicted is not None
        assert np.mean(predicted == small.validation_labels) == pytest.approx(one.accuracy)
        assert small.weights_path(one.number).stat().st_size > 4 * one.parameters
    for name in MAPS:
        assert small.points(name).keys() == {1, 2, 3, 4, 5, 6}


@pytest.mark.promise("QUEUE-1")
def test_models_are_claimed_in_the_order_of_the_queue(small: Study, inline_pool: MakePool) -> None:
    started: list[int] = []
    pool = inline_pool(1)
    start = pool.start

    def note(number: int, task: Task) -> None:
        started.append(number)
        start(number, task)

    pool.start = note  # type: ignore[method-assign]
    scheduler = schedule(small, pool)
    run(scheduler)
    scheduler.close()
    assert started == [1, 2, 3, 4, 5, 6]


def test_models_that_come_later_are_trained_and_placed(small: Study, scheduler: Scheduler) -> None:
    from tests import synthetic

    run(scheduler)
    before = {name: small.layout(name) for name in MAPS}
    (new,) = synthetic.queue_samples(small, 1, seed=99)
    run(scheduler)
    assert small.model(new).status is Status.DONE
    for name in MAPS:
        assert new in small.points(name)
        layout = small.layout(name)
        assert layout is not None
        if layout.version == before[name].version:
            assert layout.points.tobytes() == before[name].points.tobytes()
        else:
            # So few points are laid out anew where that pays: then all are in the layout.
            assert layout.version == before[name].version + 1
            assert new in layout.models.tolist()


def test_a_stop_puts_what_trains_back_and_another_goes_on_from_there(
    small: Study, inline_pool: MakePool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    first = schedule(small, inline_pool(2))
    run(first, until=lambda: any(one.epochs for one in small.models()))
    first.stop()
    run(first, until=lambda: not first.running)
    first.lease.release()
    first.close()
    assert {one.status for one in small.models()} <= {Status.QUEUED, Status.DONE}
    assert any(one.checkpoint_epoch for one in small.models())

    second = schedule(small, inline_pool(2))
    run(second)
    second.close()
    interrupted = figures(small)

    from remap_ray.creation import create_study
    from remap_ray.space import Limits

    path = tmp_path_factory.mktemp("whole") / "study"
    limits = Limits(parameters=5_000)
    with create_study(path, recipe=small.recipe, models=6, limits=limits) as whole:
        third = schedule(whole, inline_pool(1))
        run(third)
        third.close()
        assert figures(whole) == interrupted


def test_a_scheduler_that_dies_loses_at_most_what_no_checkpoint_holds(
    small: Study, inline_pool: MakePool
) -> None:
    dead = schedule(small, inline_pool(2))
    run(dead, until=lambda: any(one.epochs for one in small.models()))
    recorded = {one.number: small.epochs(one.number) for one in small.models()}
    # It neither stops nor releases: only its heartbeat ends.
    clock = Clock()
    clock.now = small.clock() + 60
    small.clock = clock
    lease = take_lease(small, Holder.this_process("next"), workers=2)
    alive = schedule(small, inline_pool(2), lease)
    run(alive)
    alive.close()
    for one in small.models():
        assert one.status is Status.DONE
        epochs = small.epochs(one.number)
        assert [e.epoch for e in epochs] == [1, 2]
        assert epochs[: len(recorded[one.number])] == recorded[one.number]
    with pytest.raises(LeaseLost):
        run(dead)
    dead.close()


@pytest.mark.promise("QUEUE-7")
def test_a_cancelled_model_stops_and_the_next_one_starts(
    small: Study, inline_pool: MakePool
) -> None:
    scheduler = schedule(small, inline_pool(1))
    scheduler.step()
    assert small.model(1).status is Status.TRAINING
    small.cancel(1)
    small.cancel(3)
    run(scheduler)
    scheduler.close()
    statuses = {one.number: one.status for one in small.models()}
    cancelled = {number for number, status in statuses.items() if status is Status.CANCELLED}
    assert cancelled == {1, 3}
    assert set(statuses.values()) == {Status.CANCELLED, Status.DONE}


@pytest.mark.promise("QUEUE-13")
def test_no_trainer_waits_for_the_files_of_the_model_before(
    small: Study, inline_pool: MakePool, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = schedule(small, inline_pool(1))
    others: list[set[int]] = []

    def watched(write: Callable[..., bool]) -> Callable[..., bool]:
        def writing(number: int, *rest: object) -> bool:
            others.append(set(scheduler.running) - {number})
            return write(number, *rest)

        return writing

    for name in ("finish", "record_cancelled"):
        monkeypatch.setattr(scheduler.lease, name, watched(getattr(scheduler.lease, name)))
    scheduler.step()
    small.cancel(1)
    run(scheduler)
    scheduler.close()
    assert others == [{2}, {3}, {4}, {5}, {6}, set()]


@pytest.mark.promise("QUEUE-5")
def test_a_lost_trainer_costs_a_model_one_more_try_and_then_fails_it(
    small: Study, inline_pool: MakePool
) -> None:
    pool = inline_pool(1)
    unlucky = small.models()[1].number
    poll = pool.poll
    died: list[int] = []

    def die() -> list[tuple[int, Event]]:
        if unlucky in pool._running:
            del pool._running[unlucky]
            died.append(unlucky)
            return [(unlucky, Lost("its trainer died"))]
        return poll()

    pool.poll = die  # type: ignore[method-assign]
    scheduler = schedule(small, pool)
    run(scheduler)
    scheduler.close()
    assert len(died) == 2
    model = small.model(unlucky)
    assert model.status is Status.FAILED
    assert "its trainer died" in model.reason
    others = [one.status for one in small.models() if one.number != unlucky]
    assert others == [Status.DONE] * 5


def test_a_model_that_fails_does_not_fail_the_study(
    tmp_path_factory: pytest.TempPathFactory, inline_pool: MakePool
) -> None:
    from remap_ray.creation import create_study
    from remap_ray.recipe import Recipe
    from remap_ray.space import Architecture, Conv, Dense
    from remap_ray.study import Origin, Submission

    path = tmp_path_factory.mktemp("wild") / "study"
    recipe = Recipe(epochs=60, batch_size=32, learning_rate=900.0, decay=999.0)
    with create_study(path, recipe=recipe) as study:
        deep = Architecture((1, 8, 8), 10, (Conv(16, 3), Dense(64), Dense(64), Dense(64)))
        study.submit([Submission(deep, Origin.HANDCRAFTED)])
        scheduler = schedule(study, inline_pool(1))
        run(scheduler)
        scheduler.close()
        (model,) = study.models()
        assert model.status is Status.FAILED
        assert model.reason.startswith("loss became")
        assert "epoch" in model.reason


def test_the_heartbeat_says_what_happens(small: Study, inline_pool: MakePool) -> None:
    clock = Clock()
    lease = take_lease(small, Holder.this_process("test"), 2)
    mapper = InlineMapper(Projector(**Projector.state_of(small)))
    scheduler = Scheduler(lease, inline_pool(2), mapper, clock)
    scheduler.step()
    scheduler.step()
    assert small.heartbeat().said == "idle"
    clock.now += 5
    scheduler.step()
    heartbeat = small.heartbeat()
    assert (heartbeat.said, heartbeat.workers, heartbeat.alive) == ("training 2", 2, True)
    scheduler.close()


def test_a_wish_to_end_reaches_the_scheduler(small: Study, scheduler: Scheduler) -> None:
    scheduler.step()
    assert not scheduler.stop_wished
    small.wish_end()
    scheduler.step()
    assert scheduler.stop_wished


def test_an_idle_scheduler_raises_no_change_number(small: Study, scheduler: Scheduler) -> None:
    run(scheduler)
    before = small.changes().number
    for _ in range(20):
        assert not scheduler.step()
    assert small.changes().number == before


def test_an_inline_pool_refuses_more_than_it_has_room_for(
    inline_pool: MakePool, tasks: list[Task]
) -> None:
    pool = inline_pool(1)
    assert isinstance(pool, InlinePool)
    pool.start(1, tasks[0])
    with pytest.raises(RuntimeError, match="no trainer is free"):
        pool.start(2, tasks[1])
