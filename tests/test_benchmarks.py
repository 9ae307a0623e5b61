"""The benchmarks run, measure what they say, and leave nothing behind. No time is asserted."""

from __future__ import annotations

import asyncio
import io
import json
import os
import platform
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import psutil
import pytest

from remap_ray.projection.costs import OTMANN_2018, REMAP_2019, CostSet
from remap_ray.study import Epoch, Status
from tests.benchmarks import NAMES, measure
from tests.benchmarks.__main__ import main
from tests.benchmarks.big_study import EPOCHS, big_study
from tests.benchmarks.launched import Launched, launched
from tests.benchmarks.loop import (
    RING_SECONDS,
    Loop,
    Step,
    Stretch,
    record_lags,
    record_steps,
)
from tests.benchmarks.machine import busy_share, file_system, machine
from tests.benchmarks.plain_otmann import plain_distances
from tests.benchmarks.queue import Queue, Seen
from tests.benchmarks.report import Table, page_with, quantity, section
from tests.benchmarks.structure import GOLDEN, golden
from tests.benchmarks.timing import seconds_in_turn, speed_ratio, timed

ROOT = Path(__file__).parents[1]

MARKS = {
    "trainer": [pytest.mark.slow],
    "threads": [pytest.mark.slow],
    "placing": [pytest.mark.slow],
    "refit": [pytest.mark.slow],
    "growth": [pytest.mark.slow],
    # Several Rays, one after another, are minutes.
    "queue": [pytest.mark.nightly, pytest.mark.ray],
    "short_queue": [pytest.mark.nightly, pytest.mark.ray],
    "cancelling": [pytest.mark.nightly, pytest.mark.ray],
    # A minute each.
    "page": [pytest.mark.nightly, pytest.mark.browser],
    "watching": [pytest.mark.nightly, pytest.mark.browser],
    "panning": [pytest.mark.slow, pytest.mark.browser],
    "generating": [pytest.mark.slow, pytest.mark.browser],
    "gpu": [pytest.mark.nightly],
    "shares": [pytest.mark.nightly, pytest.mark.ray],
}


@pytest.mark.parametrize("name", [pytest.param(one, marks=MARKS.get(one, [])) for one in NAMES])
def test_every_benchmark_runs_in_its_tiny_size(name: str) -> None:
    table = measure(name, quick=True)
    assert table.rows
    assert table.says
    for row in table.rows:
        figures = [float(cell.split()[0].strip("*s").replace(",", "")) for cell in row[1:] if cell]
        assert figures
        assert all(figure >= 0 for figure in figures)


@pytest.mark.parametrize(
    ("name", "costs"), [("otmann-2018", OTMANN_2018), ("otmann-remap-2019", REMAP_2019)]
)
def test_the_plain_loop_gives_the_golden_distances(name: str, costs: CostSet) -> None:
    form = json.loads((GOLDEN / f"{name}.json").read_text(encoding="utf-8"))
    networks = golden(name)
    raw = plain_distances(networks, costs, normalized=False)
    np.testing.assert_allclose(raw, form["distance"], rtol=1e-9, atol=1e-9)
    share = plain_distances(networks, costs)
    np.testing.assert_allclose(share, form["distance_per_unit_mass"], rtol=0, atol=1e-11)


def test_the_ways_are_measured_in_turn_and_the_first_round_does_not_count() -> None:
    calls: list[str] = []
    ticks = iter(range(100))

    def clock() -> float:
        return float(next(ticks))

    ways = {name: timed(lambda name=name: calls.append(name), clock) for name in ("a", "b")}
    assert seconds_in_turn(ways, 2) == {"a": [1.0, 1.0], "b": [1.0, 1.0]}
    assert calls == ["a", "b"] * 3


def test_a_ratio_above_one_says_that_ours_is_faster() -> None:
    assert speed_ratio([1.0, 2.0, 1.0], [3.0, 2.0, 2.0]) == "**2** (1 to 3)"


def epoch(model: int, number: int, at: float, seconds: float) -> Seen:
    return Seen(Epoch(model, number, 1.0, 0.5, 1.0, 0.5, seconds), at)


def test_the_queue_is_measured_from_when_all_its_trainers_are_at_work() -> None:
    epochs = (
        epoch(1, 1, 12.0, 2.0),
        epoch(1, 2, 16.0, 4.0),  # Half of it after 14, when the second trainer begins.
        epoch(2, 1, 18.0, 4.0),
        epoch(3, 1, 20.0, 4.0),
    )
    run = Queue(0.0, 30.0, epochs, 20.0, 0.5, trainers=2, memory=0)
    assert run.began == 10.0
    assert run.all_began == 14.0
    # In 6 s: half an epoch of m1, and one each of m2 and m3.
    assert run.speed({1: 2.0, 2: 3.0, 3: 5.0}) == pytest.approx((1.0 + 3.0 + 5.0) / 6.0)


TABLE = Table("What it is.", ("what", "ratio"), (("one", "2"), ("two", "3")))


def test_a_section_names_the_machine_and_says_whether_it_was_shared() -> None:
    text = section("study", TABLE, "A machine", 0.02, 0.5, 12.0)
    assert text.startswith("## study\n\nWhat it is.\n\n| what | ratio |\n| --- | ---: |\n| one | 2")
    assert "A machine. The machine was shared with others: 2% of its" in text
    assert "It was idle" in section("study", TABLE, "A machine", 0.02, 0.05, 12.0)


def test_a_table_refuses_a_row_that_does_not_fit() -> None:
    with pytest.raises(ValueError, match="a row of 1 in a table of 2"):
        Table("", ("a", "b"), (("1",),))


def test_a_section_takes_the_place_of_the_earlier_one_and_the_others_stay() -> None:
    names = ("a", "b", "c")
    page = ""
    for name in ("c", "a", "b"):
        page = page_with(page, name, f"## {name}\n\nfirst {name}\n", names)
    page = page_with(page, "b", "## b\n\nsecond b\n", names)
    headings = [line for line in page.splitlines() if line.startswith("#")]
    assert headings == ["# Benchmarks", "## a", "## b", "## c"]
    assert "second b" in page
    assert "first b" not in page
    assert "first a" in page
    assert page_with(page, "b", "## b\n\nsecond b\n", names) == page
    assert "## c" not in page_with(page, "a", "## a\n", ("a", "b"))


@pytest.mark.parametrize(
    ("value", "text"), [(27_032.4, "27,032"), (99.94, "99.9"), (0.98765, "0.988"), (0, "0")]
)
def test_a_quantity_has_three_digits(value: float, text: str) -> None:
    assert quantity(value) == text


def test_the_machine_is_named_without_its_host_or_paths() -> None:
    text = machine()
    for part in ("cores", "GiB", "Python 3.", "torch 2.", "ray 2."):
        assert part in text
    assert platform.node() not in text
    assert str(Path.home()) not in text


def test_a_file_system_and_the_load_are_told(tmp_path: Path) -> None:
    assert file_system(tmp_path)
    assert 0 <= busy_share(0.01) <= 1


def test_a_big_study_reads_as_one_that_was_trained(tmp_path: Path) -> None:
    with big_study(tmp_path / "big", 30) as study:
        change = study.changes(0)
        assert study.counts()[Status.DONE] == 30
        assert len(study.points("structure")) == 30
        assert not study.heartbeat().alive
    assert len({one.identity for one in change.models}) == 30
    assert len(change.epochs) == 30 * EPOCHS
    assert len(change.predictions) == 30
    for model in change.models:
        last = next(
            one for one in change.epochs if (one.model, one.epoch) == (model.number, EPOCHS)
        )
        assert (model.accuracy, model.train_loss) == (last.validation_accuracy, last.train_loss)
        assert model.seconds == pytest.approx(EPOCHS * last.seconds)


PARENT = """
import subprocess, sys
child = subprocess.Popen([sys.executable, "-c", "import signal; signal.pause()"])
print(child.pid, flush=True)
child.wait()
"""


def lives(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def test_what_a_command_started_ends_with_it(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with launched([sys.executable, "-c", PARENT], log, looks=True, patience=1.0) as one:
        while not log.read_text():
            assert one.runs()
            one.pause(0.01)
        child = psutil.Process(int(log.read_text().split()[0]))
        while not one.peak:
            one.pause(0.01)
        family = one.family()
        assert child in family
    assert not any(map(lives, family))


@pytest.mark.slow
@pytest.mark.ray
def test_a_benchmark_that_is_ended_leaves_no_process_and_no_file(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "queue", "--quick"]
    environment = {**os.environ, "TMPDIR": str(tmp_path)}
    with subprocess.Popen(command, cwd=ROOT, env=environment, start_new_session=True) as running:
        me, sampling = psutil.Process(running.pid), False
        while not sampling:
            assert running.poll() is None
            threading.Event().wait(0.05)
            family = [me, *me.children(recursive=True)]
            sampling = any("sample" in commandline(one) for one in family)
        assert any(tmp_path.iterdir())
        running.terminate()
        assert running.wait(60) == 130
    # What was told to end may take a moment.
    psutil.wait_procs(family, timeout=30)
    assert not any(map(lives, family))
    assert not any(tmp_path.iterdir())


def commandline(process: psutil.Process) -> list[str]:
    try:
        return process.cmdline()
    except (psutil.NoSuchProcess, psutil.ZombieProcess):
        return []


def test_an_event_loop_tells_how_late_it_is_and_which_step_kept_it() -> None:
    lines, runs = io.StringIO(), asyncio.Handle._run
    loop = asyncio.new_event_loop()
    busy: list[float] = []

    def work() -> None:
        busy.append(loop.time())
        while loop.time() < busy[0] + 3 * RING_SECONDS:
            pass
        busy.append(loop.time())

    try:
        record_steps(lines)
        record_lags(loop, lines)
        loop.call_soon(work)
        loop.call_later(6 * RING_SECONDS, loop.stop)
        loop.run_forever()
    finally:
        asyncio.Handle._run = runs  # type: ignore[method-assign]
        loop.close()
    found = [line.split() for line in lines.getvalue().splitlines()]
    rings = [(float(due), float(late)) for name, due, late, *_ in found if name == "ring"]
    during = [due + late for due, late in rings if busy[0] < due < busy[1]]
    # Every moment that fell into the step is late, to its end at least.
    assert len(during) >= 2
    assert all(rung >= busy[1] - 1e-6 for rung in during)
    assert any(
        float(clock) >= 3 * RING_SECONDS - 1e-6 for name, _, clock, *_ in found if name == "step"
    )


def test_what_a_loop_recorded_is_read_from_one_moment_to_another(tmp_path: Path) -> None:
    record = tmp_path / "record"
    record.write_text(
        "ring 1.0 0.5\nstep 1.5 0.6 0.1\nring 2.0 0.002\nstep 2.5 0.004 0.003\n"
        "step 2.7 0.003 0.0029\nring 3.0 0.7\nstep 3.5 0.9 0.9\nring 4.0 0"
    )
    stretch = Loop("http://nowhere", record).between(2.0, 3.0)
    assert stretch == Stretch((0.002,), (Step(2.5, 0.004, 0.003), Step(2.7, 0.003, 0.0029)))
    assert stretch.longest == (0.003, 0.004)
    assert Stretch((), ()).longest == (0.0, 0.0)


def test_a_process_of_its_own_asks_and_tells_each_wait(tmp_path: Path) -> None:
    asked: list[str] = []

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing is printed."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Answer) as server:
        threading.Thread(target=server.serve_forever).start()
        url = f"http://127.0.0.1:{server.server_port}/"
        log = tmp_path / "log"
        with launched([sys.executable, "-m", "tests.benchmarks.asking", url, "0.1"], log) as one:
            wait_for(one)
        server.shutdown()
    waits = [float(line) for line in log.read_text().split()]
    # The first answer is not counted.
    assert len(waits) == len(asked) - 1 > 0


def wait_for(one: Launched) -> None:
    while one.runs():
        one.pause(0.01)


def test_a_command_that_fails_says_what_it_printed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "raise SystemExit('no luck')"]
    with launched(command, tmp_path / "log") as one, pytest.raises(RuntimeError, match="no luck"):
        wait_for(one)


def test_the_names_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--list"]) == 0
    assert capsys.readouterr().out.split() == list(NAMES)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [(["nothing"], "there is no benchmark 'nothing'"), (["--quick", "--write"], "leave out")],
)
def test_what_cannot_be_is_refused(
    arguments: list[str], says: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as end:
        main(arguments)
    assert end.value.code == 2
    assert says in capsys.readouterr().err


@pytest.mark.slow
def test_the_command_prints_the_table() -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "predictions", "--quick"]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "## predictions" in ended.stdout
    assert "| 40 | 1,001 |" in ended.stdout
