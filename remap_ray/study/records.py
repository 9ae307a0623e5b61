"""What a study records: frozen values, and the one table of legal status changes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from functools import cached_property
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from remap_ray.errors import InvalidRequest
from remap_ray.space import Architecture, Design, spaces
from remap_ray.space.terms import Terms

__all__ = [
    "LEGAL",
    "MAPS",
    "Change",
    "DataSummary",
    "DrawerEntry",
    "Epoch",
    "Heartbeat",
    "Layout",
    "Model",
    "Origin",
    "Placement",
    "Status",
    "Thumbnail",
    "Wished",
]

MAPS = ("structure", "predictions")
"""The two maps, by the distance that they show."""


class Status(StrEnum):
    """Where a model stands."""

    QUEUED = "queued"
    TRAINING = "training"
    DONE = "done"
    FAILED = "failed"
    CANCELLED = "cancelled"


class Origin(StrEnum):
    """How a model came into the study."""

    SAMPLED = "sampled"
    ABLATION = "ablation"
    VARIATION = "variation"
    HANDCRAFTED = "handcrafted"


LEGAL: Mapping[Status, frozenset[Status]] = {
    # Claimed by the scheduler; cancelled by anyone.
    Status.QUEUED: frozenset({Status.TRAINING, Status.CANCELLED}),
    # Back to the queue at a stop, a lost trainer or a dead scheduler.
    Status.TRAINING: frozenset({Status.DONE, Status.FAILED, Status.CANCELLED, Status.QUEUED}),
    # By the wish to train longer, to retry, or to have it after all.
    Status.DONE: frozenset({Status.QUEUED}),
    Status.FAILED: frozenset({Status.QUEUED}),
    Status.CANCELLED: frozenset({Status.QUEUED}),
}
"""From each status, the statuses that may follow."""


@final
@dataclass(frozen=True)
class DataSummary:
    """What the page and the scheduler need to know of a study's data set.

    Parameters
    ----------
    name
        Name in words.
    source
        What loads the same data again: a known name or an absolute path, which is that of a file
        in the study itself where the data came from memory.
    input_shape
        ``(channels, height, width)``; ``(columns, 1, 1)`` of a table.
    class_names
        One name per class, in label order.
    sizes
        Number of images in the training, validation and test part.
    fingerprint
        Changes when the data under ``source`` change.
    dtype
        Of the images as ``source`` gives them, ``uint8`` or ``float32``; empty in studies that
        were made before this was kept.
    """

    name: str
    source: str
    input_shape: tuple[int, int, int]
    class_names: tuple[str, ...]
    sizes: tuple[int, int, int]
    fingerprint: str
    dtype: str = ""

    @property
    def is_table(self) -> bool:
        """Whether the items are rows of a table, of which there is nothing to look at."""
        return self.input_shape[1:] == (1, 1)

    @property
    def terms(self) -> Terms:
        """What the figures of models for such data are called."""
        return spaces.terms_for(tables=self.is_table)


@final
@dataclass(frozen=True)
class Epoch:
    """One trained epoch of one model; losses are means per image, accuracies lie in [0, 1]."""

    model: int
    epoch: int
    train_loss: float
    train_accuracy: float
    validation_loss: float
    validation_accuracy: float
    seconds: float


@final
@dataclass(frozen=True)
class Model:
    """One model of a study: an architecture, how it came, and where its training stands.

    Figures are those of the last trained epoch; None before the first.

    Parameters
    ----------
    halving, full_epochs
        The number of the halving that it takes part in, and the epochs that the best of it
        get; None where it takes part in none.
    to_the_end
        Someone wished it trained longer: nothing ends it before its wanted epochs.
    losses
        How often its trainer died since someone last wished that it be trained.
    """

    number: int
    identity: str
    repeat: int
    seed: int
    form: Mapping[str, Any] = field(repr=False, compare=False)
    origin: Origin
    parent: int | None
    edits: tuple[Any, ...] = field(repr=False, compare=False)
    words: str
    parameters: int
    multiply_adds: int
    status: Status
    reason: str
    position: float
    wanted_epochs: int
    created: datetime
    epochs: int = 0
    accuracy: float | None = None
    train_accuracy: float | None = None
    validation_loss: float | None = None
    train_loss: float | None = None
    seconds: float = 0.0
    stopped: str | None = None
    checkpoint_epoch: int = 0
    stop_wish: bool = False
    halving: int | None = None
    full_epochs: int | None = None
    to_the_end: bool = False
    losses: int = 0

    @property
    def name(self) -> str:
        """Short name, such as ``m17``."""
        return f"m{self.number}"

    @cached_property
    def design(self) -> Design:
        """What it is, as a value of its space."""
        return spaces.design_from_dict(self.form)

    @property
    def architecture(self) -> Architecture:
        """The same where it is a sequence of layers.

        Raises
        ------
        InvalidRequest
            It is a model of another space.
        """
        if not isinstance(self.design, Architecture):
            raise InvalidRequest(
                f"{self.name} is a model of the space {self.design.space}, and no network of layers"
            )
        return self.design

    @property
    def terms(self) -> Terms:
        """What its figures are called."""
        return spaces.entry(self.form.get("space", spaces.LAYERS)).design.terms

    @property
    def flops(self) -> int:
        """Operations of one answer for one item, in the unit of its `terms`."""
        return self.terms.per_step * self.multiply_adds


@final
@dataclass(frozen=True)
class Placement:
    """A model's point on a map since the layout of that version was made."""

    map: str
    version: int
    model: int
    x: float
    y: float
    share: float


@final
@dataclass(frozen=True)
class Layout:
    """The points of one map as its last refit left them.

    Parameters
    ----------
    map
        One of `MAPS`.
    version
        Raised by each refit.
    models
        Model numbers, int64 (n,).
    points
        Their places, float64 (n, 2).
    shares
        Each point's share of the raw stress, float64 (n,).
    stress
        Kruskal stress-1 of the whole.
    """

    map: str
    version: int
    models: NDArray[np.int64]
    points: NDArray[np.float64]
    shares: NDArray[np.float64]
    stress: float


@final
@dataclass(frozen=True)
class Thumbnail:
    """One training image of a class, as PNG."""

    label: int
    png: bytes


@final
@dataclass(frozen=True)
class DrawerEntry:
    """A model kept in the study's drawer, with its place from the top and a note."""

    model: int
    position: float
    note: str


@final
@dataclass(frozen=True)
class Heartbeat:
    """Who trains the study, when they were last heard of, and what is wished of the queue.

    ``alive`` is False where nobody holds the lease or its holder is stale.
    ``seconds`` is the age of the last heartbeat, None where there was none.
    ``starting`` is True while Ray starts and the lease is not taken yet: ``alive`` then too.
    ``gpus_each`` is what each of the ``workers`` has of a GPU.
    """

    lease: int
    holder: str
    alive: bool
    seconds: float | None
    workers: int
    said: str
    gpus_each: float = 0.0
    paused: bool = False
    starting: bool = False


@final
@dataclass(frozen=True)
class Wished:
    """What is wished of the queue as a whole; None leaves the choice to REMAP."""

    paused: bool = False
    workers: int | None = None
    gpus_per_model: float | None = None


@final
@dataclass(frozen=True)
class Change:
    """What changed in a study after a change number, each row in its latest state.

    A reader that applies every `Change` in turn, starting from ``since=0``,
    sees the whole study. ``deleted`` holds, by table, the keys that are gone.
    """

    number: int
    models: tuple[Model, ...] = ()
    epochs: tuple[Epoch, ...] = ()
    layouts: tuple[Layout, ...] = ()
    placements: tuple[Placement, ...] = ()
    drawer: tuple[DrawerEntry, ...] = ()
    predictions: tuple[int, ...] = ()
    deleted: Mapping[str, tuple[int, ...]] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(
            self.models
            or self.epochs
            or self.layouts
            or self.placements
            or self.drawer
            or self.predictions
            or self.deleted
        )
