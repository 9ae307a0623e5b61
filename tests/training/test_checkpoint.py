"""Weights and checkpoints as bytes: what goes in comes out, and what does not fit is refused."""

import json

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load, save
from torch import nn

from remap_ray.errors import DataError, TrainingFailed
from remap_ray.space import Activation, Architecture, Conv, Dense, Dropout, MaxPool
from remap_ray.training.checkpoint import (
    completed,
    load_weights,
    restore,
    save_checkpoint,
    save_weights,
)
from remap_ray.training.network import build

HIDDEN = (Conv(4, 3), Activation("relu"), MaxPool(2), Dropout(0.5), Dense(5))
SMALL = Architecture((3, 8, 8), 4, HIDDEN)
OTHER = Architecture((3, 8, 8), 4, (*HIDDEN[:-1], Dense(6)))


def stepped(steps=3):
    """Make a network and its optimizer as they are in the middle of a training."""
    network = build(SMALL, seed=1).to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    step(network, optimizer, steps)
    return network, optimizer


def step(network, optimizer, steps):
    generator = torch.Generator().manual_seed(steps)
    network.eval()
    for _ in range(steps):
        images = torch.rand(6, 3, 8, 8, generator=generator)
        loss = nn.functional.cross_entropy(network(images), torch.tensor([0, 1, 2, 3, 0, 1]))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()


def equal(one, two):
    return all(
        torch.equal(mine, theirs)
        for mine, theirs in zip(one.parameters(), two.parameters(), strict=True)
    )


def test_weights_come_back_as_they_were():
    network, _ = stepped()
    loaded = load_weights(SMALL, save_weights(network, SMALL, 3))
    assert equal(network, loaded)
    assert not loaded.training
    assert not equal(network, build(SMALL, seed=1))


@pytest.mark.promise("TRAIN-6")
def test_a_weights_file_can_be_used_without_remap(tmp_path):
    network, _ = stepped()
    path = tmp_path / "m17.safetensors"
    path.write_bytes(save_weights(network, SMALL, 3))
    with safe_open(path, "np") as file:
        metadata = file.metadata()
        np.testing.assert_array_equal(file.get_tensor("0.weight"), network[0].weight.detach())
        assert set(file.keys()) == set(network.state_dict())
    assert {name: metadata[name] for name in ("identity", "epoch", "classes")} == {
        "identity": SMALL.identity,
        "epoch": "3",
        "classes": "4",
    }
    assert Architecture.from_dict(json.loads(metadata["architecture"])) == SMALL


def test_equal_content_is_equal_bytes():
    network, optimizer = stepped()
    assert len({save_weights(network, SMALL, 3) for _ in range(20)}) == 1
    assert len({save_checkpoint(network, optimizer, SMALL, 7, 3) for _ in range(20)}) == 1


def test_the_memory_format_of_a_network_does_not_show_in_its_bytes():
    network, optimizer = stepped()
    before = save_weights(network, SMALL, 3), save_checkpoint(network, optimizer, SMALL, 7, 3)
    assert not network[0].weight.is_contiguous()
    network.to(memory_format=torch.contiguous_format)
    after = save_weights(network, SMALL, 3), save_checkpoint(network, optimizer, SMALL, 7, 3)
    assert before == after


def test_training_goes_on_from_a_checkpoint_as_if_it_had_not_stopped():
    network, optimizer = stepped(3)
    data = save_checkpoint(network, optimizer, SMALL, 7, 2)
    step(network, optimizer, 4)

    resumed = build(SMALL, seed=99).to(memory_format=torch.channels_last)
    its_optimizer = torch.optim.Adam(resumed.parameters(), lr=0.01)
    assert completed(data, SMALL, 7) == 2
    restore(data, resumed, its_optimizer)
    step(resumed, its_optimizer, 4)
    assert equal(network, resumed)


def test_restored_moments_have_the_memory_format_of_their_parameters():
    network, optimizer = stepped()
    data = save_checkpoint(network, optimizer, SMALL, 7, 2)
    restore(data, network, optimizer)
    weight = network[0].weight
    assert weight.is_contiguous(memory_format=torch.channels_last)
    assert optimizer.state[weight]["exp_avg"].stride() == weight.stride()
    assert optimizer.state[weight]["exp_avg_sq"].stride() == weight.stride()


def test_a_checkpoint_of_another_architecture_or_seed_is_refused():
    network, optimizer = stepped()
    data = save_checkpoint(network, optimizer, SMALL, 7, 2)
    with pytest.raises(
        TrainingFailed, match=f"identity is {SMALL.identity}, this model's is {OTHER.identity}"
    ):
        completed(data, OTHER, 7)
    with pytest.raises(TrainingFailed, match="seed is 7, this model's is 8; train the model from"):
        completed(data, SMALL, 8)
    with pytest.raises(TrainingFailed, match="layers are not this model's"):
        restore(data, build(OTHER), torch.optim.Adam(build(OTHER).parameters()))


def test_weights_are_no_checkpoint():
    network, optimizer = stepped()
    weights = save_weights(network, SMALL, 3)
    with pytest.raises(TrainingFailed, match="seed is unknown"):
        completed(weights, SMALL, 7)
    with pytest.raises(TrainingFailed, match="layers are not this model's"):
        restore(weights, network, optimizer)


def test_a_checkpoint_without_what_adam_needs_is_refused():
    network, optimizer = stepped()
    whole = load(save_checkpoint(network, optimizer, SMALL, 7, 2))
    part = save({name: one for name, one in whole.items() if name != "adam.exp_avg_sq.0.bias"})
    with pytest.raises(TrainingFailed, match=r"'adam.exp_avg_sq.0.bias' is missing"):
        restore(part, network, optimizer)


def test_weights_of_another_architecture_are_refused():
    network, _ = stepped()
    with pytest.raises(DataError, match="the weights cannot be used: the identity is"):
        load_weights(OTHER, save_weights(network, SMALL, 3))


@pytest.mark.parametrize("damage", [b"", b"no safetensors at all", b"\xff" * 64])
@pytest.mark.promise("TRAIN-6")
def test_damaged_bytes_are_refused(damage):
    with pytest.raises(DataError, match="the weights cannot be used: no whole safetensors"):
        load_weights(SMALL, damage)
    with pytest.raises(
        TrainingFailed, match="cannot go on from the checkpoint: no whole safetensors"
    ):
        completed(damage, SMALL, 7)


def test_cut_bytes_are_refused():
    network, _ = stepped()
    with pytest.raises(DataError, match="the weights cannot be used: no whole safetensors"):
        load_weights(SMALL, save_weights(network, SMALL, 3)[:-1])
