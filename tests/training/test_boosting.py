"""Trees: grown, stopped, resumed and predicted, against scikit-learn's own answers."""

from __future__ import annotations

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss

from remap_ray.errors import DataError, TrainingFailed
from remap_ray.recipe import Recipe
from remap_ray.space import Architecture, BoostedTrees
from remap_ray.space.boosting import Bins, Boost, Tree
from remap_ray.training import boosting, datasets, tensor_file, ways
from remap_ray.training.forest import Forest, labels_of
from remap_ray.training.task import Checkpoint, EpochDone, Stopped, Task, Trained

SETS = {name: datasets.load(name, seed=0) for name in ("breast-cancer", "wine")}


def never() -> bool:
    return False


def rows(name: str, *, missing: bool = False) -> boosting.Rows:
    data = SETS[name]
    assert data.columns is not None
    made = boosting.rows(data.train, data.validation, data.columns)
    if not missing:
        return made
    rng = np.random.default_rng(0)
    parts = {}
    for part in ("train", "validation"):
        table = getattr(made, part).copy()
        table[rng.random(table.shape) < 0.2] = np.nan
        parts[part] = table
    return replace(made, **parts)


def design(name: str, **changes: object) -> BoostedTrees:
    data = SETS[name]
    assert data.columns is not None
    base = BoostedTrees(
        data.input_shape,
        data.classes,
        Boost(4, rate=0.2, penalty=1.0),
        Tree(8, depth=4, rows=5, share=0.5),
        Bins(63),
        data.columns.names[1:9],
    )
    return replace(base, **changes)


def task(one: BoostedTrees, epochs: int = 3, **more: object) -> Task:
    return Task(one, Recipe(), 7, epochs, **more)  # type: ignore[arg-type]


def trained(wanted: Task, data: boosting.Rows) -> tuple[list[EpochDone], Trained]:
    events = list(boosting.train(wanted, data, never))
    assert isinstance(events[-1], Trained)
    return [one for one in events if isinstance(one, EpochDone)], events[-1]


@pytest.mark.promise("OTHER-3")
@pytest.mark.parametrize("missing", [False, True])
@pytest.mark.parametrize("name", sorted(SETS))
def test_trees_answer_as_scikit_learns_do(name: str, missing: bool) -> None:
    data, one = rows(name, missing=missing), design(name)
    epochs, last = trained(task(one), data)
    assert data.columns is not None
    seen = data.columns.indices(one.columns)
    theirs = HistGradientBoostingClassifier(
        learning_rate=0.2, l2_regularization=1.0, max_leaf_nodes=8, max_depth=4,
        min_samples_leaf=5, max_features=0.5, max_bins=63, max_iter=12, early_stopping=False,
        categorical_features=None, random_state=boosting._seed(7),
    ).fit(data.train[:, seen], data.train_labels)  # fmt: skip
    forest = boosting.load_forest(one, last.weights)
    for part in (data.train, data.validation):
        scores = forest.scores(part)
        expected = theirs.decision_function(part[:, seen]).reshape(len(part), -1)
        np.testing.assert_array_equal(scores, expected)
        np.testing.assert_array_equal(labels_of(scores), theirs.predict(part[:, seen]))
    assert last.predictions.dtype == np.uint8
    np.testing.assert_array_equal(last.predictions, theirs.predict(data.validation[:, seen]))
    loss = log_loss(data.validation_labels, theirs.predict_proba(data.validation[:, seen]))
    assert epochs[-1].validation_loss == pytest.approx(loss)
    right = (last.predictions == data.validation_labels).mean()
    assert epochs[-1].validation_accuracy == right
    assert [one.epoch for one in epochs] == [1, 2, 3]


@pytest.mark.promise("OTHER-3")
def test_a_hidden_column_changes_nothing() -> None:
    data, one = rows("wine"), design("wine")
    _, last = trained(task(one), data)
    assert data.columns is not None
    hidden = [index for index in range(13) if index not in data.columns.indices(one.columns)]
    table = data.train.copy()
    table[:, hidden] = 0
    other = replace(data, train=table)
    assert trained(task(one), other)[1].weights == last.weights


@pytest.mark.promise("OTHER-4")
@pytest.mark.parametrize("name", sorted(SETS))
def test_stopped_and_resumed_it_ends_with_the_same_bits(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    data, one = rows(name), design(name)
    whole, last = trained(task(one), data)
    monkeypatch.setattr(boosting, "STEP_SECONDS", 1e-9)  # one tree at a time
    asked = count()
    begun = list(boosting.train(task(one), data, lambda: next(asked) >= 6))
    assert begun[-1] == Stopped(1)
    kept = begun[-2]
    assert isinstance(kept, Checkpoint)
    assert kept.epoch == 1
    more, again = trained(task(one, checkpoint=kept.data), data)
    assert again.weights == last.weights
    losses = [each.validation_loss for each in (begun[0], *more) if isinstance(each, EpochDone)]
    assert losses == [each.validation_loss for each in whole]
    stopped = list(boosting.train(task(one, checkpoint=kept.data), data, lambda: True))
    assert stopped == [Stopped(1)]


@pytest.mark.promise("OTHER-4")
def test_one_that_is_complete_is_trained_at_once() -> None:
    data, one = rows("wine"), design("wine")
    events = list(boosting.train(task(one), data, never, checkpoint_seconds=0))
    kept = [each for each in events if isinstance(each, Checkpoint)]
    assert [each.epoch for each in kept] == [1, 2, 3]
    (again,) = boosting.train(task(one, checkpoint=kept[-1].data), data, lambda: True)
    assert isinstance(again, Trained)
    assert again.weights == events[-1].weights  # type: ignore[union-attr]
    longer, _ = trained(task(one, 5, checkpoint=kept[-1].data), data)
    assert [each.epoch for each in longer] == [4, 5]


def test_early_stopping_ends_it() -> None:
    wanted = Task(design("wine"), Recipe(patience=1, least_gain=100.0), 7, 50)
    epochs, last = trained(wanted, rows("wine"))
    assert last.early
    assert last.epoch == len(epochs) < 50


@pytest.mark.promise("OTHER-4")
def test_a_checkpoint_of_something_else_is_refused() -> None:
    data, one = rows("wine"), design("wine")
    events = list(boosting.train(task(one, 1), data, never))
    kept = events[-2]
    assert isinstance(kept, Checkpoint)
    other = design("wine", boost=Boost(5))
    for checkpoint, wanted in (
        (kept.data, other),
        (kept.data[:-9], one),
        (b"pickle", one),
    ):
        with pytest.raises(TrainingFailed, match="cannot go on from the checkpoint"):
            list(boosting.train(task(wanted, checkpoint=checkpoint), data, never))
    forest, metadata = Forest.from_bytes(kept.data, {})
    grown = replace(forest, nodes={**forest.nodes, "value": forest.nodes["value"] * 2})
    forged = grown.to_bytes(one, 1, seed=metadata["seed"])
    with pytest.raises(TrainingFailed, match="grows other trees now"):
        list(boosting.train(task(one, checkpoint=forged), data, never))
    with pytest.raises(DataError, match="the trees cannot be used"):
        boosting.load_forest(other, kept.data)


def test_a_file_of_trees_says_what_it_is() -> None:
    one = design("breast-cancer")
    _, last = trained(task(one), rows("breast-cancer"))
    said = tensor_file.metadata_of(last.weights)
    assert (said["identity"], said["epoch"], said["trees"]) == (one.identity, "3", "12")
    assert int(said["leaves"]) <= 3 * one.parameter_count
    assert boosting.load_forest(one, last.weights).leaves == int(said["leaves"])


def test_what_does_not_fit_the_table_is_refused() -> None:
    data = rows("wine")
    for wanted, said in (
        (replace(design("wine"), columns=("colour",)), "the data have no column 'colour'"),
        (replace(design("wine"), input_shape=(14, 1, 1)), "rows of 14 columns, the data have 13"),
        (replace(design("wine"), classes=4), "the model has 4 classes"),
        (Architecture((13, 1, 1), 3, ()), "a model of the space layers"),
    ):
        with pytest.raises(TrainingFailed, match=said):
            list(boosting.train(Task(wanted, Recipe(), 0, 1), data, never))
    with pytest.raises(TrainingFailed, match="the space boosting cannot be trained on images"):
        _ = task(design("wine")).network


def test_a_table_is_ready_without_torch_and_images_are_none() -> None:
    data = SETS["wine"]
    assert isinstance(ways.table((data.train, data.validation, data.columns)), boosting.Rows)
    assert ways.table((data.train, data.validation, None)) is None
