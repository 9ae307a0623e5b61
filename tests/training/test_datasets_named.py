"""CIFAR-10 and Quick Draw: small files in their true formats, and a server that breaks off."""

from __future__ import annotations

import hashlib
import threading
from pathlib import Path

import numpy as np
import pytest

from remap_panel.progress import downloading
from remap_ray.errors import DataError
from remap_ray.training import cifar10, datasets, quickdraw
from remap_ray.training.download import fetch
from remap_ray.training.places import Origin, Places
from tests.official_files import (
    PER_CLASS,
    Site,
    cifar_archive,
    cifar_files,
    npy,
    sketches,
)

# CIFAR-10


@pytest.mark.promise("DATA-8")
@pytest.mark.parametrize("packed", [False, True])
def test_cifar_is_read_from_its_files_or_their_archive(tmp_path: Path, packed: bool) -> None:
    files = cifar_files()
    folder = tmp_path / "given"
    folder.mkdir()
    if packed:
        (folder / cifar10.ARCHIVE).write_bytes(cifar_archive(files))
    else:
        for name, data in files.items():
            (folder / name).write_bytes(data)
    loaded = datasets.load(str(folder), seed=3)
    assert loaded.input_shape == (3, 32, 32)
    assert loaded.class_names[3] == "cat"
    assert [len(part) for part in (loaded.train, loaded.validation, loaded.test)] == [180, 20, 20]
    assert np.bincount(loaded.validation.labels).tolist() == [2] * 10
    # The first image of the test part, value by value: red, green, blue, row by row.
    record = np.frombuffer(files[cifar10.TEST], np.uint8)[: cifar10.RECORD]
    assert loaded.test.labels[0] == record[0]
    assert loaded.test.images[0, 1, 2, 3] == record[1 + 1024 + 2 * 32 + 3]
    assert loaded.test.images.flags.writeable
    again = datasets.load(loaded.source, seed=3)
    assert datasets.fingerprint(again) == datasets.fingerprint(loaded)


@pytest.mark.promise("DATA-9")
@pytest.mark.parametrize("ranges", [True, False])
def test_a_download_goes_on_where_it_broke_off(site: Site, tmp_path: Path, ranges: bool) -> None:
    archive = cifar_archive(cifar_files())
    site.files[cifar10.ARCHIVE] = archive
    site.breaks[cifar10.ARCHIVE] = 1000
    site.ranges = ranges
    origin = Origin(site.address, {cifar10.ARCHIVE: hashlib.sha256(archive).hexdigest()})
    cache = tmp_path / "cache"
    with pytest.raises(DataError, match=r"broke off after 1000 of .*; put the official"):
        cifar10.load(0, Places((), cache), origin)
    assert not cifar10.is_here(cache)
    told: list[tuple[str, int, int | None]] = []
    loaded = cifar10.load(0, Places((), cache), origin, lambda *now: told.append(now))
    assert len(loaded.test) == 20
    assert site.asked == [(cifar10.ARCHIVE, None), (cifar10.ARCHIVE, "bytes=1000-")]
    assert told[-1] == (cifar10.ARCHIVE, len(archive), len(archive))
    assert [one.name for one in cache.iterdir()] == [cifar10.ARCHIVE]
    cifar10.load(0, Places((), cache), origin)
    assert len(site.asked) == 2


@pytest.mark.promise("DATA-9")
def test_what_is_not_the_expected_file_is_not_kept(site: Site, tmp_path: Path) -> None:
    site.files["one"] = b"what nobody wants"
    expected = hashlib.sha256(b"something else").hexdigest()
    with pytest.raises(DataError, match="is not the expected file"):
        fetch(f"{site.address}one", tmp_path / "one", expected)
    # What an attempt before had left does not fit either: the next one begins anew.
    (tmp_path / ".one.part").write_bytes(b"x" * 99)
    with pytest.raises(DataError, match="is not the expected file"):
        fetch(f"{site.address}one", tmp_path / "one", expected)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.promise("DATA-9")
def test_several_at_once_download_once(site: Site, tmp_path: Path) -> None:
    content = np.random.default_rng(0).bytes(1 << 20)
    site.files["one"] = content
    wanted = (f"{site.address}one", tmp_path / "one", hashlib.sha256(content).hexdigest())
    threads = [threading.Thread(target=fetch, args=wanted) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (tmp_path / "one").read_bytes() == content
    assert len(site.asked) == 1


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda files: files.pop("data_batch_3.bin"), "lacks data_batch_3.bin"),
        (lambda files: files.update({cifar10.TEST: b"x" * 100}), "no whole number of images"),
        (lambda files: files.update({cifar10.TEST: b"\x0b" * cifar10.RECORD}), "label 11"),
    ],
)
@pytest.mark.promise("DATA-8")
def test_a_damaged_archive_is_named(tmp_path: Path, change, says: str) -> None:
    files = cifar_files()
    change(files)
    (tmp_path / cifar10.ARCHIVE).write_bytes(cifar_archive(files))
    with pytest.raises(DataError, match=says):
        datasets.load(str(tmp_path))
    (tmp_path / cifar10.ARCHIVE).write_bytes(b"no archive")
    with pytest.raises(DataError, match="cannot be read"):
        datasets.load(str(tmp_path))


# Quick Draw


@pytest.mark.promise("DATA-8")
def test_the_papers_sketches_are_downloaded_as_far_as_wanted(site: Site, tmp_path: Path) -> None:
    drawn = sketches()
    site.files = {f"{name}.npy": npy(array) for name, array in drawn.items()}
    site.breaks["nose.npy"] = 500
    cache = tmp_path / "cache"
    with pytest.raises(DataError, match=r"nose.npy could not be downloaded .*broke off"):
        quickdraw.load(0, Places((), cache), site.address, per_class=PER_CLASS)
    loaded = quickdraw.load(0, Places((), cache), site.address, per_class=PER_CLASS)
    # Six classes were here already.
    assert [name for name, _ in site.asked].count("face.npy") == 1
    last = 4095 + 784 * PER_CLASS
    ranges = [wanted for name, wanted in site.asked if name != "nose.npy"]
    assert set(ranges) == {f"bytes=0-{last}"}
    # Of the seventh what had come is not asked for again.
    again = [wanted for name, wanted in site.asked if name == "nose.npy"]
    assert again == [f"bytes=0-{last}", f"bytes=500-{last}"]
    assert {one.name for one in cache.iterdir()} == {f"{name}.npy" for name in drawn}
    assert loaded.class_names == quickdraw.CLASS_NAMES
    assert loaded.input_shape == (1, 28, 28)
    sizes = [len(part) for part in (loaded.train, loaded.validation, loaded.test)]
    assert sizes == [280, 40, 80]
    apple = quickdraw.CLASS_NAMES.index("apple")
    held_out = loaded.test.images[loaded.test.labels == apple].reshape(-1, 784)
    assert np.array_equal(held_out, drawn["apple"][32:PER_CLASS])
    seen = loaded.train.images[loaded.train.labels == apple].reshape(-1, 784)
    assert {one.tobytes() for one in seen} < {one.tobytes() for one in drawn["apple"][:32]}
    again = quickdraw.load(0, Places((), cache), "http://127.0.0.1:9/", per_class=PER_CLASS)
    assert datasets.fingerprint(again) == datasets.fingerprint(loaded)


def test_a_server_without_ranges_sends_no_more_than_is_wanted(site: Site, tmp_path: Path) -> None:
    site.ranges = False
    site.files = {f"{name}.npy": npy(array) for name, array in sketches().items()}
    loaded = quickdraw.load(0, Places((), tmp_path), site.address, per_class=10)
    assert len(loaded.train) + len(loaded.validation) + len(loaded.test) == 100


@pytest.mark.promise("DATA-8")
def test_a_folder_of_sketches_of_ones_own(tmp_path: Path) -> None:
    folder = tmp_path / "animals"
    folder.mkdir()
    rng = np.random.default_rng(0)
    for name in ("cat", "ant"):
        np.save(folder / f"{name}.npy", rng.integers(0, 256, (20, 12, 10), np.uint8))
    loaded = datasets.load(str(folder))
    assert (loaded.name, loaded.class_names) == ("animals", ("ant", "cat"))
    assert loaded.input_shape == (1, 12, 10)
    assert np.bincount(loaded.test.labels).tolist() == [4, 4]
    assert datasets.fingerprint(datasets.load(loaded.source)) == datasets.fingerprint(loaded)


class Evil:
    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (Path("touched"),)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (npy(np.zeros((20, 784))), "expected are uint8"),
        (npy(np.zeros((3, 784), np.uint8)), "at least 5 are needed"),
        (npy(np.zeros((20, 14, 14), np.uint8)), "differ in size"),
        (b"no array", "cannot be read"),
        (npy(np.array([Evil()], dtype=object)), "cannot be read"),
    ],
)
@pytest.mark.promise("DATA-8")
def test_damaged_sketches_are_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, content: bytes, says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "one.npy").write_bytes(npy(np.zeros((20, 784), np.uint8)))
    (tmp_path / "two.npy").write_bytes(content)
    with pytest.raises(DataError, match=says):
        datasets.load(str(tmp_path))
    assert not Path("touched").exists()


def test_what_a_server_sends_instead_of_sketches_is_named(site: Site, tmp_path: Path) -> None:
    for content, says in (
        (b"<html>", "no .npy file"),
        (npy(np.zeros((50, 9), np.uint8)), "expected are uint8"),
        (npy(np.zeros((50, 784), np.uint8))[:5000], "ends after 6 of 40"),
    ):
        site.files = {"face.npy": content}
        with pytest.raises(DataError, match=says):
            quickdraw.load(0, Places((), tmp_path / "cache"), site.address, per_class=PER_CLASS)
    # Nothing of it is left to be gone on with.
    assert not list((tmp_path / "cache").iterdir())


@pytest.mark.promise("DATA-9")
def test_several_at_once_download_sketches_once(site: Site, tmp_path: Path) -> None:
    site.files = {f"{name}.npy": npy(array) for name, array in sketches().items()}
    found = []

    def load() -> None:
        found.append(quickdraw.load(0, Places((), tmp_path), site.address, per_class=PER_CLASS))

    threads = [threading.Thread(target=load) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(name for name, _ in site.asked) == sorted(site.files)
    assert len({datasets.fingerprint(one) for one in found}) == 1


@pytest.mark.parametrize("terminal", [True, False])
def test_a_person_sees_how_far_a_download_is(
    site: Site,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    terminal: bool,
) -> None:
    content = np.random.default_rng(0).bytes(3 << 19)
    site.files["one"] = content
    monkeypatch.setattr("sys.stderr.isatty", lambda: terminal)
    sha256 = hashlib.sha256(content).hexdigest()
    fetch(f"{site.address}one", tmp_path / "one", sha256, progress=downloading)
    said = capsys.readouterr().err
    assert said.endswith("downloading one: 1.5 of 1.5 MiB\n")
    assert said.count("\r") == (said.count("downloading") if terminal else 0)
    assert said.count("downloading") > 1 or not terminal
