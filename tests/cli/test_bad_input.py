"""Bad input: one clear line that says what to do, exit code 2, and nothing has changed."""

from __future__ import annotations

import gzip
import os
import socket
import sqlite3
import struct
from pathlib import Path

import numpy as np
import pytest

from remap_panel.cli import main
from remap_ray.creation import create_study
from remap_ray.study.schema import FORMAT
from tests import synthetic


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def contents(path: Path) -> dict[str, bytes]:
    """All files under ``path``, but SQLite's shared memory, which readers may make."""
    files = (one for one in path.rglob("*") if one.is_file() and not one.name.endswith("-shm"))
    return {str(one.relative_to(path)): one.read_bytes() for one in files}


def refused(capsys: pytest.CaptureFixture[str], here: Path, *arguments: str | Path) -> str:
    """Run a command that must be refused, and give its one line."""
    before = contents(here)
    try:
        code = main([str(one) for one in arguments])
    except SystemExit as end:
        code = end.code
    out, said = capsys.readouterr()
    assert code == 2, (out, said)
    assert out == ""
    assert len(said.splitlines()) == 1, said
    assert said.startswith("remap")
    assert contents(here) == before
    return said


Capsys = pytest.CaptureFixture[str]


def test_no_such_data_set(capsys: Capsys, here: Path) -> None:
    said = refused(capsys, here, "sample", "s", "--data", "cifar-11")
    assert "'cifar-11'" in said
    assert "digits, fashion-mnist" in said
    assert not (here / "s").exists()


def test_no_data_set_for_a_new_study(capsys: Capsys, here: Path) -> None:
    said = refused(capsys, here, "sample", "s")
    assert "--data digits" in said


@pytest.mark.parametrize("command", ["status", "train", "serve"])
def test_a_directory_that_is_no_study(capsys: Capsys, here: Path, command: str) -> None:
    (here / "empty").mkdir()
    assert "holds no study; create one with" in refused(capsys, here, command, "empty")
    assert "does not exist" in refused(capsys, here, command, "nowhere")


def test_a_directory_with_other_things_in_it(capsys: Capsys, here: Path) -> None:
    (here / "photos").mkdir()
    (here / "photos" / "cat.txt").write_text("miaow")
    said = refused(capsys, here, "sample", "photos", "--data", "digits", "--models", "1")
    assert "is not empty and no study" in said


def test_a_database_that_is_no_study(capsys: Capsys, here: Path) -> None:
    (here / "other").mkdir()
    with sqlite3.connect(here / "other" / "study.db") as connection:
        connection.execute("CREATE TABLE birds (name)")
    connection.close()
    assert "that is no study" in refused(capsys, here, "status", "other")
    (here / "other" / "study.db").write_bytes(b"no database " * 500)
    assert "cannot be read" in refused(capsys, here, "status", "other")


@pytest.mark.parametrize("command", ["status", "train", "serve"])
def test_a_study_of_a_newer_format(capsys: Capsys, here: Path, command: str) -> None:
    synthetic.full_study(here / "new", done=1, waiting=0).close()
    connection = sqlite3.connect(here / "new" / "study.db")
    connection.execute(f"PRAGMA user_version = {FORMAT + 6}")
    connection.close()
    said = refused(capsys, here, command, "new")
    assert f"study format {FORMAT + 6}" in said
    assert f"up to format {FORMAT}" in said


@pytest.mark.parametrize("command", ["demo", "serve"])
def test_a_port_in_use(capsys: Capsys, here: Path, command: str) -> None:
    synthetic.full_study(here / "study", done=1, waiting=0).close()
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        arguments = [command, "--port", str(port), "--no-browser"]
        arguments += ["study"] if command == "serve" else []
        said = refused(capsys, here, *arguments)
    assert f"port {port}" in said
    assert "--port" in said


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (["--models", "-1"], "--models"),
        (["--models", "many"], "'many'"),
        (["--models", "2.5"], "'2.5'"),
        (["--models", "inf"], "'inf'"),
        (["--models", "1e999999999"], "'1e999999999'"),
        (["--epochs", "0"], "--epochs"),
        (["--seed", "-3"], "--seed"),
        (["--max-parameters", "0"], "--max-parameters"),
        (["--max-flops", "-5"], "--max-flops"),
        (["--workers", "0"], "--workers"),
        (["--workers", "100000"], "CPUs here"),
        (["--gpus-per-model", "-0.5"], "--gpus-per-model"),
        (["--gpus-per-model", "0.3"], "divides a GPU"),
        (["--gpus-per-model", "nan"], "--gpus-per-model"),
        (["--speed", "9"], "--speed"),
        # Nothing has so few parameters: the output layer alone has more.
        (["--max-parameters", "9"], "within the limits"),
        # A whole number, however it is written.
        (["--max-parameters", "0.9e1"], "within the limits"),
    ],
)
@pytest.mark.promise("COMMAND-1")
def test_a_value_that_cannot_be(
    capsys: Capsys, here: Path, arguments: list[str], named: str
) -> None:
    command = ["sample", "s", "--data", "digits", "--models", "3"]
    said = refused(capsys, here, *command, *arguments)
    assert named in said
    assert not (here / "s").exists()


def test_what_is_fixed_in_a_study(capsys: Capsys, here: Path) -> None:
    synthetic.full_study(here / "study", done=2, waiting=1).close()
    for arguments, named in [
        (["--data", "digits"], "--data toy"),
        (["--epochs", "9"], "--epochs 3"),
        (["--seed", "4"], "--seed 0"),
    ]:
        said = refused(capsys, here, "sample", "study", "--models", "3", *arguments)
        assert named in said
        assert "cannot change" in said


def _idx(path: Path, magic: int, count: int, data: bytes, *sizes: int) -> None:
    with gzip.open(path, "wb") as file:
        file.write(struct.pack(f">II{len(sizes)}I", magic, count, *sizes) + data)


@pytest.mark.promise("COMMAND-1", "DATA-5")
def test_a_corrupt_idx_file(capsys: Capsys, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = here / "fashion-mnist"
    folder.mkdir()
    for part, count in (("train", 60), ("t10k", 20)):
        labels = bytes(n % 10 for n in range(count))
        _idx(folder / f"{part}-images-idx3-ubyte.gz", 2051, count, bytes(784 * count), 28, 28)
        _idx(folder / f"{part}-labels-idx1-ubyte.gz", 2049, count, labels)
    broken = folder / "train-images-idx3-ubyte.gz"
    broken.write_bytes(broken.read_bytes()[:40])
    monkeypatch.setenv("REMAP_DATA", str(here))
    said = refused(capsys, here, "sample", "s", "--data", "fashion-mnist", "--models", "1")
    assert "train-images-idx3-ubyte.gz" in said
    assert not (here / "s").exists()


def test_an_npz_with_objects_in_it_is_never_unpickled(capsys: Capsys, here: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[object, ...]:
            return os.mkdir, (str(here / "trapped"),)

    np.savez(here / "evil.npz", x_train=np.array([Trap()], dtype=object), y_train=[0])
    said = refused(capsys, here, "sample", "s", "--data", "evil.npz", "--models", "1")
    assert "evil.npz" in said
    assert not (here / "trapped").exists()


def test_no_command(capsys: Capsys, here: Path) -> None:
    assert "COMMAND" in refused(capsys, here)
    assert "'fly'" in refused(capsys, here, "fly")


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--space", "mordern"), "no space 'mordern', and no such file; known are paper, modern"),
        (("--require", "conv,flatten"), "no layer kind 'flatten'; known are conv"),
        (("--require", "conv", "--forbid", "conv"), "conv cannot be both required and forbidden"),
        (("--space", "modern", "--max-layers", "1"), "gave no further architecture"),
    ],
)
def test_an_impossible_space_or_limit(
    capsys: Capsys, here: Path, options: tuple[str, ...], reason: str
) -> None:
    assert reason in refused(capsys, here, "sample", "s", "--data", "digits", *options)
    assert not (here / "s").exists()


def test_another_space_than_the_study_was_created_with(capsys: Capsys, here: Path) -> None:
    create_study(here / "s", models=2, space="modern").close()
    said = refused(capsys, here, "sample", "s", "--space", "paper", "--models", "3")
    assert "was created with the space modern, which cannot change to paper" in said
