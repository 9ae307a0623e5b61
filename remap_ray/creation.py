"""How a study comes into being and gets its sampled models."""

from __future__ import annotations

from collections.abc import Callable, Container, Mapping
from dataclasses import replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
from numpy.typing import NDArray

from remap_ray.errors import InvalidRequest
from remap_ray.recipe import Recipe
from remap_ray.space import Limits, ModelSpace, sample, spaces
from remap_ray.study import DataSummary, Origin, Study, Submission, Thumbnail, directory, space_of
from remap_ray.training import datasets, huggingface, npz
from remap_ray.training.download import quiet
from remap_ray.training.statistics import channels_of

__all__ = ["add_samples", "create_study", "recipe_for", "space_of"]

STEPS_WANTED = 50
"""Steps an epoch should have at least: with fewer, ten epochs teach a network little."""

SMALL_BATCH = 32

LARGEST_SEED = 2**63 - 1
"""What a column of SQLite holds."""


def recipe_for(
    images: int,
    epochs: int = 10,
    *,
    patience: int = 0,
    bfloat16: bool = False,
    flip: bool = False,
    shift: int = 0,
) -> Recipe:
    """Choose the recipe for a training part of ``images`` images.

    The paper's batch of 256, and a small one where an epoch would have fewer
    than `STEPS_WANTED` steps of it.
    """
    batch = Recipe().batch_size
    return Recipe(
        epochs=epochs,
        batch_size=batch if images >= STEPS_WANTED * batch else SMALL_BATCH,
        patience=patience,
        bfloat16=bfloat16,
        flip=flip,
        shift=shift,
    )


def create_study(
    path: str | Path,
    data: Any = "digits",
    *,
    recipe: Recipe | None = None,
    epochs: int = 10,
    seed: int = 0,
    models: int = 0,
    limits: Limits | Callable[[ModelSpace], Limits] | None = None,
    space: str | Path | ModelSpace | None = None,
    patience: int = 0,
    bfloat16: bool = False,
    flip: bool = False,
    shift: int = 0,
    standardize: bool = False,
    halving: bool = False,
    progress: Callable[[str, int, int | None], None] | None = None,
) -> Study:
    """Create a study: load its data once, and keep what the page will show of them.

    Parameters
    ----------
    path
        A directory that does not exist yet, or is empty.
    data
        A known name (``digits``, ``fashion-mnist``, ``mnist``, ``kmnist``, ``cifar10``,
        ``quickdraw-paper``), a ``.npz`` file, a folder with one folder of images per class, or
        with their files; or a table of rows (``breast-cancer``, ``wine``, a ``.npz``). From
        memory: a mapping of arrays with the keys of a ``.npz``, or a Hugging Face ``Dataset`` or
        ``DatasetDict`` (`remap_ray.from_huggingface` says which of its columns count, and takes
        their names); these are kept in the study's directory, where training finds them again.
    recipe
        How models are trained; the default is `recipe_for` with ``epochs``.
    seed
        Of the parts of the data, the sampler and every training.
    models, limits
        How many sampled models to queue, as `add_samples` does; limits may be a function of
        the space.
    space
        What they are sampled from: ``paper`` (the default for images), ``modern``,
        ``boosting`` (the default for tables), the path of a TOML file of your own
        (`remap_ray.space.space_file` and `remap_ray.space.boosting_space` say what stands in
        it), or a `ModelSpace`. The study keeps a copy.
    progress
        Told how far a download is: the file's name, its bytes that are here, and how many
        there are, where that is known.
    patience, bfloat16, flip, shift
        Whether models may stop early and be computed in bfloat16, and how training images are
        changed at random, as `Recipe` says; where there is no ``recipe``.
    standardize
        Whether the channels are measured on the training part, and the recipe has networks see
        them standardized.
    halving
        Whether the sampled models take part in successive halving.

    Raises
    ------
    DataError, StudyExists, InvalidRequest
        Nothing is left behind.
    """
    if isinstance(seed, bool) or not isinstance(seed, int) or not 0 <= seed <= LARGEST_SEED:
        raise InvalidRequest(
            f"the seed must be a whole number from 0 to {LARGEST_SEED}, not {seed!r}"
        )
    _check_count(models)
    path = Path(path).absolute()
    directory.check_free(path)
    arrays: Mapping[str, NDArray[Any]] | None
    if huggingface.is_dataset(data):
        name, arrays = huggingface.name_of(data), huggingface.from_huggingface(data)
    elif isinstance(data, Mapping):
        name, arrays = "arrays", data
    else:
        name, arrays = str(data), None
    if arrays is None:
        loaded = datasets.load(name, seed=seed, progress=progress or quiet)
    else:
        loaded = npz.of_arrays(arrays, seed, name, directory.DATA)
    if len(loaded.class_names) > 256:
        raise InvalidRequest(
            f"{loaded.name} has {len(loaded.class_names)} classes; a study takes at most 256"
        )
    summary = DataSummary(
        loaded.name,
        loaded.source,
        loaded.input_shape,
        tuple(loaded.class_names),
        (len(loaded.train.labels), len(loaded.validation.labels), len(loaded.test.labels)),
        datasets.fingerprint(loaded),
        loaded.train.images.dtype.name,
    )
    recipe = recipe or recipe_for(
        len(loaded.train.labels),
        epochs,
        patience=patience,
        bfloat16=bfloat16,
        flip=flip,
        shift=shift,
    )
    is_table = loaded.columns is not None
    if is_table:
        _check_for_trees(recipe, standardize=standardize)
    else:
        if standardize:
            recipe = replace(recipe, channels=channels_of(loaded.train))
        recipe.check_fits(loaded.input_shape)
    # Drawn before anything is written: limits that nothing keeps leave nothing behind.
    if space is None:
        space = "boosting" if is_table else "paper"
    space = space if isinstance(space, ModelSpace) else spaces.find(str(space))
    space = space.fitted(() if loaded.columns is None else loaded.columns.names)
    kept = limits(space) if callable(limits) else limits
    drawn = _draw(models, seed, summary, space, kept, (), halving=halving)
    pictures = [] if is_table else datasets.thumbnails(loaded, seed=seed)
    shown = (Thumbnail(label, png) for label, png in pictures)
    labels = loaded.validation.labels.astype(np.uint8)
    study = Study.create(
        path,
        summary,
        labels,
        shown,
        recipe,
        seed,
        space.name,
        space_toml=space.toml,
        images=None if is_table else datasets.viewable(loaded),
        arrays=arrays,
    )
    study.submit(drawn)
    return study


def _check_for_trees(recipe: Recipe, *, standardize: bool) -> None:
    of_networks = {
        "bfloat16": recipe.bfloat16,
        "a flip": recipe.flip,
        "a shift": recipe.shift,
        "standardized channels": standardize or recipe.channels,
    }
    for name, wanted in of_networks.items():
        if wanted:
            raise InvalidRequest(
                f"{name}: this is for networks that look at images; trees that are grown on a "
                "table do without"
            )


def add_samples(
    study: Study, models: int, limits: Limits | None = None, *, halving: bool = False
) -> int:
    """Queue sampled models until the study has ``models`` of them in all.

    The n-th sampled model depends on the study's seed and the limits alone, so a
    study that grows in steps gets the same models as one that grows at once. One that was
    deleted is not drawn again; repeats do not count.

    Parameters
    ----------
    halving
        Whether those that are queued now take part in successive halving with each other.

    Returns
    -------
    int
        How many were queued.
    """
    _check_count(models)
    present = (*study.models(), *study.models(deleted=True))
    missing = models - sum(one.origin is Origin.SAMPLED and not one.repeat for one in present)
    if missing <= 0:
        return 0
    known = {one.identity for one in present}
    space = space_of(study)
    study.submit(_draw(missing, study.seed, study.data, space, limits, known, halving=halving))
    return missing


def _check_count(models: int) -> None:
    if isinstance(models, bool) or not isinstance(models, int) or models < 0:
        raise InvalidRequest(
            f"the number of models must be a whole number of at least 0, not {models!r}"
        )


def _draw(
    count: int,
    seed: int,
    data: DataSummary,
    space: ModelSpace,
    limits: Limits | None,
    known: Container[str],
    *,
    halving: bool,
) -> list[Submission]:
    classes = len(data.class_names)
    drawn = sample(space, Random(seed), data.input_shape, classes, limits, known)
    return [Submission(one, halving=halving) for one in islice(drawn, count)]
