"""A kernel with views in it, worked as JupyterLab does it, without a browser."""

from __future__ import annotations

import json
import queue
from pathlib import Path
from typing import Any, final

from jupyter_client import KernelManager
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.session import new_id

PATIENCE = 60


@final
class Kernel:
    """A running kernel; as a context manager it is ended by the end of the block."""

    def __init__(self, folder: Path) -> None:
        self._manager = KernelManager(kernel_name="python3")
        self._manager.start_kernel(cwd=str(folder))
        self._client: BlockingKernelClient = self._manager.blocking_client()
        self._client.start_channels()
        self._client.wait_for_ready(PATIENCE)
        self.heard: list[dict[str, Any]] = []
        """All that the kernel has told of, outputs and messages of its views."""

    def __enter__(self) -> Kernel:
        return self

    def __exit__(self, *_: object) -> None:
        self._client.stop_channels()
        self._manager.shutdown_kernel(now=True)

    def run(self, code: str) -> str:
        """Run a cell, and give what it printed."""
        said: list[str] = []

        def hear(message: dict[str, Any]) -> None:
            self.heard.append(message)
            if message["msg_type"] == "stream":
                said.append(message["content"]["text"])
            assert message["msg_type"] != "error", message["content"]["traceback"]

        self._client.execute_interactive(code, output_hook=hear, timeout=PATIENCE)
        return "".join(said)

    def subshell(self) -> str:
        """Have a subshell, as JupyterLab has for each output that talks back."""
        message = self._client.session.msg("create_subshell_request", {})
        self._client.control_channel.send(message)
        reply = self._client.get_control_msg(timeout=PATIENCE)
        return str(reply["content"]["subshell_id"])

    def listen(self) -> dict[str, Any]:
        """Give the next message that the kernel tells of."""
        try:
            found: dict[str, Any] = self._client.get_iopub_msg(timeout=PATIENCE)
        except queue.Empty:
            raise AssertionError("the kernel says nothing") from None
        self.heard.append(found)
        return found

    def send(self, kind: str, content: dict[str, Any], subshell: str) -> str:
        """Send a message by way of a subshell, and give its name."""
        message = self._client.session.msg(kind, content)
        message["header"]["subshell_id"] = subshell
        self._client.shell_channel.send(message)
        return str(message["header"]["msg_id"])


@final
class Browser:
    """What a browser does with one output: it opens the way back, and says what was done there."""

    def __init__(self, kernel: Kernel, target: str) -> None:
        self._kernel, self._target, self._comm = kernel, target, new_id()
        self._subshell = kernel.subshell()
        content = {"comm_id": self._comm, "target_name": target, "data": {}}
        self._wait(kernel.send("comm_open", content, self._subshell))

    def say(self, model: str, data: dict[str, Any]) -> None:
        """Send what a script of a view says by ``model.send_msg``, and wait for the answer."""
        values = {"model": {"id": model}, "data": {"type": "map", "entries": [*data.items()]}}
        event = {
            "kind": "MessageSent",
            "msg_type": "bokeh_event",
            "msg_data": {
                "type": "event",
                "name": "data_event",
                "values": {"type": "map", "entries": [*values.items()]},
            },
        }
        patch = {
            "comm_id": self._target,
            "header": {"msgid": new_id(), "msgtype": "PATCH-DOC"},
            "metadata": {},
            "content": {"events": [event]},
            "_buffers": {},
        }
        self._kernel.send("comm_msg", {"comm_id": self._comm, "data": patch}, self._subshell)
        while True:
            told = self._kernel.listen()
            if told["msg_type"] == "comm_msg" and told["content"]["comm_id"] == self._comm:
                assert told["metadata"]["msg_type"] == "Ready", told["metadata"]
                return

    def _wait(self, message: str) -> None:
        while True:
            told = self._kernel.listen()
            if (
                told["msg_type"] == "status"
                and told["content"]["execution_state"] == "idle"
                and told["parent_header"]["msg_id"] == message
            ):
                return


def mixed(heard: list[dict[str, Any]]) -> list[str]:
    """Give the parts of Bokeh's messages that do not stand where a browser takes them for such.

    Each message is a header, its metadata and its content, and then two parts for each buffer.
    """
    parts = [
        one["content"]["data"]
        for one in heard
        if one["msg_type"] == "comm_msg" and "msg_type" not in one["metadata"]
    ]
    wrong, place = [], 0
    while place + 2 < len(parts):
        try:
            header = json.loads(parts[place])
            whole = "msgtype" in header and "events" in json.loads(parts[place + 2])
        except (TypeError, ValueError):
            whole = False
        if not whole:
            wrong.append(str(parts[place])[:80])
            place += 1
            continue
        place += 3 + 2 * int(header.get("num_buffers", 0))
    return wrong
