"""When to give up on schedulers that die, and whether Ray's own processes live."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from remap_ray.cluster.deaths import Deaths, all_alive, ensure_alive, own_processes
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


def test_what_is_left_of_a_start_that_failed_is_no_part_of_ray(tmp_path: Path) -> None:
    """Ray does not wait for its processes: those of the first try stay as zombies."""
    sleep = shutil.which("sleep")
    assert sleep
    raylet = tmp_path / "raylet"
    shutil.copy(sleep, raylet)
    first, second = (subprocess.Popen([raylet, "600"]) for _ in range(2))
    try:
        first.kill()
        dead = psutil.Process(first.pid)
        while dead.status() != psutil.STATUS_ZOMBIE:
            pass
        own = own_processes()
        assert second.pid in {one.pid for one in own}
        assert first.pid not in {one.pid for one in own}
        ensure_alive(own)
    finally:
        second.kill()
        first.wait()
        second.wait()
