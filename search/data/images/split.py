"""A split of image files, decoded when they are needed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, final

from archspec.errors import RunError
from search.augment.image_policy import ImagePolicy
from search.data.dataset import Batch, DatasetSplit, batch_indices, copy_of
from search.data.images.framing import MEAN, STD, Framing, image_seed
from search.data.images.source import ImageSource
from search.recipe.recipe import Recipe
from search.seeding import mix, torch_generator

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image
    from torch import Tensor


@final
class ImageSplit(DatasetSplit):
    """The images of a source; RGB, normalised by ImageNet's mean and deviation.

    With augmentation a random part of the image as its framing has it, and then what the recipe does to single images;
    otherwise the centre square. An image that cannot be decoded raises RunError with its name when its
    batch is due.
    """

    def __init__(self, source: ImageSource, framing: Framing, recipe: Recipe | None = None) -> None:
        self.source = source
        self._framing = framing
        self._recipe = recipe or Recipe.model_validate({})
        self._policy = framing.policy(self._recipe)

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

        length, repeats = len(self), self._recipe.repeats if augment else 1
        order = [
            part.tolist()
            for part in batch_indices(length, batch_size, seed=seed, epoch=epoch, shuffle=shuffle, repeats=repeats)
        ]
        stream = mix(seed, "augment", epoch) if augment else None
        loader: DataLoader[Any] = DataLoader(
            _Decoder(self.source, self._framing, self._policy, stream),  # pyright: ignore[reportArgumentType]  (map-style)
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
            yield images.float().mul_(scale).sub_(offset), labels[torch.tensor(index) % length]


class _Sample(NamedTuple):
    pixels: "Tensor | None"
    broken: str


@final
@dataclass(frozen=True)
class _Decoder:
    """A number of `batch_indices` -> sample.

    An error is handed over as text: an exception would leave a worker as a page of traceback.
    """

    source: ImageSource
    framing: Framing
    policy: ImagePolicy | None
    stream: int | None

    def __len__(self) -> int:
        return len(self.source)

    def __getitem__(self, number: int) -> _Sample:
        import numpy as np
        import torch
        from PIL import Image

        index, _ = copy_of(number, len(self.source))
        seed = None if self.stream is None else image_seed(self.stream, number, len(self.source))
        try:
            with self.source.open(index).image as file, Image.open(file) as image:
                view = self.framing.view(*image.size, seed)
                square = view.cut(_rgb(image), self.framing.resolution)
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
            reason = " ".join(str(error).split())
            return _Sample(
                None, f"{self.source.name(index)}: image cannot be decoded ({type(error).__name__}: {reason})"
            )
        if self.policy is not None and seed is not None:
            square = self.policy.augment(square, seed)
        return _Sample(torch.from_numpy(np.array(square)).permute(2, 0, 1), "")


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
