"""Predictions of real classifiers of every skill, in seconds."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.datasets import load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import RidgeClassifier
from sklearn.naive_bayes import BernoulliNB, GaussianNB
from sklearn.neural_network import MLPClassifier
from sklearn.tree import DecisionTreeClassifier, ExtraTreeClassifier

__all__ = ["predictions_on_digits"]

TRAINING = 1_100


def predictions_on_digits(count: int, seed: int = 0) -> NDArray[np.uint8]:
    """Train ``count`` classifiers on parts of digits and let all of them label the same items.

    Each sees some of the pixels of some of the images: their accuracies lie between
    10% and 95%. The same seed gives the same labels.

    Returns
    -------
    numpy.ndarray
        uint8 (count, 697).
    """
    rng = np.random.default_rng(seed)
    images, labels = load_digits(return_X_y=True)
    order = rng.permutation(len(images))
    images, labels = images[order] / 16, labels[order]
    found = []
    for _ in range(count):
        pixels = rng.permutation(64)[: rng.integers(8, 65)]
        some = rng.permutation(TRAINING)[: rng.integers(60, TRAINING)]
        classifier = drawn(rng)
        with warnings.catch_warnings():
            # A network that has learned little is wanted too.
            warnings.simplefilter("ignore", ConvergenceWarning)
            classifier.fit(images[some][:, pixels], labels[some])
        found.append(classifier.predict(images[TRAINING:, pixels]))
    return np.array(found, dtype=np.uint8)


def drawn(rng: np.random.Generator):
    """Draw a classifier with its settings."""
    state = int(rng.integers(2**31))
    kinds = [
        lambda: DecisionTreeClassifier(max_depth=int(rng.integers(2, 12)), random_state=state),
        lambda: ExtraTreeClassifier(max_depth=int(rng.integers(2, 14)), random_state=state),
        lambda: GaussianNB(var_smoothing=10 ** rng.uniform(-6, 0)),
        lambda: BernoulliNB(binarize=rng.uniform(0.1, 0.7)),
        lambda: RidgeClassifier(alpha=10 ** rng.uniform(-3, 3)),
        lambda: MLPClassifier((int(rng.integers(4, 40)),), max_iter=5, random_state=state),
    ]
    return kinds[rng.integers(len(kinds))]()
