"""Rows of the database as records, and back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import numpy as np
from sqlalchemy import RowMapping

from remap_ray.study.records import (
    DataSummary,
    DrawerEntry,
    Epoch,
    Layout,
    Model,
    Origin,
    Placement,
    Status,
)

__all__ = [
    "data_form",
    "drawer_entry",
    "epoch",
    "layout",
    "layout_form",
    "model",
    "placement",
    "summary",
]

Row = RowMapping


def model(row: Row) -> Model:
    """Make the record of a row of ``models``."""
    return Model(
        number=row["number"],
        identity=row["identity"],
        repeat=row["repeat"],
        seed=row["seed"],
        form=row["form"],
        origin=Origin(row["origin"]),
        parent=row["parent"],
        edits=tuple(row["edits"]),
        words=row["words"],
        parameters=row["parameters"],
        multiply_adds=row["multiply_adds"],
        status=Status(row["status"]),
        reason=row["reason"],
        position=row["position"],
        wanted_epochs=row["wanted_epochs"],
        created=datetime.fromisoformat(row["created"]),
        epochs=row["epochs"],
        accuracy=row["accuracy"],
        train_accuracy=row["train_accuracy"],
        validation_loss=row["validation_loss"],
        train_loss=row["train_loss"],
        seconds=row["seconds"],
        stopped=row["stopped"],
        checkpoint_epoch=row["checkpoint_epoch"],
        stop_wish=row["stop_wish"],
        halving=row["halving"],
        full_epochs=row["full_epochs"],
        to_the_end=row["to_the_end"],
        losses=row["losses"],
    )


def epoch(row: Row) -> Epoch:
    """Make the record of a row of ``epochs``."""
    return Epoch(
        row["model"],
        row["epoch"],
        row["train_loss"],
        row["train_accuracy"],
        row["validation_loss"],
        row["validation_accuracy"],
        row["seconds"],
    )


def layout(row: Row) -> Layout:
    """Make the record of a row of ``layouts``; its arrays are read-only views of the blobs."""
    return Layout(
        row["map"],
        row["version"],
        np.frombuffer(row["models"], dtype="<i8"),
        np.frombuffer(row["points"], dtype="<f8").reshape(-1, 2),
        np.frombuffer(row["shares"], dtype="<f8"),
        row["stress"],
    )


def layout_form(one: Layout) -> dict[str, Any]:
    """Give the columns of a layout, but the map's name."""
    return {
        "version": one.version,
        "models": np.asarray(one.models, "<i8").tobytes(),
        "points": np.asarray(one.points, "<f8").tobytes(),
        "shares": np.asarray(one.shares, "<f8").tobytes(),
        "stress": one.stress,
    }


def placement(row: Row) -> Placement:
    """Make the record of a row of ``placements``."""
    return Placement(row["map"], row["version"], row["model"], row["x"], row["y"], row["share"])


def drawer_entry(row: Row) -> DrawerEntry:
    """Make the record of a row of ``drawer``."""
    return DrawerEntry(row["model"], row["position"], row["note"])


def summary(form: Mapping[str, Any]) -> DataSummary:
    """Make the data summary of its stored form."""
    channels, height, width = form["input_shape"]
    train, validation, test = form["sizes"]
    return DataSummary(
        form["name"],
        form["source"],
        (channels, height, width),
        tuple(form["class_names"]),
        (train, validation, test),
        form["fingerprint"],
        form.get("dtype", ""),
    )


def data_form(data: DataSummary) -> dict[str, Any]:
    """Give the stored form of a data summary."""
    return {
        "name": data.name,
        "source": data.source,
        "input_shape": list(data.input_shape),
        "class_names": list(data.class_names),
        "sizes": list(data.sizes),
        "fingerprint": data.fingerprint,
        "dtype": data.dtype,
    }
