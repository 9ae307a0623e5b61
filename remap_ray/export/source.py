"""A network as Python source that needs nothing but torch and, for its weights, safetensors."""

from __future__ import annotations

import re
from inspect import signature
from string import Template

from torch import nn

from remap_ray.space import Architecture, Dense
from remap_ray.training.network import build

__all__ = ["source"]

ARGUMENT = re.compile(r"(?:, )?\b(?P<name>\w+)=(?P<value>[^,()]+)(?=[,)])")
"""An argument with a plain value, as PyTorch writes it."""

_MODULE = Template('''\
"""$title

Needs torch, and safetensors to read the weights:

    network = load()  # weights.safetensors beside this file
    logits = network(prepare(images))  # (N, $channels, $height, $width), as in the data set
    names = [CLASSES[k] for k in logits.argmax(1).tolist()]
"""

from collections import OrderedDict
from pathlib import Path

import torch
from torch import nn

INPUT_SHAPE = $shape  # channels, height, width
CLASSES = (
$names)
$scaling

class Network(nn.Sequential):
    """Gives logits (N, $classes) for images (N, $channels, $height, $width).

    $parameters parameters, $multiply_adds multiply-adds per image.
    """

    def __init__(self) -> None:
        super().__init__(
            OrderedDict(
                [
$layers                ]
            )
        )


def prepare(images: torch.Tensor) -> torch.Tensor:
    """Turn images of the data set into what the network was trained on."""
    scaled = images.to(torch.float32)
    if images.dtype == torch.uint8:
        scaled = scaled / 255
$standardize    return scaled.contiguous(memory_format=torch.channels_last)


def load(path: str | Path = Path(__file__).with_name("weights.safetensors")) -> Network:
    """Build the network with its trained weights, in evaluation mode."""
    from safetensors.torch import load_file

    network = Network()
    network.load_state_dict(load_file(path))
    return network.to(memory_format=torch.channels_last).eval()
''')


_SCALING = Template("""\
# Of each channel over the training images, as float32 (uint8 from 0 to 1).
MEAN = $mean
DEVIATION = $deviation
""")

_STANDARDIZE = """\
    mean, deviation = torch.tensor([MEAN, DEVIATION], device=images.device).view(2, 1, -1, 1, 1)
    scaled = (scaled - mean) / deviation
"""


def source(
    architecture: Architecture,
    class_names: tuple[str, ...],
    title: str,
    channels: tuple[tuple[float, float], ...] = (),
) -> str:
    """Write a module with a class ``Network`` whose weights have the names that ours have.

    The layers are written as PyTorch writes its modules, so that there is no second table of
    kinds here. Images are scaled by their type, as `remap_ray.training.datasets.scaled` does, and
    standardized as `remap_ray.training.tensors.standardizer` does.

    Parameters
    ----------
    class_names
        One per class, in label order.
    title
        First line of the module's docstring.
    channels
        Mean and deviation of each, where the recipe standardizes images.
    """
    planes, height, width = architecture.input_shape
    mean, deviation = zip(*channels, strict=True) if channels else ((), ())
    return _MODULE.substitute(
        title=_plain(title),
        channels=planes,
        height=height,
        width=width,
        shape=repr(architecture.input_shape),
        scaling=_SCALING.substitute(mean=mean, deviation=deviation) if channels else "",
        standardize=_STANDARDIZE if channels else "",
        names="".join(f"    {name!a},\n" for name in class_names),
        classes=architecture.classes,
        parameters=f"{architecture.parameter_count:,}",
        multiply_adds=f"{architecture.multiply_adds:,}",
        layers="".join(f"                    {line}\n" for line in _layers(architecture)),
    )


def _layers(architecture: Architecture) -> list[str]:
    layers = {str(index): layer for index, layer in enumerate(architecture.layers)}
    layers["output"] = Dense(architecture.classes)
    shapes = dict(zip(layers, (*architecture.shapes, (architecture.classes,)), strict=True))
    lines = []
    for name, module in build(architecture, seed=0).named_children():
        if name in layers:
            lines.append(f"# {layers[name].words}: {' x '.join(map(str, shapes[name]))}")
        lines.append(f'("{name}", {_written(module)}),')
    return lines


def _written(module: nn.Module) -> str:
    """Write what makes a module: PyTorch's own words, without what goes without saying.

    A default that this release of PyTorch tells of may be unknown to another.
    """
    if isinstance(module, nn.Sequential):
        return f"nn.Sequential({', '.join(_written(one) for one in module)})"
    defaults = {name: repr(one.default) for name, one in signature(type(module)).parameters.items()}

    def kept(found: re.Match[str]) -> str:
        return "" if defaults.get(found["name"]) == found["value"] else found[0]

    return re.sub(r"\(, ", "(", f"nn.{ARGUMENT.sub(kept, repr(module))}")


def _plain(text: str) -> str:
    """Keep a text from ending the docstring that it stands in, and from being two lines."""
    return " ".join(text.split()).replace("\\", "/").replace('"', "'")
