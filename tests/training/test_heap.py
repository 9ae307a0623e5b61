"""What a training frees is kept for its next batch, and given back after the model."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys

import pytest

from remap_ray.training.heap import ONE_HEAP

GLIBC = platform.libc_ver()[0] == "glibc"

WORK = """
import json, resource, sys, threading

import psutil
import torch

from remap_ray.training import heap

kept = heap.keep() if "keep" in sys.argv else None
found = {"kept": kept}
torch.set_num_threads(1)

def work():
    # As Ray's trainers do, in a thread that is not the first; blocks of 64 MiB and more.
    large = torch.ones(20_000_000)
    def batch():
        one = large.relu()
        return one.tanh().sum() + one.sum()
    for _ in range(3):
        batch()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(5):
        batch()
    found["faults"] = resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

thread = threading.Thread(target=work)
thread.start()
thread.join()
me = psutil.Process()
found["used"] = me.memory_info().rss
heap.give_back()
found["left"] = me.memory_info().rss
print(json.dumps(found))
"""


def worked(*words):
    """Do the work in a process of its own, with one heap where the words say so."""
    env = {name: value for name, value in os.environ.items() if name != ONE_HEAP[0]}
    if "keep" in words:
        env |= dict([ONE_HEAP])
    command = [sys.executable, "-c", WORK, *words]
    done = subprocess.run(
        command, check=False, env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.mark.skipif(not GLIBC, reason="another C library does as it likes")
@pytest.mark.promise("TRAIN-11")
def test_a_batch_takes_the_memory_of_the_one_before_and_a_model_gives_it_back():
    kept, plain = worked("keep"), worked()
    assert kept["kept"]
    # Two blocks of 80 MB a batch, in pages of 4 KiB.
    assert plain["faults"] > 100_000
    assert kept["faults"] < plain["faults"] / 5
    assert kept["used"] - kept["left"] > 100_000_000
