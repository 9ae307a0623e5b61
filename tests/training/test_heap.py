"""What a training frees is kept for its next batch, and given back after the model."""

from __future__ import annotations

import json
import mmap
import os
import platform
import subprocess
import sys

import pytest

from remap_ray.training.heap import ONE_HEAP

GLIBC = platform.libc_ver()[0] == "glibc"

WORK = """
import ctypes, json, resource, sys, threading

import psutil
import torch

from remap_ray.training import heap

# PR_SET_THP_DISABLE of Linux: where every large block comes in pages of 2 MiB, there are too few
# faults to count.
ctypes.CDLL(None).prctl(41, 1, 0, 0, 0)
kept = heap.keep() if "keep" in sys.argv else None
found = {"kept": kept}
torch.set_num_threads(1)

def work():
    # As Ray's trainers do, in a thread that is not the first; blocks of 64 MiB and more.
    large = torch.ones(20_000_000)
    def batch():
        one = large.relu()
        return one.tanh().sum() + one.sum()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(60):
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
    # Two blocks of 80 MB in each of 60 batches.
    assert plain["faults"] > 60 * 150_000_000 / mmap.PAGESIZE
    # A block that is freed is a little too small for an aligned one of the same size, so the heap
    # grows by up to a dozen blocks, at batches that depend on where the kernel put it (seen as late
    # as the 35th), before all come from what is free.
    assert kept["faults"] < plain["faults"] / 5
    assert kept["used"] - kept["left"] > 100_000_000
