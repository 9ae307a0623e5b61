"""`remap demo` and `remap serve` as a person starts them."""

from __future__ import annotations

import os
import signal
import urllib.request
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from remap_ray.study import MAPS, Status, open_study
from tests import synthetic
from tests.processes import (
    LOOPBACK,
    Started,
    answers,
    free_port,
    inside_an_epoch,
    listening,
    wait_for,
    with_study,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.mark.promise("COMMAND-4", "QUEUE-6")
def test_a_demo_ends_when_all_is_trained_mapped_and_served(
    tmp_path: Path, start: Callable[..., Started]
) -> None:
    port = free_port()
    demo = start("demo", "--no-browser", "--until-done", "--port", str(port), folder=tmp_path)
    path = tmp_path / "remap-demo"
    wait_for(lambda: inside_an_epoch(path), "a model inside an epoch")
    wait_for(lambda: answers(port), "the page")
    family = demo.family()
    names = {one.name() for one in family}
    assert "raylet" in names
    addresses = listening(family)
    assert addresses
    assert addresses <= LOOPBACK
    out = demo.end()
    assert demo.process.returncode == 0, out
    assert f"http://127.0.0.1:{port}/" in out
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    with open_study(path) as study:
        models = study.models()
        assert len({one.identity for one in models}) == 24
        assert {one.status for one in models} == {Status.DONE}
        for name in MAPS:
            assert study.points(name).keys() == {one.number for one in models}


def test_ctrl_c_on_serve_ends_the_training_that_it_started(
    tmp_path: Path, start: Callable[..., Started]
) -> None:
    from remap_ray.creation import create_study

    path, port = tmp_path / "study", free_port()
    create_study(path, models=40).close()
    served = start("serve", path, "--no-browser", "--port", str(port))
    wait_for(lambda: inside_an_epoch(path), "a model inside an epoch")
    family = served.family()
    os.kill(served.process.pid, signal.SIGINT)
    out = served.end()
    assert "Traceback" not in out
    _, alive = psutil.wait_procs(family, timeout=10)
    assert not alive
    with open_study(path) as study:
        assert not study.heartbeat().alive
        assert not study.counts()[Status.TRAINING]


@pytest.mark.nightly  # a row of tests/faults kills a page each day
def test_training_outlives_a_page_that_is_killed(
    tmp_path: Path, start: Callable[..., Started]
) -> None:
    from remap_ray.creation import create_study

    path, port = tmp_path / "study", free_port()
    create_study(path, models=8).close()
    served = start("serve", path, "--no-browser", "--port", str(port))
    wait_for(lambda: inside_an_epoch(path), "a model inside an epoch")
    rest = served.family()[1:]
    served.process.kill()
    wait_for(
        lambda: with_study(path, lambda study: study.counts()[Status.DONE] == 8),
        "training without the page",
    )
    start("train", path, "--stop").end()
    _, alive = psutil.wait_procs(rest, timeout=15)
    assert not alive


def test_a_page_is_served_without_training(tmp_path: Path, start: Callable[..., Started]) -> None:
    path, port = tmp_path / "study", free_port()
    synthetic.full_study(path).close()
    served = start("serve", path, "--no-browser", "--no-train", "--port", str(port))
    wait_for(lambda: answers(port), "the page")
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=20) as page:
        text = page.read().decode()
    assert "<title>REMAP · study</title>" in text
    assert {one.name() for one in served.family()}.isdisjoint({"raylet", "gcs_server"})
    assert listening(served.family()) <= LOOPBACK
