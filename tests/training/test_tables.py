"""Tables out of scikit-learn and out of ``.npz`` files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from remap_ray.errors import DataError
from remap_ray.training import datasets, tables

ROWS = np.random.default_rng(0).normal(size=(60, 3))
LABELS = np.arange(60) % 3
NAMES = np.array(["age", "weight", "wei'ght²"])


def written(path: Path, **arrays: Any) -> str:
    file = path / "own.npz"
    np.savez(file, **{"x_train": ROWS, "y_train": LABELS, **arrays})
    return str(file)


@pytest.mark.promise("OTHER-5")
@pytest.mark.parametrize(
    ("name", "columns", "classes"), [("breast-cancer", 30, 2), ("wine", 13, 3)]
)
def test_scikit_learns_tables_come_without_a_download(
    name: str, columns: int, classes: int
) -> None:
    data = datasets.load(name, seed=3)
    assert data.input_shape == (columns, 1, 1)
    assert data.classes == classes
    assert data.columns is not None
    assert len(data.columns.names) == columns
    again = datasets.load(name, seed=3)
    assert datasets.fingerprint(again) == datasets.fingerprint(data)
    assert datasets.fingerprint(datasets.load(name, seed=4)) != datasets.fingerprint(data)
    sizes = [len(part) for part in (data.train, data.validation, data.test)]
    assert sizes[0] > 0.69 * sum(sizes)
    assert name in datasets.NAMES


@pytest.mark.promise("OTHER-5")
def test_a_file_of_rows_is_a_table(tmp_path: Path) -> None:
    holes = ROWS.copy()
    holes[::7, 1] = np.nan
    given = written(tmp_path, x_train=holes, feature_names=NAMES)
    data = datasets.load(given, seed=0)
    assert data.columns == tables.Columns(("age", "weight", "wei’ght²"), ((0,), (1,), (2,)))
    assert data.train.images.dtype == np.float32
    assert data.train.images.shape == (42, 3, 1, 1)
    assert np.isnan(data.train.images).any()
    plain = datasets.load(written(tmp_path, x_train=ROWS.astype(int)), seed=0)
    assert plain.columns is not None
    assert plain.columns.names == ("x0", "x1", "x2")


@pytest.mark.promise("OTHER-5")
def test_columns_of_a_group_go_together(tmp_path: Path) -> None:
    groups = np.array(["person", "body", "body"])
    data = datasets.load(written(tmp_path, feature_names=NAMES, feature_groups=groups), seed=0)
    assert data.columns == tables.Columns(("person", "body"), ((0,), (1, 2)))
    assert data.columns.indices(["body"]) == [1, 2]
    with pytest.raises(DataError, match="no column 'age'"):
        data.columns.indices(["age"])
    many = datasets.load(written(tmp_path, x_train=np.ones((60, 130))), seed=0)
    assert many.columns is not None
    assert len(many.columns.names) == tables.MOST_ALONE
    assert many.columns.names[0] == "x0 to x2"
    assert sorted(sum(many.columns.members, ())) == list(range(130))


@pytest.mark.promise("OTHER-5")
@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        ({"x_train": np.full((60, 3), np.inf)}, "infinite, or too large for float32"),
        ({"x_train": np.full((60, 3), 1e300)}, "infinite, or too large for float32"),
        ({"x_train": np.full((60, 3), "a")}, "a table must be of numbers"),
        ({"x_train": np.ones((60, 0))}, "must be (rows, columns) and none of these 0"),
        ({"feature_names": np.array(["a", "b"])}, "it must be text of shape (3,)"),
        ({"feature_names": np.arange(3)}, "it must be text of shape (3,)"),
        ({"feature_names": np.array(["a", "b", "a"])}, "has 'a' twice"),
        ({"feature_names": np.array(["a", "b", " "])}, "holds a name that is empty"),
        ({"x_test": np.ones((9, 4)), "y_test": np.arange(9) % 3}, "they must be alike"),
    ],
)
def test_what_is_wrong_with_a_table_is_said(
    tmp_path: Path, arrays: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError) as caught:
        datasets.load(written(tmp_path, **arrays), seed=0)
    assert said in str(caught.value)
