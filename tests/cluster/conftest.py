from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from random import Random

import pytest
import torch

from remap_ray.cluster import run
from remap_ray.cluster.plan import Plan, Wanted
from remap_ray.cluster.pool import InlinePool, Pool
from remap_ray.creation import create_study
from remap_ray.recipe import Recipe
from remap_ray.space import Architecture, Limits, Space, sample
from remap_ray.study import Study
from remap_ray.training import datasets
from remap_ray.training.datasets import DataSet
from remap_ray.training.task import Task
from remap_ray.training.tensors import Prepared, prepare
from remap_ray.training.trainer import train
from tests.processes import wait_for


@pytest.fixture(scope="session")
def digits() -> DataSet:
    return datasets.load("digits")


@pytest.fixture(scope="session")
def prepared(digits: DataSet) -> Prepared:
    torch.set_num_threads(1)
    return prepare(digits.train, digits.validation, torch.device("cpu"))


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Study]:
    """A study on digits with six queued models of at most 5,000 parameters, two epochs each."""
    limits = Limits(parameters=5_000)
    recipe = Recipe(epochs=2, batch_size=64)
    with create_study(tmp_path / "small", recipe=recipe, models=6, limits=limits) as study:
        yield study


@pytest.fixture
def architectures(digits: DataSet) -> list[Architecture]:
    limits = Limits(parameters=5_000)
    drawn = sample(Space.named("paper"), Random(3), digits.input_shape, digits.classes, limits)
    return list(islice(drawn, 4))


@pytest.fixture
def tasks(architectures: list[Architecture]) -> list[Task]:
    recipe = Recipe(epochs=2, batch_size=64)
    return [Task(one, recipe, seed, epochs=2) for seed, one in enumerate(architectures)]


@pytest.fixture(scope="module")
def local_ray() -> Iterator[None]:
    """A real Ray on loopback with two CPUs, started as `remap train` starts it."""
    before = dict(os.environ)
    run.set_environment(Wanted())
    from remap_ray.cluster import actors

    actors.start_ray(Wanted(), 512 * 2**20)
    yield
    actors.ray.shutdown()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture
def inline_pool(prepared: Prepared) -> Callable[[int], Pool]:
    return lambda size: InlinePool(lambda task, stop: train(task, prepared, stop), size)


@pytest.fixture
def ray_pool(local_ray: None, digits: DataSet) -> Iterator[Callable[[int], Pool]]:
    from remap_ray.cluster import actors

    made: list[Pool] = []

    def make(size: int) -> Pool:
        given = (digits.train, digits.validation, digits.columns)
        parts = [actors.ray.put(one) for one in given]
        made.append(actors.RayPool(parts, Plan(size, 1, 0.0)))
        wait_for(lambda: made[-1].free() == size, "the trainers to start")
        return made[-1]

    yield make
    for pool in made:
        pool.close()


@pytest.fixture(params=["inline", pytest.param("ray", marks=[pytest.mark.ray, pytest.mark.slow])])
def make_pool(request: pytest.FixtureRequest) -> Callable[[int], Pool]:
    """Both kinds of pool, to be tested by the same tests."""
    found: Callable[[int], Pool] = request.getfixturevalue(f"{request.param}_pool")
    return found
