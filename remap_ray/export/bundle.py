"""`export_model`: one folder with all that a model is."""

from __future__ import annotations

import json
import os
import platform
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import torch
from torch import nn

from remap_ray.errors import DataError, InvalidRequest, RemapError
from remap_ray.export import onnx_file, trees
from remap_ray.export.card import PICTURE, card, confusions
from remap_ray.export.measured import held_out, latency, measured
from remap_ray.export.source import source
from remap_ray.recipe import Recipe
from remap_ray.space import BoostedTrees
from remap_ray.study import Model, Status, Study
from remap_ray.training.checkpoint import load_weights
from remap_ray.training.parts import Part
from remap_ray.training.tensors import Tensors, standardizer, tensors

__all__ = ["Exported", "SourceDiffers", "export_model"]

WEIGHTS = "weights.safetensors"
MADE_UP = 64
"""Images that are made up where there are no real ones to try files on."""


class SourceDiffers(RemapError, ArithmeticError):
    """The written source gives other logits than the network. A defect of ours.

    Raised by `export_model`; caught by the command line, which prints it. Nothing is written.
    """


@final
@dataclass(frozen=True)
class Exported:
    """What was written.

    Parameters
    ----------
    folder
        Absolute.
    files
        Their names.
    accuracy
        On the test part, or None where that was not measured.
    onnx
        What is to be said of the ONNX file, one sentence.
    """

    folder: Path
    files: tuple[str, ...]
    accuracy: float | None
    onnx: str


def export_model(
    study: Study,
    number: int,
    folder: str | Path,
    *,
    picture: str = "",
    test: bool = True,
    onnx: bool | None = None,
    progress: Callable[[str], None] = lambda _: None,
) -> Exported:
    """Write a model as source, weights, ONNX, JSON, picture and card into a folder of its own.

    Every file is tried before any is written: the source is run and must give bit-equal logits,
    the ONNX file logits within `onnx_file.TOLERANCE`.

    Parameters
    ----------
    folder
        Does not exist yet, or is empty.
    picture
        Its SNAC as SVG text; none is written where it is empty.
    test
        Whether to load the data and measure the model on the test part.
    onnx
        Whether to write ONNX; by default where its libraries are installed.
    progress
        Told what is being done, in words, each time that something is begun.

    Raises
    ------
    UnknownModel, InvalidRequest, DataError
        No such model, one that has not been trained, a folder that is in use or cannot be
        written, ONNX without its libraries, data that have changed. Nothing is left behind.
    """
    model = study.model(number)
    folder = Path(folder).expanduser().absolute()
    _check_free(folder)
    if isinstance(model.design, BoostedTrees):
        return _trees(study, model, model.design, folder, picture, progress, test=test, onnx=onnx)
    weights, network = _weights(study, model)
    classes = study.data.class_names
    if test:
        progress("its data are loaded")
    part: Part | None = held_out(study) if test else None
    progress("its source is written and tried")
    known = _made_up(study) if part is None else part
    raw = torch.from_numpy(known.images)
    seen = _seen(known, study.recipe)

    title = f"{study.name} {model.name}: {model.architecture.text or 'no layers'}"
    text = source(model.architecture, classes, title, study.recipe.channels)
    _try_source(text, network, raw[:MADE_UP], seen.images[:MADE_UP])
    files = {
        "model.py": text.encode(),
        WEIGHTS: weights,
        "architecture.json": (json.dumps(model.architecture.to_dict(), indent=2) + "\n").encode(),
    }
    if picture:
        files[PICTURE] = picture.encode()
    says = "No ONNX file was asked for."
    if onnx is None and not onnx_file.is_there():
        says = "No ONNX file: its libraries are not installed (`remap-nas[export]`)."
    elif onnx is not False:
        progress("its ONNX file is made and tried")
        files["model.onnx"], apart = onnx_file.onnx_bytes(network, raw, study.recipe.channels)
        count = min(len(seen), onnx_file.ITEMS)
        says = (
            f"`model.onnx`: the same as ONNX, for {known.images.dtype} images as in the data set; "
            f"on {count:,} {'made-up' if part is None else 'test'} images its logits differ from "
            f"torch's by at most {apart:.1g}."
        )
    progress("it is measured")
    found = None if part is None else measured(network, seen, len(classes))
    files |= confusions(found, classes)
    files["README.md"] = card(
        study,
        model,
        tested=found,
        latency=latency(network, seen.images[:1]),
        weights_bytes=len(weights),
        processor=_processor(),
        files=files,
        onnx=says,
        torch_version=torch.__version__,
    ).encode()
    _write(folder, files)
    return Exported(folder, tuple(files), None if found is None else found.accuracy, says)


def _trees(
    study: Study,
    model: Model,
    design: BoostedTrees,
    folder: Path,
    picture: str,
    progress: Callable[[str], None],
    *,
    test: bool,
    onnx: bool | None,
) -> Exported:
    if onnx:
        raise InvalidRequest(
            f"{model.name} is made of trees, of which no ONNX file is written; leave --onnx out"
        )
    weights = _bytes(study, model)
    progress("its data are loaded")
    files, accuracy = trees.files_of(
        study, model, design, weights, picture, test=test, processor=_processor()
    )
    _write(folder, files)
    return Exported(folder, tuple(files), accuracy, "No ONNX file: it is made of trees.")


def _check_free(folder: Path) -> None:
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InvalidRequest(f"{folder} exists and is not empty; name a folder that is not there")


def _bytes(study: Study, model: Model) -> bytes:
    if model.status is not Status.DONE:
        raise InvalidRequest(
            f"{model.name} is {model.status}, and has no weights to export; export a model that "
            "is done"
        )
    path = study.weights_path(model.number)
    try:
        return path.read_bytes()
    except OSError as error:
        raise DataError(
            f"the weights of {model.name} cannot be read ({error.strerror}): {path}", path
        ) from error


def _weights(study: Study, model: Model) -> tuple[bytes, nn.Sequential]:
    data = _bytes(study, model)
    network: Any = load_weights(model.architecture, data)
    return data, network.to(memory_format=torch.channels_last)


def _made_up(study: Study) -> Part:
    images = np.random.default_rng(0).random((MADE_UP, *study.data.input_shape), np.float32)
    known = (255 * images).astype(np.uint8) if study.data.dtype == "uint8" else images
    return Part(known, np.zeros(MADE_UP, np.int64))


def _seen(part: Part, recipe: Recipe) -> Tensors:
    """Give a part as the network sees it."""
    given = tensors(part, "cpu")
    return Tensors(standardizer(recipe.channels, "cpu")(given.images), given.labels)


@torch.inference_mode()
def _try_source(text: str, network: nn.Sequential, raw: torch.Tensor, seen: torch.Tensor) -> None:
    names: dict[str, Any] = {"__name__": "model", "__file__": "model.py"}
    # Our own text of a moment ago, with every foreign name in it as a literal.
    exec(compile(text, "model.py", "exec"), names)  # noqa: S102
    again = names["Network"]()
    again.load_state_dict(network.state_dict())
    again = again.to(memory_format=torch.channels_last).eval()
    if not torch.equal(again(names["prepare"](raw)), network(seen)):
        raise SourceDiffers("the written source gives other logits than the network; report it")


def _write(folder: Path, files: dict[str, bytes]) -> None:
    """Write all files under another name, which becomes the folder's when all are there."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    except OSError as error:
        raise InvalidRequest(f"{folder} cannot be written: {error.strerror}") from error
    try:
        for name, data in files.items():
            (part / name).write_bytes(data)
        part.chmod(0o777 & ~_umask())
        part.replace(folder)
    except OSError as error:
        shutil.rmtree(part, ignore_errors=True)
        raise InvalidRequest(f"{folder} cannot be written: {error.strerror}") from error
    except BaseException:
        shutil.rmtree(part, ignore_errors=True)
        raise


def _umask() -> int:
    # There is no other way to ask for it.
    mask = os.umask(0)
    os.umask(mask)
    return mask


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        lines = []
    named = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    return next(named, "") or platform.processor() or platform.machine()
