"""A small RandAugment on normalised images in memory: operations of torch alone, on whole batches and on any device.

Of the published 14, identity among them, AutoContrast, Equalize, Posterize and Solarize are missing;
`search.augment.image_policy` has the published form.
Since the images are normalised, what other implementations do around black is done around the data's mean here, and
brightness moves by deviations of the data instead of multiplying; borders that come into view show the mean.
"""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from torch import Generator, Tensor

    from search.recipe.augmentation import RandAugment

Operation: TypeAlias = "Callable[[Tensor, Tensor], Tensor]"
"""Images (N, C, H, W) and levels (N,) from -1 to 1 to images of the same shape."""


def rand_augment(images: "Tensor", policy: "RandAugment", generator: "Generator") -> "Tensor":
    """`policy.ops` random operations on each image (N, C, H, W), each at +magnitude or -magnitude of 10.

    Operations are drawn with replacement from all of `OPERATIONS` and doing nothing, as in Cubuk et al. 2020;
    `generator` is the CPU's. The images given stay as they are.
    """
    import torch

    count = images.shape[0]
    for _ in range(policy.ops):
        chosen = torch.randint(len(OPERATIONS) + 1, (count,), generator=generator)
        signs = 2 * torch.randint(2, (count,), generator=generator) - 1
        levels = (signs * (policy.magnitude / 10)).to(images.device)
        out = images.clone(memory_format=torch.contiguous_format)
        for number, operation in enumerate(OPERATIONS.values()):
            members = (chosen == number).nonzero()[:, 0].to(images.device)
            if len(members):
                out[members] = operation(images[members], levels[members])
        images = out
    return images


def shear_x(images: "Tensor", levels: "Tensor") -> "Tensor":
    """Lean by up to 0.3 of the height."""
    return _warp(images, 1, 0.3 * levels, 0, 0, 1, 0)


def shear_y(images: "Tensor", levels: "Tensor") -> "Tensor":
    """Lean by up to 0.3 of the width."""
    return _warp(images, 1, 0, 0, 0.3 * levels, 1, 0)


def translate_x(images: "Tensor", levels: "Tensor") -> "Tensor":
    """Move by up to 0.45 of the width; a grid spans two units."""
    return _warp(images, 1, 0, 0.9 * levels, 0, 1, 0)


def translate_y(images: "Tensor", levels: "Tensor") -> "Tensor":
    """Move by up to 0.45 of the height."""
    return _warp(images, 1, 0, 0, 0, 1, 0.9 * levels)


def rotate(images: "Tensor", levels: "Tensor") -> "Tensor":
    """Turn by up to 30 degrees."""
    angles = levels * math.radians(30)
    stretch = images.shape[2] / images.shape[3]  # grids are square whatever the image is
    return _warp(images, angles.cos(), angles.sin() * stretch, 0, -angles.sin() / stretch, angles.cos(), 0)


def brightness(images: "Tensor", levels: "Tensor") -> "Tensor":
    """Add up to 0.9 deviations of the data."""
    return images + 0.9 * levels[:, None, None, None]


def contrast(images: "Tensor", levels: "Tensor") -> "Tensor":
    """Scale the distance from the image's mean by 0.1 to 1.9."""
    return _blend(images.mean((1, 2, 3), keepdim=True), images, levels)


def colour(images: "Tensor", levels: "Tensor") -> "Tensor":
    """Scale the distance from grey by 0.1 to 1.9."""
    return _blend(images.mean(1, keepdim=True), images, levels)


def sharpness(images: "Tensor", levels: "Tensor") -> "Tensor":
    """Scale the distance from the mean of 3x3 pixels by 0.1 to 1.9."""
    from torch.nn import functional as F

    return _blend(F.avg_pool2d(images, 3, 1, 1, count_include_pad=False), images, levels)


OPERATIONS: dict[str, Operation] = {
    "shear_x": shear_x,
    "shear_y": shear_y,
    "translate_x": translate_x,
    "translate_y": translate_y,
    "rotate": rotate,
    "brightness": brightness,
    "contrast": contrast,
    "colour": colour,
    "sharpness": sharpness,
}


def _blend(base: "Tensor", images: "Tensor", levels: "Tensor") -> "Tensor":
    return base + (images - base) * (1 + 0.9 * levels[:, None, None, None])


def _warp(images: "Tensor", *matrix: "Tensor | float") -> "Tensor":
    """Show each image through an affine map, row by row in `matrix` (from output to input); bilinear, mean outside."""
    import torch
    from torch.nn import functional as F

    rows = [torch.as_tensor(value, dtype=images.dtype, device=images.device) for value in matrix]
    theta = torch.stack([value.expand(images.shape[0]) for value in rows], 1).view(-1, 2, 3)
    grid = F.affine_grid(theta, list(images.shape), align_corners=False)
    return F.grid_sample(images, grid, mode="bilinear", padding_mode="zeros", align_corners=False)
