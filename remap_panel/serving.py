"""Serving the page to browsers, for `remap serve` and `remap demo`."""

from __future__ import annotations

import errno
import logging
import signal
import socket
import threading
import time
import urllib.request
from asyncio import AbstractEventLoop
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from tornado.websocket import WebSocketClosedError

from remap_ray.errors import InvalidRequest, RemapError

__all__ = ["NotServed", "free_port_or_raise", "serve", "wait_until_served"]

HOST = "127.0.0.1"

UNUSED_MS = 600_000
"""How long a session waits for its browser to come back: laptops sleep."""


PAGE_MARK = b"<title>REMAP"
"""What every page of a study holds."""

PAUSE_SECONDS = 0.1
"""Between two requests for a page that is not there yet."""


class NotServed(RemapError, RuntimeError):
    """The page does not answer. Raised by `wait_until_served`; the log says why.

    Parameters
    ----------
    url
        The page's address.
    reason
        What came instead.
    """

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"the page at {url} does not answer: {reason}")
        self.url = url
        self.reason = reason


def free_port_or_raise(port: int, address: str = HOST) -> None:
    """Make sure that a server could listen at a port, before anything is created.

    Raises
    ------
    InvalidRequest
        The port is in use or not ours to use; the message names it and ``--port``.
    """
    if not 1 <= port <= 65535:
        raise InvalidRequest(f"there is no port {port}; choose one from 1 to 65535 with --port")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        # As the server does: a port that was just let go may be taken again.
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((address, port))
        except OSError as error:
            raise _unusable(port, error) from error


def _unusable(port: int, error: OSError) -> InvalidRequest:
    in_use = error.errno == errno.EADDRINUSE
    why = "is in use" if in_use else f"cannot be used ({error.strerror})"
    return InvalidRequest(f"port {port} {why}; choose another with --port")


def serve(
    path: Path,
    port: int,
    address: str = HOST,
    ready: Callable[[Callable[[], None]], None] | None = None,
    leaving: Callable[[], None] = lambda: None,
) -> None:
    """Serve a study's page at ``/`` until it is stopped; Ctrl-C stops it too.

    Parameters
    ----------
    path
        The study's directory.
    port, address
        Where to listen.
    ready
        Called once the server listens, with what stops it; that may be called from any thread
        and from a signal handler.
    leaving
        Called first when the server ends, before what takes a while.

    Raises
    ------
    InvalidRequest
        The port cannot be used.
    NotAStudy, StudyTooNew
        There is no study that can be shown.
    """
    free_port_or_raise(port, address)
    # Panel takes a second to import: what is wrong with the port is said before.
    from panel.io.server import get_server  # noqa: PLC0415
    from panel.template import Template  # noqa: PLC0415

    from remap_panel.connection import ALIVE, Alive  # noqa: PLC0415
    from remap_panel.downloads import DOWNLOADS, Download  # noqa: PLC0415
    from remap_panel.feed import Feed  # noqa: PLC0415
    from remap_panel.page import make_page  # noqa: PLC0415

    def page() -> Template:
        return make_page(path)

    feed = Feed.of(path)
    interrupted = signal.getsignal(signal.SIGINT)
    try:
        server = get_server(
            {"/": page},
            port=port,
            address=address,
            websocket_origin=[f"{host}:{port}" for host in sorted({address, HOST, "localhost"})],
            unused_session_lifetime_milliseconds=UNUSED_MS,
            extra_patterns=[
                (ALIVE, Alive),
                (DOWNLOADS, Download, {"study": feed.study, "exports": feed.exports}),
            ],
        )
    except OSError as error:
        raise _unusable(port, error) from error
    loop = server.io_loop
    # What Bokeh and Panel run is an asyncio loop underneath.
    beneath: AbstractEventLoop = cast("Any", loop).asyncio_loop
    _expect_browsers_to_leave(beneath)

    def stop() -> None:
        beneath.call_soon_threadsafe(loop.stop)

    Download.served = True
    try:
        server.start()
        if ready:
            ready(stop)
        loop.start()
    except KeyboardInterrupt:
        # Asked for: the server ends as it does when it is stopped.
        pass
    finally:
        Download.served = False
        leaving()
        server.stop()
        Feed.close_all()
        # Panel has put a handler of its own in place.
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, interrupted)


def _expect_browsers_to_leave(loop: AbstractEventLoop) -> None:
    """Have nothing printed where a browser is closed while a message is on its way to it."""
    logging.getLogger("bokeh.server.views.ws").setLevel(logging.ERROR)

    def handle(_: AbstractEventLoop, context: dict[str, Any]) -> None:
        if not isinstance(context.get("exception"), WebSocketClosedError):
            loop.default_exception_handler(context)

    loop.set_exception_handler(handle)


def wait_until_served(url: str, seconds: float = 30.0) -> None:
    """Ask for a study's page until it comes; for another thread than the one that serves.

    Raises
    ------
    NotServed
        It did not come in ``seconds``; the message says what came instead.
    """
    end = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=seconds) as answer:  # noqa: S310
                if PAGE_MARK in answer.read():
                    return
            # A defect in a view becomes a page with a traceback, which is well served too.
            reason = "what comes is not a study's page"
        except OSError as error:
            reason = str(error)
        if time.monotonic() >= end:
            raise NotServed(url, reason)
        time.sleep(PAUSE_SECONDS)
