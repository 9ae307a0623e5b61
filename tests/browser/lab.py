"""A real JupyterLab on loopback, and its notebook as a person sees and works it."""

from __future__ import annotations

import json
import os
import secrets
import sys
from collections.abc import Callable
from pathlib import Path
from typing import final

from playwright.sync_api import Locator, Page, expect

from tests.processes import Started, answers, free_port, wait_for

QUIET = (
    # No news, no look for a newer release, no list of extensions: these would ask other hosts.
    "--LabApp.news_url=None",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.extension_manager=readonly",
)

KEPT = ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
KEPT_BY_LAB = ("JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR")


def start_lab(start: Callable[..., Started], folder: Path, home: Path) -> tuple[Started, str]:
    """Start JupyterLab in a folder; gives it and the address of a notebook, its name left open.

    ``home`` takes all that Jupyter would keep of a person.
    """
    port, token = free_port(), secrets.token_hex(16)
    asks_nobody = home / KEPT_BY_LAB[0].lower() / "@jupyterlab" / "apputils-extension"
    asks_nobody.mkdir(parents=True)
    (asks_nobody / "notification.jupyterlab-settings").write_text(
        json.dumps({"fetchNews": "false", "checkForUpdates": False})
    )
    # These complain on the console where the server has not what they look for.
    unused = (
        "@jupyterlab/lsp-extension",
        "@jupyterlab/fileeditor-extension:language-server",
        "@jupyterlab/notebook-extension:language-server",
        "@jupyterlab/terminal-extension",
    )
    config = home / KEPT[0].lower() / "labconfig"
    config.mkdir(parents=True)
    (config / "page_config.json").write_text(
        json.dumps({"disabledExtensions": dict.fromkeys(unused, True)})
    )
    lab = start(
        "--no-browser",
        "--allow-root",
        "--ip=127.0.0.1",
        f"--port={port}",
        f"--IdentityProvider.token={token}",
        f"--ServerApp.root_dir={folder}",
        *QUIET,
        command=(sys.executable, "-m", "jupyterlab"),
        folder=folder,
        env={**os.environ, **{name: str(home / name.lower()) for name in (*KEPT, *KEPT_BY_LAB)}},
    )
    wait_for(lambda: answers(port) or lab.process.poll() is not None, "JupyterLab")
    assert lab.process.poll() is None, lab.end()
    return lab, f"http://127.0.0.1:{port}/lab/tree/{{}}?token={token}"


@final
class Notebook:
    """The open notebook: its cells are run by keyboard, and their outputs read."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.cells = page.locator(".jp-NotebookPanel .jp-CodeCell")
        expect(self.cells.first).to_be_visible()
        # What is pressed before there is a kernel is lost.
        expect(page.locator("#jp-main-statusbar")).to_contain_text("| Idle")

    def run(self, text: str) -> Locator:
        """Run the cell that has a text in its source, wait until it is done, and give it."""
        cell = self.cells.filter(has_text=text).first
        prompt = cell.locator(".jp-InputArea-prompt").first
        before = prompt.inner_text()
        cell.locator(".cm-content").click()
        self.page.keyboard.press("Shift+Enter")
        # A prompt that has a number again, and another than before.
        expect(prompt).not_to_have_text(before)
        expect(prompt).not_to_have_text("[*]:")
        return cell
