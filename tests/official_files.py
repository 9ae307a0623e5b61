"""Small files in the true formats of CIFAR-10 and Quick Draw, and a server that breaks off."""

from __future__ import annotations

import io
import tarfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote

import numpy as np

from remap_ray.training import cifar10, quickdraw

PER_CLASS = 40


def cifar_files(of_batch: int = 40, test: int = 20) -> dict[str, bytes]:
    """Make the six files: a byte of label and 3,072 of values per image."""
    rng = np.random.default_rng(0)

    def batch(count: int) -> bytes:
        table = rng.integers(0, 256, (count, cifar10.RECORD), np.uint8)
        table[:, 0] = np.arange(count) % 10
        return table.tobytes()

    return {name: batch(test if name == cifar10.TEST else of_batch) for name in cifar10.FILES}


def cifar_archive(files: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{cifar10.FOLDER}/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


def npy(array: np.ndarray) -> bytes:
    file = io.BytesIO()
    np.save(file, array)
    return file.getvalue()


def sketches() -> dict[str, np.ndarray]:
    rng = np.random.default_rng(1)
    return {
        name: rng.integers(0, 256, (PER_CLASS + 10, 784), np.uint8)
        for name in quickdraw.CLASS_NAMES
    }


@dataclass
class Site:
    """A web site on this machine, and after how many bytes it breaks off, once."""

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    breaks: dict[str, int] = field(default_factory=dict)
    ranges: bool = True
    asked: list[tuple[str, str | None]] = field(default_factory=list)


@contextmanager
def serving() -> Iterator[Site]:
    """Serve files on this machine while the block runs."""
    site = Site()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name, wanted = unquote(self.path).lstrip("/"), self.headers.get("Range")
            site.asked.append((name, wanted))
            if name not in site.files:
                self.send_error(404)
                return
            content = site.files[name]
            first, last = 0, len(content) - 1
            if wanted and site.ranges:
                low, _, high = wanted.removeprefix("bytes=").partition("-")
                first, last = int(low), min(int(high), last) if high else last
                if first >= len(content):
                    self.send_error(416)
                    return
            self.send_response(206 if wanted and site.ranges else 200)
            sent = content[first : last + 1]
            self.send_header("Content-Length", str(len(sent)))
            self.end_headers()
            self.wfile.write(sent[: site.breaks.pop(name, len(sent))])

        def log_message(self, *_: object) -> None:
            """Keep the test's output clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        site.address = f"http://127.0.0.1:{server.server_port}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield site
        server.shutdown()
        thread.join()
