"""The command in real processes: a real Ray, killed and interrupted."""

from __future__ import annotations

import json
import os
import secrets
import signal
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from remap_ray.recipe import Recipe
from remap_ray.study import Status, open_study
from tests.processes import (
    LOOPBACK,
    RAY,
    Started,
    answers,
    free_port,
    inside_an_epoch,
    listening,
    remap,
    wait_for,
    with_study,
)

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.timeout(600)]

SAMPLE = ["--data", "digits", "--models", "5", "--epochs", "3", "--seed", "1"]
MANY = 40


def outcome(path: Path) -> list[tuple[object, ...]]:
    """What must be the same whatever happened on the way."""
    with open_study(path) as study:
        return [
            (
                one.number,
                one.identity,
                one.seed,
                one.status,
                *(epoch.epoch for epoch in study.epochs(one.number)),
            )
            for one in study.models()
        ]


@pytest.mark.promise("COMMAND-2", "COMMAND-3")
def test_the_same_sample_again_has_nothing_to_do(tmp_path: Path) -> None:
    path = tmp_path / "study"
    remap("sample", path, *SAMPLE)
    assert [row[4:] for row in outcome(path)] == [(1, 2, 3)] * 5

    # It says so without starting Ray.
    again = remap("sample", path, *SAMPLE)
    assert again.stdout.startswith("nothing to do: study (digits): 5 done")

    said = json.loads(remap("status", path, "--json").stdout)
    assert said["study"] == {
        "name": "study",
        "data": "digits",
        "space": "paper",
        "recipe": Recipe(epochs=3, batch_size=32).to_dict(),
    }
    assert said["counts"] == {
        "queued": 0,
        "training": 0,
        "done": 5,
        "failed": 0,
        "cancelled": 0,
    }
    keys = ["number", "status", "reason", "origin", "parent", "words", "architecture"]
    keys += ["parameters", "accuracy", "train_accuracy", "epochs", "seconds", "points"]
    for one in said["models"]:
        assert list(one) == keys
        assert (one["status"], one["origin"], one["parent"]) == ("done", "sampled", None)
        assert one["points"].keys() == {"structure", "predictions"}
        assert all(len(point) == 2 for point in one["points"].values())


@pytest.mark.nightly  # the rows of tests/faults kill this command each day
@pytest.mark.promise("QUEUE-3")
def test_a_study_killed_in_the_middle_ends_as_an_uninterrupted_one(
    tmp_path: Path, start: Callable[..., Started]
) -> None:
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    remap("sample", whole, *SAMPLE)

    first = start("sample", killed, *SAMPLE)
    wait_for(lambda: inside_an_epoch(killed), "a model inside an epoch")
    names = {one.name() for one in first.family()}
    assert {"raylet", "gcs_server"} <= names, names
    first.kill_all()
    with open_study(killed) as study:
        assert any(one.status is Status.TRAINING for one in study.models())
        assert not study.heartbeat().alive

    remap("sample", killed, *SAMPLE)
    assert outcome(killed) == outcome(whole)
    assert [row[4:] for row in outcome(killed)] == [(1, 2, 3)] * 5


@pytest.mark.promise("QUEUE-4")
def test_ctrl_c_keeps_what_trained_and_another_command_goes_on(
    tmp_path: Path, start: Callable[..., Started]
) -> None:
    path = tmp_path / "study"
    # So many epochs that none is at its end when the signal comes.
    running = start("sample", path, *SAMPLE, "--epochs", str(MANY))
    wait_for(lambda: inside_an_epoch(path), "a model inside an epoch")
    family = running.family()
    os.kill(running.process.pid, signal.SIGINT)
    out = running.end()
    assert running.process.returncode == 130
    assert "continues at the next start" in out
    assert "Traceback" not in out
    assert "*** SIG" not in out
    _, alive = psutil.wait_procs(family, timeout=5)
    assert not alive
    with open_study(path) as study:
        models = study.models()
        assert not any(one.status is Status.TRAINING for one in models)
        # A stop keeps every epoch that was recorded: none will be trained again.
        begun = [one for one in models if one.status is Status.QUEUED and one.epochs]
        assert begun
        assert all(one.checkpoint_epoch == one.epochs for one in begun)
        assert not study.heartbeat().alive
    remap("train", path, "--until-done")
    assert [row[4:] for row in outcome(path)] == [tuple(range(1, MANY + 1))] * 5


@pytest.mark.promise("QUEUE-6")
def test_nothing_listens_beyond_loopback_and_another_scheduler_is_refused(
    tmp_path: Path, start: Callable[..., Started]
) -> None:
    path = tmp_path / "study"
    many = ["--data", "digits", "--models", "60", "--epochs", "5"]
    running = start("sample", path, *many)
    wait_for(lambda: inside_an_epoch(path), "a model inside an epoch")
    addresses = listening(running.family())
    assert addresses
    assert addresses <= LOOPBACK
    refused = remap("train", path, check=False)
    assert refused.returncode == 2
    assert "is being trained already by remap train (process" in refused.stderr
    # Whoever trains it can be ended from anywhere on the host, by a wish in the study.
    assert remap("train", path, "--stop").returncode == 0
    running.end()
    assert not with_study(path, lambda study: study.heartbeat().alive)


@pytest.mark.promise("QUEUE-8")
def test_trainers_share_a_logical_gpu_and_train_on_the_cpu(tmp_path: Path) -> None:
    path = tmp_path / "study"
    shared = ["--gpus-per-model", "0.5", "--logical-gpus", "1"]
    remap("sample", path, *SAMPLE, *shared)
    assert [row[4:] for row in outcome(path)] == [(1, 2, 3)] * 5


@pytest.fixture
def cluster(start: Callable[..., Started], monkeypatch: pytest.MonkeyPatch) -> str:
    """A Ray cluster of one node that others started, on loopback; gives its address."""
    monkeypatch.setenv("RAY_AUTH_MODE", "token")
    monkeypatch.setenv("RAY_AUTH_TOKEN", secrets.token_hex(16))
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    port = free_port()
    head = ["--head", "--node-ip-address=127.0.0.1", f"--port={port}", "--num-cpus=2"]
    # Blocking, it can be ended as a process: "ray stop" would end others' clusters too.
    start("start", *head, "--include-dashboard=false", "--block", command=RAY)
    wait_for(lambda: answers(port), "the cluster")
    return f"127.0.0.1:{port}"


def test_on_a_cluster_training_outlives_the_command_until_it_is_ended(
    tmp_path: Path, start: Callable[..., Started], cluster: str
) -> None:
    path = tmp_path / "study"
    many = ["--data", "digits", "--models", "200", "--epochs", "5"]
    running = start("sample", path, *many, "--address", cluster)
    wait_for(lambda: inside_an_epoch(path), "a model inside an epoch")
    os.kill(running.process.pid, signal.SIGINT)
    assert "the cluster trains on" in running.end()
    with open_study(path) as study:
        before = study.counts()[Status.DONE]
        wait_for(
            lambda: study.counts()[Status.DONE] > before, "a model trained by nobody's command"
        )
    said = remap("train", path, "--stop")
    assert said.stdout.startswith("ended: study (digits): ")
    assert not with_study(path, lambda study: study.heartbeat().alive)
    assert remap("train", path, "--stop").stdout.strip() == "nobody trains study"
