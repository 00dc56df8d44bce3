"""The augmentation of a training batch by a recipe, after the data set's own; a function of seed, epoch and step."""

from random import Random
from typing import TYPE_CHECKING, final

from search.augment.geometric import Box, Erasing, erase
from search.augment.mixing import Mixing, draw_mixing
from search.augment.randaugment import rand_augment
from search.recipe.recipe import Recipe
from search.seeding import mix, torch_generator

if TYPE_CHECKING:
    from torch import Tensor


@final
class Policy:
    """Small RandAugment, Random Erasing and mixing, in that order (DeiT's), each drawn from a stream of its own.

    Nothing is drawn from global generators and nothing is remembered, so a resumed run goes on as if it had never
    stopped. On an accelerator, the noise of Random Erasing depends on its kind.
    """

    def __init__(self, recipe: Recipe, seed: int) -> None:
        self._recipe = recipe
        self._seed = seed

    def augment(self, images: "Tensor", epoch: int, step: int) -> "Tensor":
        """The batch (N, C, H, W) that is then mixed, and that a teacher sees; the images given stay as they are."""
        recipe, seed = self._recipe, self._seed
        if recipe.randaugment:
            images = rand_augment(images, recipe.randaugment, torch_generator(seed, "randaugment", epoch, step))
        return self.erase(images, epoch, step)[0] if recipe.erasing else images

    def erase(self, images: "Tensor", epoch: int, step: int) -> "tuple[Tensor, list[tuple[Box, ...]]]":
        """Random Erasing of the batch (N, C, H, W), and the rectangles of each image."""
        import torch

        recipe = self._recipe
        erasing = Erasing(recipe.erasing, recipe.erasing_mode, recipe.erasing_count)
        noise = torch.Generator(images.device).manual_seed(mix(self._seed, "noise", epoch, step))
        return erase(images, erasing, Random(mix(self._seed, "erasing", epoch, step)), noise)

    def mixing(self, images: "Tensor", epoch: int, step: int) -> Mixing | None:
        """The mixing of the batch; None for a batch that is left as it is."""
        return draw_mixing(images, self._recipe, Random(mix(self._seed, "mixing", epoch, step)))
