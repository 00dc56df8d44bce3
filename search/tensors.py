"""A split whose images are in memory."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, final

from search.augment import shift
from search.data import Batch, Split, batch_indices
from search.seeding import torch_generator

if TYPE_CHECKING:
    from torch import Tensor


@final
class TensorSplit(Split):
    """Images (N, C, H, W) uint8 and labels (N,) int64; one channel is repeated to three.

    Batches are (x / 255 - mean) / std with one mean and std for all channels. Augmentation shifts each image by up to
    `reach` pixels each way (its border repeated), which keeps digits what they are; a mirror image would not.
    """

    def __init__(self, images: "Tensor", labels: "Tensor", *, mean: float, std: float, reach: int) -> None:
        self.images = images
        self.labels = labels
        self._mean = mean
        self._std = std
        self._reach = reach

    def __len__(self) -> int:
        return self.images.shape[0]

    def batches(
        self, batch_size: int, *, seed: int, epoch: int, shuffle: bool, workers: int = 0, augment: bool = False
    ) -> Iterator[Batch]:
        generator = torch_generator(seed, "augment", epoch)
        for index in batch_indices(len(self), batch_size, seed=seed, epoch=epoch, shuffle=shuffle):
            images = self.images[index]
            if augment and self._reach:
                images = shift(images, self._reach, generator)
            pixels = images.float().mul_(1 / (255 * self._std)).sub_(self._mean / self._std)
            yield pixels.expand(-1, 3, -1, -1), self.labels[index]
