"""``python -m tests.benchmarks.with_tune STUDY WORKERS``: a study's networks, by Ray Tune.

As its users would, with actors that are reused, and a trial of one thread per core. Printed is
what `one_by_one` prints.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from remap_ray.cluster.plan import Wanted
from remap_ray.cluster.run import set_environment
from remap_ray.study import open_study
from remap_ray.training import datasets

__all__: list[str] = []


def main(path: Path, workers: int) -> None:
    """Train the networks of the study at ``path``."""
    set_environment(Wanted())
    # No progress table, and none of the files that Tune would write for other programs.
    os.environ |= {"RAY_AIR_NEW_OUTPUT": "0", "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1"}
    os.environ["PYTHONWARNINGS"] = "ignore"
    import ray
    from ray import tune

    with open_study(path) as study:
        loaded = datasets.load(study.data.source, seed=study.seed)
        parts = (loaded.train, loaded.validation)
        recipe = study.recipe
        models = {
            one.number: (one.architecture, one.seed, one.wanted_epochs) for one in study.models()
        }

    class Training(tune.Trainable):
        """One network a trial; the process, and the data in it, go on to the next."""

        def setup(self, config: dict[str, Any], given: Any = None) -> None:
            import torch

            from remap_ray.training.tensors import prepare

            torch.set_num_threads(1)
            self._data = prepare(*given, "cpu")
            self._number = config["model"]
            # The first optimizer of a process loads much of PyTorch, which is no training.
            torch.optim.Adam([torch.zeros(1, requires_grad=True)])

        def reset_config(self, new_config: dict[str, Any]) -> bool:
            self._number = new_config["model"]
            return True

        def step(self) -> dict[str, Any]:
            from remap_ray.training.network import build
            from tests.benchmarks.plain_training import train_plainly

            began = time.monotonic()
            architecture, seed, epochs = models[self._number]
            accuracy = train_plainly(build(architecture, seed), self._data, recipe, epochs)
            told = {"model": self._number, "began": began, "accuracy": accuracy}
            return told | {"ended": time.monotonic(), "done": True}

        def save_checkpoint(self, _: str) -> None:
            """Keep nothing: the others keep nothing either."""

        def load_checkpoint(self, _: Any) -> None:
            """Go on from nothing."""

    ray.init(
        address="local",
        num_cpus=workers,
        include_dashboard=False,
        log_to_driver=False,
        configure_logging=False,
    )
    with tempfile.TemporaryDirectory(prefix="remap-tune-") as folder:
        tuner = tune.Tuner(
            tune.with_resources(tune.with_parameters(Training, given=parts), {"cpu": 1}),
            param_space={"model": tune.grid_search(list(models))},
            tune_config=tune.TuneConfig(reuse_actors=True, max_concurrent_trials=workers),
            run_config=tune.RunConfig(storage_path=folder, verbose=0),
        )
        results = tuner.fit()
        for one in results:
            found = one.metrics or {}
            line = {key: found[key] for key in ("model", "began", "ended", "accuracy")}
            sys.stdout.write(json.dumps(line) + "\n")
    ray.shutdown()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
