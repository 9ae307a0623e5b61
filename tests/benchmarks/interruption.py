"""A signal to end lets a benchmark clean up what it has started."""

from __future__ import annotations

import signal
from types import FrameType

__all__ = ["heed_signals"]

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def heed_signals() -> None:
    """Have this process take the first signal to end as `KeyboardInterrupt`, and no other."""
    for one in SIGNALS:
        signal.signal(one, _interrupt)


def _interrupt(number: int, frame: FrameType | None) -> None:
    # A second signal would break off the cleaning up.
    for one in SIGNALS:
        signal.signal(one, signal.SIG_IGN)
    raise KeyboardInterrupt
