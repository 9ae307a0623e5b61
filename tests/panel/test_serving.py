"""Serving the page: ports, a clean end, and who may connect."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tornado.httpclient import HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

from remap_panel.serving import NotServed, free_port_or_raise, serve, wait_until_served
from remap_ray.errors import InvalidRequest, NotAStudy, RemapError
from remap_ray.study import Study
from tests import synthetic
from tests.processes import Started, answers, free_port, listening, wait_for

ROOT = Path(__file__).parent.parent.parent

SERVE = """
import sys
from pathlib import Path
from remap_panel.serving import serve
serve(Path(sys.argv[1]), int(sys.argv[2]), ready=lambda stop: print("ready", flush=True))
print("ended")
"""


@pytest.fixture
def taken() -> Iterator[int]:
    """A port that someone listens at."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]


def test_a_port_in_use_is_named_with_the_way_out(taken: int) -> None:
    with pytest.raises(InvalidRequest, match=rf"port {taken} is in use; .* --port") as caught:
        free_port_or_raise(taken)
    assert isinstance(caught.value, RemapError)


def test_a_free_port_is_free_again_at_once() -> None:
    port = free_port()
    for _ in range(2):
        free_port_or_raise(port)
        with socket.socket() as used:
            used.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            used.bind(("127.0.0.1", port))
            used.listen()
            with socket.create_connection(("127.0.0.1", port)):
                used.accept()[0].close()


@pytest.mark.parametrize("port", [-1, 0, 65536])
def test_there_is_no_such_port(port: int) -> None:
    with pytest.raises(InvalidRequest, match=rf"no port {port};.*--port"):
        free_port_or_raise(port)


def test_nothing_is_served_at_a_port_in_use(toy_study: Study, taken: int) -> None:
    with pytest.raises(InvalidRequest, match="--port"):
        serve(toy_study.path, taken)


def test_what_is_no_study_is_not_served(tmp_path: Path) -> None:
    with pytest.raises(NotAStudy):
        serve(tmp_path, free_port())


def test_a_page_that_does_not_come_is_told(taken: int) -> None:
    with pytest.raises(NotServed, match=f"127.0.0.1:{taken}"):
        wait_until_served(f"http://127.0.0.1:{taken}/", seconds=0.2)


@pytest.fixture
def served(tmp_path: Path, start: Callable[..., Started]) -> tuple[Started, int]:
    """A server in a process of its own, and its port."""
    synthetic.full_study(tmp_path / "study", done=2, waiting=1).close()
    port = free_port()
    one = start(tmp_path / "study", str(port), command=(sys.executable, "-c", SERVE), folder=ROOT)
    wait_for(lambda: answers(port) or one.process.poll() is not None, "the server")
    assert one.process.poll() is None, one.end()
    return one, port


@pytest.mark.slow
def test_ctrl_c_ends_the_server_without_a_word_too_many(served: tuple[Started, int]) -> None:
    one, port = served
    wait_until_served(f"http://127.0.0.1:{port}/", 120)
    one.process.send_signal(signal.SIGINT)
    assert one.end() == "ready\nended\n"
    assert one.process.returncode == 0


@pytest.mark.slow
@pytest.mark.promise("QUEUE-6")
def test_the_server_listens_on_loopback_alone(served: tuple[Started, int]) -> None:
    one, _ = served
    assert listening(one.family()) == {"0100007F"}


async def connect(port: int, host: str, origin: str) -> None:
    url = f"ws://{host}:{port}/ws"
    headers = {"Origin": origin}
    connection = await websocket_connect(HTTPRequest(url, headers=headers, request_timeout=60))
    connection.close()
    while await connection.read_message() is not None:
        pass


@pytest.mark.slow
def test_only_pages_of_this_server_may_connect(served: tuple[Started, int]) -> None:
    _, port = served
    for name in ("127.0.0.1", "localhost"):
        asyncio.run(connect(port, "127.0.0.1", f"http://{name}:{port}"))
    for origin in ("http://evil.example", f"http://127.0.0.1:{port + 1}"):
        with pytest.raises(HTTPClientError, match="403"):
            asyncio.run(connect(port, "127.0.0.1", origin))


@pytest.mark.slow
def test_another_thread_stops_the_server(toy_study: Study) -> None:
    port, seen = free_port(), []
    interrupted = signal.getsignal(signal.SIGINT)

    def visit(stop: Callable[[], None]) -> None:
        url = f"http://127.0.0.1:{port}/"
        try:
            wait_until_served(url, 120)
            with urllib.request.urlopen(url, timeout=60) as answer:
                seen.append(answer.status)
        finally:
            stop()

    visits: list[threading.Thread] = []

    def ready(stop: Callable[[], None]) -> None:
        visits.append(threading.Thread(target=visit, args=(stop,)))
        visits[0].start()

    serve(toy_study.path, port, ready=ready)
    visits[0].join()
    assert seen == [200]
    assert signal.getsignal(signal.SIGINT) is interrupted
    # Nothing is left that listens.
    free_port_or_raise(port)


@pytest.mark.slow
def test_panel_serve_shows_the_page_too(tmp_path: Path, start: Callable[..., Started]) -> None:
    synthetic.full_study(tmp_path / "study", done=2, waiting=1).close()
    port = free_port()
    one = start(
        "remap_panel/app.py",
        *("--port", str(port), "--address", "127.0.0.1"),
        *("--args", tmp_path / "study"),
        command=(sys.executable, "-m", "panel", "serve"),
        folder=ROOT,
    )
    wait_for(lambda: answers(port) or one.process.poll() is not None, "the server")
    assert one.process.poll() is None, one.end()
    wait_until_served(f"http://127.0.0.1:{port}/", 120)
