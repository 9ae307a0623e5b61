"""CIFAR-10 and Quick Draw from the download to the export, on small files in their true formats."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from remap_panel.cli import main
from remap_ray import Submission, create_study
from remap_ray.errors import DataError
from remap_ray.space import Architecture, Conv, Dense, MaxPool
from remap_ray.training import cifar10, quickdraw
from remap_ray.training.places import Origin, Places
from tests.browser.training import train_inline
from tests.official_files import (
    PER_CLASS,
    Site,
    cifar_archive,
    cifar_files,
    npy,
    sketches,
)


def fetch_cifar(site: Site) -> None:
    archive = cifar_archive(cifar_files())
    site.files[cifar10.ARCHIVE] = archive
    site.breaks[cifar10.ARCHIVE] = 1000
    origin = Origin(site.address, {cifar10.ARCHIVE: hashlib.sha256(archive).hexdigest()})
    with pytest.raises(DataError, match="broke off"):
        cifar10.load(0, origin=origin)
    cifar10.load(0, origin=origin)
    assert [wanted for _, wanted in site.asked] == [None, "bytes=1000-"]


def fetch_sketches(site: Site) -> None:
    site.files = {f"{name}.npy": npy(array) for name, array in sketches().items()}
    site.breaks["pear.npy"] = 500
    with pytest.raises(DataError, match="broke off"):
        quickdraw.load(0, address=site.address, per_class=PER_CLASS)
    quickdraw.load(0, address=site.address, per_class=PER_CLASS)


@pytest.mark.slow
@pytest.mark.promise("DATA-8", "DATA-9", "EXPORT-1")
@pytest.mark.parametrize(
    ("name", "fetch", "shape", "tested"),
    [
        ("cifar10", fetch_cifar, (3, 32, 32), 20),
        ("quickdraw-paper", fetch_sketches, (1, 28, 28), 80),
    ],
)
def test_from_the_download_to_the_export(
    site: Site,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    name: str,
    fetch,
    shape: tuple[int, int, int],
    tested: int,
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("REMAP_DATA", raising=False)
    fetch(site)
    assert Places.of(name).cache.is_dir()
    asked = len(site.asked)
    # From here on it is in the cache, and asked for by its name alone.
    with create_study(
        tmp_path / "s", name, epochs=1, flip=True, shift=2, standardize=True
    ) as study:
        study.submit([Submission(Architecture(shape, 10, (Conv(4, 3), MaxPool(2), Dense(8))))])
        train_inline(study)
        assert study.model(1).status == "done"
    assert (
        main(["export", str(tmp_path / "s"), "m1", "-o", str(tmp_path / "out"), "--no-onnx"]) == 0
    )
    assert len(site.asked) == asked
    assert "accuracy on the test part: 0." in capsys.readouterr().out
    card = (tmp_path / "out" / "README.md").read_text()
    assert f"on the {tested:,} test images" in card
    assert f"Data set `{name}`" in card
    assert json.loads((tmp_path / "out" / "architecture.json").read_text())["classes"] == 10
