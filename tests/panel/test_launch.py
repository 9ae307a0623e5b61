"""The process that trains for those who serve."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from remap_panel.launch import NICENESS, SESSION_NICENESS, step_back
from tests.processes import wait_for

WEIGHED = Path("/proc/self/autogroup")


@pytest.fixture
def leader() -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", "import signal; signal.pause()"]
    with subprocess.Popen(command, start_new_session=True) as process:
        yield process
        process.kill()


@pytest.mark.promise("PAGE-19")
@pytest.mark.skipif(not WEIGHED.exists(), reason="this system does not weigh sessions")
@pytest.mark.parametrize(
    ("wanted", "nice"), [(None, SESSION_NICENESS), ("0", 0), ("4", 4), ("19", SESSION_NICENESS)]
)
def test_a_session_of_training_steps_back(
    leader: subprocess.Popen[bytes],
    wanted: str | None,
    nice: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv(NICENESS, raising=False)
    if wanted is not None:
        monkeypatch.setenv(NICENESS, wanted)
    file = Path(f"/proc/{leader.pid}/autogroup")
    before = WEIGHED.read_text(encoding="ascii")

    def stepped() -> bool:
        # Linux takes such a wish only ten times a second from those who are not its master.
        step_back(leader.pid)
        return file.read_text(encoding="ascii").endswith(f" nice {nice}\n")

    wait_for(stepped, "the session's weight")
    assert WEIGHED.read_text(encoding="ascii") == before


def test_a_process_that_has_ended_is_no_reason_to_stop(leader: subprocess.Popen[bytes]) -> None:
    leader.kill()
    leader.wait()
    step_back(leader.pid)
