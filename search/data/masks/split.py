"""A split of images with masks, decoded when they are needed and changed together."""

import random
from collections.abc import Iterator
from copy import copy
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, final

from archspec.errors import RunError
from search.data.dataset import Batch, DatasetSplit, batch_indices, own_part
from search.data.decoding.loader import ImageLoader, Sample
from search.data.decoding.pixels import Unreadable, decoding_errors, is_damage, to_rgb
from search.data.images.framing import MEAN, STD
from search.data.images.source import ImageSource
from search.data.images.split import normaliser
from search.data.masks.indices import MaskError, MaskReading, read_mask
from search.recipe.recipe import Recipe
from search.seeding import mix
from search.tasks.segmentation import IGNORE, Segmentation
from search.tasks.task import Normalisation

if TYPE_CHECKING:
    import torch
    from PIL.Image import Image


@final
@dataclass(frozen=True)
class SceneFraming:
    """The square cut from an image and its mask.

    Attributes:
        resolution: its side in pixels.
        crop: part of the shorter side that is scored, around the centre.
        scales: in training, the smallest and largest size of an image's shorter side, over `resolution`.
        flip: whether half of the training images are mirrored.
    """

    resolution: int
    crop: float
    scales: tuple[float, float]
    flip: bool


@final
class MaskSplit(DatasetSplit):
    """The images of a source whose labels are masks (N, H, W) int64 of class indices, or `IGNORE`.

    In training an image is scaled, cut at random and mirrored, and its mask with it; what lies outside an image that
    has become smaller than the square is the mean colour, and is not learnt. Scored is the centre square, the mask
    scaled to its size by the nearest pixel.

    Args:
        source: images and masks.
        framing: the square that is cut from both.
        reading: what the masks' values mean.
        recipe: how they are read.
        device: of the training that reads them.
        unreadable: as in `ImageSplit`; a mask of another size, or a class too many, is always refused.
    """

    def __init__(
        self,
        source: ImageSource,
        framing: SceneFraming,
        reading: MaskReading,
        *,
        recipe: Recipe | None = None,
        device: "torch.device | None" = None,
        unreadable: Unreadable = "refuse",
    ) -> None:
        self.source = source
        self._decoder = _MaskDecoder(source, framing, reading, None, unreadable == "skip")
        self._device = device
        self._loader = ImageLoader(self._decoder, recipe or Recipe.model_validate({}), device)
        self._share = (0, 1)

    @property
    def normalisation(self) -> Normalisation:
        return Normalisation(MEAN, STD)

    @property
    def supervision(self) -> Segmentation:
        return Segmentation(self._decoder.reading.classes)

    def __len__(self) -> int:
        return len(self.source)

    def configured(self, recipe: Recipe, device: "torch.device") -> "MaskSplit":
        one = self._decoder
        unreadable: Unreadable = "skip" if one.skip else "refuse"
        return MaskSplit(one.source, one.framing, one.reading, recipe=recipe, device=device, unreadable=unreadable)

    def shared(self, rank: int, ranks: int) -> "MaskSplit | None":
        if self._decoder.skip:
            return None
        split = copy(self)
        split._share = (rank, ranks)
        return split

    def batches(
        self, batch_size: int, *, seed: int, epoch: int, shuffle: bool, workers: int = 0, augment: bool = False
    ) -> Iterator[Batch]:
        order = [
            part[own_part(len(part), *self._share)].tolist()
            for part in batch_indices(len(self), batch_size, seed=seed, epoch=epoch, shuffle=shuffle)
        ]
        stream = mix(seed, "augment", epoch) if augment else None
        normalise = normaliser(self._device)
        for batch in self._loader.batches(order, stream, workers):
            if batch.broken:
                raise RunError(batch.broken)
            if batch.pixels is not None and batch.masks is not None:
                yield normalise(batch.pixels), batch.masks.long()


class _Window(NamedTuple):
    """Part of the source (left, top, right, bottom), and the place and size in the square that it fills."""

    box: tuple[float, float, float, float]
    place: tuple[int, int]
    size: tuple[int, int]


@final
@dataclass(frozen=True)
class _MaskDecoder:
    """Index -> sample with its mask."""

    source: ImageSource
    framing: SceneFraming
    reading: MaskReading
    stream: int | None
    skip: bool = False

    def __getitem__(self, index: int) -> Sample:
        import numpy as np
        import torch
        from PIL import Image

        name = self.source.name(index)
        try:
            opened = self.source.open(index)
            if opened.mask is None:
                opened.image.close()
                return Sample(None, broken=f"{name}: image without a mask")
            with opened.image as file, opened.mask as beside, Image.open(file) as image, Image.open(beside) as mask:
                values = read_mask(mask, image.size, self.reading)
                square, labels = self._squares(to_rgb(image), Image.fromarray(values), index)
        except MaskError as error:
            return Sample(None, broken=f"{name}: {error}")
        except decoding_errors() as error:
            if self.skip and is_damage(error):
                return Sample(None)
            reason = " ".join(str(error).split())
            return Sample(None, broken=f"{name}: image or mask cannot be decoded ({type(error).__name__}: {reason})")
        pixels = torch.from_numpy(np.array(square)).permute(2, 0, 1)
        return Sample(pixels, torch.from_numpy(np.array(labels)))

    def _squares(self, image: "Image", mask: "Image", index: int) -> "tuple[Image, Image]":
        from PIL import Image
        from PIL.Image import Resampling, Transpose

        side, rng = self.framing.resolution, None if self.stream is None else random.Random(mix(self.stream, index))
        window = self._centre(*image.size) if rng is None else self._random(*image.size, rng)
        pixels = image.resize(window.size, Resampling.BILINEAR, box=window.box)
        labels = mask.resize(window.size, Resampling.NEAREST, box=window.box)
        if window.size != (side, side):
            ground = Image.new("RGB", (side, side), tuple(round(255 * level) for level in MEAN))
            unknown = Image.new("L", (side, side), IGNORE)
            ground.paste(pixels, window.place)
            unknown.paste(labels, window.place)
            pixels, labels = ground, unknown
        if rng is not None and self.framing.flip and rng.random() < 0.5:
            left_right = Transpose.FLIP_LEFT_RIGHT
            return pixels.transpose(left_right), labels.transpose(left_right)
        return pixels, labels

    def _centre(self, width: int, height: int) -> _Window:
        side, crop = self.framing.resolution, self.framing.crop * min(width, height)
        left, top = (width - crop) / 2, (height - crop) / 2
        return _Window((left, top, left + crop, top + crop), (0, 0), (side, side))

    def _random(self, width: int, height: int, rng: random.Random) -> _Window:
        side = self.framing.resolution
        scale = rng.uniform(*self.framing.scales) * side / min(width, height)
        box, place, size = list[tuple[float, float]](), list[int](), list[int]()
        for length in (width, height):
            shown = max(1, min(side, round(length * scale)))
            part = min(length, shown / scale)
            start = rng.uniform(0, length - part)
            box.append((start, start + part))
            place.append(rng.randint(0, side - shown))
            size.append(shown)
        (left, right), (top, bottom) = box
        return _Window((left, top, right, bottom), (place[0], place[1]), (size[0], size[1]))
