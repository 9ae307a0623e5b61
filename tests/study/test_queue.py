"""What the queue says: a reason for every model, the pace, the time left, lengths of time."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from math import inf, isfinite
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from remap_ray.study import (
    Heartbeat,
    Model,
    Origin,
    Status,
    duration,
    pace_of,
    reasons,
    seconds_left,
)
from remap_ray.study.queue import Pace

NOBODY = Heartbeat(3, "gone", alive=False, seconds=99.0, workers=4, said="training 2")


def trained_by(workers: int) -> Heartbeat:
    return Heartbeat(3, "worker", alive=True, seconds=1.0, workers=workers, said="idle")


def model(number: int, status: Status = Status.QUEUED, **more: Any) -> Model:
    values: dict[str, Any] = {
        "identity": f"{number:012x}", "repeat": 0, "seed": 0, "form": {}, "origin": Origin.SAMPLED,
        "parent": None, "edits": (), "words": "", "parameters": 10, "multiply_adds": 1000,
        "reason": "", "position": float(number), "wanted_epochs": 10,
        "created": datetime(2020, 1, 1, tzinfo=UTC),
    }  # fmt: skip
    return Model(number=number, status=status, **{**values, **more})


def done(number: int, multiply_adds: int, epoch_seconds: float, epochs: int = 10) -> Model:
    return model(
        number, Status.DONE, multiply_adds=multiply_adds, epochs=epochs,
        seconds=epoch_seconds * epochs,
    )  # fmt: skip


@st.composite
def any_models(draw: st.DrawFn) -> tuple[Model, ...]:
    def one(number: int) -> Model:
        epochs = draw(st.integers(0, 30))
        seconds = draw(st.floats(1e-4, 1e5)) * epochs
        return model(
            number,
            draw(st.sampled_from(Status)),
            multiply_adds=draw(st.integers(2, 10**12)),
            epochs=epochs,
            seconds=draw(st.sampled_from([0.0, seconds])),
            wanted_epochs=draw(st.integers(1, 30)),
            position=draw(st.floats(-10, 10)),
            stop_wish=draw(st.booleans()),
            reason=draw(st.sampled_from(["", "why"])),
            stopped=draw(st.sampled_from([None, "halving after 3 of 10 epochs"])),
        )

    return tuple(one(number) for number in range(1, draw(st.integers(0, 12)) + 1))


# The pace


@given(any_models())
@settings(deadline=None)
def test_a_pace_is_never_negative(models: tuple[Model, ...]) -> None:
    pace = pace_of(models)
    measured = [one for one in models if one.epochs and one.seconds > 0]
    assert (pace is None) == (not measured)
    if pace is not None:
        assert 0 <= pace.base < inf
        assert 0 <= pace.rate < inf
        assert pace.base + pace.rate > 0
        # A larger network is never expected to be quicker.
        assert pace.epoch(10) <= pace.epoch(10**9)


@given(
    st.floats(1e-3, 10),
    st.floats(1e-10, 1e-6),
    st.lists(st.integers(10**3, 10**8), min_size=2, max_size=12, unique=True),
)
@settings(deadline=None)
def test_a_pace_that_holds_exactly_is_found(base: float, rate: float, costs: list[int]) -> None:
    models = [done(n, cost, base + rate * cost) for n, cost in enumerate(costs, start=1)]
    pace = pace_of(models)
    for cost in costs:
        assert pace.epoch(cost) == pytest.approx(base + rate * cost, rel=1e-5)


def test_one_model_alone_gives_its_own_pace_to_all() -> None:
    """A bare output layer, done first, must not make hours of what takes seconds."""
    pace = pace_of([done(1, 640, 0.05)])
    assert pace.epoch(640) == pytest.approx(0.05)
    assert pace.epoch(10**7) == pytest.approx(0.05)


def test_equal_networks_give_their_mean_pace() -> None:
    pace = pace_of([done(1, 1000, 1.0), done(2, 1000, 1.1)])
    # The least squares of relative errors.
    assert pace.epoch(1000) == pytest.approx((1 + 1 / 1.1) / (1 + 1 / 1.21))


def test_a_pace_that_falls_with_size_is_taken_for_level() -> None:
    pace = pace_of([done(1, 1000, 2.0), done(2, 100_000, 1.0)])
    assert pace.rate == 0
    assert 1.0 < pace.base < 2.0


def test_a_pace_below_nothing_at_size_nought_goes_through_the_origin() -> None:
    pace = pace_of([done(1, 1000, 0.1), done(2, 2000, 1.0)])
    assert pace.base == 0
    assert pace.epoch(2000) == 2 * pace.epoch(1000) > 0


def test_large_networks_do_not_outvote_small_ones() -> None:
    small = [done(n, 1000, 0.01) for n in range(1, 6)]
    pace = pace_of([*small, done(6, 10**8, 100.0), done(7, 10**8, 140.0)])
    assert pace.epoch(1000) == pytest.approx(0.01, rel=0.2)


def test_what_has_not_trained_says_nothing_of_the_pace() -> None:
    waiting = [model(1), model(2, Status.FAILED), model(3, Status.TRAINING)]
    assert pace_of([]) is None
    assert pace_of(waiting) is None
    # One that failed after some epochs has measured them all the same.
    assert pace_of([model(1, Status.FAILED, epochs=2, seconds=3.0)]).epoch(1) == 1.5


# The time left


def test_the_time_left_is_shared_by_the_workers() -> None:
    pace = Pace(1.0, 0.0)
    models = [
        model(1, Status.TRAINING, epochs=4, seconds=8.0),
        model(2),
        model(3, wanted_epochs=20),
        model(4, Status.DONE, epochs=10, seconds=10.0),
        model(5, Status.CANCELLED),
        model(6, Status.FAILED, epochs=3, seconds=3.0),
    ]
    # 6 epochs at its own 2 s, then 10 and 20 at the study's 1 s.
    assert seconds_left(models, pace, 1) == 42.0
    assert seconds_left(models, pace, 2) == 21.0
    # No more than one works at the longest.
    assert seconds_left(models, pace, 30) == 20.0
    assert seconds_left(models, pace, 0) == 42.0
    assert seconds_left(models, None, 2) is None
    assert seconds_left(models[3:], pace, 2) == 0.0


def test_a_model_past_its_wanted_epochs_takes_no_more_time() -> None:
    over = model(1, Status.TRAINING, epochs=12, seconds=12.0)
    assert seconds_left([over], Pace(1.0, 0.0), 1) == 0.0


@given(any_models(), st.integers(0, 64))
@settings(deadline=None)
def test_the_time_left_is_a_length_of_time(models: tuple[Model, ...], workers: int) -> None:
    pace = pace_of(models)
    left = seconds_left(models, pace, workers)
    assert (left is None) == (pace is None)
    if left is not None:
        assert left >= 0
        assert isfinite(left)
        assert left >= (seconds_left(models, pace, workers + 1) or 0.0)


# The reasons


@given(any_models(), st.booleans(), st.integers(0, 8))
@settings(deadline=None)
@pytest.mark.promise("QUEUE-9")
def test_every_model_has_a_reason(models: tuple[Model, ...], alive: bool, workers: int) -> None:
    heartbeat = trained_by(workers) if alive else NOBODY
    said = reasons(models, heartbeat)
    assert said.keys() == {one.number for one in models}
    waiting = sum(one.status is Status.QUEUED for one in models)
    assert sum("next" in said[n] for n in said) == (1 if alive and waiting else 0)
    for one in models:
        text = said[one.number]
        match one.status:
            case Status.QUEUED:
                assert text.startswith("waiting: ")
                assert ("nobody trains" in text) != alive
            case Status.TRAINING if not alive:
                assert text == "interrupted: nobody trains this study now"
            case Status.TRAINING:
                assert text.startswith("stopping" if one.stop_wish else "training: epoch ")
            case Status.DONE:
                assert text
            case Status.FAILED:
                assert text == f"failed: {one.reason}"
            case Status.CANCELLED:
                assert text == one.reason


def test_reasons_of_a_queue_that_moves() -> None:
    models = (
        model(1, Status.DONE, epochs=10, seconds=20.0),
        model(2, Status.TRAINING, epochs=4, seconds=8.0),
        model(3, Status.TRAINING, stop_wish=True, wanted_epochs=1, epochs=1, seconds=2.0),
        model(4, position=9.0),
        model(5, position=8.0),
        model(6, Status.FAILED, reason="the loss became infinite in epoch 2"),
        model(7, Status.CANCELLED, reason="cancelled while waiting"),
        model(8, Status.DONE, stopped="halving after 3 of 10 epochs"),
        model(9, position=9.5),
    )
    assert reasons(models, trained_by(2)) == {
        1: "done in 20 s",
        2: "training: epoch 5 of 10, 12 s left",
        3: "stopping",
        # By position: 5 begins where 3 stops, 4 where 2 ends in 12 s, 9 after the 20 s of 5.
        5: "waiting: next",
        4: "waiting: 1 ahead, about 12 s",
        9: "waiting: 2 ahead, about 20 s",
        6: "failed: the loss became infinite in epoch 2",
        7: "cancelled while waiting",
        8: "halving after 3 of 10 epochs",
    }


def test_reasons_before_anything_was_measured() -> None:
    models = (model(1, Status.TRAINING), model(2), model(3))
    assert reasons(models, trained_by(1)) == {
        1: "training: epoch 1 of 10",
        2: "waiting: next",
        3: "waiting: 1 ahead",
    }


def test_reasons_when_nobody_trains() -> None:
    models = (model(1, Status.TRAINING, epochs=4, seconds=8.0), model(2))
    assert reasons(models, NOBODY) == {
        1: "interrupted: nobody trains this study now",
        2: "waiting: nobody trains this study now",
    }


def test_who_shares_a_gpu_is_told_what_is_missing() -> None:
    quarter = Heartbeat(3, "worker", True, 1.0, workers=4, said="training 4", gpus_each=0.25)
    training = [model(n, Status.TRAINING, epochs=n, seconds=2.0 * n) for n in range(1, 5)]
    said = reasons([*training, model(5), model(6)], quarter)
    assert said[5] == "waiting: no free quarter of a GPU, about 12 s"
    assert said[6] == "waiting: 1 ahead, about 14 s"
    # One is free: the trainer just has not been given the next yet.
    assert reasons([*training[:3], model(5)], quarter)[5] == "waiting: next"
    for gpus, words in ((1, "GPU"), (2, "2 GPUs"), (1 / 3, "third of a GPU"), (1 / 7, "1/7 of a")):
        beat = replace(quarter, gpus_each=gpus)
        assert f"no free {words}" in reasons([*training, model(5)], beat)[5]


@pytest.mark.promise("QUEUE-9")
def test_reasons_while_the_trainers_start_and_while_the_queue_is_paused() -> None:
    models = (model(1, Status.TRAINING, epochs=4, seconds=8.0), model(2))
    starting = Heartbeat(3, "me", True, 1.0, workers=0, said="starting", starting=True)
    assert reasons(models, starting) == {
        1: "interrupted: goes on once the trainers have started",
        2: "waiting: the trainers are starting",
    }
    for alive in (True, False):
        paused = replace(trained_by(1), alive=alive, paused=True)
        assert reasons(models, paused)[2] == "waiting: the queue is paused"
    assert reasons(models, replace(trained_by(1), paused=True))[1] == "stopping"


def test_what_is_tried_again_says_why() -> None:
    why = "killed: out of memory, tried again once"
    models = [
        model(1, Status.TRAINING, reason=why, losses=1),
        model(2, reason=why, losses=1),
        model(3, Status.FAILED, reason=why, losses=2),
        model(4, reason="interrupted"),
    ]
    assert reasons(models, trained_by(1)) == {
        1: f"training: epoch 1 of 10 ({why})",
        2: f"waiting: next ({why})",
        3: why,
        4: "waiting: 1 ahead",
    }


def test_fewer_workers_than_train_make_room_only_when_enough_have_ended() -> None:
    training = [model(n, Status.TRAINING, epochs=n, seconds=2.0 * n) for n in range(1, 4)]
    # They take 18, 16 and 14 s more; the one worker there is to be is free after the last.
    assert reasons([*training, model(4)], trained_by(1))[4] == "waiting: next, about 18 s"


def test_the_last_epoch_is_not_passed() -> None:
    last = model(1, Status.TRAINING, epochs=10, seconds=10.0)
    assert reasons([last], trained_by(1)) == {1: "training: epoch 10 of 10, 0 s left"}


# Lengths of time


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "0 s"),
        (0.4, "0 s"),
        (0.6, "1 s"),
        (12.2, "12 s"),
        (89.4, "89 s"),
        (89.6, "2 min"),
        (90, "2 min"),
        (180, "3 min"),
        (89.4 * 60, "89 min"),
        (90 * 60, "1 h 30 min"),
        (130 * 60, "2 h 10 min"),
        (30 * 3600, "30 h 0 min"),
    ],
)
def test_a_length_of_time_as_people_say_it(seconds: float, said: str) -> None:
    assert duration(seconds) == said


def _seconds(said: str) -> int:
    units = {"s": 1, "min": 60, "h": 3600}
    words = said.split()
    return sum(int(n) * units[unit] for n, unit in zip(words[::2], words[1::2], strict=True))


@given(st.floats(0, 1e7), st.floats(0, 1e7))
def test_a_longer_time_never_sounds_shorter(one: float, other: float) -> None:
    shorter, longer = sorted((one, other))
    assert _seconds(duration(shorter)) <= _seconds(duration(longer))
    assert _seconds(duration(longer)) == pytest.approx(longer, rel=0.34, abs=0.5)
