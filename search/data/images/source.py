"""Encoded images with their labels, read one by one by whichever process needs them."""

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NamedTuple, final

if TYPE_CHECKING:
    from torch import Tensor


class Encoded(NamedTuple):
    """An image as it is stored: an open file, which the reader closes; where labels are masks, another of its mask."""

    image: BinaryIO
    mask: BinaryIO | None = None


class ImageSource(ABC):
    """Images that are read by their index. It travels to the processes that decode, so it holds no open file."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of images."""

    @property
    @abstractmethod
    def labels(self) -> "Tensor":
        """Labels (N,) int64; of masks, which are read with the images, zeros."""

    @abstractmethod
    def open(self, index: int) -> Encoded:
        """The image as it is stored; OSError where it cannot be read."""

    @abstractmethod
    def name(self, index: int) -> str:
        """The image for people, where it cannot be decoded: its path, or its place in a file of many."""


@final
class FileSource(ImageSource):
    """Image files below a folder.

    Args:
        root: the folder.
        files: paths relative to it.
        labels: one for each.
        masks: of each the file of its mask, relative to the folder, where labels are masks.
    """

    def __init__(self, root: Path, files: list[str], labels: list[int], masks: list[str] | None = None) -> None:
        self.root = root
        self.files = files
        self.masks = masks
        self._labels = labels

    def __len__(self) -> int:
        return len(self.files)

    @property
    def labels(self) -> "Tensor":
        import torch

        return torch.tensor(self._labels)

    def open(self, index: int) -> Encoded:
        image = (self.root / self.files[index]).open("rb")
        if self.masks is None:
            return Encoded(image)
        try:
            return Encoded(image, (self.root / self.masks[index]).open("rb"))
        except OSError:
            image.close()
            raise

    def name(self, index: int) -> str:
        return str(self.root / self.files[index])
