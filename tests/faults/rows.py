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
from sqlalchemy import select

from remap_ray.study import Status, Study, open_study, schema
from tests.faults.cluster import three_nodes
from tests.faults.log import Inside, Log, environment
from tests.faults.moments import Family, Kill, Moment, Struck, checkpoints_often
from tests.faults.prepared import LONG_SECONDS, Outcome, Prepared, outcome
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

LEFT_SECONDS = 120
"""How long what a killed command has left may go on; one seed in ten waits for Ray's agents too."""

TRAINING = "ray::Trainer.train"
SCHEDULER = "ray::SchedulerHost.run"
AGENTS = ("ray::DashboardAgent", "ray::RuntimeEnvAgent")
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

    def __init__(self, folder: Path, prepared: Prepared, seed: int) -> None:
        self.path = folder / "study"
        self.log = Log(folder / "log")
        self.seed = seed
        self.env = environment(self.log.path, often=checkpoints_often(seed))
        self.prepared = prepared
        self._started: list[Started] = []
        self._study: Study | None = None
        self.checkpoints: Mapping[str, int] = {}

    def create(self, *, done: bool = False) -> None:
        """Create the study; where it is ``done``, with models that are trained and on no map."""
        self.prepared.study(self.path, done=done)
        # Open until the end: opening takes longer than a commit.
        self._study = open_study(self.path)
        self.long = frozenset(
            one.identity
            for one in self._study.models()
            if one.parameters > 10_000 and not one.epochs
        )

    def start(
        self, *arguments: str | Path, before: Sequence[str] = (), of: Sequence[str] = REMAP
    ) -> Started:
        """Start a command of ``remap``, or of another, run by the words ``before`` it."""
        self._started.append(Started(*arguments, command=(*before, *of), env=self.env))
        return self._started[-1]

    def last(self) -> Started:
        """Give the command that was started last."""
        return self._started[-1]

    def train(self, *arguments: str, before: Sequence[str] = ()) -> Started:
        """Start ``remap train`` until all is done."""
        return self.start("train", self.path, "--until-done", *arguments, before=before)

    def strike(
        self,
        family: Callable[[], Family],
        kill: Kill,
        ready: Callable[[Family], bool] = lambda _: True,
    ) -> Struck:
        """Kill at the seed's moment; ``family`` gives the processes that train are among."""

        def is_ready(there: Family) -> bool:
            self.checkpoints = self._checkpoints()
            return ready(there)

        return Moment(self.seed, self.path, self.log, self.long, family).strike(kill, is_ready)

    def _checkpoints(self) -> dict[str, int]:
        table = schema.models.c
        assert self._study is not None, "there is no study yet"
        with self._study.reading() as connection:
            rows = connection.execute(select(table.identity, table.checkpoint_epoch)).all()
        return {identity: epoch or 0 for identity, epoch in rows}

    def end(self) -> None:
        """Kill what still runs."""
        if self._study is not None:
            self._study.close()
        for one in self._started:
            one.kill_all()
            if one.process.stdout is not None:
                one.process.stdout.close()


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
    command = scene.last()

    def again() -> bool:
        if command.process.poll() is not None:
            raise AssertionError(f"the command has ended:\n{command.end()}")
        return any(model in models for model, _ in scene.log.begun(struck.at, not_by))

    wait_for(again, "an interrupted model to go on", END_SECONDS)
    return time.monotonic() - struck.at


# The rows


def trainer(scene: Scene) -> tuple[Struck, float]:
    """One of two trainers, in an epoch."""
    scene.create()
    command = scene.train()

    def family() -> Family:
        return family_of(command.process.pid)

    victims: list[Inside] = []

    def killing(there: Family, inside: tuple[Inside, ...]) -> None:
        victim = inside[scene.seed % len(inside)]
        kill([one for one in titled(there, TRAINING) if one.pid == victim.pid])
        victims.append(victim)

    moment = scene.strike(family, killing)
    moment = Struck(moment.at, tuple(victims), moment.since_write)
    seconds = went_on(scene, moment)
    finished(command)
    return moment, seconds


def scheduler(scene: Scene) -> tuple[Struck, float]:
    """The scheduler, which dies with its trainers; the command starts another."""
    scene.create()
    command = scene.train()

    def family() -> Family:
        return family_of(command.process.pid)

    def killing(there: Family, _: tuple[Inside, ...]) -> None:
        (victim,) = titled(there, SCHEDULER)
        kill([victim])

    struck = scene.strike(family, killing)
    seconds = went_on(scene, struck)
    finished(command)
    return struck, seconds


def projector(scene: Scene) -> tuple[Struck, float]:
    """The projector, while it measures and lays out some hundred models."""
    scene.create(done=True)
    command = scene.train()
    used: dict[int, float] = {}
    killed: list[int] = []

    def family() -> Family:
        return family_of(command.process.pid)

    def at_work(there: Family) -> bool:
        for one in titled(there, *PROJECTOR):
            times = one.cpu_times()
            before = used.setdefault(one.pid, times.user + times.system)
            if busy(one, before):
                return True
        return False

    def killing(there: Family, _: tuple[Inside, ...]) -> None:
        (victim,) = titled(there, *PROJECTOR)
        kill([victim])
        killed.append(victim.pid)

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
    server = psutil.Process(served.process.pid)

    def family() -> Family:
        return everyone or family_of(served.process.pid)

    everyone: Family = ()
    with _asking(address) as asked:
        wait_for(asked.is_set, "the page", END_SECONDS)

        def killing(there: Family, _: tuple[Inside, ...]) -> None:
            nonlocal everyone
            kill([server])
            everyone = there

        try:
            struck = scene.strike(family, killing, ready=lambda _: asked.is_set())
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

    def family() -> Family:
        return family_of(pid)

    left: list[psutil.Process] = []

    def killing(there: Family, _: tuple[Inside, ...]) -> None:
        kill([psutil.Process(pid)])
        left.extend(there)

    struck = scene.strike(family, killing)
    command.process.wait()
    again = scene.train()
    # What is left of the killed one may train on for a moment.
    seconds = went_on(scene, struck, not_by=[one.pid for one in left])
    finished(again)
    # Ray's agents try for a minute to tell a dead server of their raylet's death.
    agents = titled(left, *AGENTS)
    waited = left if scene.seed % 10 == 0 else [one for one in left if one not in agents]
    _, alive = psutil.wait_procs(waited, timeout=LEFT_SECONDS)
    assert not alive, f"left behind: {alive}"
    return struck, seconds


def whole_ray(scene: Scene) -> tuple[Struck, float]:
    """All of Ray under the command, which says so and ends; the same command goes on."""
    scene.create()
    command = scene.train()

    def family() -> Family:
        return family_of(command.process.pid)

    def killing(there: Family, _: tuple[Inside, ...]) -> None:
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

        hit: list[int] = []

        homes: dict[int, Family] = {}

        def looked() -> Family:
            homes.update(nodes.homes())
            return nodes.family()

        def killing(_: Family, inside: tuple[Inside, ...]) -> None:
            victim = inside[scene.seed % len(inside)].pid
            (raylet,) = [one for one, home in homes.items() if victim in {w.pid for w in home}]
            kill([psutil.Process(raylet), *homes[raylet]])
            hit.extend(one.pid for one in homes[raylet])

        moment = scene.strike(looked, killing)
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


def run(row: str, folder: Path, prepared: Prepared, seed: int, expected: Outcome) -> Found:
    """Let one row happen once, and hold what is left against the uninterrupted study."""
    scene = Scene(folder, prepared, seed)
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


def uninterrupted(folder: Path, prepared: Prepared) -> Outcome:
    """Train the same study without a fault, once for all rows and seeds."""
    scene = Scene(folder, prepared, seed=1)
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
