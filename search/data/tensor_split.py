"""A split whose images are in memory."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, final

from search.augment.geometric import shift
from search.data.dataset import Batch, DatasetSplit, batch_indices
from search.seeding import torch_generator
from search.tasks.classification import Classification
from search.tasks.task import Supervision

if TYPE_CHECKING:
    from torch import Generator, Tensor


@final
class TensorSplit(DatasetSplit):
    """Images (N, C, H, W) uint8, one channel repeated to three, with labels (N,) int64 or masks (N, H, W) uint8.

    Batches are (x / 255 - mean) / std with one mean and std for all channels; masks become int64. Augmentation shifts
    each image, and its mask with it, by up to `reach` pixels each way (the border of both repeated), which keeps digits
    what they are; a mirror image would not.
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

    @property
    def supervision(self) -> Supervision:
        return self._supervision

    def __len__(self) -> int:
        return self.images.shape[0]

    def batches(
        self, batch_size: int, *, seed: int, epoch: int, shuffle: bool, workers: int = 0, augment: bool = False
    ) -> Iterator[Batch]:
        generator = torch_generator(seed, "augment", epoch)
        for index in batch_indices(len(self), batch_size, seed=seed, epoch=epoch, shuffle=shuffle):
            images, labels = self._chosen(index), self.labels[index]
            if augment and self._reach:
                images, labels = self._shifted(images, labels, generator)
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
