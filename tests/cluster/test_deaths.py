"""When to give up on schedulers that die, and whether Ray's own processes live."""

from __future__ import annotations

import subprocess
import sys

import psutil
import pytest

from remap_ray.cluster.deaths import Deaths, all_alive, ensure_alive
from remap_ray.errors import RayLost, SchedulerLost

SLEEPING = "import sys; sys.stdin.read()"


@pytest.mark.promise("FAULT-6")
def test_schedulers_that_get_nothing_done_are_given_up() -> None:
    deaths = Deaths()
    deaths.count(epochs=4)
    deaths.count(epochs=4)
    with pytest.raises(SchedulerLost, match="died 3 times in a row without an epoch in between"):
        deaths.count(epochs=4)


@pytest.mark.promise("FAULT-6")
def test_schedulers_that_get_on_may_die_as_often_as_they_like() -> None:
    deaths = Deaths()
    for epochs in range(1, 30):
        deaths.count(epochs)
    deaths.count(29)


def test_a_dead_process_of_ray_is_named_also_as_a_zombie() -> None:
    processes = [
        subprocess.Popen([sys.executable, "-c", SLEEPING], stdin=subprocess.PIPE) for _ in range(2)
    ]
    own = tuple(psutil.Process(one.pid) for one in processes)
    ensure_alive(own)
    assert all_alive(own)
    processes[1].kill()
    psutil.wait_procs([own[1]], timeout=0.0)
    while own[1].is_running() and own[1].status() != psutil.STATUS_ZOMBIE:
        pass
    with pytest.raises(RayLost, match=rf"its process {own[1].pid} was killed"):
        ensure_alive(own)
    assert not all_alive(own)
    for one in processes:
        one.stdin.close()
        one.wait()
    assert not all_alive(own)
