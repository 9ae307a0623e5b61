"""Running a study's queue from this process: what is checked and set before Ray starts."""

from __future__ import annotations

import os
import secrets
import shlex
from collections.abc import Callable
from math import prod
from pathlib import Path

from remap_ray.cluster.plan import Wanted, check_local, with_wishes
from remap_ray.errors import InvalidRequest, StudyReadOnly
from remap_ray.study import Holder, Study, announce_in_turn, withdraw
from remap_ray.training.heap import ONE_HEAP

__all__ = ["run_queue", "set_environment"]


def run_queue(
    path: Path,
    wanted: Wanted,
    *,
    until_done: bool,
    tick: Callable[[], None] = lambda: None,
) -> bool:
    """Run a study's queue from this process, until stopped by Ctrl-C or done.

    On a cluster (``wanted.address``) the actors are detached: after Ctrl-C they
    go on, and `Study.wish_end` ends them.

    Parameters
    ----------
    until_done
        End when nothing waits or trains any more, instead of waiting for wishes.
    tick
        Called about four times a second while waiting.

    Returns
    -------
    bool
        False where Ctrl-C, or a signal to end, ended the wait.

    Raises
    ------
    InvalidRequest, StudyBusy, StudyReadOnly, DiskFull, DataError, LeaseLost, RayFailed
    RayLost, SchedulerLost
        What was recorded stays: the same call goes on.
    """
    # Ray's seconds come after what can be known without it.
    check_local(wanted)
    me = Holder.this_process("remap train")
    with Study.open(path) as study:
        if study.read_only:
            raise StudyReadOnly(study.path)
        wanted = with_wishes(wanted, study.wished())
        _check_wished(wanted, path)
        announce_in_turn(study, me)
        store = _store_bytes(study)
    try:
        set_environment(wanted)
        from remap_ray.cluster.actors import drive

        return drive(path, wanted, store, until_done=until_done, tick=tick)
    finally:
        with Study.open(path) as study:
            withdraw(study, me)


def _check_wished(wanted: Wanted, path: Path) -> None:
    try:
        check_local(wanted)
    except InvalidRequest as error:
        way_out = f"remap queue {shlex.quote(str(path))} workers"
        raise InvalidRequest(f"{error}; to let REMAP choose: {way_out}") from error


def set_environment(wanted: Wanted) -> None:
    """Set what Ray reads when it is imported; call it before that."""
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    if wanted.address is not None:
        return
    # With this switch, read when ray is imported, the node's address is loopback and so is
    # all that listens; a test looks at the sockets.
    os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"
    if "RAY_AUTH_MODE" not in os.environ:
        # Other users of this machine stay out, and no token is written into a home.
        os.environ["RAY_AUTH_MODE"] = "token"
        os.environ["RAY_AUTH_TOKEN"] = secrets.token_hex(32)
    # Trainers inherit it from their Ray, and no process of it wants several heaps.
    os.environ.setdefault(*ONE_HEAP)
    # A stray address would win over a Ray of our own.
    os.environ.pop("RAY_ADDRESS", None)


def _store_bytes(study: Study) -> int:
    """Give the object store room for the data as float32, and for events on their way."""
    images = study.data.sizes[0] + study.data.sizes[1]
    return int(256 * 2**20 + images * prod(study.data.input_shape) * 4)
