"""The command on a table: a real Ray grows trees, and the same command again has nothing to do."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from remap_panel.cli import main
from remap_ray.space import BoostedTrees
from remap_ray.study import Status, open_study
from remap_ray.training import datasets
from remap_ray.training.boosting import load_forest
from remap_ray.training.forest import labels_of
from tests.processes import remap


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.promise("OTHER-8")
def test_boosting_is_sampled_trained_and_mapped_from_the_command(tmp_path: Path) -> None:
    path = tmp_path / "churn"
    asked = ["--data", "breast-cancer", "--models", "6", "--epochs", "3", "--seed", "2"]
    said = remap("sample", path, *asked, "--space", "boosting", "--max-parameters", "400")
    assert "leaves per round" in said.stdout
    again = remap("sample", path, *asked)
    assert again.stdout.startswith("nothing to do: churn (breast-cancer): 6 done")
    data = datasets.load("breast-cancer", seed=2)
    rows = np.asarray(data.validation.images[:, :, 0, 0])
    with open_study(path) as study:
        assert study.space == "boosting"
        models = study.models()
        assert [one.status for one in models] == [Status.DONE] * 6
        assert all(len(study.points(name)) == 6 for name in ("structure", "predictions"))
        for one in models:
            assert one.parameters <= 400
            assert isinstance(one.design, BoostedTrees)
            assert [each.epoch for each in study.epochs(one.number)] == [1, 2, 3]
            forest = load_forest(one.design, study.weights_path(one.number).read_bytes())
            labels = labels_of(forest.scores(rows))
            np.testing.assert_array_equal(labels, study.predictions(one.number))
            assert one.accuracy == pytest.approx((labels == data.validation.labels).mean())
    text = "boost10 tree16 bins255 'worst area' 'mean texture'"
    queued = remap("queue", path, "submit", text)
    assert queued.stdout.startswith("m7: boost10 tree16 bins255 'mean texture' 'worst area'")
    wrong = remap("queue", path, "submit", text.replace("worst", "worse"), check=False)
    assert wrong.returncode == 2
    assert "the data have no column worse area; did you mean 'worst area'?" in wrong.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--data", "digits", "--space", "boosting"], "is for tables, and these data are images"),
        (["--data", "wine", "--space", "paper"], "these data are a table; use --space boosting"),
        (["--data", "wine", "--require", "conv"], "limits on kinds are for layers"),
        (["--data", "wine", "--bfloat16"], "bfloat16: this is for networks"),
        (["--data", "wine", "--max-parameters", "1"], "allow more leaves per round"),
    ],
)
@pytest.mark.promise("OTHER-8")
def test_what_does_not_go_together_is_said(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["sample", str(tmp_path / "study"), *arguments, "--models", "2"]) == 2
    assert said in capsys.readouterr().err
    assert not (tmp_path / "study").exists()
