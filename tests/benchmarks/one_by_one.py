"""``python -m tests.benchmarks.one_by_one STUDY THREADS``: train a study's networks plainly.

One after another in one process, with a person's bare loop. Nothing is written into the study;
for each model one line of JSON is printed: when its training began and ended, in seconds of the
machine's monotonic clock, and its accuracy.
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path

import torch

from remap_ray.study import open_study
from remap_ray.training import datasets
from remap_ray.training.network import build
from remap_ray.training.tensors import prepare
from tests.benchmarks.plain_training import train_plainly

__all__: list[str] = []


def main(path: Path, threads: int) -> None:
    """Train the networks of the study at ``path``."""
    torch.set_num_threads(threads)
    with open_study(path) as study:
        loaded = datasets.load(study.data.source, seed=study.seed)
        data = prepare(loaded.train, loaded.validation, "cpu")
        # The first optimizer of a process loads much of PyTorch, which is no training.
        torch.optim.Adam(build(study.models()[0].architecture, 0).parameters())
        for model in study.models():
            began = time.monotonic()
            network = build(model.architecture, model.seed)
            accuracy = train_plainly(network, data, study.recipe, model.wanted_epochs)
            told = {"model": model.number, "began": began, "accuracy": accuracy}
            sys.stdout.write(json.dumps(told | {"ended": time.monotonic()}) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
