"""The distances that refits are made of: those of all points to the landmarks, kept compactly."""

from __future__ import annotations

from collections.abc import Callable
from typing import final

import numpy as np
from numpy.typing import NDArray

from remap_ray.projection.landmarks import LANDMARKS, chosen, priorities

__all__ = ["Columns"]

GROWTH = 1.3
"""How much more room is made when there is none left."""

TOGETHER = 64
"""Landmarks that are measured at a time."""


@final
class Columns:
    """Distances of points to their landmarks, taken up row by row as the points come.

    The one thing of this package that changes in place: it is too large to be copied for
    every point. Float32 is enough: its error, a 10-millionth of a distance, is far below
    what a map can show, and 0 stays 0. That of 10,000 points takes 40 MB.

    Parameters
    ----------
    seed
        Decides which points are landmarks, as in `landmarks.chosen`.
    """

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._count = 0
        self._landmarks = np.zeros(0, dtype=np.int64)
        self._room = np.zeros((0, 0), dtype=np.float32)

    @staticmethod
    def measured(
        count: int, seed: int, measure: Callable[[NDArray[np.int64]], NDArray[np.float64]]
    ) -> Columns:
        """Make the columns of ``count`` points at once.

        Parameters
        ----------
        measure
            Gives the distances of some points, (k,), to all of them, (k, count).
        """
        made = Columns(seed)
        made._count = count
        made._landmarks = chosen(count, seed)
        made._room = np.empty((count, len(made._landmarks)), dtype=np.float32)
        for begin in range(0, len(made._landmarks), TOGETHER):
            some = made._landmarks[begin : begin + TOGETHER]
            made._room[:, begin : begin + TOGETHER] = measure(some).T
        return made

    def __len__(self) -> int:
        return self._count

    @property
    def landmarks(self) -> NDArray[np.int64]:
        """Which points are landmarks, int64 (k,), in the order of the columns."""
        return self._landmarks.copy()

    @property
    def array(self) -> NDArray[np.float32]:
        """The distances as they are now, float32 (points, k), read-only: a view, no copy."""
        view = self._room[: self._count, : len(self._landmarks)]
        view.flags.writeable = False
        return view

    def add(self, row: NDArray[np.float64]) -> None:
        """Take up a point by its distances to all points before it, (points,).

        What a new landmark needs is known from its own row, so nothing is measured twice.
        """
        here = self._count
        self._make_room()
        self._count += 1
        self._room[here, : len(self._landmarks)] = row[self._landmarks]
        if here < LANDMARKS:
            self._landmarks = np.append(self._landmarks, here)
            column = here
        else:
            ranks = priorities(here + 1, self._seed)
            column = int(ranks[self._landmarks].argmax())
            if ranks[here] > ranks[self._landmarks[column]]:
                return
            self._landmarks[column] = here
        self._room[:here, column] = row
        self._room[here, column] = 0.0

    def change(self, index: int, row: NDArray[np.float64]) -> None:
        """Take up new distances of a point that is there, to all points, (points,)."""
        self._room[index, : len(self._landmarks)] = row[self._landmarks]
        for column in np.flatnonzero(self._landmarks == index):
            self._room[: self._count, column] = row

    def _make_room(self) -> None:
        rows, columns = self._room.shape
        if self._count < rows and (columns == LANDMARKS or self._count < columns):
            return
        more = int(GROWTH * self._count) + 16
        room = np.zeros((more, min(more, LANDMARKS)), dtype=np.float32)
        room[:rows, :columns] = self._room
        self._room = room
