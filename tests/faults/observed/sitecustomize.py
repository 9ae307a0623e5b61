"""Python imports this at its start where its folder is on the path: trainers then keep a log.

Nothing of REMAP is changed for the tests of faults. In every process that they
start, Ray's workers included, `remap_ray.training.trainer.train` is wrapped so
that each epoch's begin and end is one line in the file named by
``REMAP_FAULTS_LOG``; where ``REMAP_FAULTS_OFTEN`` is set, it is asked for a
checkpoint after each epoch. So it is known from outside which epochs were trained,
and trained again.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import sys
import time

TRAINER = "remap_ray.training.trainer"


def _tell(**said: object) -> None:
    line = json.dumps({"at": time.monotonic(), "pid": os.getpid(), **said}) + "\n"
    # One write to a file opened for appending: lines of several processes do not mix.
    log = os.open(os.environ["REMAP_FAULTS_LOG"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(log, line.encode())
    finally:
        os.close(log)


def _observe(module: object) -> None:
    train = module.train

    def observed(task, *arguments, **options):
        one = task.architecture.identity
        if "REMAP_FAULTS_OFTEN" in os.environ:
            options["checkpoint_seconds"] = 0.0
        done = 0
        if task.checkpoint is not None:
            done = module.completed(task.checkpoint, task.architecture, task.seed)
        _tell(model=one, begins=done + 1, resumed=done)
        try:
            for event in train(task, *arguments, **options):
                if type(event).__name__ == "EpochDone":
                    done = event.epoch
                    _tell(model=one, ends=done, seconds=event.seconds)
                    if done < task.epochs:
                        _tell(model=one, begins=done + 1)
                yield event
        finally:
            _tell(model=one, left=done)

    module.train = observed


class _Loader(importlib.abc.Loader):
    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        _observe(module)


class _Finder(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path, target=None):
        if name != TRAINER:
            return None
        found = importlib.machinery.PathFinder.find_spec(name, path, target)
        if found is not None and found.loader is not None:
            found.loader = _Loader(found.loader)
        return found


if "REMAP_FAULTS_LOG" in os.environ:
    sys.meta_path.insert(0, _Finder())
