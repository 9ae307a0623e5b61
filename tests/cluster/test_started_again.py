"""Training is started again while the scheduler of a killed command has not noticed yet."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator

import psutil
import pytest

from remap_ray.cluster import run
from remap_ray.errors import StudyBusy
from remap_ray.study import Holder, Study, announce, take_lease

ME = Holder.this_process("remap train")


@pytest.fixture
def orphan() -> Iterator[int]:
    """A process whose parent has ended."""
    command = ["sh", "-c", "sleep 300 > /dev/null 2>&1 & echo $!"]
    pid = int(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    yield pid
    if psutil.pid_exists(pid):
        os.kill(pid, signal.SIGKILL)


@pytest.mark.promise("QUEUE-18")
def test_a_scheduler_without_its_command_is_waited_for(toy_study: Study, orphan: int) -> None:
    take_lease(toy_study, Holder.process("remap train", orphan), workers=1)
    with pytest.raises(StudyBusy) as refused:
        announce(toy_study, ME)
    assert refused.value.ends
    end = threading.Timer(0.3, os.kill, [orphan, signal.SIGKILL])
    end.start()
    run._announce(toy_study, ME)
    assert not psutil.pid_exists(orphan) or psutil.Process(orphan).status() == "zombie"
    heartbeat = toy_study.heartbeat()
    assert (heartbeat.starting, heartbeat.holder) == (True, ME.words)


@pytest.mark.promise("QUEUE-18")
def test_a_scheduler_that_has_its_command_is_respected_at_once(toy_study: Study) -> None:
    with subprocess.Popen(["sleep", "300"]) as other:
        take_lease(toy_study, Holder.process("remap train", other.pid), workers=1)
        with pytest.raises(StudyBusy) as refused:
            run._announce(toy_study, ME)
        other.kill()
    assert not refused.value.ends


@pytest.mark.promise("QUEUE-18")
def test_one_that_does_not_end_is_named_in_the_end(
    toy_study: Study, orphan: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "DYING_SECONDS", 0.2)
    take_lease(toy_study, Holder.process("remap train", orphan), workers=1)
    with pytest.raises(StudyBusy, match=f"process {orphan} on"):
        run._announce(toy_study, ME)
