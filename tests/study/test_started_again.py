"""Training is started again while the scheduler of a killed command has not noticed yet."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from subprocess import Popen

import pytest

from remap_ray.errors import StudyBusy
from remap_ray.study import Holder, Study, announce, announce_in_turn, lease, take_lease

ME = Holder.this_process("remap train")


@pytest.fixture
def scheduler(toy_study: Study) -> Iterator[Popen[bytes]]:
    """The scheduler of a command that was killed, and has not noticed."""
    with Popen(["sleep", "300"]) as command, Popen(["sleep", "300"]) as scheduler:
        announce(toy_study, Holder.process("remap train", command.pid))
        holder = Holder.process("remap train", scheduler.pid)
        take_lease(toy_study, holder, workers=1, of_command=True)
        with pytest.raises(StudyBusy) as refused:
            announce(toy_study, ME)
        assert not refused.value.ends
        command.kill()
        command.wait()
        yield scheduler
        scheduler.kill()


@pytest.mark.promise("QUEUE-18")
def test_a_scheduler_without_its_command_is_waited_for(
    toy_study: Study, scheduler: Popen[bytes]
) -> None:
    with pytest.raises(StudyBusy) as refused:
        announce(toy_study, ME)
    assert refused.value.ends
    end = threading.Timer(0.3, scheduler.kill)
    end.start()
    announce_in_turn(toy_study, ME)
    assert scheduler.wait() != 0
    heartbeat = toy_study.heartbeat()
    assert (heartbeat.starting, heartbeat.holder) == (True, ME.words)


@pytest.mark.promise("QUEUE-18")
def test_a_scheduler_that_outlives_its_command_is_respected_at_once(toy_study: Study) -> None:
    with Popen(["sleep", "300"]) as other, Popen(["sleep", "300"]) as command:
        announce(toy_study, Holder.process("remap train", command.pid))
        take_lease(toy_study, Holder.process("remap train", other.pid), workers=1)
        command.kill()
        command.wait()
        with pytest.raises(StudyBusy) as refused:
            announce_in_turn(toy_study, ME)
        other.kill()
    assert not refused.value.ends


@pytest.mark.promise("QUEUE-18")
@pytest.mark.usefixtures("scheduler")
def test_one_that_does_not_end_is_named_in_the_end(
    toy_study: Study, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lease, "DYING_SECONDS", 0.2)
    with pytest.raises(StudyBusy, match="is being trained already by remap train"):
        announce_in_turn(toy_study, ME)


def test_a_scheduler_that_lets_go_leaves_the_study_to_anyone(toy_study: Study) -> None:
    with Popen(["sleep", "300"]) as command:
        announce(toy_study, Holder.process("remap train", command.pid))
        take_lease(toy_study, ME, workers=1, of_command=True).release()
        # While the command still ends its Ray.
        announce(toy_study, ME)
        command.kill()
