"""Training images changed at random: moved by some pixels, mirrored; a batch in one step."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["changed", "draw"]


def draw(count: int, *, flip: bool, shift: int) -> Tensor:
    """Draw from PyTorch's random state what happens to ``count`` images.

    On the CPU, so that one seed gives the same on every device.

    Parameters
    ----------
    flip
        Whether half of them are mirrored.
    shift
        By how many pixels at most each is moved, down or up and right or left.

    Returns
    -------
    Tensor
        (count, 3), int64: 1 for those that are mirrored, pixels down, pixels to the right.
    """
    mirrored = torch.randint(2, (count, 1)) if flip else torch.zeros((count, 1), dtype=torch.int64)
    return torch.cat([mirrored, torch.randint(-shift, shift + 1, (count, 2))], 1)


def changed(images: Tensor, indices: Tensor, changes: Tensor) -> Tensor:
    """Copy the images at ``indices``, each changed as is drawn for it.

    An image is mirrored first, then moved; where that leaves a gap, the pixels of its border
    are repeated, whatever the background is and however values are scaled.

    Parameters
    ----------
    images
        (N, C, H, W), channels_last.
    indices
        (n,), int64, on the same device.
    changes
        (n, 3), what `draw` gave for each of these, on the same device.

    Returns
    -------
    Tensor
        (n, C, H, W), channels_last.
    """
    _, channels, height, width = images.shape
    mirrored, down, right = changes.unsqueeze(2).unbind(1)
    rows = (torch.arange(height, device=images.device) - down).clamp_(0, height - 1)
    columns = (torch.arange(width, device=images.device) - right).clamp_(0, width - 1)
    columns = torch.where(mirrored.bool(), width - 1 - columns, columns)
    # Rows are copied whole, and only then taken apart: half the time of a copy pixel by pixel.
    lines = images.permute(0, 2, 3, 1).reshape(-1, width * channels)
    wanted = (indices.unsqueeze(1) * height + rows).flatten()
    found = lines.index_select(0, wanted).view(-1, height, width, channels)
    places = columns.view(-1, 1, width, 1).expand_as(found)
    return found.gather(2, places).permute(0, 3, 1, 2)
