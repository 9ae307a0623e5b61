"""A model of boosted trees as numpy source and arrays: what `export_model` writes of a table's."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Collection
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from remap_ray.errors import DataError
from remap_ray.export.card import (
    PICTURE,
    accuracy_section,
    confusions,
    escaped,
    files_list,
    head,
    lineage_list,
    table,
)
from remap_ray.export.measured import Latency, Tested
from remap_ray.space import BoostedTrees
from remap_ray.study import Model, Study
from remap_ray.study.metrics import class_accuracies, confusion_matrix
from remap_ray.training import datasets
from remap_ray.training.boosting import load_forest
from remap_ray.training.forest import Forest, labels_of
from remap_ray.version import VERSION

__all__ = ["TREES", "files_of", "source"]

TREES = "trees.npz"

FILES = {
    "model.py": "the model, which needs only numpy",
    TREES: "its trees",
    "architecture.json": "its settings and columns, as REMAP reads them",
}

RUNS = 200

SOURCE = '''"""{title}

Boosted trees for rows of a table, exported by REMAP. Needs numpy alone:

    model = Model()                   # reads trees.npz beside this file
    model.predict(rows)               # (n,): indices of CLASSES
    model.predict_proba(rows)         # (n, {classes}): a probability for each class

``rows`` is an array (n, {columns}) of numbers in the order of COLUMNS; NaN is a missing value.
"""

from pathlib import Path

import numpy as np

CLASSES = {class_names}

COLUMNS = {column_names}
"""The columns of the table; the trees look at {seen} of them."""


class Model:
    """Adds up what each tree says of a row."""

    def __init__(self, path=Path(__file__).parent / "{file}"):
        with np.load(path, allow_pickle=False) as kept:
            self.baseline = kept["baseline"]  # (scores,): where the sums begin
            self.starts = kept["starts"]  # (trees + 1,): the first node of each tree
            self.feature = kept["feature"]  # of each node: the column that it looks at
            self.threshold = kept["threshold"]  # values up to this one go to the left
            self.missing_left = kept["missing_left"]  # whether missing ones do
            self.left, self.right = kept["left"], kept["right"]  # a leaf leads to itself
            self.value = kept["value"]  # what a leaf adds

    def scores(self, rows):
        rows = np.asarray(rows, np.float32).astype(np.float64)
        scores = np.tile(self.baseline, (len(rows), 1))
        every = np.arange(len(rows))
        for tree, first in enumerate(self.starts[:-1]):
            at = np.full(len(rows), first)
            while True:
                seen = rows[every, self.feature[at]]
                to_left = np.where(
                    np.isnan(seen), self.missing_left[at], seen <= self.threshold[at]
                )
                after = np.where(to_left, self.left[at], self.right[at])
                if (after == at).all():
                    break
                at = after
            scores[:, tree % scores.shape[1]] += self.value[at]
        return scores

    def predict_proba(self, rows):
        scores = self.scores(rows)
        if scores.shape[1] == 1:
            # Two classes have one score: the log odds of the second.
            scores = np.hstack([np.zeros_like(scores), scores])
        shares = np.exp(scores - scores.max(axis=1, keepdims=True))
        return shares / shares.sum(axis=1, keepdims=True)

    def predict(self, rows):
        scores = self.scores(rows)
        return (scores[:, 0] > 0).astype(int) if scores.shape[1] == 1 else scores.argmax(axis=1)
'''


def source(design: BoostedTrees, title: str, classes: list[str], columns: list[str]) -> str:
    """Write the source; every foreign name in it is a literal."""
    plain = "".join(one if one.isprintable() and one not in '"\\' else "?" for one in title)
    return SOURCE.format(
        title=plain,
        classes=design.classes,
        columns=design.input_shape[0],
        class_names=repr(classes),
        column_names=repr(columns),
        seen=design.countable,
        file=TREES,
    )


def files_of(
    study: Study,
    model: Model,
    design: BoostedTrees,
    weights: bytes,
    picture: str = "",
    *,
    test: bool,
    processor: str,
) -> tuple[dict[str, bytes], float | None]:
    """Give the files of a trained model, and its accuracy on the test part where it is measured.

    The source is run on real rows, and must give the trees' own answers.

    Raises
    ------
    DataError
        The data cannot be loaded or have changed, or the trees are damaged.
    """
    forest = load_forest(design, weights)
    loaded = datasets.load(study.data.source, seed=study.seed)
    if loaded.columns is None or datasets.fingerprint(loaded) != study.data.fingerprint:
        raise DataError(
            f"{study.data.source} holds other data than {study.name} was trained on; put those "
            "back: the names of its columns are needed"
        )
    names = [""] * design.input_shape[0]
    for name, members in zip(loaded.columns.names, loaded.columns.members, strict=True):
        for place, index in enumerate(members):
            names[index] = name if len(members) == 1 else f"{name} [{place}]"
    text = source(design, f"{study.name} {model.name}", list(study.data.class_names), names)
    arrays = _npz({"baseline": forest.baseline, "starts": forest.starts, **forest.nodes})
    part = loaded.test if test else loaded.validation
    rows = np.asarray(part.images[:, :, 0, 0], np.float32)
    took = _try(text, arrays, forest, rows)
    tested = None
    if test:
        labels = labels_of(forest.scores(rows))
        matrix = confusion_matrix(part.labels, labels, design.classes)
        right = float((labels == part.labels).mean())
        tested = Tested(len(labels), right, class_accuracies(matrix), matrix)
    files = {
        "model.py": text.encode(),
        TREES: arrays,
        "architecture.json": (json.dumps(design.to_dict(), indent=2) + "\n").encode(),
        **confusions(tested, study.data.class_names),
    }
    if picture:
        files[PICTURE] = picture.encode()
    files["README.md"] = _card(
        study, model, design, forest, tested, took, processor, files
    ).encode()
    return files, None if tested is None else tested.accuracy


def _npz(arrays: dict[str, NDArray[Any]]) -> bytes:
    file = io.BytesIO()
    np.savez_compressed(file, **arrays)  # type: ignore[arg-type]
    return file.getvalue()


def _try(text: str, arrays: bytes, forest: Forest, rows: NDArray[np.float32]) -> Latency:
    from remap_ray.export.bundle import SourceDiffers  # noqa: PLC0415 - it imports this module

    names: dict[str, Any] = {"__name__": "model", "__file__": "model.py"}
    # Our own text of a moment ago, with every foreign name in it as a literal.
    exec(compile(text, "model.py", "exec"), names)  # noqa: S102
    model = names["Model"](io.BytesIO(arrays))
    if not np.array_equal(model.scores(rows), forest.scores(rows)):
        raise SourceDiffers("the written source gives other scores than the trees; report it")
    taken = []
    for _ in range(RUNS):
        start = time.perf_counter()
        model.predict(rows[:1])
        taken.append(1000 * (time.perf_counter() - start))
    return Latency(median(taken), min(taken), RUNS)


def _card(
    study: Study,
    model: Model,
    design: BoostedTrees,
    forest: Forest,
    tested: Tested | None,
    latency: Latency,
    processor: str,
    files: Collection[str],
) -> str:
    data = study.data
    columns = ", ".join(map(escaped, design.columns))
    parts = [
        *head(study, model, files),
        (
            f"A classifier of table rows: {forest.trees:,} boosted trees with {forest.leaves:,} "
            f"leaves, found and exported with REMAP {VERSION}."
        ),
        "## What",
        table(
            ("", ""),
            [
                ("takes", f"rows of {data.input_shape[0]} numbers; NaN is a missing one"),
                ("tells apart", ", ".join(map(escaped, data.class_names))),
                ("looks at", columns),
                ("settings", escaped(", ".join(part.words for part in design.parts[:3]))),
                ("identity", f"`{model.identity}`"),
                (
                    "latency",
                    (
                        f"{latency.median:.3g} ms per row (quickest {latency.quickest:.3g} ms), "
                        f"median of {latency.runs} calls of `model.py` with one row on "
                        f"{escaped(processor)}"
                    ),
                ),
            ],
        ),
        "## Accuracy",
        accuracy_section(model, tested, data.sizes, data.class_names),
        "## From which data, and how it was trained",
        (
            f"Data set `{escaped(data.name)}` (fingerprint `{data.fingerprint}`): "
            f"{data.sizes[0]:,} training, {data.sizes[1]:,} validation and {data.sizes[2]:,} test "
            f"rows. {model.epochs} rounds of {design.trees_per_round} trees, grown by "
            f"scikit-learn's histogram gradient boosting, seed {model.seed}"
            f"{f'; {escaped(model.stopped)}' if model.stopped else ''}."
        ),
        "## How it was found",
        lineage_list(study, model),
        "## Files",
        files_list(FILES, files, "No ONNX file: that is written of networks alone."),
        "## What is not known",
        (
            "The accuracy is that of one training with one seed on one division of the data. "
            "Nothing was measured on rows from elsewhere."
        ),
    ]
    return "\n\n".join(parts) + "\n"
