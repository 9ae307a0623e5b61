"""What a study lies on: a full disk, a read-only mount, a file system of the network."""

from __future__ import annotations

import os
import random
import shutil
import sqlite3
import subprocess
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from itertools import islice
from pathlib import Path

import pytest

from remap_panel.cli import main
from remap_panel.feed import Feed
from remap_panel.snapshot import Snapshot
from remap_panel.state import ExplorerState
from remap_panel.views.header import notice
from remap_ray.errors import DiskFull, NotAStudy, StudyReadOnly
from remap_ray.space import Space, sample
from remap_ray.study import Epoch, Holder, Status, Study, Submission, media, open_study, take_lease
from remap_ray.study.checking import find_faults
from tests import synthetic
from tests.processes import Started, free_port, remap, wait_for


def may_mount(folder: Path) -> bool:
    if os.geteuid() != 0 or shutil.which("mount") is None:
        return False
    folder.mkdir(exist_ok=True)
    tried = subprocess.run(
        ["mount", "-t", "tmpfs", "none", folder], capture_output=True, check=False
    )
    if tried.returncode == 0:
        subprocess.run(["umount", folder], check=True)
    return tried.returncode == 0


@contextmanager
def mounted(*arguments: str | Path) -> Iterator[Path]:
    """Mount something; the last argument is where."""
    where = Path(arguments[-1])
    subprocess.run(["mount", *map(str, arguments)], check=True, capture_output=True)
    try:
        yield where
    finally:
        subprocess.run(["umount", "--lazy", where], check=True)


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """An empty directory on which something may be mounted."""
    if not may_mount(tmp_path / "m"):
        pytest.skip("mounting needs root, and the right to mount")
    return tmp_path / "m"


# A full disk


def submit_until_full(study: Study) -> None:
    drawn = sample(Space.named("paper"), random.Random(1), (1, 8, 8), 10)
    while True:
        study.submit(Submission(one) for one in islice(drawn, 20))


def fill(folder: Path) -> Path:
    """Take the room that is left on a disk, to the last byte."""
    ballast = folder / "ballast"
    with ballast.open("ab", buffering=0) as file:
        for size in (65_536, 4_096, 1):
            try:
                while file.write(b"x" * size) == size:
                    pass
            except OSError:
                continue
    return ballast


def whole(path: Path) -> None:
    with closing(sqlite3.connect(path / "study.db")) as connection:
        assert connection.execute("PRAGMA integrity_check").fetchall() == [("ok",)]
        assert connection.execute("PRAGMA foreign_key_check").fetchall() == []


@pytest.mark.promise("STUDY-34")
def test_a_full_disk_refuses_wishes_and_facts_and_keeps_the_study_whole(place: Path) -> None:
    with mounted("-t", "tmpfs", "-o", "size=1M", "none", place):
        path = place / "s"
        with synthetic.empty_study(path) as study:
            synthetic.queue_samples(study, 4)
            lease = take_lease(study, Holder.this_process("test"), 1)
            (first, second) = lease.claim(2)
            assert lease.record_epoch(Epoch(first.number, 1, 1.0, 0.5, 1.0, 0.5, 1.0))
            assert lease.record_checkpoint(first.number, 1, b"checkpoint")
            ballast = fill(place)
            with pytest.raises(DiskFull, match=r"the disk that holds .* is full; what was"):
                submit_until_full(study)
            before = study.changes()
            with pytest.raises(DiskFull):
                lease.record_checkpoint(first.number, 1, b"x" * 2_000_000)
            assert study.checkpoint_path(first.number).read_bytes() == b"checkpoint"
            with pytest.raises(DiskFull):
                lease.finish(first.number, study.validation_labels, b"x" * 2_000_000)
            assert study.changes() == before
            assert study.model(first.number).status is Status.TRAINING
            # Readers go on meanwhile, others too.
            with open_study(path) as other:
                assert other.changes() == before
            ballast.unlink()
            # With room again, the same process goes on.
            assert lease.record_epoch(Epoch(first.number, 2, 1.0, 0.5, 1.0, 0.5, 1.0))
            assert lease.finish(first.number, study.validation_labels, b"weights")
            assert lease.requeue(second.number, "interrupted")
            lease.release()
        whole(path)
        with open_study(path) as study:
            assert [one.epoch for one in study.epochs(first.number)] == [1, 2]
            assert not [one for one in find_faults(study) if one.name.endswith(".part")]


@pytest.mark.promise("STUDY-34")
def test_a_study_on_a_full_disk_is_said_to_be_so_or_looked_at(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with mounted("-t", "tmpfs", "-o", "size=1M", "none", place):
        synthetic.full_study(place / "s", done=3, waiting=2).close()
        ballast = fill(place)
        code = main(["status", str(place / "s")])
        told = capsys.readouterr()
        assert code == 2
        assert "is full" in told.err
        assert "make room" in told.err
        assert len(told.err.splitlines()) == 1
        ballast.unlink()
        assert main(["status", str(place / "s")]) == 0
        assert "3 done" in capsys.readouterr().out
        whole(place / "s")


@pytest.mark.promise("STUDY-34")
def test_no_study_is_created_on_a_full_disk(
    place: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with mounted("-t", "tmpfs", "-o", "size=1M", "none", place):
        fill(place)
        assert main(["sample", str(place / "s"), "--data", "digits", "--models", "2"]) == 2
        assert "cannot be created" in capsys.readouterr().err
        assert sorted(one.name for one in place.iterdir()) == ["ballast"]


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.promise("STUDY-34")
def test_training_on_a_disk_that_fills_up_ends_and_says_so(
    place: Path, start: Callable[..., Started]
) -> None:
    with mounted("-t", "tmpfs", "-o", "size=3M", "none", place):
        path = place / "s"
        remap("sample", path, "--data", "digits", "--models", "0")
        with open_study(path) as study:
            # Each leaves some hundred kilobytes: not all of them fit.
            drawn = (
                one
                for one in sample(Space.named("paper"), random.Random(2), (1, 8, 8), 10)
                if 40_000 < one.parameter_count < 80_000
            )
            study.submit(Submission(one, epochs=1) for one in islice(drawn, 12))
        command = start("train", path, "--until-done")
        out = command.end()
        assert command.process.returncode == 2, out
        assert f"the disk that holds {path} is full" in out
        assert "Traceback" not in out
        whole(path)
        subprocess.run(["mount", "-o", "remount,size=40M", place], check=True)
        with open_study(path) as study:
            assert 0 < study.counts()[Status.DONE] < 12
        remap("train", path, "--until-done")
        with open_study(path) as study:
            assert study.counts()[Status.DONE] == 12
            assert find_faults(study) == ()
            for one in study.models():
                assert [epoch.epoch for epoch in study.epochs(one.number)] == [1]


# Read-only media


@pytest.fixture
def mounted_read_only(place: Path, tmp_path: Path) -> Iterator[Path]:
    synthetic.full_study(tmp_path / "s", done=5, waiting=2).close()
    with mounted("--bind", tmp_path / "s", place), _remounted(place):
        yield place


@contextmanager
def _remounted(place: Path) -> Iterator[None]:
    subprocess.run(["mount", "-o", "remount,bind,ro", place], check=True)
    yield


@pytest.mark.promise("STUDY-35")
def test_a_study_on_a_read_only_mount_can_be_looked_at(
    mounted_read_only: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_study(mounted_read_only) as study:
        assert study.read_only
        assert study.counts()[Status.DONE] == 5
        assert len(study.changes().models) == 7
        assert len(study.points("structure")) == 5
        watch = study.watch()
        assert watch.changed()
        assert not watch.changed()
        watch.close()
        for wish in (
            lambda: study.keep(1),
            lambda: study.cancel(6),
            lambda: take_lease(study, Holder.this_process("test"), 1),
        ):
            with pytest.raises(StudyReadOnly, match="is read-only: it can be looked at"):
                wish()
    assert main(["status", str(mounted_read_only)]) == 0
    assert "5 done" in capsys.readouterr().out
    assert main(["train", str(mounted_read_only), "--until-done"]) == 2
    assert "is read-only" in capsys.readouterr().err
    assert main(["check", str(mounted_read_only), "--mend"]) == 2
    assert "is read-only" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.promise("STUDY-35")
def test_a_study_on_a_read_only_mount_is_served(
    mounted_read_only: Path, start: Callable[..., Started]
) -> None:
    port = free_port()
    served = start("serve", mounted_read_only, "--port", str(port), "--no-browser")

    def answered() -> bool:
        assert served.process.poll() is None, served.end()
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/", timeout=60) as answer:
                return b"<title>REMAP" in answer.read()
        except OSError:
            return False

    wait_for(answered, "the page")
    # Nothing is trained, so nothing but the server runs.
    assert [one.pid for one in served.family()] == [served.process.pid]


def test_the_page_says_that_it_is_read_only(tmp_path: Path) -> None:
    found = notice(Snapshot(), tmp_path, "", read_only=True)
    assert found is not None
    assert "read-only" in found.words
    assert "copy its directory" in found.words
    writable = notice(Snapshot(), tmp_path, "")
    assert writable is None or "read-only" not in writable.words


def test_a_click_in_a_study_that_is_read_only_inspects_and_asks_for_nothing(
    mounted_read_only: Path,
) -> None:
    state = ExplorerState(Feed.of(mounted_read_only))
    state.click(3)
    assert (state.inspected, state.told) == (3, "")
    # What is asked for in so many words is answered.
    state.keep(3)
    assert "is read-only" in state.told
    Feed.close_all()


def test_last_writes_that_wait_in_a_log_are_not_passed_over(place: Path, tmp_path: Path) -> None:
    """A study whose writer was killed, then burnt: its log was never folded in."""
    path = tmp_path / "s"
    with synthetic.full_study(tmp_path / "first", done=3, waiting=1) as study:
        study.keep(2)
        # As a kill leaves it: the log stays.
        shutil.copytree(study.path, path)
        (path / "study.db-shm").unlink(missing_ok=True)
        expected = study.changes().number
    assert (path / "study.db-wal").stat().st_size
    told = r"cannot be read .*put a copy of it back"
    with (
        mounted("--bind", path, place),
        _remounted(place),
        pytest.raises(NotAStudy, match=told),
    ):
        open_study(place)
    # As it says: a copy where it can be written has them.
    with open_study(path) as study:
        assert study.changes().number == expected


# File systems of the network

MOUNTS = """\
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
31 22 0:27 / /home rw,relatime shared:5 - nfs4 server:/home rw,vers=4.2
32 31 0:28 / /home/me/my\\040disk rw - ext4 /dev/sdb rw
33 22 0:29 / /mnt/share rw - cifs //server/share rw
34 22 0:30 / /mnt/over rw - nfs server:/x rw
35 22 0:31 / /mnt/over rw - tmpfs none rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/data/s", "ext4"),
        ("/home/me/s", "nfs4"),
        ("/home/me/my disk/s", "ext4"),
        ("/homes/me", "ext4"),
        ("/mnt/share", "cifs"),
        ("/mnt/over/s", "tmpfs"),
    ],
)
def test_the_file_system_of_a_path_is_that_of_the_nearest_mount(path: str, kind: str) -> None:
    assert media.file_system(Path(path), MOUNTS) == kind


def test_the_kernel_tells_of_real_mounts(tmp_path: Path, place: Path) -> None:
    assert media.file_system(tmp_path)
    with mounted("-t", "tmpfs", "none", place):
        assert media.file_system(place / "s") == "tmpfs"


@pytest.mark.promise("STUDY-36")
def test_on_a_network_file_system_the_log_is_refused_with_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synthetic.full_study(tmp_path / "s", done=2, waiting=1).close()
    monkeypatch.setattr(media, "file_system", lambda *_: "nfs4")
    with pytest.warns(UserWarning, match=r"network file system \(nfs4\): only one host"):
        study = open_study(tmp_path / "s")
    with study:
        with study.reading() as connection:
            assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "delete"
        watch = study.watch()
        watch.changed()
        study.keep(1)
        assert watch.changed()
        watch.close()
        assert not (tmp_path / "s" / "study.db-wal").exists()
        assert [one.model for one in study.drawer()] == [1]


def test_several_write_at_once_without_the_log_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synthetic.full_study(tmp_path / "s", done=6, waiting=0).close()
    monkeypatch.setattr(media, "file_system", lambda *_: "nfs4")
    with pytest.warns(UserWarning, match="network"):
        studies = [open_study(tmp_path / "s") for _ in range(3)]

    def write(study: Study, number: int) -> None:
        for _ in range(5):
            study.keep(number)
            study.let_go(number)
        study.keep(number)

    threads = [
        threading.Thread(target=write, args=(study, number))
        for number, study in enumerate(studies, start=1)
    ]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert {one.model for one in studies[0].drawer()} == {1, 2, 3}
    for one in studies:
        one.close()
