"""Random changes to training images, each drawn from a generator of its own."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Generator, Tensor


def shift(images: "Tensor", reach: int, generator: "Generator") -> "Tensor":
    """Move each image (N, C, H, W) by up to `reach` pixels along both axes; border pixels are repeated."""
    import torch

    count, _, height, width = images.shape
    moves = torch.randint(-reach, reach + 1, (2, count, 1), generator=generator)
    rows = (torch.arange(height) + moves[0]).clamp(0, height - 1)
    columns = (torch.arange(width) + moves[1]).clamp(0, width - 1)
    item = torch.arange(count)[:, None, None]
    return images.permute(0, 2, 3, 1)[item, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
