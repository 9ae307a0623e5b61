"""Two hosts that lose each other: the models of the one go on at the other, none twice."""

from __future__ import annotations

import secrets
import tempfile
from pathlib import Path

import psutil
import pytest

from tests.faults.moments import Struck
from tests.faults.namespaces import may_make_hosts, two_hosts
from tests.faults.prepared import Outcome, Prepared
from tests.faults.rows import Scene, finished, held_against, went_on
from tests.processes import RAY, Started, wait_for

pytestmark = [
    pytest.mark.ray,
    pytest.mark.slow,
    pytest.mark.nightly,
    pytest.mark.timeout(900),
]

PORT = 6399
QUICK = (
    '{"health_check_period_ms": 1000, "health_check_failure_threshold": 3, '
    '"health_check_initial_delay_ms": 0}'
)
NODE = ("--num-cpus=1", f"--object-store-memory={200 * 2**20}", "--block")


@pytest.mark.promise("FAULT-5")
def test_a_host_that_is_cut_off_loses_its_models_to_the_other(
    tmp_path: Path, prepared: Prepared, expected: Outcome
) -> None:
    if not may_make_hosts():
        pytest.skip("network namespaces need root, and the right to make them")
    scene = Scene(tmp_path, prepared, seed=1)
    scene.env |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    scene.env |= {"RAY_USAGE_STATS_ENABLED": "0"}
    scene.env.pop("RAY_ADDRESS", None)
    scene.create()
    # Short, since sockets lie in it; of its own, since Ray notes its last cluster there.
    with tempfile.TemporaryDirectory(prefix="remap-") as rays, two_hosts() as hosts:
        here, there = hosts.addresses
        head = ["--head", f"--port={PORT}", "--include-dashboard=false"]
        head += [f"--system-config={QUICK}", f"--temp-dir={rays}"]
        try:
            first = scene.start(
                "start", *head, f"--node-ip-address={here}", *NODE, before=hosts.on(0), of=RAY
            )
            _wait_until_it_runs(first)
            other = scene.start(
                "start",
                f"--address={here}:{PORT}",
                f"--node-ip-address={there}",
                *NODE,
                before=hosts.on(1),
                of=RAY,
            )
            _wait_until_it_runs(other)
            command = scene.train(
                "--address", f"{here}:{PORT}", "--workers", "2", before=hosts.on(0)
            )

            def family() -> tuple[psutil.Process, ...]:
                assert command.process.poll() is None, command.end()
                return _processes([*hosts.pids(0), *hosts.pids(1)])

            moment = scene.strike(family, lambda *_: hosts.cut())
            away = hosts.pids(1)
            lost = tuple(one for one in moment.inside if one.pid in away)
            assert len(lost) == 1, "the host that was cut off trained nothing"
            struck = Struck(moment.at, lost, moment.since_write)
            seconds = went_on(scene, struck, not_by=away)
            hosts.join()
            finished(command)
            # The other hears that it counts as dead, and ends; what it still trained is nobody's.
            wait_for(lambda: other.process.poll() is not None, "the second host to end")
        finally:
            scene.end()
    held_against(scene, struck, seconds, expected)


def _processes(pids: list[int]) -> tuple[psutil.Process, ...]:
    found = []
    for pid in pids:
        try:
            found.append(psutil.Process(pid))
        except psutil.NoSuchProcess:
            continue
    return tuple(found)


def _wait_until_it_runs(host: Started) -> None:
    """Wait until a host belongs to the cluster: before, there is less to train on than wanted."""
    said = []
    for line in host.process.stdout:
        said.append(line)
        if "Ray runtime started" in line:
            return
    raise AssertionError("".join(said))
