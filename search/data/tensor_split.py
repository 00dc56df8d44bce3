"""A split whose images are in memory."""

from collections.abc import Iterator
from copy import copy
from typing import TYPE_CHECKING, final

from search.augment.geometric import shift
from search.augment.image_policy import ImagePolicy, Surroundings, image_policy
from search.data.dataset import Batch, DatasetSplit, batch_indices
from search.data.images.framing import image_seed
from search.seeding import mix, torch_generator
from search.tasks.classification import Classification
from search.tasks.task import Normalisation, Supervision

if TYPE_CHECKING:
    import torch
    from torch import Generator, Tensor

    from search.recipe.recipe import Recipe


@final
class TensorSplit(DatasetSplit):
    """Images (N, C, H, W) uint8, one channel repeated to three, with labels (N,) int64 or masks (N, H, W) uint8.

    Batches are (x / 255 - mean) / std with one mean and std for all channels; masks become int64. Augmentation shifts
    each image, and its mask with it, by up to `reach` pixels each way (the border of both repeated), which keeps digits
    what they are; a mirror image would not. What a recipe does to single images comes after that, on Pillow's images.
    """

    def __init__(
        self,
        images: "Tensor",
        labels: "Tensor",
        *,
        mean: float,
        std: float,
        reach: int,
        supervision: Supervision | None = None,
    ) -> None:
        import torch

        # As a batch goes to convolutions: here it is a byte per value, and once.
        self.images = images.contiguous(memory_format=torch.channels_last)
        self.labels = labels
        self._mean = mean
        self._std = std
        self._reach = reach
        self._supervision = supervision or Classification()
        self._policy: ImagePolicy | None = None
        self._repeats = 1

    @property
    def supervision(self) -> Supervision:
        return self._supervision

    @property
    def normalisation(self) -> Normalisation:
        return Normalisation((self._mean, self._mean, self._mean), (self._std, self._std, self._std))

    def __len__(self) -> int:
        return self.images.shape[0]

    def configured(self, recipe: "Recipe", device: "torch.device") -> "TensorSplit":
        del device
        if not recipe.per_image:
            return self
        split = copy(self)
        split._repeats = recipe.repeats
        split._policy = image_policy(
            recipe, Surroundings(self.images.shape[-1], (self._mean, self._mean, self._mean), "bicubic")
        )
        return split

    def batches(
        self, batch_size: int, *, seed: int, epoch: int, shuffle: bool, workers: int = 0, augment: bool = False
    ) -> Iterator[Batch]:
        generator = torch_generator(seed, "augment", epoch)
        stream, length, repeats = mix(seed, "augment", epoch), len(self), self._repeats if augment else 1
        for numbers in batch_indices(length, batch_size, seed=seed, epoch=epoch, shuffle=shuffle, repeats=repeats):
            index = numbers % length
            images, labels = self._chosen(index), self.labels[index]
            if augment and self._reach:
                images, labels = self._shifted(images, labels, generator)
            if augment and self._policy is not None:
                seeds = [image_seed(stream, number, length) for number in numbers.tolist()]
                images = _augmented(images, self._policy, seeds)
            pixels = images.float().mul_(1 / (255 * self._std)).sub_(self._mean / self._std)
            yield pixels.expand(-1, 3, -1, -1), labels.long()

    def _chosen(self, index: "Tensor") -> "Tensor":
        """Images by their numbers, channels last in memory as all are, which indexing itself would not keep."""
        return self.images.movedim(1, -1).index_select(0, index).movedim(-1, 1)

    def _shifted(self, images: "Tensor", labels: "Tensor", generator: "Generator") -> "tuple[Tensor, Tensor]":
        import torch

        if labels.ndim == 1:
            return shift(images, self._reach, generator), labels
        both = shift(torch.cat((images, labels[:, None]), 1), self._reach, generator)
        return both[:, :-1], both[:, -1]


def _augmented(images: "Tensor", policy: ImagePolicy, seeds: list[int]) -> "Tensor":
    """Images (N, C, H, W) uint8 after the policy, as three channels."""
    import numpy as np
    import torch
    from PIL.Image import fromarray

    pixels = images.expand(-1, 3, -1, -1).permute(0, 2, 3, 1).contiguous().numpy()
    out = [np.array(policy.augment(fromarray(one), seed)) for one, seed in zip(pixels, seeds, strict=True)]
    return torch.from_numpy(np.stack(out)).permute(0, 3, 1, 2)
