"""``python -m tests.benchmarks.one_per_core STUDY PROCESSES``: a study's networks, without Ray.

One PyTorch process of one thread per core; each takes the next network that none has. Printed
is what `one_by_one` prints. The clock starts when all have loaded what they need.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import sys
import time
from pathlib import Path
from typing import Any

import torch

from remap_ray.study import open_study
from remap_ray.training import datasets
from remap_ray.training.network import build
from remap_ray.training.tensors import prepare
from tests.benchmarks.plain_training import train_plainly

__all__: list[str] = []


def main(path: Path, processes: int) -> None:
    """Train the networks of the study at ``path``."""
    spawn = multiprocessing.get_context("spawn")
    at, together = spawn.Value("q", 0), spawn.Barrier(processes)
    started = [spawn.Process(target=_work, args=(path, at, together)) for _ in range(processes)]
    for one in started:
        one.start()
    for one in started:
        one.join()
    if any(one.exitcode for one in started):
        sys.exit(1)


def _work(path: Path, at: Any, together: Any) -> None:
    torch.set_num_threads(1)
    with open_study(path) as study:
        loaded = datasets.load(study.data.source, seed=study.seed)
        data = prepare(loaded.train, loaded.validation, "cpu")
        models, recipe = study.models(), study.recipe
    # The first optimizer of a process loads much of PyTorch, which is no training.
    torch.optim.Adam(build(models[0].architecture, 0).parameters())
    together.wait()
    while True:
        with at.get_lock():
            taken, at.value = at.value, at.value + 1
        if taken >= len(models):
            return
        model = models[taken]
        began = time.monotonic()
        network = build(model.architecture, model.seed)
        accuracy = train_plainly(network, data, recipe, model.wanted_epochs)
        told = {"model": model.number, "began": began, "accuracy": accuracy}
        line = json.dumps(told | {"ended": time.monotonic()}) + "\n"
        # One write a line, so that those of several processes do not mix.
        os.write(sys.stdout.fileno(), line.encode())


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
