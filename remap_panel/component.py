"""What all parts of the page with a script of their own share: how they are told and heard."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from bokeh.document import Document
from panel.custom import JSComponent

__all__ = ["Component"]


class Component(JSComponent):
    """A part of the page whose messages are taken under its document's lock.

    Panel takes a message that comes close behind a change of a property in a task of its own, and
    that task holds no lock: where it changes a Bokeh model it fails, and what else the message
    asked for is lost. Here each message has a turn of the document, in the order of their coming.
    """

    def renew(self, values: Mapping[str, Any]) -> None:
        """Set what differs: only that travels, and param looks through all even for nothing."""
        if fresh := {name: one for name, one in values.items() if getattr(self, name) != one}:
            self.param.update(fresh)

    def _server_event(self, doc: Document, event: Any) -> None:
        if doc.session_context is None:
            self._comm_event(doc, event)
        else:
            # Takes the changes that came before it first. Bokeh waits for a coroutine, and keeps
            # the lock meanwhile; only its types do not say so.
            turn = partial(self._event_coroutine, doc, event)
            doc.add_next_tick_callback(turn)  # type: ignore[arg-type]
