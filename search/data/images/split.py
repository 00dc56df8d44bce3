"""A split of image files, decoded when they are needed."""

import math
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from archspec.errors import RunError
from search.augment.geometric import crop_box
from search.data.dataset import Batch, DatasetSplit, batch_indices
from search.data.decoding.loader import ImageLoader, Sample
from search.data.decoding.pixels import Unreadable, decoding_errors, is_damage, to_rgb
from search.data.images.source import ImageSource
from search.recipe.recipe import Recipe
from search.seeding import mix
from search.tasks.classification import Classification
from search.tasks.task import Supervision

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image
    from torch import Tensor

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, as everywhere
STD = (0.229, 0.224, 0.225)


@final
@dataclass(frozen=True)
class Framing:
    """The square cut from an image: scored on `crop` of its shorter side, trained on random parts.

    With `draft`, large JPEGs are decoded at a half, a quarter or an eighth, as far as the square loses nothing.
    """

    resolution: int
    crop: float
    smallest_area: float
    flip: bool
    draft: bool = False


@final
class ImageSplit(DatasetSplit):
    """The images of a source; RGB, normalised by ImageNet's mean and deviation.

    With augmentation a random part of the image (area from `smallest_area` to all, aspect 3:4 to 4:3), mirrored half
    of the time; otherwise the centre square. Once `configured` for a device, batches are normalised there, where they
    arrive as bytes.

    Args:
        source: the images.
        framing: the square that is cut from each.
        recipe: how they are read, and augmented one by one.
        device: of the training that reads them.
        supervision: the kind of labels; one per image.
        unreadable: of an image that cannot be decoded, `refuse` raises RunError with its name when its batch is due,
            and `skip` leaves it out of its batch. A file that is not there, or cannot be read, is refused by both.
    """

    def __init__(
        self,
        source: ImageSource,
        framing: Framing,
        recipe: Recipe | None = None,
        *,
        device: "torch.device | None" = None,
        supervision: Supervision | None = None,
        unreadable: Unreadable = "refuse",
    ) -> None:
        self.source = source
        self._framing = framing
        self._recipe = recipe or Recipe.model_validate({})
        self._device = device
        self._supervision = supervision or Classification()
        self._unreadable: Unreadable = unreadable
        self._loader = ImageLoader(_Decoder(source, framing, None, unreadable == "skip"), self._recipe, device)

    @property
    def supervision(self) -> Supervision:
        return self._supervision

    def __len__(self) -> int:
        return len(self.source)

    def configured(self, recipe: Recipe, device: "torch.device") -> "ImageSplit":
        return ImageSplit(
            self.source,
            self._framing,
            recipe,
            device=device,
            supervision=self._supervision,
            unreadable=self._unreadable,
        )

    def batches(
        self, batch_size: int, *, seed: int, epoch: int, shuffle: bool, workers: int = 0, augment: bool = False
    ) -> Iterator[Batch]:
        order = [
            part.tolist() for part in batch_indices(len(self), batch_size, seed=seed, epoch=epoch, shuffle=shuffle)
        ]
        stream = mix(seed, "augment", epoch) if augment else None
        labels, normalise = self.source.labels, normaliser(self._device)
        for index, batch in zip(order, self._loader.batches(order, stream, workers), strict=True):
            if batch.broken:
                raise RunError(batch.broken)
            if batch.pixels is not None:
                yield normalise(batch.pixels), labels[[index[number] for number in batch.kept]]


def normaliser(device: "torch.device | None") -> "Callable[[Tensor], Tensor]":
    """From pixels (N, 3, H, W) uint8 to float32 around zero, on a device (None for the CPU)."""
    import torch

    mean, std = (torch.tensor(values) for values in (MEAN, STD))
    scale, offset = ((1 / (255 * std)).to(device), (mean / std).to(device))

    def on_device(pixels: "Tensor") -> "Tensor":
        # Bytes are a quarter of what would go to the device as floats, and the CPU does not wait for pinned ones.
        floats = pixels.to(device, non_blocking=True).float()
        return floats.mul_(scale[:, None, None]).sub_(offset[:, None, None])

    def here(pixels: "Tensor") -> "Tensor":
        # As decoded, channels last, and one image after the other: it stays in the cache for all three steps.
        count, channels, height, width = pixels.shape
        floats = torch.empty((count, height, width, channels))
        scales, offsets = scale.repeat(width), offset.repeat(width)
        source = pixels.permute(0, 2, 3, 1).reshape(count, height, width * channels)
        for image, levels in zip(floats.view(count, height, width * channels), source, strict=True):
            image.copy_(levels).mul_(scales).sub_(offsets)
        return floats.permute(0, 3, 1, 2)

    return here if device is None or device.type == "cpu" else on_device


@final
@dataclass(frozen=True)
class _Decoder:
    """Index -> sample."""

    source: ImageSource
    framing: Framing
    stream: int | None
    skip: bool = False

    def __getitem__(self, index: int) -> Sample:
        import numpy as np
        import torch
        from PIL import Image

        try:
            with self.source.open(index).image as file, Image.open(file) as image:
                if self.framing.draft:
                    image.draft(None, self._enough(*image.size, index))  # pyright: ignore[reportArgumentType]
                square = self._square(to_rgb(image), index)
        except decoding_errors() as error:
            if self.skip and is_damage(error):
                return Sample(None)
            reason = " ".join(str(error).split())
            said = f"{self.source.name(index)}: image cannot be decoded ({type(error).__name__}: {reason})"
            return Sample(None, broken=said)
        return Sample(torch.from_numpy(np.array(square)).permute(2, 0, 1))

    def _enough(self, width: int, height: int, index: int) -> tuple[int, int]:
        """The size of the whole image at which the part that is cut out still has `resolution` pixels a side."""
        framing = self.framing
        if self.stream is None:
            side = min(width, height) * framing.crop
        else:
            rng = random.Random(mix(self.stream, index))
            left, top, right, bottom = crop_box(width, height, framing.smallest_area, rng)
            side = min(right - left, bottom - top)
        return math.ceil(width * framing.resolution / side), math.ceil(height * framing.resolution / side)

    def _square(self, image: "Image", index: int) -> "Image":
        from PIL.Image import Resampling, Transpose

        framing, (width, height) = self.framing, image.size
        size = (framing.resolution, framing.resolution)
        if self.stream is None:
            side = min(width, height) * framing.crop
            left, top = (width - side) / 2, (height - side) / 2
            return image.resize(size, Resampling.BICUBIC, box=(left, top, left + side, top + side))
        rng = random.Random(mix(self.stream, index))
        square = image.resize(size, Resampling.BICUBIC, box=crop_box(width, height, framing.smallest_area, rng))
        mirrored = framing.flip and rng.random() < 0.5
        return square.transpose(Transpose.FLIP_LEFT_RIGHT) if mirrored else square
