"""All notebooks are run, as they are, in real kernels; only their sizes are smaller."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import nbclient
import nbformat
import pytest

from remap_ray.study import Origin, Status, open_study

FOLDER = Path(__file__).parents[2] / "notebooks"
NAMES = ("tour", "overnight", "figures", "distances", "your_own", "sketches")

pytestmark = [pytest.mark.slow]


def run(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **environment: object) -> Any:
    """Run a notebook in ``folder``, and give it with its outputs."""
    for key, value in {"IPYTHONDIR": folder / ".ipython", **environment}.items():
        monkeypatch.setenv(key, str(value))
    notebook = nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)
    client = nbclient.NotebookClient(
        notebook, timeout=280, kernel_name="python3", resources={"metadata": {"path": str(folder)}}
    )
    return client.execute()


def printed(notebook: Any) -> str:
    """Give all that a notebook's cells printed and showed as text."""
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", ())]
    texts = [one.get("text") or one.get("data", {}).get("text/plain", "") for one in outputs]
    return "\n".join(texts)


def shown(notebook: Any, mime: str) -> int:
    """Count the outputs of a kind."""
    outputs = [one for cell in notebook.cells for one in cell.get("outputs", ())]
    return sum(mime in one.get("data", {}) for one in outputs)


@pytest.mark.promise("NOTE-5")
def test_every_notebook_is_valid_says_what_it_is_and_has_no_outputs() -> None:
    assert {path.stem for path in FOLDER.glob("*.ipynb")} == set(NAMES)
    for name in NAMES:
        path = FOLDER / f"{name}.ipynb"
        form = json.loads(path.read_text(encoding="utf-8"))
        nbformat.validate(form)
        first = "".join(form["cells"][0]["source"])
        assert form["cells"][0]["cell_type"] == "markdown"
        assert first.startswith("# ")
        assert len(first.splitlines()) > 2, f"{name} does not say what it is"
        code = [cell for cell in form["cells"] if cell["cell_type"] == "code"]
        assert not any(cell["outputs"] or cell["execution_count"] for cell in code)
        assert path.stat().st_size < 60_000


@pytest.mark.promise("NOTE-5")
def test_the_tour(tour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(tour, tmp_path / "tour")
    done = run("tour", tmp_path, monkeypatch)
    said = printed(done)
    assert "[]" in said, "nothing is selected where nobody clicked"
    assert "on the Pareto front: m" in said
    # The page, and seven single views.
    assert shown(done, "application/vnd.holoviews_exec.v0+json") >= 8


@pytest.mark.promise("NOTE-5")
@pytest.mark.ray
@pytest.mark.nightly
def test_overnight(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("overnight", tmp_path, monkeypatch, REMAP_OVERNIGHT_MODELS=3)
    said = printed(done)
    assert "3 models queued" in said
    with open_study(tmp_path / "overnight") as study:
        assert [one.status for one in study.models()] == [Status.DONE] * 3
        assert all(f"{one.name} " in said for one in study.models())
        assert not study.heartbeat().alive


@pytest.mark.promise("NOTE-5")
def test_figures(tour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = run("figures", tmp_path, monkeypatch, REMAP_TOUR=tour, REMAP_FIGURES=tmp_path)
    assert shown(done, "image/svg+xml") >= 7
    written = {path.suffix: path.read_bytes()[:5] for path in tmp_path.glob("networks.*")}
    assert written == {".svg": b"<svg ", ".pdf": b"%PDF-", ".png": b"\x89PNG\r"}


@pytest.mark.promise("NOTE-5")
def test_distances(tour: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shutil.copytree(tour, tmp_path / "tour")
    said = printed(run("distances", tmp_path, monkeypatch))
    assert "by answers: stress 0." in said
    assert "by structure: stress 0." in said
    assert "the first four stay: True" in said


@pytest.mark.promise("NOTE-5")
@pytest.mark.ray
@pytest.mark.nightly
def test_your_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    said = printed(run("your_own", tmp_path, monkeypatch, REMAP_YOUR_OWN=tmp_path))
    assert "('circle', 'square', 'cross')" in said
    with open_study(tmp_path / "shapes") as study:
        models = study.models()
        assert {one.status for one in models} == {Status.DONE}
        (mine,) = (one for one in models if one.words == "what we use today")
        # All layers but none that would leave no network, as the notebook says of each.
        assert [one.parent for one in models if one.origin is Origin.ABLATION] == [mine.number] * 3


@pytest.mark.promise("CASE-1")
@pytest.mark.ray
@pytest.mark.nightly
@pytest.mark.timeout(600)
def test_the_use_case_in_small_and_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = {
        "REMAP_SKETCHES_DATA": "digits",
        "REMAP_SKETCHES_MODELS": 10,
        "REMAP_SKETCHES_EPOCHS": 1,
        "REMAP_SKETCHES_VARIATIONS": 3,
    }
    said = printed(run("sketches", tmp_path, monkeypatch, **sizes))
    with open_study(tmp_path / "sketches") as study:
        first = study.models()
        kept = [one.model for one in study.drawer()]
    count = {origin: sum(one.origin is origin for one in first) for origin in Origin}
    assert count[Origin.SAMPLED] == 10
    assert count[Origin.ABLATION] >= 1
    assert count[Origin.VARIATION] >= 1
    assert 1 <= count[Origin.HANDCRAFTED] <= 3
    assert {one.status for one in first} == {Status.DONE}
    assert "accuracy on the test part: 0." in said
    assert said.count("->") == 1, "one model is chosen"
    (home,) = tmp_path.glob("sketches-m*")
    assert int(home.name.removeprefix("sketches-m")) in kept
    assert (tmp_path / "sketches" / "lineage.svg").read_bytes().startswith(b"<svg")

    # Run again, it goes on: the same models, the same choice, and nothing is trained twice.
    again = printed(run("sketches", tmp_path, monkeypatch, **sizes))
    with open_study(tmp_path / "sketches") as study:
        assert study.models() == first
    mark = next(line for line in said.splitlines() if line.startswith("->"))
    assert mark in again
