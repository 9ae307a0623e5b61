"""Any sequence of wishes and facts, against a model of what a study may become.

A reader that applies every change in turn must see, at every point, what the
whole study is; so must one that wakes only now and then.
"""

from __future__ import annotations

import os
import tempfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    rule,
)

from remap_panel.snapshot import Snapshot, advance
from remap_ray.errors import InvalidRequest, LeaseLost, StudyBusy, UnknownModel
from remap_ray.space import Architecture, Dense, Dropout
from remap_ray.study import (
    MAPS,
    Epoch,
    Holder,
    Layout,
    Lease,
    Placement,
    Status,
    Study,
    Submission,
    take_lease,
)
from remap_ray.study.holder import STALE_SECONDS
from remap_ray.study.records import LEGAL
from tests import synthetic
from tests.study.conftest import MEMORY

HOLDER = Holder("machine", "another-host", 1, 0.0)
# The first two are one network to the study.
NETWORKS = [
    Architecture((1, 8, 8), 10, layers)
    for layers in ((Dense(2), Dropout(0)), *((Dense(units),) for units in range(2, 9)))
]
CHOSEN = st.tuples(st.sampled_from(NETWORKS), st.integers(0, 1))
NUMBERS = st.integers(1, 12)
# Mostly what can count: the lease that holds, and a model in training.
WHOSE = st.sampled_from([*["mine"] * 7, "older"])
WHICH = st.tuples(st.sampled_from([*["training"] * 5, "any"]), NUMBERS)


@dataclass
class Expected:
    """What the study should know of one model."""

    place: float
    position: float | None = None
    status: Status = Status.QUEUED
    before: Status = Status.QUEUED
    lease: int | None = None
    stop_wish: bool = False
    epochs: list[Epoch] = field(default_factory=list)
    checkpoint: int = 0
    weights: bytes | None = None
    checkpoint_file: bytes | None = None


class WishesAndFacts(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        parent = MEMORY if os.access(MEMORY, os.W_OK) else None
        self.folder = tempfile.TemporaryDirectory(dir=parent, prefix="remap-")
        self.now = 1e6
        self.study: Study = synthetic.empty_study(
            Path(self.folder.name) / "s", items=3, clock=lambda: self.now
        )
        self.expected: dict[int, Expected] = {}
        self.deleted: dict[int, Expected] = {}
        self.known: dict[tuple[str, int], int] = {}
        self.drawer: list[int] = []
        self.points: dict[str, dict[int, tuple[float, float]]] = {name: {} for name in MAPS}
        self.versions = dict.fromkeys(MAPS, 0)
        self.leases: list[Lease] = []
        self.held = False
        self.beaten = self.now
        self.seen = self.slow = Snapshot()
        self.drawn = 0

    def teardown(self) -> None:
        self.study.close()
        self.folder.cleanup()

    # Wishes

    @initialize(chosen=st.lists(CHOSEN, min_size=2, max_size=6))
    def begin(self, chosen: list[tuple[Architecture, int]]) -> None:
        self.submit(chosen)
        self.take()
        self.claim("mine", 2)

    @rule(chosen=st.lists(CHOSEN, max_size=4))
    def submit(self, chosen: list[tuple[Architecture, int]]) -> None:
        expected = []
        for network, repeat in chosen:
            key = network.identity, repeat
            if key not in self.known:
                number = self.known[key] = len(self.known) + 1
                self.expected[number] = Expected(place=number)
            number = self.known[key]
            if number in self.deleted:
                self.expected[number] = self.deleted.pop(number)
            expected.append(number)
        wanted = [Submission(network, repeat=repeat) for network, repeat in chosen]
        assert self.study.submit(wanted) == tuple(expected)
        for number in expected:
            if self.expected[number].position is None:
                self.expected[number].place = self.study.model(number).position

    def wish(self, number: int, write: Any, legal: set[Status]) -> Expected | None:
        """Have a wish of one model; it is refused where there is none, or none so."""
        one = self.expected.get(number)
        if one is None:
            with pytest.raises(UnknownModel):
                write()
        elif one.status not in legal:
            with pytest.raises(InvalidRequest):
                write()
        else:
            write()
            return one
        return None

    def waiting(self) -> list[int]:
        there = [n for n, one in self.expected.items() if one.status is Status.QUEUED]
        return sorted(there, key=lambda n: (self.expected[n].place, n))

    def placed_anew(self) -> None:
        for number, one in self.expected.items():
            one.place = one.position = self.study.model(number).position

    @rule(number=NUMBERS, place=st.integers(1, 6))
    def move(self, number: int, place: int) -> None:
        rest = [n for n in self.waiting() if n != number]
        write = lambda: self.study.move(number, place=place)  # noqa: E731
        if self.wish(number, write, {Status.QUEUED}):
            self.placed_anew()
            assert self.waiting() == [*rest[: place - 1], number, *rest[place - 1 :]]

    @rule(number=NUMBERS)
    def retry(self, number: int) -> None:
        write = lambda: self.study.retry(number)  # noqa: E731
        if one := self.wish(number, write, {Status.FAILED, Status.CANCELLED}):
            one.status = Status.QUEUED
            self.placed_anew()
            assert self.waiting()[-1] == number

    @rule(number=NUMBERS)
    def longer(self, number: int) -> None:
        write = lambda: self.study.longer(number, epochs=2)  # noqa: E731
        one = self.wish(number, write, {Status.DONE, Status.CANCELLED, Status.QUEUED})
        if one is not None and one.status is not Status.QUEUED:
            one.status = Status.QUEUED
            self.placed_anew()
            assert self.waiting()[-1] == number

    @rule(number=NUMBERS)
    def delete(self, number: int) -> None:
        write = lambda: self.study.delete(number)  # noqa: E731
        if self.wish(number, write, set(Status) - {Status.TRAINING}):
            self.deleted[number] = self.expected.pop(number)

    @rule(number=NUMBERS)
    def restore(self, number: int) -> None:
        if number in self.deleted:
            self.expected[number] = self.deleted.pop(number)
        if number in self.expected:
            self.study.restore(number)
        else:
            with pytest.raises(UnknownModel):
                self.study.restore(number)

    @rule(number=NUMBERS)
    def cancel(self, number: int) -> None:
        one = self.expected.get(number)
        if one is None:
            with pytest.raises(UnknownModel):
                self.study.cancel(number)
        elif one.status is Status.QUEUED:
            self.study.cancel(number)
            one.status = Status.CANCELLED
        elif one.status is Status.TRAINING:
            self.study.cancel(number)
            one.stop_wish = True
        else:
            with pytest.raises(InvalidRequest, match="nothing to cancel"):
                self.study.cancel(number)

    @rule(number=NUMBERS, keep=st.booleans())
    def use_the_drawer(self, number: int, keep: bool) -> None:
        there = number in self.drawer
        if number not in self.expected or not (keep or there):
            with pytest.raises(UnknownModel):
                (self.study.keep if keep else self.study.let_go)(number)
        elif keep:
            self.study.keep(number)
            self.drawer += [] if there else [number]
        else:
            self.study.let_go(number)
            self.drawer.remove(number)

    # The lease

    def alive(self) -> bool:
        return self.held and self.now - self.beaten <= STALE_SECONDS

    @rule()
    def take(self) -> None:
        if self.alive():
            with pytest.raises(StudyBusy):
                take_lease(self.study, HOLDER, 1)
            self.now += STALE_SECONDS + 1
        lease = take_lease(self.study, HOLDER, 1)
        self.leases.append(lease)
        assert lease.number == len(self.leases)
        self.held, self.beaten = True, self.now
        for one in self.expected.values():
            if one.status is Status.TRAINING:
                self.end(one, Status.CANCELLED if one.stop_wish else Status.QUEUED)

    @rule(whose=WHOSE, what=st.sampled_from(["beat", "release", "a second", "ten seconds"]))
    def live_on(self, whose: str, what: str) -> None:
        lease = self.lease(whose)
        if "second" in what:
            self.now += 1.0 if what == "a second" else STALE_SECONDS
            return
        if self.lost(lease):
            with pytest.raises(LeaseLost):
                lease.beat("here", 1) if what == "beat" else lease.release()
        elif what == "beat":
            lease.beat("here", 1)
            self.beaten = self.now
        else:
            lease.release()
            self.held = False

    # Facts

    @rule(whose=WHOSE, count=st.integers(0, 4))
    def claim(self, whose: str, count: int) -> None:
        lease = self.lease(whose)
        if self.lost(lease):
            with pytest.raises(LeaseLost):
                lease.claim(count)
            return
        waiting = self.waiting()[:count]
        assert [one.number for one in lease.claim(count)] == waiting
        for number in waiting:
            self.expected[number].status = Status.TRAINING
            self.expected[number].lease = lease.number

    @rule(whose=WHOSE, which=WHICH, again=st.booleans())
    def record_epoch(self, whose: str, which: tuple[str, int], again: bool) -> None:
        lease, number = self.lease(whose), self.pick(which)
        one = self.expected.get(number)
        done = len(one.epochs) if one else 0
        at = max(done, 1) if again else done + 1
        self.drawn += 1
        epoch = Epoch(number, at, 1 / self.drawn, 0.1, 0.5, 0.2, 1.0)
        if self.fact(lease, one, lambda: lease.record_epoch(epoch), refused=at <= done):
            one.epochs.append(epoch)

    @rule(whose=WHOSE, which=WHICH)
    def record_checkpoint(self, whose: str, which: tuple[str, int]) -> None:
        lease, number = self.lease(whose), self.pick(which)
        one = self.expected.get(number)
        at, data = len(one.epochs) if one else 1, self.data()
        if self.fact(lease, one, lambda: lease.record_checkpoint(number, at, data)):
            one.checkpoint, one.checkpoint_file = at, data

    @rule(
        whose=WHOSE,
        which=WHICH,
        how=st.sampled_from(["finish", "fail", "requeue", "requeue", "record_cancelled"]),
    )
    def end_training(self, whose: str, which: tuple[str, int], how: str) -> None:
        lease, number = self.lease(whose), self.pick(which)
        one, data = self.expected.get(number), self.data()
        predicted = np.array([1, 2, 3], np.uint8)
        arguments: dict[str, tuple[Any, ...]] = {
            "finish": (predicted, data),
            "fail": ("no luck",),
            "requeue": ("interrupted",),
            "record_cancelled": (),
        }
        write = getattr(lease, how)
        if not self.fact(lease, one, lambda: write(number, *arguments[how])):
            return
        if how == "finish":
            one.weights = data
        self.end(one, {
            "finish": Status.DONE,
            "fail": Status.FAILED,
            "requeue": Status.CANCELLED if one.stop_wish else Status.QUEUED,
            "record_cancelled": Status.CANCELLED,
        }[how])  # fmt: skip

    @rule(whose=WHOSE, name=st.sampled_from(MAPS), chosen=st.sets(NUMBERS))
    def record_layout(self, whose: str, name: str, chosen: set[int]) -> None:
        lease = self.lease(whose)
        numbers = sorted(chosen & self.expected.keys())
        version = self.versions[name] + 1
        points = np.array([(n, version) for n in numbers], float).reshape(-1, 2)
        layout = Layout(name, version, np.array(numbers, int), points, np.ones(len(numbers)), 0.1)
        if self.lost(lease):
            with pytest.raises(LeaseLost):
                lease.record_layout(layout)
            return
        lease.record_layout(layout)
        self.versions[name] = version
        self.points[name] = {n: (float(n), float(version)) for n in numbers}

    @rule(
        whose=WHOSE, name=st.sampled_from(MAPS), number=NUMBERS, behind=st.sampled_from([0, 0, 1])
    )
    def record_placement(self, whose: str, name: str, number: int, behind: int) -> None:
        lease = self.lease(whose)
        version = self.versions[name] - behind
        placement = Placement(name, version, number, -1.0, -2.0, 0.5)
        if self.lost(lease):
            with pytest.raises(LeaseLost):
                lease.record_placement(placement)
            return
        placed = self.points[name]
        if number not in self.expected or (number in placed and placed[number] != (-1.0, -2.0)):
            return
        fresh = bool(version) and not behind and number not in placed
        assert lease.record_placement(placement) is fresh
        if fresh:
            placed[number] = (-1.0, -2.0)

    # How facts end

    def lease(self, whose: str) -> Lease:
        return self.leases[-1] if whose == "mine" else self.leases[len(self.leases) // 2 - 1]

    def pick(self, which: tuple[str, int]) -> int:
        wanted, at = which
        training = [n for n, one in self.expected.items() if one.status is Status.TRAINING]
        return training[at % len(training)] if training and wanted == "training" else at

    def lost(self, lease: Lease) -> bool:
        return lease is not self.leases[-1]

    def fact(
        self, lease: Lease, one: Expected | None, write: Any, *, refused: bool = False
    ) -> bool:
        """Write a fact; it counts only from the holder, of a model that it trains."""
        if self.lost(lease):
            with pytest.raises(LeaseLost):
                write()
            return False
        trains = one is not None and one.status is Status.TRAINING and one.lease == lease.number
        counts = trains and not refused
        assert write() is counts
        return counts

    def end(self, one: Expected, status: Status) -> None:
        one.status, one.lease, one.stop_wish = status, None, False

    def data(self) -> bytes:
        self.drawn += 1
        return str(self.drawn).encode()

    # What holds at every point

    def follow(self, before: Snapshot) -> Snapshot:
        return advance(before, self.study.changes(before.number), self.study.heartbeat())

    @rule()
    def the_slow_reader_wakes(self) -> None:
        self.slow = self.follow(self.slow)
        assert self.slow == self.follow(Snapshot())

    @invariant()
    def every_reader_sees_what_is_expected(self) -> None:
        everything = self.study.changes()
        change = self.study.changes(self.seen.number)
        assert change.number == everything.number >= self.seen.number
        if change:
            assert change.number > self.seen.number, "what is new has a new number"
        beat = self.study.heartbeat()
        assert beat.alive == self.alive()
        whole = advance(Snapshot(), everything, beat)
        self.seen = advance(self.seen, change, beat)
        assert self.seen == whole
        assert list(self.seen.models) == sorted(self.seen.models)

        assert whole.models.keys() == self.expected.keys()
        for number, one in whole.models.items():
            expected = self.expected[number]
            assert one.status is expected.status
            # One step of the machine is at most one step of a model.
            assert one.status is expected.before or one.status in LEGAL[expected.before]
            expected.before = one.status
            assert expected.position in {None, one.position}, "it keeps its place"
            expected.position = one.position
            assert one.stop_wish == expected.stop_wish
            assert one.checkpoint_epoch == expected.checkpoint
            assert one.epochs == one.seconds == len(expected.epochs)
            assert whole.epochs.get(number, ()) == tuple(expected.epochs)
            if expected.epochs:
                assert one.train_loss == expected.epochs[-1].train_loss
            for path, data in (
                (self.study.weights_path(number), expected.weights),
                (self.study.checkpoint_path(number), expected.checkpoint_file),
            ):
                assert (path.read_bytes() if path.exists() else None) == data
        assert set(everything.predictions) == {
            number for number, one in self.expected.items() if one.weights
        }
        assert list(whole.drawer_numbers) == [n for n in self.drawer if n in self.expected]
        for name in MAPS:
            seen = {number: (point.x, point.y) for number, point in whole.points[name].items()}
            assert seen == {n: at for n, at in self.points[name].items() if n in self.expected}

    @invariant()
    def the_counts_are_of_all(self) -> None:
        found = Counter(one.status for one in self.expected.values())
        assert self.study.counts() == {status: found[status] for status in Status}


TestWishesAndFacts = pytest.mark.slow(WishesAndFacts.TestCase)
TestWishesAndFacts.settings = settings(
    deadline=None,
    max_examples=15,
    stateful_step_count=40,
    # Forty steps can be read as they are; making them fewer takes minutes.
    phases=[Phase.explicit, Phase.reuse, Phase.generate],
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
