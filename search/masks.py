"""A split of images in memory whose labels are masks."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, final

from search.augment import shift
from search.data import Batch, Split, batch_indices
from search.seeding import torch_generator
from search.segmentation import Segmentation

if TYPE_CHECKING:
    from torch import Tensor


@final
class MaskSplit(Split):
    """Images (N, 3, H, W) uint8 and masks (N, H, W) uint8 of class indices below `classes`, or `IGNORE`.

    Batches are (x / 255 - mean) / std and masks int64. Augmentation shifts each image and its mask together by up to
    `reach` pixels each way, the border of both repeated.
    """

    def __init__(self, images: "Tensor", masks: "Tensor", *, classes: int, mean: float, std: float, reach: int) -> None:
        self.images = images
        self.masks = masks
        self._supervision = Segmentation(classes)
        self._mean = mean
        self._std = std
        self._reach = reach

    @property
    def supervision(self) -> Segmentation:
        return self._supervision

    def __len__(self) -> int:
        return self.images.shape[0]

    def batches(
        self, batch_size: int, *, seed: int, epoch: int, shuffle: bool, workers: int = 0, augment: bool = False
    ) -> Iterator[Batch]:
        import torch

        generator = torch_generator(seed, "augment", epoch)
        for index in batch_indices(len(self), batch_size, seed=seed, epoch=epoch, shuffle=shuffle):
            images, masks = self.images[index], self.masks[index]
            if augment and self._reach:
                both = shift(torch.cat((images, masks[:, None]), 1), self._reach, generator)
                images, masks = both[:, :-1], both[:, -1]
            pixels = images.float().mul_(1 / (255 * self._std)).sub_(self._mean / self._std)
            yield pixels, masks.long()
