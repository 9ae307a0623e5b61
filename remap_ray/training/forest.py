"""`Forest`: grown trees as plain arrays, with a prediction that needs numpy alone.

Nothing is pickled: a file holds each tree's nodes, and what they were grown for.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from remap_ray.errors import DataError
from remap_ray.space.boosting import BoostedTrees
from remap_ray.training import tensor_file

__all__ = ["NODES", "Forest", "labels_of", "losses"]

NODES = ("feature", "threshold", "missing_left", "left", "right", "value")
"""What is kept of each node; a leaf is its own left and right."""

_TYPES: dict[str, Any] = {
    "feature": np.int32,
    "threshold": np.float64,
    "missing_left": np.bool_,
    "left": np.int32,
    "right": np.int32,
    "value": np.float64,
}


@final
@dataclass(frozen=True, eq=False)
class Forest:
    """Trees in the order in which they were grown, those of a step class by class.

    Parameters
    ----------
    baseline
        (scores,), float64: where the sums begin. Two classes have one score, the log odds of
        the second.
    nodes
        By the names of `NODES`, arrays over the nodes of all trees; ``left`` and ``right`` are
        indices among all nodes.
    starts
        (trees + 1,), int64: the first node of each tree, and the end.
    """

    baseline: NDArray[np.float64]
    nodes: dict[str, NDArray[Any]]
    starts: NDArray[np.int64]

    @property
    def trees(self) -> int:
        """How many trees there are."""
        return len(self.starts) - 1

    @property
    def leaves(self) -> int:
        """How many leaves they have together."""
        places = np.arange(len(self.nodes["left"]))
        return int((self.nodes["left"] == places).sum())

    def scores(
        self, rows: NDArray[np.float32], begun: NDArray[np.float64] | None = None, first: int = 0
    ) -> NDArray[np.float64]:
        """Add up the trees' values for rows of the whole table, all columns included.

        Parameters
        ----------
        rows
            (n, columns), float32; NaN where a value is missing.
        begun, first
            The scores of the trees before ``first``, to go on from there.

        Returns
        -------
        ndarray
            (n, scores), float64.
        """
        scores = np.tile(self.baseline, (len(rows), 1)) if begun is None else begun.copy()
        nodes, every = self.nodes, np.arange(len(rows))
        for tree in range(first, self.trees):
            at = np.full(len(rows), self.starts[tree])
            while True:
                seen = rows[every, nodes["feature"][at]].astype(np.float64)
                to_left = np.where(
                    np.isnan(seen), nodes["missing_left"][at], seen <= nodes["threshold"][at]
                )
                following = np.where(to_left, nodes["left"][at], nodes["right"][at])
                if (following == at).all():
                    break
                at = following
            scores[:, tree % scores.shape[1]] += nodes["value"][at]
        return scores

    def to_bytes(self, design: BoostedTrees, epoch: int, **more: str) -> bytes:
        """Give the trees as safetensors, with what they were grown for in the metadata."""
        metadata = {
            "identity": design.identity,
            "epoch": str(epoch),
            "classes": str(design.classes),
            "architecture": json.dumps(design.to_dict()),
            "trees": str(self.trees),
            "leaves": str(self.leaves),
            **more,
        }
        arrays = {"baseline": self.baseline, "starts": self.starts, **self.nodes}
        return tensor_file.written(arrays, metadata)

    @staticmethod
    def from_bytes(data: bytes, expected: dict[str, str]) -> tuple[Forest, dict[str, str]]:
        """Read what `to_bytes` gave, with its metadata.

        Raises
        ------
        DataError
            No safetensors of trees, or of another model.
        """
        arrays, metadata = tensor_file.read(data, expected)
        if missing := {"baseline", "starts", *NODES} - arrays.keys():
            raise DataError(f"the trees have no {min(missing)}")
        nodes = {name: arrays[name].astype(_TYPES[name], copy=False) for name in NODES}
        return Forest(arrays["baseline"], nodes, arrays["starts"]), metadata


def labels_of(scores: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Give the class with the highest score, (n,); of two, the second where its score is > 0."""
    if scores.shape[1] == 1:
        return (scores[:, 0] > 0).astype(np.uint8)
    found: NDArray[np.uint8] = scores.argmax(axis=1).astype(np.uint8)
    return found


def losses(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> NDArray[np.float64]:
    """Give the cross entropy of each row, (n,)."""
    if scores.shape[1] == 1:
        signed = np.where(labels == 1, -scores[:, 0], scores[:, 0])
        return np.logaddexp(0, signed)
    highest = scores.max(axis=1, keepdims=True)
    total = np.log(np.exp(scores - highest).sum(axis=1)) + highest[:, 0]
    found: NDArray[np.float64] = total - scores[np.arange(len(labels)), labels]
    return found
