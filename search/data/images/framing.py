"""The square that is cut from an image, and what a recipe does to it before it becomes numbers."""

import math
from dataclasses import dataclass
from random import Random
from typing import TYPE_CHECKING, final

from search.augment.geometric import ASPECT, crop_box
from search.augment.image_policy import INTERPOLATIONS, ImagePolicy, Surroundings, image_policy
from search.data.dataset import copy_of
from search.seeding import mix

if TYPE_CHECKING:
    from PIL.Image import Image

    from search.recipe.recipe import Recipe

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, as everywhere
STD = (0.229, 0.224, 0.225)


@final
@dataclass(frozen=True)
class Framing:
    """The square cut from an image.

    Attributes:
        resolution: its side in pixels.
        crop: part of the shorter side that is scored, around the centre.
        smallest_area: least part of the area to train on.
        flip: whether half of the training images are mirrored left to right.
        aspect: width over height of the parts to train on, from and to.
        interpolation: filter in training: `bilinear`, `bicubic`, or `random`, one of them for each image.
        test_interpolation: the filter of what is scored.
        vertical_flip: whether half of the training images are mirrored upside down.
        draft: whether large JPEGs are decoded at a half, a quarter or an eighth, as far as the square loses nothing.
    """

    resolution: int
    crop: float
    smallest_area: float
    flip: bool
    aspect: tuple[float, float] = ASPECT
    interpolation: str = "bicubic"
    test_interpolation: str = "bicubic"
    vertical_flip: bool = False
    draft: bool = False

    def policy(self, recipe: "Recipe") -> ImagePolicy | None:
        """Augmentation of the squares of training images by a recipe; None where it has none."""
        return image_policy(recipe, Surroundings(self.resolution, MEAN, self.interpolation))

    def view(self, width: int, height: int, seed: int | None) -> "ImageCut":
        """The square of an image of this size: a random part, as `seed` decides, or without one the centre."""
        if seed is None:
            side = min(width, height) * self.crop
            left, top = (width - side) / 2, (height - side) / 2
            return ImageCut((width, height), (left, top, left + side, top + side), self.test_interpolation)
        rng = Random(seed)
        box = crop_box(width, height, self.smallest_area, rng, self.aspect)
        interpolation = rng.choice(INTERPOLATIONS) if self.interpolation == "random" else self.interpolation
        mirrored = self.flip and rng.random() < 0.5
        return ImageCut((width, height), box, interpolation, mirrored, self.vertical_flip and rng.random() < 0.5)


@final
@dataclass(frozen=True)
class ImageCut:
    """The part of one image that becomes a square.

    Attributes:
        whole: width and height of the image.
        box: left, top, right and bottom of the part, in pixels of `whole`.
        interpolation: Pillow's filter, in lower case.
        mirrored: whether it is mirrored left to right.
        upside_down: whether it is mirrored top to bottom.
    """

    whole: tuple[int, int]
    box: tuple[float, float, float, float]
    interpolation: str
    mirrored: bool = False
    upside_down: bool = False

    def enough(self, side: int) -> tuple[int, int]:
        """The size of the whole image at which the part still has `side` pixels along both edges."""
        left, top, right, bottom = self.box
        least = min(right - left, bottom - top)
        width, height = self.whole
        return math.ceil(width * side / least), math.ceil(height * side / least)

    def cut(self, image: "Image", side: int, interpolation: str | None = None) -> "Image":
        """The square of `side` pixels from the image, from one of another size that shows the same, or from its mask.

        `interpolation` stands in for that of the view.
        """
        from PIL.Image import Resampling, Transpose

        across, down = (now / then for now, then in zip(image.size, self.whole, strict=True))
        left, top, right, bottom = self.box
        box = (left * across, top * down, right * across, bottom * down)
        square = image.resize((side, side), Resampling[(interpolation or self.interpolation).upper()], box=box)
        square = square.transpose(Transpose.FLIP_LEFT_RIGHT) if self.mirrored else square
        return square.transpose(Transpose.FLIP_TOP_BOTTOM) if self.upside_down else square


def image_seed(stream: int, number: int, length: int) -> int:
    """Seed of one copy of an image in an epoch.

    Args:
        stream: seed of the epoch.
        number: what `search.data.dataset.batch_indices` yields for it.
        length: number of images of the split.
    """
    index, copy = copy_of(number, length)
    return mix(stream, index, copy) if copy else mix(stream, index)
