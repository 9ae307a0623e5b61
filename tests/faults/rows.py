"""The rows of the fault table: what is killed, how it is found, and what goes on afterwards."""

from __future__ import annotations

import threading
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import final

import psutil

from remap_ray.study import Status, open_study
from tests.faults.cluster import three_nodes
from tests.faults.log import Log, environment
from tests.faults.moments import Moment, Struck, checkpoints_often, strike
from tests.faults.prepared import LONG_SECONDS, Outcome, long_study, outcome
from tests.faults.victims import RAY, busy, family_of, kill, titled
from tests.processes import REMAP, Started, free_port, remap, wait_for

__all__ = [
    "ROWS",
    "TRAINING",
    "Found",
    "Scene",
    "finished",
    "held_against",
    "run",
    "uninterrupted",
    "went_on",
]

END_SECONDS = 400
MANY = 400
"""Models that keep a projector busy for seconds."""
TRAINING = "ray::Trainer.train"
TRAINER = "ray::Trainer"
SCHEDULER = "ray::SchedulerHost.run"
PROJECTOR = ("ray::Projector.add", "ray::Projector.settle")


@final
@dataclass(frozen=True)
class Found:
    """What one kill came to.

    Parameters
    ----------
    seconds
        From the kill until what it had interrupted went on.
    redone
        Whole epochs that were trained again, having been after the last checkpoint.
    since_write
        Seconds from the last commit or rename to the kill.
    """

    seconds: float
    redone: int
    since_write: float


@final
class Scene:
    """One study in one folder, with its trainers' log, and all processes that a row starts."""

    def __init__(self, folder: Path, data: Path, seed: int) -> None:
        self.path = folder / "study"
        self.log = Log(folder / "log")
        self.seed = seed
        self.env = environment(self.log.path, often=checkpoints_often(seed))
        self.data = data
        self._started: list[Started] = []
        self.checkpoints: Mapping[str, int] = {}

    def create(self, *, done: int = 0) -> None:
        """Create the study, with ``done`` models that are trained and on no map yet."""
        with long_study(self.path, self.data, falsely=done) as study:
            self.long = frozenset(
                one.identity for one in study.models() if one.parameters > 10_000 and not one.epochs
            )

    def start(
        self, *arguments: str | Path, before: Sequence[str] = (), of: Sequence[str] = REMAP
    ) -> Started:
        """Start a command of ``remap``, or of another, run by the words ``before`` it."""
        self._started.append(Started(*arguments, command=(*before, *of), env=self.env))
        return self._started[-1]

    def train(self, *arguments: str, before: Sequence[str] = ()) -> Started:
        """Start ``remap train`` until all is done."""
        return self.start("train", self.path, "--until-done", *arguments, before=before)

    def strike(
        self, family: Callable[[], tuple[psutil.Process, ...]], kill: Callable[[], None], **more
    ) -> Struck:
        """Kill at the seed's moment; ``family`` gives the processes that train are among."""

        def pids() -> list[int]:
            return [one.pid for one in titled(family(), TRAINER)]

        def killing() -> None:
            kill()

        def ready() -> bool:
            self.checkpoints = _checkpoints(self.path)
            return bool(more["ready"]()) if "ready" in more else True

        moment = Moment(self.seed, self.path, self.log, self.long)
        return strike(moment, pids, killing, ready=ready)

    def end(self) -> None:
        """Kill what still runs."""
        for one in self._started:
            one.kill_all()
            if one.process.stdout is not None:
                one.process.stdout.close()


def _checkpoints(path: Path) -> dict[str, int]:
    with open_study(path) as study:
        return {one.identity: one.checkpoint_epoch for one in study.models()}


def finished(started: Started) -> None:
    out = started.end()
    assert started.process.returncode == 0, out
    assert "Traceback" not in out, out


def went_on(scene: Scene, struck: Struck, not_by: Sequence[int] = ()) -> float:
    """Wait until a model that was interrupted is trained again; gives the seconds since.

    Parameters
    ----------
    not_by
        Processes that may train on without being heard.
    """
    models = {one.model for one in struck.inside}

    def again() -> bool:
        return any(model in models for model, _ in scene.log.begun(struck.at, not_by))

    wait_for(again, "an interrupted model to go on", END_SECONDS)
    return time.monotonic() - struck.at


# The rows


def trainer(scene: Scene) -> tuple[Struck, float]:
    """One of two trainers, in an epoch."""
    scene.create()
    command = scene.train()

    def family() -> tuple[psutil.Process, ...]:
        return family_of(command.process.pid)

    struck: list[int] = []

    def killing() -> None:
        there = titled(family(), TRAINING)
        victim = there[scene.seed % len(there)]
        struck.append(victim.pid)
        kill([victim])

    moment = scene.strike(family, killing)
    hit = tuple(one for one in moment.inside if one.pid == struck[0])
    assert hit, "the killed trainer trained nothing"
    moment = Struck(moment.at, hit, moment.since_write)
    seconds = went_on(scene, moment)
    finished(command)
    return moment, seconds


def scheduler(scene: Scene) -> tuple[Struck, float]:
    """The scheduler, which dies with its trainers; the command starts another."""
    scene.create()
    command = scene.train()

    def family() -> tuple[psutil.Process, ...]:
        return family_of(command.process.pid)

    def killing() -> None:
        (victim,) = titled(family(), SCHEDULER)
        kill([victim])

    struck = scene.strike(family, killing)
    seconds = went_on(scene, struck)
    finished(command)
    return struck, seconds


def projector(scene: Scene) -> tuple[Struck, float]:
    """The projector, while it measures and lays out some hundred models."""
    scene.create(done=MANY)
    command = scene.train()
    used: dict[int, float] = {}
    killed: list[int] = []

    def family() -> tuple[psutil.Process, ...]:
        return family_of(command.process.pid)

    def at_work() -> bool:
        for one in titled(family(), *PROJECTOR):
            times = one.cpu_times()
            before = used.setdefault(one.pid, times.user + times.system)
            if busy(one, before):
                return True
        return False

    def killing() -> None:
        (victim,) = titled(family(), *PROJECTOR)
        killed.append(victim.pid)
        kill([victim])

    struck = scene.strike(family, killing, ready=at_work)
    wait_for(
        lambda: any(one.pid not in killed for one in titled(family(), *PROJECTOR)),
        "another projector at work",
        END_SECONDS,
    )
    seconds = time.monotonic() - struck.at
    finished(command)
    with open_study(scene.path) as study:
        done = {one.number for one in study.models() if one.status is Status.DONE}
        for name in ("structure", "predictions"):
            assert study.points(name).keys() == done, f"models without a place on {name}"
    assert not scene.log.resumed(struck.at).keys() & {one.model for one in struck.inside}, (
        "a training did not outlive the projector"
    )
    return struck, seconds


def web_app(scene: Scene) -> tuple[Struck, float]:
    """The server of the page, while it answers; what it had started trains on."""
    scene.create()
    port = free_port()
    address = f"http://127.0.0.1:{port}/"
    served = scene.start("serve", scene.path, "--port", str(port), "--no-browser")

    def family() -> tuple[psutil.Process, ...]:
        return everyone or family_of(served.process.pid)

    everyone: tuple[psutil.Process, ...] = ()
    with _asking(address) as asked:
        wait_for(asked.is_set, "the page", END_SECONDS)

        def killing() -> None:
            nonlocal everyone
            everyone = family_of(served.process.pid)
            kill([psutil.Process(served.process.pid)])

        try:
            struck = scene.strike(family, killing, ready=asked.is_set)
            again = scene.start("serve", scene.path, "--port", str(port), "--no-browser")
            wait_for(lambda: _answers(address), "the page again", END_SECONDS)
            seconds = time.monotonic() - struck.at
            wait_for(lambda: _all_done(scene.path), "all models done", END_SECONDS)
            assert remap("train", scene.path, "--stop").returncode == 0
            again.kill_all()
        finally:
            kill([one for one in everyone if one.is_running()])
    trained_again = scene.log.resumed(struck.at).keys() & {one.model for one in struck.inside}
    assert not trained_again, "a training did not outlive the page"
    return struck, seconds


def remap_train(scene: Scene) -> tuple[Struck, float]:
    """The command itself; the same command goes on."""
    scene.create()
    command = scene.train()
    pid = command.process.pid

    def family() -> tuple[psutil.Process, ...]:
        return family_of(pid)

    left: list[psutil.Process] = []

    def killing() -> None:
        left.extend(family())
        kill([psutil.Process(pid)])

    struck = scene.strike(family, killing)
    command.process.wait()
    again = scene.train()
    seconds = went_on(scene, struck)
    finished(again)
    _, alive = psutil.wait_procs(left, timeout=30)
    assert not alive, f"left behind: {alive}"
    return struck, seconds


def whole_ray(scene: Scene) -> tuple[Struck, float]:
    """All of Ray under the command, which says so and ends; the same command goes on."""
    scene.create()
    command = scene.train()

    def family() -> tuple[psutil.Process, ...]:
        return family_of(command.process.pid)

    def killing() -> None:
        there = family()
        assert {one.name() for one in there} >= set(RAY)
        kill(there)

    struck = scene.strike(family, killing)
    out = command.end()
    assert command.process.returncode == 2, out
    assert "Ray has died" in out, out
    assert "run the same command again" in out, out
    assert "Traceback" not in out, out
    again = scene.train()
    seconds = went_on(scene, struck)
    finished(again)
    return struck, seconds


def node(scene: Scene) -> tuple[Struck, float]:
    """One node of three: its raylet and all its workers at once."""
    scene.create()
    with three_nodes(scene.env) as nodes:
        command = scene.train("--address", nodes.address)

        def family() -> tuple[psutil.Process, ...]:
            return nodes.family()

        hit: list[int] = []

        def killing() -> None:
            victim, workers = nodes.one_that_trains(TRAINING, scene.seed)
            hit.extend(one.pid for one in workers)
            kill([victim, *workers])

        moment = scene.strike(family, killing)
        inside = tuple(one for one in moment.inside if one.pid in hit)
        assert inside, "the killed node trained nothing"
        struck = Struck(moment.at, inside, moment.since_write)
        seconds = went_on(scene, struck)
        finished(command)
    return struck, seconds


ROWS: Mapping[str, Callable[[Scene], tuple[Struck, float]]] = {
    "trainer": trainer,
    "scheduler": scheduler,
    "projector": projector,
    "web app": web_app,
    "remap train": remap_train,
    "the whole Ray": whole_ray,
    "one node of three": node,
}


def run(row: str, folder: Path, data: Path, seed: int, expected: Outcome) -> Found:
    """Let one row happen once, and hold what is left against the uninterrupted study."""
    scene = Scene(folder, data, seed)
    try:
        struck, seconds = ROWS[row](scene)
    finally:
        scene.end()
    return held_against(scene, struck, seconds, expected)


def held_against(scene: Scene, struck: Struck, seconds: float, expected: Outcome) -> Found:
    """Hold what is left of a study against the uninterrupted one."""
    assert len(struck.inside) >= 1, "nobody was inside an epoch"
    left = outcome(scene.path)
    assert [one[:4] for one in left[: len(expected)]] == [one[:4] for one in expected]
    assert left[: len(expected)] == expected
    assert all(one[4] == "done" for one in left)
    shortest = scene.log.seconds()
    for one in struck.inside:
        assert shortest[one.model] >= LONG_SECONDS, f"an epoch took {shortest[one.model]:.1f} s"
    for model, epoch in scene.log.resumed(struck.at).items():
        before = scene.checkpoints.get(model, 0)
        assert epoch >= before, f"went on from epoch {epoch}, not from checkpoint {before}"
    return Found(seconds, scene.log.redone(struck.at), struck.since_write)


def uninterrupted(folder: Path, data: Path) -> Outcome:
    """Train the same study without a fault, once for all rows and seeds."""
    scene = Scene(folder, data, seed=1)
    try:
        scene.create()
        finished(scene.train())
    finally:
        scene.end()
    return outcome(scene.path)


# Small parts


def _all_done(path: Path) -> bool:
    with open_study(path) as study:
        counts = study.counts()
    return counts[Status.DONE] == sum(counts.values())


def _answers(address: str) -> bool:
    try:
        with urllib.request.urlopen(address, timeout=30) as answer:
            return bool(answer.read())
    except OSError:
        return False


@contextmanager
def _asking(address: str) -> Iterator[threading.Event]:
    """Ask for the page over and over; the event is set while a question is being answered."""
    asked, ended = threading.Event(), threading.Event()

    def ask() -> None:
        known = False
        while not ended.is_set():
            if known:
                asked.set()
            known = _answers(address) or known
            asked.clear()
            ended.wait(0.01 if known else 0.2)

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield asked
    finally:
        ended.set()
        thread.join(60)
