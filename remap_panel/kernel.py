"""A notebook's kernel: all that is done to the views is done on its own loop.

JupyterLab sends what a view says to a subshell of the kernel, a thread of its own. Panel sends a
message in several parts, and param keeps what is still to be told beside the values: where two
threads are in it at once, the parts of two messages mix, which the browser cannot read, and
watchers are forgotten. So whatever comes, from the browser or from the study, waits for the loop.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any, final

from panel.io.notebook import JupyterCommJSBinary, JupyterCommManagerBinary
from pyviz_comms import JupyterCommManager

__all__ = ["KernelComm", "KernelTurns", "hear_on_the_kernel"]


@final
class KernelTurns:
    """The turns of a kernel: steps are taken on its own loop, between two cells."""

    session_context = None

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._thread = threading.get_ident()

    @classmethod
    def here(cls) -> KernelTurns | None:
        """Give the turns of the running kernel; None in a plain Python."""
        try:
            return cls(asyncio.get_running_loop())
        except RuntimeError:
            return None

    def add_next_tick_callback(self, callback: Callable[[], Any]) -> None:
        """Have a step taken on the kernel's loop; a kernel that ends takes none."""
        if not self._loop.is_closed():
            self._loop.call_soon_threadsafe(callback)

    def take(self, callback: Callable[[], Any]) -> None:
        """Take a step at once where this is the loop's thread, else on its next turn."""
        if threading.get_ident() == self._thread:
            callback()
        else:
            self.add_next_tick_callback(callback)


class KernelComm(JupyterCommJSBinary):
    """What a browser says to the views, heard on the loop on which they were shown."""

    def __init__(self, *given: Any, **named: Any) -> None:
        self._turns = KernelTurns.here()
        super().__init__(*given, **named)

    def _handle_msg(self, msg: Any) -> None:
        # The browser sends the next message only after the answer to this one, which is given
        # from there too.
        heard = partial(super()._handle_msg, msg)
        if self._turns is None:
            heard()
        else:
            self._turns.take(heard)


def hear_on_the_kernel() -> None:
    """Have all that Panel shows from now on heard on the kernel's loop."""
    # Panel sets its manager anew with every output, so that the classes themselves have to know:
    # the one that views speak by, and the one that tells of outputs that are gone.
    JupyterCommManagerBinary.client_comm = KernelComm
    JupyterCommManager.client_comm = KernelComm
