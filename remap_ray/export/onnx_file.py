"""A network as ONNX, held against torch on real images before it is written."""

from __future__ import annotations

import io
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from typing import Any

import numpy as np
import torch
from torch import nn

from remap_ray.errors import InvalidRequest, RemapError
from remap_ray.training.tensors import standardizer

__all__ = ["ITEMS", "TOLERANCE", "OnnxDiffers", "is_there", "onnx_bytes"]

TOLERANCE = 1e-4
"""Largest difference of a logit from torch's that is let through."""

ITEMS = 1_000
"""Images on which both are compared; fewer where there are fewer."""

LIBRARIES = ("onnx", "onnxruntime", "onnxscript")


class OnnxDiffers(RemapError, ArithmeticError):
    """The ONNX file gives other logits than torch. A defect of the exporter's.

    Raised by `onnx_bytes`; caught by the command line, which prints it. Nothing is written.
    """


def is_there() -> bool:
    """Say whether the libraries that it takes are installed (``pip install remap-nas[export]``)."""
    try:
        for name in LIBRARIES:
            import_module(name)
    except ImportError:
        return False
    return True


class _Whole(nn.Module):
    """A network with what turns images of the data set into what it sees."""

    def __init__(
        self, network: nn.Sequential, standardized: Callable[[torch.Tensor], torch.Tensor]
    ) -> None:
        super().__init__()
        self.network = network
        self._standardized = standardized

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        scaled = images.to(torch.float32)
        if images.dtype == torch.uint8:
            scaled = scaled / 255
        logits: torch.Tensor = self.network(self._standardized(scaled))
        return logits


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep the exporter from telling of its own deprecated ways, and that it misses torchvision."""
    log = logging.getLogger("torch.onnx._internal.exporter._registration")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)


def onnx_bytes(
    network: nn.Sequential,
    images: torch.Tensor,
    channels: Sequence[tuple[float, float]] = (),
) -> tuple[bytes, float]:
    """Export a network in evaluation mode, for any number of images at a time.

    What comes out takes images as the data set has them, like ``prepare`` of the source.

    Parameters
    ----------
    images
        As the data set has them: uint8 or float32 (N, C, H, W), N at least 1. On up to `ITEMS`
        of them both are compared.
    channels
        What the recipe standardizes images by.

    Returns
    -------
    bytes
        The model, input ``images`` and output ``logits``.
    float
        The largest difference of a logit from torch's.

    Raises
    ------
    InvalidRequest
        The libraries are not installed.
    OnnxDiffers
        A logit differs by more than `TOLERANCE`.
    """
    if not is_there():
        raise InvalidRequest(
            f"ONNX needs {', '.join(LIBRARIES)}: install remap-nas[export], or leave ONNX out"
        )
    images = images[:ITEMS].contiguous()
    whole = _Whole(network, standardizer(channels, "cpu")).eval()
    file = io.BytesIO()
    batch = torch.export.Dim("batch", min=1)
    with _quiet():
        program: Any = torch.onnx.export(
            whole,
            (images[:2] if len(images) > 1 else images,),
            input_names=["images"],
            output_names=["logits"],
            dynamic_shapes=({0: batch},),
            dynamo=True,
            verbose=False,
        )
        program.save(file)
        import onnxruntime  # noqa: PLC0415 - an extra that most people do without

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3
        session = onnxruntime.InferenceSession(
            file.getvalue(), options, providers=["CPUExecutionProvider"]
        )
    with torch.inference_mode():
        expected = whole(images).numpy()
    (logits,) = session.run(["logits"], {"images": images.numpy()})
    apart = float(np.abs(logits - expected).max())
    if not apart <= TOLERANCE:
        raise OnnxDiffers(
            f"the ONNX file gives logits that differ from torch's by up to {apart:.2g}, more "
            f"than {TOLERANCE:g}; it was not written"
        )
    return file.getvalue(), apart
