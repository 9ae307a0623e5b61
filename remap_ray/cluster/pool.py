"""What a scheduler needs of its trainers, and a pool of them in the same process."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeAlias, final

from remap_ray.cluster.plan import Plan
from remap_ray.errors import TrainingFailed
from remap_ray.training.task import Event as TrainingEvent
from remap_ray.training.task import Stopped, Task, Trained

__all__ = ["Event", "Failed", "InlinePool", "Lost", "Pool", "Train", "last"]


@final
@dataclass(frozen=True)
class Failed:
    """The end: the model cannot be trained, for this reason."""

    reason: str


@final
@dataclass(frozen=True)
class Lost:
    """The end: the trainer died or does not answer. The model itself may be fine."""

    reason: str


Event: TypeAlias = TrainingEvent | Failed | Lost

Train: TypeAlias = Callable[[Task, Callable[[], bool]], Iterator[TrainingEvent]]
"""Trains one task, yielding its events, until the second argument says to stop."""


def last(event: Event) -> bool:
    """Whether no event of the same task follows this one."""
    return isinstance(event, Trained | Stopped | Failed | Lost)


class Pool(Protocol):
    """Trainers that each take one task after another.

    A task gets exactly one last event (`last`); until then its trainer is not free.
    """

    def size(self) -> int:
        """How many trainers there are."""
        ...

    def free(self) -> int:
        """How many tasks could be started now."""
        ...

    def start(self, number: int, task: Task) -> None:
        """Have a free trainer train a model."""
        ...

    def stop(self, number: int) -> None:
        """Wish that a model's training stops; its last event says when it has."""
        ...

    def kill(self, number: int) -> None:
        """End the trainer of a model that does not stop; the next `poll` tells it as `Lost`."""
        ...

    def resize(self, plan: Plan) -> None:
        """Have other trainers from now on; one that trains is let go when its task has ended."""
        ...

    def poll(self) -> list[tuple[int, Event]]:
        """Take what has happened, by model number, each model's events in order. Never waits."""
        ...

    def close(self) -> None:
        """Let go of all trainers, whatever they do."""
        ...


@final
class InlinePool:
    """A pool in the same process: each `poll` takes every running task one event further.

    For tests and for small studies in a notebook.
    """

    def __init__(self, train: Train, size: int = 1) -> None:
        self._train = train
        self._size = size
        self._running: dict[int, Iterator[TrainingEvent]] = {}
        self._stopping: set[int] = set()
        self._killed: list[int] = []

    def size(self) -> int:
        """Give the number of tasks that run by turns."""
        return self._size

    def free(self) -> int:
        """Give the number of tasks that could be started now."""
        return max(0, self._size - len(self._running))

    def start(self, number: int, task: Task) -> None:
        """Begin a task; its first event comes with a later `poll`."""
        if self.free() < 1:
            raise RuntimeError("no trainer is free")
        self._running[number] = self._train(task, lambda: number in self._stopping)

    def stop(self, number: int) -> None:
        """Stop a task at its next batch."""
        self._stopping.add(number)

    def kill(self, number: int) -> None:
        """Drop a task as it is."""
        self._running[number] = iter(())
        self._killed.append(number)

    def resize(self, plan: Plan) -> None:
        """Run so many tasks by turns."""
        self._size = plan.workers

    def poll(self) -> list[tuple[int, Event]]:
        """Take every running task one event further."""
        events = [(number, self._next(number)) for number in tuple(self._running)]
        for number, event in events:
            if last(event):
                self._running.pop(number)
                self._stopping.discard(number)
        return events

    def _next(self, number: int) -> Event:
        try:
            return next(self._running[number])
        except TrainingFailed as error:
            return Failed(error.reason)
        except StopIteration:
            if number in self._killed:
                self._killed.remove(number)
                return Lost("its trainer was ended")
            return Lost("its training ended without a result")

    def close(self) -> None:
        """Forget all tasks."""
        self._running.clear()
