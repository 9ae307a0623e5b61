"""What each browser's person has begun, written to the study beside the sessions."""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from remap_ray.errors import RemapError
from remap_ray.study import Study, draft_of, keep_draft

__all__ = ["begun", "finish", "keep"]

LOG = logging.getLogger(__name__)

_worker = ThreadPoolExecutor(max_workers=1, thread_name_prefix="keeping")
_latest: dict[tuple[Path, str], Mapping[str, Any]] = {}
_guard = threading.Lock()
_pending: set[Future[None]] = set()


def keep(study: Study, browser: str, form: Mapping[str, Any]) -> None:
    """Keep a browser's draft; of several in a row, only the last is written."""
    key = (study.path, browser)
    with _guard:
        waits = key in _latest
        _latest[key] = form
    if not waits:
        work = _worker.submit(_write, study, key)
        _pending.add(work)
        work.add_done_callback(_pending.discard)


def begun(study: Study, browser: str) -> Mapping[str, Any] | None:
    """Give a browser's draft, one that is still to be written too; None where there is none."""
    with _guard:
        waiting = _latest.get((study.path, browser))
    return draft_of(study, browser) if waiting is None else waiting


def finish() -> None:
    """Wait until all is written, before the studies are closed."""
    for work in list(_pending):
        work.result()


def _write(study: Study, key: tuple[Path, str]) -> None:
    with _guard:
        form = _latest.pop(key)
    try:
        keep_draft(study, key[1], form)
    except RemapError:
        # The person goes on with what their page holds; only a reload would lose it.
        LOG.exception("a draft could not be kept in %s", study.path)
