"""What the scheduler makes of wishes, over a real study and real training, without Ray."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from remap_ray.cluster.plan import Plan
from remap_ray.cluster.pool import Event, InlinePool, Lost, Pool
from remap_ray.cluster.projector import InlineMapper, Projector
from remap_ray.cluster.scheduler import CANCEL_SECONDS, PAUSE_SECONDS, Scheduler
from remap_ray.creation import add_samples, create_study
from remap_ray.errors import InvalidRequest
from remap_ray.recipe import Recipe
from remap_ray.space import Limits
from remap_ray.study import Holder, Status, Study, Wished, reasons, take_lease
from remap_ray.training.task import Task
from tests.cluster.test_scheduler import Clock, figures, run, schedule

MakePool = Callable[[int], Pool]
LIMITS = Limits(parameters=5_000)


class Deaf:
    """A pool whose trainers do not hear that they shall stop."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.killed: list[int] = []

    def __getattr__(self, name: str) -> object:
        return getattr(self._pool, name)

    def stop(self, number: int) -> None:
        return

    def kill(self, number: int) -> None:
        self.killed.append(number)
        self._pool.kill(number)


def statuses(study: Study) -> list[Status]:
    return [one.status for one in study.models()]


def timed(study: Study, pool: Pool, clock: Clock, **more: object) -> Scheduler:
    lease = take_lease(study, Holder.this_process("test"), pool.size())
    mapper = InlineMapper(Projector(**Projector.state_of(study)))
    return Scheduler(lease, pool, mapper, clock, **more)  # type: ignore[arg-type]


def replanned(wished: Wished) -> Plan:
    if (wished.workers or 0) > 2:
        raise InvalidRequest("there are 2 CPUs")
    return Plan(wished.workers or 2, 1, 0.0)


@pytest.mark.promise("QUEUE-13")
def test_a_trainer_that_does_not_answer_is_ended_and_the_model_cancelled(
    small: Study, inline_pool: MakePool
) -> None:
    clock, pool = Clock(), Deaf(inline_pool(1))
    scheduler = timed(small, pool, clock)
    scheduler.step()
    small.cancel(1)
    scheduler.step()
    clock.now += CANCEL_SECONDS - 0.1
    scheduler.step()
    assert pool.killed == []
    clock.now += 0.2
    scheduler.step()
    assert pool.killed == [1]
    assert small.model(1).status is Status.CANCELLED
    run(scheduler)
    scheduler.close()
    assert statuses(small) == [Status.CANCELLED, *[Status.DONE] * 5]


@pytest.mark.promise("QUEUE-15")
def test_a_pause_puts_what_trains_back_and_resuming_changes_nothing_in_the_end(
    small: Study, inline_pool: MakePool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    scheduler = schedule(small, inline_pool(2))
    run(scheduler, until=lambda: any(one.epochs for one in small.models()))
    small.pause()
    # A paused queue is not at its end: whoever waits for that waits on.
    for _ in range(50):
        assert scheduler.step()
    assert not scheduler.running
    assert scheduler.held
    assert set(statuses(small)) <= {Status.QUEUED, Status.DONE}
    assert all(one.checkpoint_epoch == one.epochs for one in small.models())
    assert any(one.epochs for one in small.models() if one.status is Status.QUEUED)
    said = reasons(small.models(), small.heartbeat())
    assert {said[n] for n in said if small.model(n).status is Status.QUEUED} == {
        "waiting: the queue is paused"
    }
    small.resume()
    run(scheduler)
    scheduler.close()
    path = tmp_path_factory.mktemp("whole") / "study"
    with create_study(path, recipe=small.recipe, models=6, limits=LIMITS) as whole:
        straight = schedule(whole, inline_pool(2))
        run(straight)
        straight.close()
        assert figures(whole) == figures(small)


def test_who_pauses_a_queue_before_it_starts_has_it_wait(
    small: Study, inline_pool: MakePool
) -> None:
    small.pause()
    scheduler = schedule(small, inline_pool(1))
    for _ in range(5):
        assert scheduler.step()
    assert statuses(small) == [Status.QUEUED] * 6
    for one in small.models():
        small.cancel(one.number)
    # Nothing waits any more: nothing holds the queue.
    assert not scheduler.step()
    scheduler.close()


@pytest.mark.promise("QUEUE-15")
def test_fewer_workers_put_the_later_one_back_and_more_take_it_up(
    small: Study, inline_pool: MakePool
) -> None:
    clock = Clock()
    scheduler = timed(small, inline_pool(2), clock, plan=Plan(2, 1, 0.0), replan=replanned)
    scheduler.step()
    assert scheduler.running.keys() == {1, 2}
    small.set_workers(1)
    run(scheduler, until=lambda: len(scheduler.running) == 1)
    assert scheduler.running.keys() == {1}
    assert small.model(2).status is Status.QUEUED
    assert scheduler.pool.size() == 1
    small.set_workers(2)
    run(scheduler, until=lambda: len(scheduler.running) == 2)
    assert scheduler.running.keys() == {1, 2}
    # What cannot be had is said, and nothing changes.
    small.set_workers(9)
    clock.now += 5
    scheduler.step()
    assert small.heartbeat().said.endswith("not possible: there are 2 CPUs")
    assert scheduler.pool.size() == 2
    run(scheduler)
    scheduler.close()
    assert statuses(small) == [Status.DONE] * 6


def test_another_share_of_a_gpu_has_all_that_train_make_room(
    small: Study, inline_pool: MakePool
) -> None:
    clock, pool = Clock(), Deaf(inline_pool(2))

    def share(wished: Wished) -> Plan:
        return Plan(2, 1, wished.gpus_per_model or 0.0)

    scheduler = timed(small, pool, clock, plan=Plan(2, 1, 0.0), replan=share)
    scheduler.step()
    small.set_workers(gpus_per_model=0.5)
    scheduler.step()
    # The deaf are ended after a while; that is no fault of the models.
    clock.now += PAUSE_SECONDS + 1
    scheduler.step()
    assert pool.killed
    assert small.heartbeat().gpus_each == 0.5
    run(scheduler)
    scheduler.close()
    assert statuses(small) == [Status.DONE] * 6
    assert {one.losses for one in small.models()} == {0}


@pytest.mark.promise("QUEUE-5")
def test_a_model_that_was_lost_is_not_tried_for_ever_by_one_scheduler_after_another(
    small: Study, inline_pool: MakePool
) -> None:
    why = "killed: out of memory"

    def starving() -> Scheduler:
        pool = inline_pool(1)
        poll = pool.poll

        def die() -> list[tuple[int, Event]]:
            if 1 in pool._running:  # type: ignore[attr-defined]
                del pool._running[1]  # type: ignore[attr-defined]
                return [(1, Lost(why))]
            return poll()

        pool.poll = die  # type: ignore[method-assign]
        return schedule(small, pool)

    first = starving()
    run(first, until=lambda: small.model(1).losses == 1)
    again = f"{why}, tried again once"
    assert again in reasons(small.models(), small.heartbeat())[1]
    first.stop()
    run(first, until=lambda: not first.running)
    first.lease.release()
    first.close()
    second = starving()
    run(second)
    second.lease.release()
    second.close()
    model = small.model(1)
    assert (model.status, model.reason) == (Status.FAILED, again)
    assert reasons(small.models(), small.heartbeat())[1] == again
    # Who retries it means it: it has both tries again.
    small.retry(1)
    assert small.model(1).losses == 0
    third = schedule(small, inline_pool(1))
    run(third)
    third.close()
    assert small.model(1).status is Status.DONE


@pytest.mark.promise("QUEUE-14")
def test_trained_longer_is_as_if_trained_so_long_at_once(
    small: Study, inline_pool: MakePool, tmp_path_factory: pytest.TempPathFactory
) -> None:
    scheduler = schedule(small, inline_pool(1))
    run(scheduler)
    before = small.model(2)
    small.longer(2, epochs=3)
    run(scheduler)
    scheduler.close()
    longer = small.model(2)
    assert (longer.status, longer.epochs) == (Status.DONE, before.epochs + 3)
    path = tmp_path_factory.mktemp("whole") / "study"
    recipe = Recipe(epochs=5, batch_size=64)
    with create_study(path, recipe=recipe, models=6, limits=LIMITS) as whole:
        for number in (1, 3, 4, 5, 6):
            whole.cancel(number)
        straight = schedule(whole, inline_pool(1))
        run(straight)
        straight.close()
        assert figures(whole)[1] == figures(small)[1]
        assert whole.weights_path(2).read_bytes() == small.weights_path(2).read_bytes()


@pytest.mark.promise("TRAIN-8")
def test_a_model_that_gains_nothing_stops_early_and_its_children_get_all_epochs(
    tmp_path: Path, inline_pool: MakePool
) -> None:
    # No loss falls by so much twice: the first epoch is the only gain.
    recipe = Recipe(epochs=7, batch_size=64, patience=3, least_gain=20.0)
    with create_study(tmp_path / "s", recipe=recipe, models=3, limits=LIMITS) as study:
        scheduler = schedule(study, inline_pool(1))
        run(scheduler)
        for one in study.models():
            assert (one.status, one.epochs) == (Status.DONE, 4)
            assert one.stopped == "stopped early at 4 of 7"
            assert study.predictions(one.number) is not None
        said = reasons(study.models(), study.heartbeat())
        assert set(said.values()) == {"stopped early at 4 of 7"}
        (repeat,) = study.repeat(1)
        assert study.model(repeat).wanted_epochs == 7
        # Who wishes it longer gets all of it.
        study.longer(1, epochs=5)
        run(scheduler)
        first = study.model(1)
        assert (first.epochs, first.stopped) == (9, None)
        scheduler.close()


@pytest.mark.promise("TRAIN-8")
def test_an_interruption_does_not_make_early_stopping_forget(
    tmp_path: Path, inline_pool: MakePool
) -> None:
    recipe = Recipe(epochs=7, batch_size=64, patience=3, least_gain=20.0)
    with create_study(tmp_path / "s", recipe=recipe, models=1, limits=LIMITS) as study:
        for wanted in (1, 2, 3):
            scheduler = schedule(study, inline_pool(1))
            run(scheduler, until=lambda wanted=wanted: study.model(1).epochs >= wanted)
            scheduler.stop()
            run(scheduler, until=lambda one=scheduler: not one.running)
            scheduler.lease.release()
            scheduler.close()
        scheduler = schedule(study, inline_pool(1))
        run(scheduler)
        scheduler.close()
        assert study.model(1).stopped == "stopped early at 4 of 7"


@pytest.mark.promise("QUEUE-12")
def test_a_halving_gives_the_same_whatever_happens_on_the_way(
    tmp_path: Path, inline_pool: MakePool
) -> None:
    recipe = Recipe(epochs=9, batch_size=64)

    def halved(name: str) -> Study:
        return create_study(tmp_path / name, recipe=recipe, models=7, limits=LIMITS, halving=True)

    with halved("straight") as straight, halved("broken") as broken:
        scheduler = schedule(straight, inline_pool(1))
        run(scheduler)
        scheduler.close()
        epochs = sorted(one.epochs for one in straight.models())
        assert epochs == [1, 1, 1, 1, 3, 3, 9]
        assert max(straight.models(), key=lambda one: one.epochs).accuracy == max(
            one.accuracy or 0.0 for one in straight.models()
        )
        for after in (2, 5, 9, 14):
            scheduler = schedule(broken, inline_pool(2))
            run(
                scheduler,
                until=lambda after=after: sum(one.epochs for one in broken.models()) >= after,
            )
            scheduler.stop()
            run(scheduler, until=lambda one=scheduler: not one.running)
            scheduler.lease.release()
            scheduler.close()
        scheduler = schedule(broken, inline_pool(2))
        run(scheduler)
        scheduler.close()
        assert figures(broken) == figures(straight)
        assert [one.stopped for one in broken.models()] == [
            one.stopped for one in straight.models()
        ]
        # The same wish again has nothing to do; a larger one halves the new ones alone.
        assert add_samples(broken, 7, LIMITS, halving=True) == 0
        assert add_samples(broken, 9, LIMITS, halving=True) == 2
        assert [one.wanted_epochs for one in broken.models()[7:]] == [1, 1]


def test_a_sampled_model_that_was_deleted_is_not_drawn_again(
    small: Study, inline_pool: MakePool
) -> None:
    small.delete(2)
    small.repeat(1)
    assert add_samples(small, 6, LIMITS) == 0
    assert add_samples(small, 7, LIMITS) == 1


def test_a_task_says_how_its_model_is_computed(small: Study, inline_pool: MakePool) -> None:
    seen: list[Task] = []
    pool = inline_pool(1)
    assert isinstance(pool, InlinePool)
    start = pool.start

    def note(number: int, task: Task) -> None:
        seen.append(task)
        start(number, task)

    pool.start = note  # type: ignore[method-assign]
    scheduler = timed(small, pool, Clock(), bfloat16=True)
    scheduler.step()
    scheduler.close()
    assert seen[0].bfloat16
    assert seen[0].stops_early
