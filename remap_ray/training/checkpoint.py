"""What training leaves behind as bytes: the weights of a network, and where it stopped.

Both are safetensors, never pickles, and equal content gives equal bytes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from torch import Tensor, nn

from remap_ray.errors import DataError, TrainingFailed
from remap_ray.space import Architecture
from remap_ray.training.network import build

__all__ = [
    "completed",
    "load_weights",
    "restore",
    "save_checkpoint",
    "save_snapshot",
    "save_weights",
    "snapshot",
]

_ADAM = ("step", "exp_avg", "exp_avg_sq")
_LENGTH = 8
"""Bytes of the number, at the start of a safetensors file, that tells its header's length."""


def save_weights(network: nn.Sequential, architecture: Architecture, epoch: int) -> bytes:
    """Give the weights of a network as safetensors, under the names of its state dict.

    The metadata hold ``identity``, ``epoch``, ``classes`` and ``architecture`` (its JSON),
    all as text, so that the file can be used without the study.
    """
    metadata = {
        "identity": architecture.identity,
        "epoch": str(epoch),
        "classes": str(architecture.classes),
        "architecture": json.dumps(architecture.to_dict()),
    }
    return _to_bytes(network.state_dict(), metadata)


def load_weights(architecture: Architecture, data: bytes) -> nn.Sequential:
    """Build the network of an architecture with its trained weights, in evaluation mode.

    Parameters
    ----------
    architecture
        That of the model which left the weights.
    data
        What `save_weights` gave.

    Raises
    ------
    DataError
        No safetensors, or the weights of another architecture.
    """
    network = build(architecture, seed=0)
    try:
        tensors, _ = _from_bytes(data, {"identity": architecture.identity})
        _fill(network, tensors)
    except DataError as error:
        raise DataError(f"the weights cannot be used: {error}") from error
    return network.eval()


def save_checkpoint(
    network: nn.Sequential,
    optimizer: torch.optim.Adam,
    architecture: Architecture,
    seed: int,
    epoch: int,
) -> bytes:
    """Give all that the next epoch needs: the weights and Adam's state after ``epoch``."""
    return save_snapshot(_tensors(network, optimizer), architecture, seed, epoch)


def snapshot(network: nn.Sequential, optimizer: torch.optim.Adam) -> dict[str, Tensor]:
    """Copy what a checkpoint holds, before the next epoch changes it.

    Some tenths of a millisecond, where the bytes of it take some: of many epochs nobody
    asks for them.
    """
    return {name: one.detach().clone() for name, one in _tensors(network, optimizer).items()}


def save_snapshot(
    tensors: Mapping[str, Tensor], architecture: Architecture, seed: int, epoch: int
) -> bytes:
    """Give the checkpoint of what `snapshot` copied after ``epoch``."""
    metadata = {"identity": architecture.identity, "seed": str(seed), "epoch": str(epoch)}
    return _to_bytes(tensors, metadata)


def _tensors(network: nn.Sequential, optimizer: torch.optim.Adam) -> dict[str, Tensor]:
    tensors = {f"network.{name}": tensor for name, tensor in network.state_dict().items()}
    for name, parameter in network.named_parameters():
        state = optimizer.state[parameter]
        tensors |= {f"adam.{key}.{name}": state[key] for key in _ADAM}
    return tensors


def completed(data: bytes, architecture: Architecture, seed: int) -> int:
    """Give the last epoch that a checkpoint holds.

    Raises
    ------
    TrainingFailed
        It cannot be read, or is that of another architecture or seed.
    """
    expected = {"identity": architecture.identity, "seed": str(seed)}
    try:
        _, metadata = _from_bytes(data, expected)
        return int(metadata["epoch"])
    except (DataError, KeyError) as error:
        raise _useless(error) from error


def restore(data: bytes, network: nn.Sequential, optimizer: torch.optim.Adam) -> None:
    """Put a network and its optimizer, on any device, where a checkpoint was taken.

    Raises
    ------
    TrainingFailed
        The checkpoint cannot be read, or does not fit the network.
    """
    try:
        tensors, _ = _from_bytes(data, {})
        weights = {
            name.removeprefix("network."): tensor
            for name, tensor in tensors.items()
            if name.startswith("network.")
        }
        _fill(network, weights)
        for name, parameter in network.named_parameters():
            step, *moments = (tensors[f"adam.{key}.{name}"] for key in _ADAM)
            # The moments take the memory format of their parameter: arithmetic over other
            # strides may round differently.
            like = [torch.empty_like(parameter.detach()).copy_(moment) for moment in moments]
            # Computed in one kernel, the count of steps is where the parameters are.
            fused = optimizer.defaults["fused"]
            step = step.to(parameter.device) if fused else step
            optimizer.state[parameter] = dict(zip(_ADAM, (step, *like), strict=True))
    except (DataError, KeyError) as error:
        raise _useless(error) from error


def _useless(error: Exception) -> TrainingFailed:
    why = f"{error} is missing" if isinstance(error, KeyError) else error
    return TrainingFailed(
        f"cannot go on from the checkpoint: {why}; train the model from its first epoch"
    )


def _fill(network: nn.Sequential, weights: Mapping[str, Tensor]) -> None:
    expected = {name: tensor.shape for name, tensor in network.state_dict().items()}
    if expected != {name: tensor.shape for name, tensor in weights.items()}:
        raise DataError("the layers are not this model's")
    network.load_state_dict(weights)


def _to_bytes(tensors: Mapping[str, Tensor], metadata: Mapping[str, str]) -> bytes:
    plain = {name: one.detach().cpu().contiguous() for name, one in tensors.items()}
    data = save(plain, dict(metadata))
    # safetensors writes the metadata in random order; sorted, equal content is equal bytes.
    body = _LENGTH + int.from_bytes(data[:_LENGTH], "little")
    header = json.loads(data[_LENGTH:body])
    header["__metadata__"] = dict(sorted(metadata.items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % _LENGTH)
    return len(text).to_bytes(_LENGTH, "little") + text + data[body:]


def _from_bytes(
    data: bytes, expected: Mapping[str, str]
) -> tuple[dict[str, Tensor], dict[str, str]]:
    try:
        tensors = load(data)
    except SafetensorError as error:
        raise DataError(f"no whole safetensors ({error})") from None
    header = json.loads(data[_LENGTH : _LENGTH + int.from_bytes(data[:_LENGTH], "little")])
    metadata = header.get("__metadata__", {})
    for key, value in expected.items():
        found = metadata.get(key, "unknown")
        if found != value:
            raise DataError(f"the {key} is {found}, this model's is {value}")
    return tensors, metadata
