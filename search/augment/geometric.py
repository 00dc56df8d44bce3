"""Random changes to training images, each drawn from a generator of its own."""

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from random import Random

    from torch import Generator, Tensor


def shift(images: "Tensor", reach: int, generator: "Generator") -> "Tensor":
    """Move each image (N, C, H, W) by up to `reach` pixels along both axes; border pixels are repeated."""
    import torch

    count, channels, height, width = images.shape
    moves = torch.randint(-reach, reach + 1, (2, count, 1), generator=generator) + reach
    # Copies of whole windows by NumPy take a fifth of the time of torch's indexing by rows and columns.
    last = channels > 1 and images.is_contiguous(memory_format=torch.channels_last)
    layout = torch.channels_last if last else torch.contiguous_format
    size = (count, channels, height + 2 * reach, width + 2 * reach)
    wide = torch.empty(size, dtype=images.dtype, memory_format=layout)
    wide[:, :, reach : reach + height, reach : reach + width] = images
    wide[:, :, reach : reach + height, :reach] = images[..., :1]
    wide[:, :, reach : reach + height, reach + width :] = images[..., -1:]
    wide[:, :, :reach] = wide[:, :, reach : reach + 1]
    wide[:, :, reach + height :] = wide[:, :, reach + height - 1 : reach + height]
    out = torch.empty(images.shape, dtype=images.dtype, memory_format=layout)
    windows, given = out.numpy(), wide.numpy()
    for number, (top, left) in enumerate(moves[..., 0].T.tolist()):
        windows[number] = given[number, :, top : top + height, left : left + width]
    return out


def crop_box(width: int, height: int, smallest_area: float, rng: "Random") -> tuple[float, float, float, float]:
    """A random part (left, top, right, bottom) of an image: its area from `smallest_area` of the whole to all of it.

    The aspect is log-uniform from 3:4 to 4:3, as in the usual ImageNet recipe; where ten tries find no such
    part, the whole image cut to that range of aspects.
    """
    for _ in range(10):
        area = rng.uniform(smallest_area, 1) * width * height
        aspect = math.exp(rng.uniform(math.log(3 / 4), math.log(4 / 3)))
        wide, high = math.sqrt(area * aspect), math.sqrt(area / aspect)
        if wide <= width and high <= height:
            left, top = rng.uniform(0, width - wide), rng.uniform(0, height - high)
            return left, top, left + wide, top + high
    wide, high = min(width, height * 4 / 3), min(height, width * 4 / 3)
    left, top = (width - wide) / 2, (height - high) / 2
    return left, top, left + wide, top + high


def erase_box(width: int, height: int, rng: "Random") -> tuple[int, int, int, int] | None:
    """A random rectangle (left, top, right, bottom) in pixels with 2 % to a third of the area; None after ten misfits.

    Its aspect is log-uniform from 0.3 to 1 / 0.3 (Zhong et al. 2020; the largest area is that of timm and DeiT).
    """
    for _ in range(10):
        area = rng.uniform(0.02, 1 / 3) * width * height
        aspect = math.exp(rng.uniform(math.log(0.3), -math.log(0.3)))
        wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide < width and 0 < high < height:
            left, top = rng.randint(0, width - wide), rng.randint(0, height - high)
            return left, top, left + wide, top + high
    return None


def erase(
    images: "Tensor", probability: float, rng: "Random", noise: "Generator"
) -> "tuple[Tensor, list[tuple[int, int, int, int] | None]]":
    """Random Erasing: a rectangle of some of the normalised images (N, C, H, W) becomes standard normal noise.

    `noise` lives where the images are; the images given stay as they are. With the images, the rectangle of each; None
    for one that is left as it is.
    """
    import torch

    height, width = images.shape[2:]
    boxes = [erase_box(width, height, rng) if rng.random() < probability else None for _ in range(len(images))]
    out = images.clone(memory_format=torch.contiguous_format)
    for image, box in zip(out, boxes, strict=True):
        if box is not None:
            left, top, right, bottom = box
            size = (image.shape[0], bottom - top, right - left)
            image[:, top:bottom, left:right] = torch.randn(size, generator=noise, device=image.device)
    return out, boxes
