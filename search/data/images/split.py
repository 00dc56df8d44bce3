"""A split of image files, decoded when they are needed."""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, final

from archspec.errors import RunError
from search.augment.geometric import crop_box
from search.data.dataset import Batch, DatasetSplit, batch_indices
from search.data.images.source import ImageSource
from search.recipe.recipe import Recipe
from search.seeding import mix, torch_generator
from search.tasks.task import Normalisation

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image
    from torch import Tensor

MEAN = (0.485, 0.456, 0.406)  # of ImageNet, as everywhere
STD = (0.229, 0.224, 0.225)


@final
@dataclass(frozen=True)
class Framing:
    """The square cut from an image: scored on `crop` of its shorter side, trained on random parts."""

    resolution: int
    crop: float
    smallest_area: float
    flip: bool


@final
class ImageSplit(DatasetSplit):
    """The images of a source; RGB, normalised by ImageNet's mean and deviation.

    With augmentation a random part of the image (area from `smallest_area` to all, aspect 3:4 to 4:3), mirrored half
    of the time; otherwise the centre square. An image that cannot be decoded raises RunError with its name when its
    batch is due.
    """

    def __init__(self, source: ImageSource, framing: Framing, recipe: Recipe | None = None) -> None:
        self.source = source
        self._framing = framing
        self._recipe = recipe or Recipe.model_validate({})

    @property
    def normalisation(self) -> Normalisation:
        return Normalisation(MEAN, STD)

    def __len__(self) -> int:
        return len(self.source)

    def configured(self, recipe: Recipe, device: "torch.device") -> "ImageSplit":
        del device
        return ImageSplit(self.source, self._framing, recipe)

    def batches(
        self, batch_size: int, *, seed: int, epoch: int, shuffle: bool, workers: int = 0, augment: bool = False
    ) -> Iterator[Batch]:
        import torch
        from torch.utils.data import DataLoader

        order = [
            part.tolist() for part in batch_indices(len(self), batch_size, seed=seed, epoch=epoch, shuffle=shuffle)
        ]
        stream = mix(seed, "augment", epoch) if augment else None
        loader: DataLoader[Any] = DataLoader(
            _Decoder(self.source, self._framing, stream),  # pyright: ignore[reportArgumentType]  (map-style)
            batch_sampler=order,
            num_workers=workers,
            collate_fn=_collate,
            generator=torch_generator(seed, "workers", epoch),  # without it, each pass would draw from the global one
        )
        labels = self.source.labels
        mean, std = (torch.tensor(values)[:, None, None] for values in (MEAN, STD))
        scale, offset = 1 / (255 * std), mean / std
        for index, (images, broken) in zip(order, loader, strict=True):
            if broken:
                raise RunError(broken)
            yield images.float().mul_(scale).sub_(offset), labels[index]


class _Sample(NamedTuple):
    pixels: "Tensor | None"
    broken: str


@final
@dataclass(frozen=True)
class _Decoder:
    """Index -> sample. An error is handed over as text: an exception would leave a worker as a page of traceback."""

    source: ImageSource
    framing: Framing
    stream: int | None

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, index: int) -> _Sample:
        import numpy as np
        import torch
        from PIL import Image

        try:
            with self.source.open(index).image as file, Image.open(file) as image:
                square = self._square(_rgb(image), index)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            reason = " ".join(str(error).split())
            return _Sample(
                None, f"{self.source.name(index)}: image cannot be decoded ({type(error).__name__}: {reason})"
            )
        return _Sample(torch.from_numpy(np.array(square)).permute(2, 0, 1), "")

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


def _rgb(image: "Image") -> "Image":
    import numpy as np
    from PIL.Image import fromarray

    if image.mode.startswith("I;16"):  # Pillow would clip 16-bit gray instead of scaling it
        image = fromarray((np.asarray(image) >> 8).astype(np.uint8))
    if image.mode == "P" and "transparency" in image.info:
        image = image.convert("RGBA")
    return image.convert("RGB")


def _collate(samples: list[_Sample]) -> "tuple[Tensor | None, str]":
    import torch

    broken = next((sample.broken for sample in samples if sample.broken), "")
    pixels = [sample.pixels for sample in samples if sample.pixels is not None]
    return (None if broken else torch.stack(pixels)), broken
