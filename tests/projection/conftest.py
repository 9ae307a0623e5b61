import itertools
import random

import numpy as np
import pytest

from remap_ray.projection import otmann
from remap_ray.space import Space, sample


def drawn(seed, count):
    space, rng = Space.named("paper"), random.Random(seed)
    return list(itertools.islice(sample(space, rng, (1, 28, 28), 10), count))


@pytest.fixture(scope="session")
def architectures():
    """100 different architectures of the paper's space."""
    return drawn(0, 100)


@pytest.fixture(scope="session")
def structure(architectures):
    """Their structural distances, (100, 100)."""
    distances = otmann.distances(architectures)
    distances.flags.writeable = False
    return distances


@pytest.fixture(scope="session")
def disagreement():
    """Distances between the predictions of 100 made-up models, (100, 100).

    Models of different skill on items of different difficulty, so that good ones agree.
    """
    rng = np.random.default_rng(0)
    skill, ease = rng.uniform(-1, 3, (100, 1)), rng.normal(0, 1.5, (1, 500))
    right = rng.random((100, 500)) < 1 / (1 + np.exp(-(skill + ease)))
    predictions = np.where(right, 0, rng.integers(1, 10, (100, 500))).astype(np.uint8)
    return (predictions[:, None] != predictions[None]).mean(axis=2)
