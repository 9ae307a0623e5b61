"""Exports from the page: a process of their own, told as they go on, and a zip over local HTTP."""

from __future__ import annotations

import asyncio
import shutil
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPResponse
from tornado.httpserver import HTTPServer
from tornado.netutil import bind_sockets
from tornado.web import Application

from remap_panel.downloads import DOWNLOADS, Download, address_of
from remap_panel.exporting import FOLDER, Export, archive_name
from remap_panel.feed import Feed
from remap_panel.state import ExplorerState
from remap_panel.views.inspector import Inspector, exported
from remap_ray import Submission, create_study
from remap_ray.space import Architecture, Dense
from remap_ray.study import Study
from tests import synthetic
from tests.browser.training import train_inline
from tests.processes import wait_for

SECONDS = 120
"""What a process that loads torch may take on a busy machine."""


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A study, of a name that is no file's, with one trained model and one without its weights."""
    path = tmp_path_factory.mktemp("page") / "it's <b> mine"
    with create_study(path, "digits", epochs=1) as study:
        layers = [(Dense(8),), ()]
        study.submit([Submission(Architecture((1, 8, 8), 10, one)) for one in layers])
        train_inline(study)
        study.weights_path(2).unlink()
    yield path
    Feed.close_all()


def download(study: Study, feed: Feed, address: str) -> HTTPResponse:
    async def ask() -> HTTPResponse:
        handlers = [(DOWNLOADS, Download, {"study": study, "exports": feed.exports})]
        server = HTTPServer(Application(handlers))
        (socket,) = bind_sockets(0, "127.0.0.1")
        server.add_sockets([socket])
        try:
            port = socket.getsockname()[1]
            return await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/{address}")
        finally:
            server.stop()

    return asyncio.run(ask())


@pytest.mark.slow
@pytest.mark.promise("EXPORT-5")
def test_a_model_is_exported_from_the_page(trained: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    feed = Feed.of(trained)
    state = ExplorerState(feed)
    end = state.follow(None)
    view = Inspector(state)
    state.inspect(1)
    assert "Export" in view.wishes.html
    assert view.exported.html == ""
    seen: list[str] = []
    view.exported.param.watch(lambda event: seen.append(event.new), "html")
    for act in ("export", "export"):
        # Pressed twice, it is exported once.
        view._act(act, "1")
    wait_for(lambda: not state.exports[1].running, "the export", SECONDS)
    folder = trained / FOLDER / "m1"
    assert state.exports[1] == Export(folder=folder)
    assert {"model.py", "weights.safetensors", "README.md", "snac.svg"} <= {
        one.name for one in folder.iterdir()
    }
    assert any("its source is written and tried" in one for one in seen)
    assert state.told == f"m1 is exported to {folder}"
    # The folder's name is text, and where the page is not served by us there is no link.
    assert "it&#x27;s &lt;b&gt; mine" in view.exported.html
    assert "<a" not in view.exported.html
    monkeypatch.setattr(Download, "served", True)
    assert f'href="{address_of(1)}"' in exported(state.study.model(1), state.exports[1])

    answer = download(state.study, feed, address_of(1))
    assert answer.headers["Content-Disposition"] == 'attachment; filename="it-s-b-mine-m1.zip"'
    with zipfile.ZipFile(answer.buffer) as archive:
        assert {name: archive.read(name) for name in archive.namelist()} == {
            f"m1/{one.name}": one.read_bytes() for one in folder.iterdir()
        }
    for missing in ("remap-export/m2.zip", "remap-export/m99.zip", "remap-export/..%2Fstudy.db"):
        with pytest.raises(HTTPClientError, match="404"):
            download(state.study, feed, missing)
    end()
    # Another server finds it again, and the next export stands beside it.
    Feed.close_all()
    feed = Feed.of(trained)
    assert feed.exports.known == {1: Export(folder=folder)}
    assert feed.exports._free(1) == folder.with_name("m1-2")


@pytest.mark.slow
@pytest.mark.promise("EXPORT-5")
def test_what_cannot_be_exported_says_why(trained: Path) -> None:
    state = ExplorerState(Feed.of(trained))
    end = state.follow(None)
    view = Inspector(state)
    state.inspect(2)
    view._act("export", "2")
    wait_for(lambda: not state.exports[2].running, "the export", SECONDS)
    assert "the weights of m2 cannot be read" in state.exports[2].words
    assert "was not exported" in state.told
    assert 'role="alert"' in view.exported.html
    assert "it&#x27;s &lt;b&gt; mine" in view.exported.html
    end()


def test_what_a_process_says_is_text(toy_study: Study) -> None:
    synthetic.queue_samples(toy_study, 1)
    model = toy_study.model(1)
    hostile = '<img src=x onerror="alert(1)">'
    for export in (Export(hostile, running=True), Export(hostile)):
        assert "<img" not in exported(model, export)
    assert exported(model, None) == ""
    assert archive_name(toy_study, 3).endswith("-m3.zip")


@pytest.mark.slow
@pytest.mark.promise("EXPORT-5")
def test_a_server_that_ends_leaves_nothing_half_made(trained: Path) -> None:
    shutil.rmtree(trained / FOLDER, ignore_errors=True)
    feed = Feed.of(trained)
    assert feed.exports.begin(1)
    Feed.close_all()
    left = [one.name for one in (trained / FOLDER).glob("*")] if (trained / FOLDER).exists() else []
    assert left in ([], ["m1"], ["m1", "m1.zip"], ["m1.zip", "m1"])
    assert not feed.exports.begin(1)
    assert not replace(feed.exports.known[1]).running
