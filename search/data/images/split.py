"""A split of image files, decoded when they are needed."""

from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, final

from archspec.errors import RunError
from search.augment.image_policy import ImagePolicy
from search.data.dataset import Batch, DatasetSplit, batch_indices, copy_of, own_part
from search.data.decoding.loader import ImageLoader, Sample
from search.data.decoding.pixels import Unreadable, decoding_errors, is_damage, to_rgb
from search.data.images.framing import MEAN, STD, Framing, image_seed
from search.data.images.source import ImageSource
from search.recipe.recipe import Recipe
from search.seeding import mix
from search.tasks.classification import Classification
from search.tasks.task import Normalisation, Supervision

if TYPE_CHECKING:
    import torch
    from torch import Tensor


@final
class ImageSplit(DatasetSplit):
    """The images of a source; RGB, normalised by ImageNet's mean and deviation.

    With augmentation a random part of the image as its framing has it, and then what the recipe does to single images;
    otherwise the centre square. Once `configured` for a device, batches are normalised there, where they arrive as
    bytes.

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
        decoder = _Decoder(source, framing, framing.policy(self._recipe), None, unreadable == "skip")
        self._loader = ImageLoader(decoder, self._recipe, device)
        self._share = (0, 1)

    @property
    def supervision(self) -> Supervision:
        return self._supervision

    @property
    def normalisation(self) -> Normalisation:
        return Normalisation(MEAN, STD)

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

    def shared(self, rank: int, ranks: int) -> "ImageSplit | None":
        if self._unreadable == "skip":  # processes must agree on what a batch is without those that are left out
            return None
        split = copy(self)
        split._share = (rank, ranks)
        return split

    def batches(
        self, batch_size: int, *, seed: int, epoch: int, shuffle: bool, workers: int = 0, augment: bool = False
    ) -> Iterator[Batch]:
        length, repeats = len(self), self._recipe.repeats if augment else 1
        order = [
            part[own_part(len(part), *self._share)].tolist()
            for part in batch_indices(length, batch_size, seed=seed, epoch=epoch, shuffle=shuffle, repeats=repeats)
        ]
        stream = mix(seed, "augment", epoch) if augment else None
        labels, normalise = self.source.labels, normaliser(self._device)
        for numbers, batch in zip(order, self._loader.batches(order, stream, workers), strict=True):
            if batch.broken:
                raise RunError(batch.broken)
            if batch.pixels is not None:
                yield normalise(batch.pixels), labels[[numbers[place] % length for place in batch.kept]]


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
    """A number of `batch_indices` -> sample."""

    source: ImageSource
    framing: Framing
    policy: ImagePolicy | None
    stream: int | None
    skip: bool = False

    def __getitem__(self, number: int) -> Sample:
        import numpy as np
        import torch
        from PIL import Image

        index, _ = copy_of(number, len(self.source))
        seed = None if self.stream is None else image_seed(self.stream, number, len(self.source))
        try:
            with self.source.open(index).image as file, Image.open(file) as image:
                view = self.framing.view(*image.size, seed)
                if self.framing.draft:
                    image.draft(None, view.enough(self.framing.resolution))  # pyright: ignore[reportArgumentType]
                square = view.cut(to_rgb(image), self.framing.resolution)
        except decoding_errors() as error:
            if self.skip and is_damage(error):
                return Sample(None)
            reason = " ".join(str(error).split())
            said = f"{self.source.name(index)}: image cannot be decoded ({type(error).__name__}: {reason})"
            return Sample(None, broken=said)
        if self.policy is not None and seed is not None:
            square = self.policy.augment(square, seed)
        return Sample(torch.from_numpy(np.array(square)).permute(2, 0, 1))
