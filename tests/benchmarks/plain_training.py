"""Training as a person would write it down: what the trainer and the queue are held against."""

from __future__ import annotations

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from remap_ray.recipe import Recipe
from remap_ray.training.tensors import Prepared

__all__ = ["train_plainly"]


def train_plainly(network: nn.Sequential, data: Prepared, recipe: Recipe, epochs: int) -> float:
    """Train a network by a recipe and give its accuracy on the validation part.

    Adam on cross entropy, channels_last, batches drawn by index from one tensor, a validation
    after each epoch: all that the trainer does for the result. Nothing is recorded, kept,
    checked or stopped.
    """
    pixels, labels = data.train.images.permute(0, 2, 3, 1), data.train.labels
    held_out = tuple(
        zip(
            data.validation.images.split(recipe.batch_size),
            data.validation.labels.split(recipe.batch_size),
            strict=True,
        )
    )
    network.to(data.device, memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(network.parameters())
    accuracy = 0.0
    for epoch in range(1, epochs + 1):
        optimizer.param_groups[0]["lr"] = recipe.rate(epoch)
        network.train()
        for indices in torch.randperm(len(labels)).to(data.device).split(recipe.batch_size):
            images = pixels.index_select(0, indices).permute(0, 3, 1, 2)
            loss = cross_entropy(network(images), labels.index_select(0, indices))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        network.eval()
        with torch.inference_mode():
            right = sum((network(some).argmax(1) == true).sum() for some, true in held_out)
        accuracy = int(right) / len(data.validation)
    return accuracy
