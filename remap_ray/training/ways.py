"""Which way each space of models is trained: `WAYS`, by the space's name in JSON.

A space brings one function that trains a task on data that are ready, yielding the events of
`remap_ray.training.task`: an `EpochDone` an epoch, a `Checkpoint` now and then and at the end,
and at last `Trained` or `Stopped`. It stops soon after it is told to, goes on from a checkpoint
without pickle as if it had not stopped, and gives predictions as uint8. Everything is imported
when it is used: a trainer of trees does without torch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from remap_ray.space.architecture import SPACE as LAYERS
from remap_ray.space.boosting import SPACE as BOOSTING
from remap_ray.training.parts import Columns
from remap_ray.training.task import Event, Task

if TYPE_CHECKING:
    from remap_ray.training.boosting import Rows
    from remap_ray.training.tensors import Prepared

    Ready: TypeAlias = Prepared | Rows
    """The data as a trainer keeps them from one model to the next."""

__all__ = ["WAYS", "table", "train"]

Way: TypeAlias = Callable[[Task, Any, Callable[[], bool]], Iterator[Event]]


def _networks(task: Task, data: Any, stop: Callable[[], bool]) -> Iterator[Event]:
    from remap_ray.training import trainer  # noqa: PLC0415

    return trainer.train(task, data, stop)


def _trees(task: Task, data: Any, stop: Callable[[], bool]) -> Iterator[Event]:
    from remap_ray.training import boosting  # noqa: PLC0415

    return boosting.train(task, data, stop)


WAYS: Mapping[str, Way] = {LAYERS: _networks, BOOSTING: _trees}
"""By the space's name in JSON."""


def table(parts: Sequence[Any]) -> Rows | None:
    """Make the training part, the validation part and the columns of a table ready; else None."""
    train_part, validation, columns = parts
    if not isinstance(columns, Columns):
        return None
    from remap_ray.training.boosting import rows  # noqa: PLC0415

    return rows(train_part, validation, columns)


def train(task: Task, data: Ready, stop: Callable[[], bool]) -> Iterator[Event]:
    """Train a task of any space on data that are ready for it, as its entry of `WAYS` does.

    Raises
    ------
    TrainingFailed
        As that says; for one, that the data are none for its space.
    """
    return WAYS[task.architecture.space](task, data, stop)
