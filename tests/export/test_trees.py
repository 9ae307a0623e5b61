"""A model of boosted trees, taken home: numpy source in a process of its own."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from remap_ray.errors import InvalidRequest
from remap_ray.export.bundle import export_model
from remap_ray.export.table import export_table
from remap_ray.space import BoostedTrees
from remap_ray.training import datasets
from remap_ray.training.boosting import load_forest
from remap_ray.training.forest import labels_of
from tests.tables import table_study

ALONE = """
import sys, numpy as np
sys.path.insert(0, sys.argv[1])
import model
assert not {"torch", "sklearn", "remap_ray", "safetensors"} & sys.modules.keys()
rows = np.load(sys.argv[2])
made = model.Model()
np.savez(sys.argv[3], scores=made.scores(rows), labels=made.predict(rows),
         proba=made.predict_proba(rows))
assert made.predict_proba(rows).shape == (len(rows), len(model.CLASSES))
print(len(model.COLUMNS), model.CLASSES)
"""


@pytest.mark.promise("OTHER-9")
@pytest.mark.parametrize(
    ("name", "columns", "first"), [("breast-cancer", 30, "malignant"), ("wine", 13, "class_0")]
)
def test_source_and_trees_answer_alike_with_numpy_alone(
    tmp_path: Path, name: str, columns: int, first: str
) -> None:
    with table_study(tmp_path / "study", 1, data=name) as study:
        done = export_model(study, 1, tmp_path / "m1", picture="<svg/>")
        model = study.model(1)
        weights = study.weights_path(1).read_bytes()
        with pytest.raises(InvalidRequest, match="no ONNX file is written"):
            export_model(study, 1, tmp_path / "other", onnx=True)
        assert export_table(study, tmp_path / "all.csv") == 1
        accuracy = study.model(1).accuracy
    files = {"model.py", "trees.npz", "architecture.json", "README.md", "snac.svg"}
    assert set(done.files) == files
    assert {one.name for one in (tmp_path / "m1").iterdir()} == files
    test = datasets.load(name, seed=1).test
    rows = test.images[:, :, 0, 0].copy()
    np.save(tmp_path / "rows.npy", rows)
    alone = [sys.executable, "-I", "-c", ALONE, tmp_path / "m1", tmp_path / "rows.npy"]
    said = subprocess.run(
        [*map(str, alone), str(tmp_path / "out.npz")], capture_output=True, text=True, check=False
    )
    assert said.returncode == 0, said.stderr
    assert said.stdout.startswith(f"{columns} ['{first}'")
    assert isinstance(model.design, BoostedTrees)
    scores = load_forest(model.design, weights).scores(rows)
    with np.load(tmp_path / "out.npz") as found:
        np.testing.assert_array_equal(found["scores"], scores)
        np.testing.assert_array_equal(found["labels"], labels_of(scores))
        np.testing.assert_array_equal(found["proba"].argmax(axis=1), labels_of(scores))
        np.testing.assert_allclose(found["proba"].sum(axis=1), 1)
    assert done.accuracy == pytest.approx((labels_of(scores) == test.labels).mean())
    card = (tmp_path / "m1" / "README.md").read_text(encoding="utf-8")
    assert f"**{done.accuracy:.4f} on the {len(rows)} test rows**" in card
    assert f"by which it was chosen: {accuracy:.4f}" in card
    assert "needs only numpy" in card
    assert "![m1](snac.svg)" in card
    assert "image" not in card.replace("images from elsewhere", "")
