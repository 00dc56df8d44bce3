"""Images of one's own with masks, in two folders."""

from pathlib import Path
from typing import Annotated, Literal, final

from pydantic import Field, model_validator

from archspec.errors import FieldError
from search.data.dataset import Dataset, DatasetSplit, Splits
from search.data.decoding.pixels import Unreadable
from search.data.images.source import FileSource
from search.data.masks.content import digest_pairs
from search.data.masks.indices import MaskReading
from search.data.masks.pairs import Pair, PairSplits, find_pairs
from search.data.masks.split import MaskSplit, SceneFraming
from search.inputs import Input
from search.recipe.recipe import Recipe
from search.tasks.segmentation import Segmentation

Scale = Annotated[float, Field(ge=0.1, le=10, strict=True)]
INAPPLICABLE = ("auto_augment", "color_jitter", "repeats")
"""Fields of a recipe that speak of images without masks."""


@final
class MaskFolder(Dataset):
    """A folder of `images/**` and `masks/**` of equal names, with or without splits inside; masks of class indices."""

    type: Literal["maskfolder"] = "maskfolder"
    path: str = Field(min_length=1, description="folder of the data set; relative to where the command runs")
    num_classes: int = Field(ge=2, le=255, strict=True, description="number of classes: values 0 to one below, or 255")
    resolution: Annotated[int, Field(ge=8, le=4096, strict=True, description="image side in pixels")] = 512
    reduce_zero: bool = Field(default=False, description="0 is no class, and 1 the first, as in ADE20K")
    validation: float = Field(
        default=0.1, gt=0, le=0.45, strict=True, description="share of training images for validation, without a folder"
    )
    test: float = Field(
        default=0.1, gt=0, le=0.45, strict=True, description="share of training images for the test, without a folder"
    )
    crop: float = Field(
        default=1, ge=0.1, le=1, strict=True, description="part of the shorter side that is scored, at the centre"
    )
    scales: tuple[Scale, Scale] = Field(
        default=(0.5, 2), description="smallest and largest shorter side to train at, over resolution"
    )
    flip: bool = Field(default=True, description="mirror half of the training images")
    unreadable: Unreadable = Field(
        default="refuse", description="images and masks that cannot be decoded: refuse before training, or skip"
    )

    @model_validator(mode="after")
    def _check(self) -> "MaskFolder":
        if self.scales[0] > self.scales[1]:
            raise FieldError("scales", f"must be smallest and largest, not {self.scales[0]:g} and {self.scales[1]:g}")
        return self

    @property
    def classes(self) -> int:
        return self.num_classes

    @property
    def supervision(self) -> Segmentation:
        return Segmentation(self.num_classes)

    def check_recipe(self, recipe: Recipe) -> None:
        super().check_recipe(recipe)
        for name in INAPPLICABLE:
            value, off = getattr(recipe, name), Recipe.model_fields[name].default
            if value != off:
                rule = f"must be {'null' if off is None else off} where images have masks, not {value}"
                raise FieldError(name, rule)

    def inputs(self) -> tuple[Input, ...]:
        name = f"images and masks in {self.path}"
        return (digest_pairs(name, self._root(), self._pairs(), self._reading(), self.unreadable),)

    def load(self) -> Splits:
        pairs = self._pairs()
        return Splits(*(self._split(part) for part in (pairs.train, pairs.validation, pairs.test)))

    def _pairs(self) -> PairSplits:
        return find_pairs(self._root(), self.validation, self.test)

    def _reading(self) -> MaskReading:
        return MaskReading(self.num_classes, self.reduce_zero)

    def _root(self) -> Path:
        return Path(self.path).expanduser()

    def _split(self, pairs: list[Pair]) -> DatasetSplit:
        framing = SceneFraming(self.resolution, self.crop, self.scales, self.flip)
        images, masks = [pair.image for pair in pairs], [pair.mask for pair in pairs]
        source = FileSource(self._root(), images, [0] * len(pairs), masks)
        return MaskSplit(source, framing, self._reading(), unreadable=self.unreadable)
