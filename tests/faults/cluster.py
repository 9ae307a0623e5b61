"""A Ray cluster of three nodes on this machine, in a process of its own."""

from __future__ import annotations

import json
import os
import secrets
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import final

import psutil

from tests.faults.log import ROOT
from tests.faults.victims import family_of

__all__ = ["Nodes", "three_nodes"]

CODE = """
import json, sys
from ray.cluster_utils import Cluster

# A node counts as lost after 3 s without a sign, instead of 13.
quick = {"health_check_period_ms": 1000, "health_check_failure_threshold": 3,
         "health_check_initial_delay_ms": 0}
store = 200 * 2**20
cluster = Cluster(initialize_head=True, head_node_args={
    "num_cpus": 0, "_system_config": quick, "object_store_memory": store,
    # Short, since sockets lie in it; of its own, since Ray notes its last cluster there.
    "temp_dir": sys.argv[1],
    "include_dashboard": False})
try:
    others = [cluster.add_node(num_cpus=1, object_store_memory=store) for _ in range(2)]
    cluster.wait_for_nodes()
    raylets = [one.all_processes["raylet"][0].process.pid for one in others]
    print(json.dumps({"address": cluster.address, "raylets": raylets}), flush=True)
    sys.stdin.readline()
finally:
    cluster.shutdown()
"""


@final
@dataclass(frozen=True)
class Nodes:
    """The cluster: its address, and the raylets of the two nodes that train."""

    address: str
    pid: int
    raylets: tuple[int, ...]

    def family(self) -> tuple[psutil.Process, ...]:
        """Give all processes of all nodes."""
        return family_of(self.pid)

    def homes(self) -> dict[int, tuple[psutil.Process, ...]]:
        """Give the workers of each node that trains, by the pid of its raylet."""
        return {pid: family_of(pid) for pid in self.raylets}


@contextmanager
def three_nodes(env: Mapping[str, str]) -> Iterator[Nodes]:
    """Run a head without CPUs and two nodes of one CPU each, on loopback, with a token.

    ``RAY_AUTH_TOKEN`` and what else the cluster needs is put into the environment of this
    process while it runs, so that commands started meanwhile can attach.
    """
    token = {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(16)}
    token |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0"}
    env.update(token)
    rays = tempfile.TemporaryDirectory(prefix="remap-")
    process = subprocess.Popen(
        [sys.executable, "-c", CODE, rays.name],
        cwd=ROOT,
        env={**os.environ, **env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    family: set[psutil.Process] = set()
    try:
        line = ""
        while not line.startswith("{"):
            line = process.stdout.readline()
            assert line, f"the cluster ended with {process.wait()}"
        told = json.loads(line)
        family |= set(family_of(process.pid))
        yield Nodes(told["address"], process.pid, tuple(told["raylets"]))
    finally:
        family |= set(family_of(process.pid))
        process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
        for one in family:
            if one.is_running():
                one.kill()
        psutil.wait_procs(family, timeout=20)
        rays.cleanup()
