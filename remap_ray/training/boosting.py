"""Grow the trees of one design, a round of them an epoch; stop between trees; go on later.

scikit-learn grows them. What it has grown is kept as arrays (`remap_ray.training.forest`), and
all figures and predictions come from these. It cannot go on from arrays, so a training that was
stopped grows its trees anew from its seed, which takes as long as it took and gives the same
trees; that they are the same is checked.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import ThreadpoolController

from remap_ray.errors import DataError, TrainingFailed
from remap_ray.space.boosting import BoostedTrees
from remap_ray.training.forest import Forest, labels_of, losses
from remap_ray.training.parts import Columns, Part
from remap_ray.training.task import Checkpoint, EpochDone, Event, Stopped, Task, Trained

__all__ = ["Rows", "load_forest", "rows", "train"]

STEP_SECONDS = 0.2
"""What is grown between two looks at whether to stop takes about so long, or one tree."""


@final
@dataclass(frozen=True, eq=False)
class Rows:
    """What a trainer keeps of a table: rows (n, columns), labels (n,), and names of columns."""

    train: NDArray[np.float32]
    train_labels: NDArray[np.int64]
    validation: NDArray[np.float32]
    validation_labels: NDArray[np.int64]
    columns: Columns


def rows(train: Part, validation: Part, columns: Columns) -> Rows:
    """Take the two parts of a table that the search sees."""
    return Rows(
        np.asarray(train.images[:, :, 0, 0], np.float32),
        train.labels,
        np.asarray(validation.images[:, :, 0, 0], np.float32),
        validation.labels,
        columns,
    )


def load_forest(design: BoostedTrees, data: bytes) -> Forest:
    """Read the trees of a trained model.

    Raises
    ------
    DataError
        No safetensors of trees, or those of another model.
    """
    try:
        forest, _ = Forest.from_bytes(data, {"identity": design.identity})
    except DataError as error:
        raise DataError(f"the trees cannot be used: {error}") from error
    return forest


def train(
    task: Task,
    data: Rows,
    stop: Callable[[], bool],
    clock: Callable[[], float] = time.perf_counter,
    checkpoint_seconds: float = 10.0,
) -> Iterator[Event]:
    """Grow the trees of one design, yielding what happens as it happens.

    Events are those of `remap_ray.training.trainer.train`, an epoch being a round of trees. A
    training that was stopped and resumed ends with the same bits as one that was not.

    Parameters
    ----------
    stop
        Asked before every step of some trees; at a stop, what was done of the round is lost.
    clock
        Gives seconds.
    checkpoint_seconds
        Least time between two checkpoints, except at the end.

    Raises
    ------
    TrainingFailed
        The data or the checkpoint do not fit the task.
    """
    grower = _Grower(task, data, stop, clock)
    done = sent = grower.resume()
    if done is None or sent is None:
        yield Stopped(grower.resumed)
        return
    sent_at = clock()
    history = [*task.losses[:done]]
    stalled = task.has_stalled(history)
    while done < task.epochs and not stalled:
        began = clock()
        if not grower.grow(done + 1):
            break
        figures = grower.figures(done + 1, clock() - began)
        done += 1
        history.append(figures.validation_loss)
        stalled = task.has_stalled(history)
        yield figures
        if clock() - sent_at >= checkpoint_seconds:
            yield Checkpoint(done, grower.checkpoint(done))
            sent, sent_at = done, clock()
    if done > sent:
        yield Checkpoint(done, grower.checkpoint(done))
    if done < task.epochs and not stalled:
        yield Stopped(done)
    else:
        forest = grower.forest
        weights = forest.to_bytes(grower.design, done)
        labels = labels_of(forest.scores(data.validation))
        yield Trained(done, labels, weights, early=done < task.epochs)


@final
class _Grower:
    """scikit-learn's estimator of one task, and the forest of what it has grown by whole rounds."""

    def __init__(
        self, task: Task, data: Rows, stop: Callable[[], bool], clock: Callable[[], float]
    ) -> None:
        # Takes a second, which a trainer of networks does without.
        from sklearn.ensemble import HistGradientBoostingClassifier  # noqa: PLC0415

        design = task.architecture
        if not isinstance(design, BoostedTrees):
            raise TrainingFailed(
                f"a model of the space {design.space} cannot be trained on a table"
            )
        if design.input_shape[0] != data.train.shape[1]:
            raise TrainingFailed(
                f"the model takes rows of {design.input_shape[0]} columns, the data have "
                f"{data.train.shape[1]}"
            )
        try:
            self._columns = np.array(data.columns.indices(design.columns))
        except DataError as error:
            raise TrainingFailed(str(error)) from None
        if set(np.unique(data.train_labels).tolist()) != set(range(design.classes)):
            raise TrainingFailed(
                f"the model has {design.classes} classes; each must have rows to train on"
            )
        self.design, self._task, self._data = design, task, data
        self._stop, self._clock = stop, clock
        self._seen = np.ascontiguousarray(data.train[:, self._columns])
        self._estimator = HistGradientBoostingClassifier(
            learning_rate=design.boost.rate,
            l2_regularization=design.boost.penalty,
            max_leaf_nodes=design.tree.leaves,
            max_depth=design.tree.depth or None,
            min_samples_leaf=design.tree.rows,
            max_features=design.tree.share,
            max_bins=design.bins.bins,
            early_stopping=False,
            warm_start=True,
            categorical_features=None,
            random_state=_seed(task.seed),
        )
        self._grown = self._scored = 0
        self._per_tree = STEP_SECONDS
        self.resumed = 0
        self.forest = Forest(np.zeros(0), {}, np.zeros(1, np.int64))
        self._train_scores: NDArray[np.float64] | None = None
        self._validation_scores: NDArray[np.float64] | None = None

    def resume(self) -> int | None:
        """Grow again what a checkpoint holds; gives its epoch, None where it was stopped."""
        if self._task.checkpoint is None:
            return 0
        expected = {"identity": self.design.identity, "seed": str(self._task.seed)}
        try:
            kept, metadata = Forest.from_bytes(self._task.checkpoint, expected)
            epoch = int(metadata["epoch"])
        except (DataError, ValueError, KeyError) as error:
            raise _useless(f"{error}") from error
        self.resumed = epoch
        if epoch >= self._task.epochs or self._task.has_stalled(self._task.losses[:epoch]):
            self.forest = kept
            return epoch
        if not self.grow(epoch):
            return None
        if self.checkpoint(epoch) != self._task.checkpoint:
            raise _useless("the same seed grows other trees now, as another scikit-learn may")
        self._score()
        return epoch

    def grow(self, epoch: int) -> bool:
        """Grow all trees up to the end of an epoch; False where it was stopped."""
        wanted = epoch * self.design.boost.trees
        while self._grown < wanted:
            if self._stop():
                return False
            step = min(max(1, int(STEP_SECONDS / self._per_tree)), wanted - self._grown)
            began = self._clock()
            self._estimator.set_params(max_iter=self._grown + step)
            # One thread: sums over several are not the same sums twice.
            with _threads().limit(limits=1, user_api="openmp"):
                self._estimator.fit(self._seen, self._data.train_labels)
            self._grown += step
            self._per_tree = max((self._clock() - began) / step, 1e-6)
        self.forest = self._arrays()
        return True

    def figures(self, epoch: int, seconds: float) -> EpochDone:
        """Measure what has been grown."""
        self._score()
        assert self._train_scores is not None
        assert self._validation_scores is not None
        trained = _figures(self._train_scores, self._data.train_labels)
        validated = _figures(self._validation_scores, self._data.validation_labels)
        if not np.isfinite((*trained, *validated)).all():
            raise TrainingFailed(f"the loss became infinite in epoch {epoch}", epoch)
        return EpochDone(epoch, *trained, *validated, seconds)

    def checkpoint(self, epoch: int) -> bytes:
        """Give what was grown, and the seed that grows it again."""
        return self.forest.to_bytes(self.design, epoch, seed=str(self._task.seed))

    def _score(self) -> None:
        """Bring the scores up to the trees that there are."""
        per_step = len(self.forest.baseline)
        self._train_scores = self.forest.scores(self._data.train, self._train_scores, self._scored)
        self._validation_scores = self.forest.scores(
            self._data.validation, self._validation_scores, self._scored
        )
        self._scored = self._grown * per_step

    def _arrays(self) -> Forest:
        """Give the estimator's trees as plain arrays, with the columns of the whole table."""
        grown = self._estimator._predictors  # noqa: SLF001 - it has no public form of its trees
        baseline = self._estimator._baseline_prediction.ravel()  # noqa: SLF001
        each = [tree.nodes for step in grown for tree in step]
        starts = np.concatenate([[0], np.cumsum([len(one) for one in each])]).astype(np.int64)
        nodes = np.concatenate(each)
        shift = np.repeat(starts[:-1], np.diff(starts))
        own = np.arange(len(nodes))
        leaf = nodes["is_leaf"].astype(bool)
        feature = self._columns[np.where(leaf, 0, nodes["feature_idx"])]
        return Forest(
            baseline.astype(np.float64),
            {
                "feature": np.where(leaf, 0, feature).astype(np.int32),
                "threshold": np.where(leaf, 0.0, nodes["num_threshold"]),
                "missing_left": np.where(leaf, False, nodes["missing_go_to_left"].astype(bool)),
                "left": np.where(leaf, own, nodes["left"] + shift).astype(np.int32),
                "right": np.where(leaf, own, nodes["right"] + shift).astype(np.int32),
                "value": nodes["value"].astype(np.float64),
            },
            starts,
        )


def _figures(scores: NDArray[np.float64], labels: NDArray[np.int64]) -> tuple[float, float]:
    """Give mean loss and accuracy."""
    return float(losses(scores, labels).mean()), float((labels_of(scores) == labels).mean())


@cache
def _threads() -> Any:
    # Looks through all loaded libraries: once, after scikit-learn has loaded its own.
    return ThreadpoolController()


def _seed(seed: int) -> int:
    digest = hashlib.sha256(f"{seed} trees".encode()).digest()
    return int.from_bytes(digest[:4], "little")


def _useless(why: str) -> TrainingFailed:
    return TrainingFailed(
        f"cannot go on from the checkpoint: {why}; train the model from its first epoch"
    )
