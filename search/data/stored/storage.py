"""Encoded images in files of many, and the part of them that is one split."""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, final

from search.data.images.source import Encoded, ImageSource

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from torch import Tensor


class RowStorage(ABC):
    """Encoded images that are read by their row. It travels to other processes, so it holds no open file then."""

    @abstractmethod
    def __len__(self) -> int:
        """Number of rows."""

    @abstractmethod
    def open(self, row: int) -> BinaryIO:
        """The image as it is stored; OSError where there is none, or it cannot be read."""

    @abstractmethod
    def name(self, row: int) -> str:
        """The row for people: its file, and its place in it."""


@final
@dataclass(frozen=True)
class Stored:
    """The images of a split as they are stored.

    Attributes:
        images: the images.
        labels: one for each: numbers (N,) int64, or names of classes.
        keys: what tells images apart wherever their files are; without them, the number of the row does.
    """

    images: RowStorage
    labels: NDArray[np.int64] | list[str]
    keys: NDArray[Any] | None = None


@final
class StoredSource(ImageSource):
    """Some rows of stored images with their labels.

    Args:
        images: the images.
        rows: the rows that count (N,) int64.
        labels: the label of each (N,) int64.
    """

    def __init__(self, images: RowStorage, rows: NDArray[np.int64], labels: NDArray[np.int64]) -> None:
        self.images = images
        self.rows = rows
        self._labels = labels

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def labels(self) -> Tensor:
        import torch

        return torch.from_numpy(self._labels)

    def open(self, index: int) -> Encoded:
        return Encoded(self.images.open(int(self.rows[index])))

    def name(self, index: int) -> str:
        return self.images.name(int(self.rows[index]))


def open_cell(cell: Any, folder: str) -> BinaryIO:
    """The image in a cell of a table: bytes, a path, or `bytes` and `path`, of which one may be missing.

    Args:
        cell: the value of the cell.
        folder: the folder that paths are relative to.

    Raises:
        OSError: the cell is empty, or the file cannot be read.
    """
    data, path = (cell.get("bytes"), cell.get("path")) if isinstance(cell, dict) else (cell, None)
    if isinstance(data, str):
        data, path = None, data
    if data is not None:
        return BytesIO(data)
    if path is None:
        raise OSError("the image is null")
    return Path(os.path.join(folder, path)).open("rb")
