"""What all models of a study answer to its validation images, summed up once for all sessions.

Thousands of models times thousands of images are read in portions, in a thread of their own, and
only sums are kept: how often each class is labelled as each other, and how many models get each
image wrong.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from time import sleep
from typing import Any, ClassVar, Protocol, TypeVar, final

import numpy as np
from numpy.typing import NDArray

from remap_ray.study import Study

__all__ = ["Answers", "Sums", "Turns", "add", "aside", "hardest"]

PORTION = 50
"""Models whose predictions are read at once: some milliseconds of work for 10,000 images."""

REST_SECONDS = 0.002
"""Between two portions, so that the sessions have the processor in between."""

LOG = logging.getLogger(__name__)

T = TypeVar("T")


class Turns(Protocol):
    """Where a session's steps are taken one after another: a document, or a kernel's own loop."""

    @property
    def session_context(self) -> Any:
        """The browser session that may be over; None where it cannot be."""

    def add_next_tick_callback(self, callback: Callable[[], Any]) -> Any:
        """Have a step taken; may be called from any thread."""


_workers = ThreadPoolExecutor(max_workers=1, thread_name_prefix="aside")


@final
@dataclass(frozen=True)
class Sums:
    """What is known of some models' answers together.

    Parameters
    ----------
    models
        How many models.
    matrix
        The sum of their confusion matrices, int64 (classes, classes), rows true.
    wrong
        How many of them get each validation image wrong, int64 (n,).
    """

    models: int
    matrix: NDArray[np.int64]
    wrong: NDArray[np.int64]

    @classmethod
    def none(cls, classes: int, items: int) -> Sums:
        """Give the sums of no model."""
        return cls(0, np.zeros((classes, classes), np.int64), np.zeros(items, np.int64))


def add(sums: Sums, truth: NDArray[np.uint8], labels: NDArray[np.uint8]) -> Sums:
    """Add models' answers, uint8 (models, n), to sums; these stay as they are."""
    classes = len(sums.matrix)
    pairs = truth.astype(np.intp) * classes + labels
    counts = np.bincount(pairs.ravel(), minlength=classes * classes).reshape(classes, classes)
    wrong = (labels != truth).sum(axis=0, dtype=np.int64)
    return Sums(sums.models + len(labels), sums.matrix + counts, sums.wrong + wrong)


def hardest(sums: Sums, most: int) -> tuple[int, ...]:
    """Give the images that at least half of the models get wrong, the hardest first."""
    if not sums.models:
        return ()
    hard = np.flatnonzero(2 * sums.wrong >= sums.models)
    order = hard[np.argsort(-sums.wrong[hard], kind="stable")]
    return tuple(order[:most].tolist())


@final
@dataclass
class Answers:
    """The sums of one study, brought up to date by whoever looks at them; see `Answers.of`."""

    study: Study
    sums: Sums
    _seen: dict[int, object] = field(default_factory=dict)
    _guard: threading.Lock = field(default_factory=threading.Lock)

    _all: ClassVar[dict[Path, Answers]] = {}

    @classmethod
    def of(cls, study: Study) -> Answers:
        """Give the process's answers of a study."""
        known = cls._all.get(study.path)
        if known is None or known.study is not study:
            sums = Sums.none(len(study.data.class_names), len(study.validation_labels))
            known = cls._all[study.path] = cls(study, sums)
        return known

    def read(self, predicted: Mapping[int, object]) -> Sums:
        """Bring the sums up to date, and give them; takes a second for 10,000 models.

        Parameters
        ----------
        predicted
            The models that have predicted, each with something that is another object when it
            has predicted anew.
        """
        with self._guard:
            if any(predicted.get(number) is not key for number, key in self._seen.items()):
                # Only sums are kept: what a model had said before cannot be taken out of them.
                self._seen.clear()
                self.sums = Sums.none(len(self.sums.matrix), len(self.sums.wrong))
            fresh = [number for number in predicted if number not in self._seen]
            for start in range(0, len(fresh), PORTION):
                portion = fresh[start : start + PORTION]
                found = self.study.predictions_of(portion)
                if found:
                    labels = np.stack(list(found.values()))
                    self.sums = add(self.sums, self.study.validation_labels, labels)
                self._seen |= {number: predicted[number] for number in portion}
                sleep(REST_SECONDS)
            return self.sums


def aside(document: Turns | None, work: Callable[[], T], then: Callable[[T], Any]) -> None:
    """Do slow work beside a session, and go on with what it gives on the session's turn.

    Parameters
    ----------
    document
        Where the session's turns are; None does the work at once, as where there is no session.
    """
    if document is None:
        then(work())
        return

    def run() -> None:
        try:
            found = work()
        except Exception:
            # Nobody waits for the thread: what it could not do is told in the log.
            LOG.exception("work beside a session failed")
            return
        context = document.session_context
        if context is None or not context.destroyed:
            document.add_next_tick_callback(lambda: then(found))

    _workers.submit(run)
