"""Wishes in real processes: a real Ray that obeys while it runs."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from remap_ray.creation import create_study
from remap_ray.space import Limits
from remap_ray.study import Status, Study, open_study, reasons
from tests.processes import Started, remap, wait_for

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

LIMITS = Limits(parameters=5_000)


def training(study: Study) -> list[int]:
    return [one.number for one in study.models() if one.status is Status.TRAINING]


def trained(study: Study) -> bool:
    """Whether every model that trains has an epoch behind it: its trainer is at work."""
    return all(one.epochs for one in study.models() if one.status is Status.TRAINING)


@pytest.mark.promise("QUEUE-10", "QUEUE-11", "QUEUE-13", "QUEUE-15", "QUEUE-16")
def test_a_running_queue_obeys(tmp_path: Path, start: Callable[..., Started]) -> None:
    path = tmp_path / "study"
    create_study(path, models=7, epochs=100_000, limits=LIMITS).close()
    start("train", path, "--gpus-per-model", "0.25", "--logical-gpus", "1")
    with open_study(path) as study:
        wait_for(lambda: study.heartbeat().starting, "the word that it starts")
        assert "the trainers are starting" in remap("status", path).stdout
        heard: Counter[bool] = Counter()
        wait_for(lambda: heard.update([study.heartbeat().alive]) or training(study), "trainers")
        assert heard.keys() == {True}, "from the first word on, someone trains it"

        # Four share the GPU; the fifth waits and says why.
        wait_for(lambda: training(study) == [1, 2, 3, 4] and trained(study), "four at work")
        wait_for(lambda: study.heartbeat().gpus_each == 0.25, "a heartbeat")
        said = reasons(study.models(), study.heartbeat())
        assert said[5].startswith("waiting: no free quarter of a GPU, about ")
        assert said[6].startswith("waiting: 1 ahead, about ")
        assert said[1].startswith("training: epoch ")

        # A running one is cancelled, and the next one in the queue begins.
        study.move(7, place=1)
        study.cancel(2)
        wait_for(lambda: study.model(2).status is Status.CANCELLED, "a cancelled model")
        wait_for(lambda: training(study) == [1, 3, 4, 7] and trained(study), "the next at work")

        study.retry(2)
        said = reasons(study.models(), study.heartbeat())
        assert said[2].startswith("waiting: 2 ahead")

        study.pause()
        wait_for(lambda: not training(study), "a pause")
        kept = {one.number: one.epochs for one in study.models()}
        assert all(one.checkpoint_epoch == one.epochs for one in study.models())
        listed = json.loads(remap("queue", path, "list", "--json").stdout)
        assert {one["reason"] for one in listed["models"]} == {"waiting: the queue is paused"}
        study.resume()
        # By the order of the queue: 7 was moved to its head.
        wait_for(lambda: training(study) == [1, 3, 4, 7], "the same four")
        wait_for(lambda: all(study.model(n).epochs > kept[n] for n in (1, 3, 4, 7)), "their epochs")

        study.set_workers(2, 0.25)
        wait_for(lambda: training(study) == [1, 3] and trained(study), "two workers")
        study.set_workers(2, 0.5)
        wait_for(lambda: study.heartbeat().gpus_each == 0.5, "larger shares")
        epochs = study.model(3).epochs
        wait_for(lambda: training(study) == [1, 3], "the same two")
        wait_for(lambda: study.model(3).epochs > epochs, "an epoch of it")
        said_no = remap("queue", path, "workers", "2", "--gpus-per-model", "2", check=False)
        assert said_no.returncode == 2
        assert "2 of a GPU is more than there is (there are 1)" in said_no.stderr
    assert remap("train", path, "--stop").returncode == 0


@pytest.mark.promise("QUEUE-14", "QUEUE-12", "TRAIN-8")
def test_what_is_done_is_trained_longer_and_halved_by_the_command(tmp_path: Path) -> None:
    path = tmp_path / "study"
    few = ["--data", "digits", "--models", "4", "--epochs", "9", "--seed", "1"]
    remap("sample", path, *few, "--halving", "--patience", "3", "--max-parameters", "5000")
    with open_study(path) as study:
        assert study.recipe.patience == 3
        assert Counter(one.epochs for one in study.models()) == {1: 2, 3: 1, 9: 1} or any(
            "early" in (one.stopped or "") for one in study.models()
        )
        aside = next(one for one in study.models() if "put aside" in (one.stopped or ""))
    said = remap("queue", path, "longer", str(aside.number), "--epochs", "4").stdout
    assert said.startswith(f"{aside.name} goes on to {aside.epochs + 4} epochs")
    remap("train", path, "--until-done", "--workers", "1")
    with open_study(path) as study:
        model = study.model(aside.number)
        assert (model.status, model.stopped) == (Status.DONE, None)
        assert [one.epoch for one in study.epochs(model.number)] == list(range(1, aside.epochs + 5))


@pytest.mark.nightly
@pytest.mark.promise("TRAIN-9")
def test_bfloat16_is_measured_once_and_kept_to(tmp_path: Path) -> None:
    path = tmp_path / "study"
    few = ["--data", "digits", "--models", "2", "--epochs", "2", "--bfloat16"]
    remap("sample", path, *few)
    with open_study(path) as study:
        assert study.recipe.bfloat16
        assert [one.status for one in study.models()] == [Status.DONE] * 2
        assert all((one.accuracy or 0) > 0 for one in study.models())


@pytest.mark.promise("QUEUE-17")
def test_a_ray_that_does_not_start_is_said_in_one_line(
    tmp_path: Path, start: Callable[..., Started], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "study"
    create_study(path, models=1, limits=LIMITS).close()
    # Where Ray should put its files there is a file.
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("RAY_TMPDIR", str(tmp_path / "taken"))
    running = start("train", path, "--until-done")
    out = running.end()
    assert running.process.returncode == 2, out
    assert "Traceback" not in out
    lines = [line for line in out.splitlines() if line.startswith("remap: ")]
    assert len(lines) == 1, out
    assert lines[0].startswith("remap: Ray could not be started here (")
    assert "try again" in lines[0]
    with open_study(path) as study:
        assert not study.heartbeat().alive
        assert study.model(1).status is Status.QUEUED
