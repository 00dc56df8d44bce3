"""Random changes to training images, each drawn from a generator of its own."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias, final

if TYPE_CHECKING:
    from random import Random

    from torch import Generator, Tensor

Box: TypeAlias = tuple[int, int, int, int]
"""Left, top, right and bottom in pixels."""
ASPECT = (3 / 4, 4 / 3)
"""Width over height of the parts of images that the usual ImageNet recipe trains on."""


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


def crop_box(
    width: int, height: int, smallest_area: float, rng: "Random", aspects: tuple[float, float] = ASPECT
) -> tuple[float, float, float, float]:
    """A random part (left, top, right, bottom) of an image: its area from `smallest_area` of the whole to all of it.

    The aspect is log-uniform in `aspects`; where ten tries find no such part, the whole image cut to that range.
    """
    narrowest, widest = aspects
    for _ in range(10):
        area = rng.uniform(smallest_area, 1) * width * height
        aspect = math.exp(rng.uniform(math.log(narrowest), math.log(widest)))
        wide, high = math.sqrt(area * aspect), math.sqrt(area / aspect)
        if wide <= width and high <= height:
            left, top = rng.uniform(0, width - wide), rng.uniform(0, height - high)
            return left, top, left + wide, top + high
    wide, high = min(width, height * widest), min(height, width / narrowest)
    left, top = (width - wide) / 2, (height - high) / 2
    return left, top, left + wide, top + high


def erase_box(width: int, height: int, rng: "Random", share: float = 1) -> Box | None:
    """A random rectangle with 2 % to a third of the area, times `share`; None after ten misfits.

    Its aspect is log-uniform from 0.3 to 1 / 0.3 (Zhong et al. 2020; the largest area is that of timm and DeiT).
    """
    for _ in range(10):
        area = rng.uniform(0.02, 1 / 3) * width * height * share
        aspect = math.exp(rng.uniform(math.log(0.3), -math.log(0.3)))
        wide, high = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
        if 0 < wide < width and 0 < high < height:
            left, top = rng.randint(0, width - wide), rng.randint(0, height - high)
            return left, top, left + wide, top + high
    return None


@final
@dataclass(frozen=True)
class Erasing:
    """Random Erasing as timm's `RandomErasing` has it.

    Attributes:
        probability: of an image to be changed.
        mode: what a rectangle becomes: `pixel`, standard normal noise; `rand`, one such colour; `const`, the mean.
        count: most rectangles; their number is uniform from one, and they share the area of one.
    """

    probability: float
    mode: str = "pixel"
    count: int = 1


def erase(
    images: "Tensor", erasing: Erasing, rng: "Random", noise: "Generator"
) -> "tuple[Tensor, list[tuple[Box, ...]]]":
    """Random Erasing of normalised images (N, C, H, W), and the rectangles of each.

    `noise` lives where the images are; the images given stay as they are.
    """
    import torch

    boxes = [_boxes(images.shape[3], images.shape[2], erasing, rng) for _ in range(len(images))]
    out = images.clone(memory_format=torch.contiguous_format)
    for image, rectangles in zip(out, boxes, strict=True):
        for left, top, right, bottom in rectangles:
            size = (bottom - top, right - left) if erasing.mode == "pixel" else (1, 1)
            colour: Tensor | float = 0.0
            if erasing.mode != "const":
                colour = torch.randn((image.shape[0], *size), generator=noise, device=image.device)
            image[:, top:bottom, left:right] = colour
    return out, boxes


def _boxes(width: int, height: int, erasing: Erasing, rng: "Random") -> tuple[Box, ...]:
    if rng.random() >= erasing.probability:
        return ()
    count = 1 if erasing.count == 1 else rng.randint(1, erasing.count)
    found = (erase_box(width, height, rng, 1 / count) for _ in range(count))
    return tuple(box for box in found if box is not None)
