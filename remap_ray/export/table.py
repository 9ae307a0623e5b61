"""A study as one table for other programs: a row per model, as CSV or Parquet."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np

from remap_ray.errors import InvalidRequest
from remap_ray.study import MAPS, Model, Study
from remap_ray.study.files import write_whole

__all__ = ["COLUMNS", "export_predictions", "export_table", "rows"]

_PLAIN: Mapping[str, Callable[[Model], Any]] = {
    "number": lambda model: model.number,
    "status": lambda model: str(model.status),
    "reason": lambda model: model.reason,
    "origin": lambda model: str(model.origin),
    "parent": lambda model: model.parent,
    "words": lambda model: model.words,
    "text": lambda model: model.design.text,
    "architecture": lambda model: json.dumps(model.design.to_dict()),
    "identity": lambda model: model.identity,
    "repeat": lambda model: model.repeat,
    "seed": lambda model: model.seed,
    "layers": lambda model: model.design.countable,
    "parameters": lambda model: model.parameters,
    "multiply_adds": lambda model: model.multiply_adds,
    "accuracy": lambda model: model.accuracy,
    "train_accuracy": lambda model: model.train_accuracy,
    "validation_loss": lambda model: model.validation_loss,
    "train_loss": lambda model: model.train_loss,
    "epochs": lambda model: model.epochs,
    "wanted_epochs": lambda model: model.wanted_epochs,
    "seconds": lambda model: model.seconds,
    "stopped": lambda model: model.stopped,
    "created": lambda model: model.created.isoformat(),
}

COLUMNS = (*_PLAIN, *(f"{name}_{axis}" for name in MAPS for axis in "xy"))
"""The columns; accuracies are of the validation part, from 0 to 1, seconds of training."""


def rows(study: Study) -> list[dict[str, Any]]:
    """Give a row for each model of a study, by `COLUMNS`; None is what there is not."""
    points = {name: study.points(name) for name in MAPS}
    found = []
    for model in study.models():
        row = {name: value(model) for name, value in _PLAIN.items()}
        for name in MAPS:
            x, y = points[name].get(model.number, (None, None))
            row |= {f"{name}_x": x, f"{name}_y": y}
        found.append(row)
    return found


def export_table(study: Study, path: str | Path) -> int:
    """Write a study's models to a ``.csv`` or ``.parquet`` file; gives how many.

    Raises
    ------
    InvalidRequest
        Another ending, a file that cannot be written, or Parquet without pyarrow.
    """
    path = Path(path).expanduser().absolute()
    found = rows(study)
    writers = {".csv": _csv, ".parquet": _parquet}
    if path.suffix.lower() not in writers:
        raise InvalidRequest(
            f"a table is written as {' or '.join(writers)}, not as {path.name!r}; choose a name "
            "with one of these endings"
        )
    _write(path, writers[path.suffix.lower()](found))
    return len(found)


def export_predictions(study: Study, path: str | Path) -> int:
    """Write the validation predictions of all models that are done as ``.npz``; gives how many.

    The file holds ``models`` int64 (n,), ``predictions`` uint8 (n, items), ``labels`` uint8
    (items,) and ``class_names``, and can be read with ``allow_pickle=False``.

    Raises
    ------
    InvalidRequest
        Another ending, or a file that cannot be written.
    """
    path = Path(path).expanduser().absolute()
    if path.suffix.lower() != ".npz":
        raise InvalidRequest(f"predictions are written as .npz, not as {path.name!r}")
    numbers, labels = [], []
    for model in study.models():
        predicted = study.predictions(model.number)
        if predicted is not None:
            numbers.append(model.number)
            labels.append(predicted)
    truth = study.validation_labels
    file = io.BytesIO()
    np.savez_compressed(
        file,
        models=np.array(numbers, np.int64),
        predictions=np.stack(labels) if labels else np.zeros((0, len(truth)), np.uint8),
        labels=truth,
        class_names=np.array(study.data.class_names, dtype=np.str_),
    )
    _write(path, file.getvalue())
    return len(numbers)


def _csv(found: Sequence[Mapping[str, Any]]) -> bytes:
    text = io.StringIO()
    writer = csv.DictWriter(text, COLUMNS)
    writer.writeheader()
    writer.writerows(found)
    return text.getvalue().encode()


def _parquet(found: Sequence[Mapping[str, Any]]) -> bytes:
    try:
        arrow, parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise InvalidRequest(
            "Parquet needs pyarrow: install remap-nas[export], or choose a name that ends in .csv"
        ) from error
    columns = {name: [row[name] for row in found] for name in COLUMNS}
    file = io.BytesIO()
    parquet.write_table(arrow.table(columns), file)
    return file.getvalue()


def _write(path: Path, data: bytes) -> None:
    try:
        write_whole(path, data)
    except OSError as error:
        raise InvalidRequest(f"{path} cannot be written: {error.strerror}") from error
