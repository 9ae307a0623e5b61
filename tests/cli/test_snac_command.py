"""`remap snac`: models of a study as figures, from the command line."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from remap_panel.cli import main
from remap_panel.snac import draw
from remap_panel.snac_command import COLUMNS
from remap_ray.creation import create_study
from remap_ray.study import Study
from tests import synthetic


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Study]:
    made = synthetic.full_study(tmp_path_factory.mktemp("snac") / "birds", done=4, waiting=1)
    yield made
    made.close()


def label(path: Path) -> str:
    return ET.parse(path).getroot().attrib["aria-label"]


@pytest.mark.promise("SNAC-9")
def test_one_model_is_a_chip_with_its_name(
    study: Study, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m1.svg"
    assert main(["snac", str(study.path), "m1", "-o", str(path)]) == 0
    assert capsys.readouterr().out == f"{path}\n"
    model = study.model(1)
    assert path.read_text(encoding="utf-8") == draw(model, "large", "birds m1").svg
    assert main(["snac", str(study.path), "1", "-o", str(path), "--title", "ours"]) == 0
    assert label(path).startswith("ours: ")


@pytest.mark.promise("SNAC-9")
@pytest.mark.parametrize("suffix", ["svg", "pdf", "png"])
def test_several_models_are_one_table(study: Study, tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"figure.{suffix}"
    command = ["snac", str(study.path), "m2", "m1", "m5", "-o", str(path), "--size", "small"]
    options = ["--legend", "--fold", "--columns", ",".join(COLUMNS), "--own-scale", "--dpi", "96"]
    assert main([*command, *options]) == 0
    start = {"svg": b"<svg", "pdf": b"%PDF", "png": b"\x89PNG"}[suffix]
    assert path.read_bytes().startswith(start)
    if suffix == "svg":
        title, *rows = label(path).split(". ")
        assert title == "birds"
        assert [row.partition(":")[0] for row in rows] == ["m2", "m1", "m5"]
        model = study.model(2)
        assert f"; accuracy {model.accuracy:.3f}; " in rows[0]
        assert f"; parameters {model.parameters:,}; " in rows[0]
        # What waits has no accuracy yet.
        assert "; accuracy –; " in rows[2]
        assert main([*command, "--align", "--sizes"]) == 0
        assert "(missing)" in label(path) or "(added)" in label(path)


@pytest.mark.promise("SNAC-9", "OTHER-6")
def test_a_figure_of_trees_speaks_of_leaves_and_columns(tmp_path: Path) -> None:
    create_study(tmp_path / "wine", "wine", models=2, epochs=1).close()
    path = tmp_path / "figure.svg"
    options = ["--columns", "parameters,flops,layers,epochs", "--legend", "--title", ""]
    assert main(["snac", str(tmp_path / "wine"), "m1", "m2", "-o", str(path), *options]) == 0
    first = label(path)
    for words in ("leaves per round", "comparisons", "columns", "epochs"):
        assert f"; {words} " in first
    assert not any(words in first for words in ("parameters", "flops", "layers"))


@pytest.mark.promise("SNAC-9", "SNAC-2")
def test_blocks_may_be_equally_high(study: Study, tmp_path: Path) -> None:
    path = tmp_path / "m2.svg"
    assert main(["snac", str(study.path), "m2", "-o", str(path), "--fixed-height"]) == 0
    wanted = draw(study.model(2), "large", "birds m2", fixed_height=True).svg
    assert path.read_text(encoding="utf-8") == wanted != draw(study.model(2), title="birds m2").svg


@pytest.mark.promise("SNAC-9")
@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["m99", "-o", "x.svg"], "there is no model m99"),
        (["m1", "m99", "-o", "x.svg"], "there is no model m99"),
        (["nobody", "-o", "x.svg"], "must be a model such as m17, not 'nobody'"),
        (["m1", "-o", "x.jpg"], "ends in .svg, .pdf or .png"),
        (["m1", "-o", "absent/x.pdf"], "there is no folder absent"),
        (["m1", "m2", "-o", "x.svg", "--columns", "beauty"], "no column 'beauty'; known are acc"),
        (["m1", "m2", "-o", "x.svg", "--align", "--fold"], "leave out fold, or align"),
        (["m1", "-o", "x.png", "--dpi", "0"], "at least 1, not '0'"),
        (["m1", "-o", "x.pdf", "--title", "模"], "no outlines of '模'"),
        (["m1"], "-o/--output"),
    ],
)
def test_what_cannot_be_drawn_is_told_in_one_line(
    study: Study,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    says: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    try:
        code = main(["snac", str(study.path), *arguments])
    except SystemExit as end:
        code = end.code
    said = capsys.readouterr().err
    assert code == 2
    assert says in said
    assert len(said.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []
