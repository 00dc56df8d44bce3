"""Images of one's own, in class folders."""

from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Literal, final

from pydantic import Field, model_validator

from archspec.errors import FieldError, SpecError
from search.augment.geometric import ASPECT
from search.data.dataset import Dataset, DatasetSplit, Splits
from search.data.images.content import digest_images
from search.data.images.folders import Files, Folders, ImageSplits, find_folders, split_files
from search.data.images.framing import Framing
from search.data.images.source import FileSource
from search.data.images.split import ImageSplit
from search.inputs import Input


@final
class ImageFolder(Dataset):
    """A folder of `<class>/**`, or of `train/<class>/**` with `val` and `test`; missing splits are carved out by hash.

    With `train` and `val` alone, as in ImageNet, `val` is the test split and validation is carved out of `train`.
    """

    LATER: ClassVar[frozenset[str]] = frozenset({"aspect", "interpolation", "test_interpolation", "vertical_flip"})

    type: Literal["imagefolder"] = "imagefolder"
    path: str = Field(min_length=1, description="folder of the data set; relative to where the command runs")
    resolution: Annotated[int, Field(ge=8, le=4096, strict=True, description="image side in pixels")] = 224
    validation: float = Field(
        default=0.1, gt=0, le=0.45, description="share of training images for validation, without a folder"
    )
    test: float = Field(
        default=0.1, gt=0, le=0.45, description="share of training images for the test, without a folder"
    )
    crop: float = Field(
        default=0.875, ge=0.1, le=1, description="part of the shorter side that is scored, around the centre"
    )
    smallest_area: float = Field(default=0.08, gt=0, le=1, description="smallest part of an image's area to train on")
    flip: bool = Field(default=True, description="mirror half of the training images")
    num_classes: int | None = Field(
        default=None,
        ge=2,
        le=1_000_000,
        strict=True,
        description="number of class folders, to check specs where they are not",
    )
    protocol: str | None = Field(
        default=None, max_length=60, description="published benchmark whose images and splits these are: imagenet1k"
    )
    aspect: tuple[float, float] = Field(
        default=ASPECT, description="width over height of the parts of images to train on, from and to"
    )
    interpolation: Literal["bilinear", "bicubic", "random"] = Field(
        default="bicubic", description="filter of training images, which are resized and moved with it"
    )
    test_interpolation: Literal["bilinear", "bicubic"] = Field(
        default="bicubic", description="filter of images that are scored"
    )
    vertical_flip: bool = Field(default=False, description="turn half of the training images upside down")

    @model_validator(mode="after")
    def _check(self) -> "ImageFolder":
        low, high = self.aspect
        if not 0.1 <= low <= high <= 10:
            raise FieldError(
                "aspect", f"must be two numbers from 0.1 to 10, the smaller one first, not {low:g}, {high:g}"
            )
        return self

    @property
    def classes(self) -> int:
        """Number of class folders; SpecError where `path` does not hold such, unless `num_classes` says it."""
        return len(self.folders.classes) if self.num_classes is None else self.num_classes

    @cached_property
    def folders(self) -> Folders:
        """The classes and splits in the folder; SpecError where it holds no such, or a class without images."""
        return find_folders(self._root())

    @property
    def benchmark(self) -> str | None:
        return self.protocol

    def inputs(self) -> tuple[Input, ...]:
        shares = {"validation": self.validation, "test": self.test}
        fields = type(self).model_fields
        options = ", ".join(f"{name} {value:g}" for name, value in shares.items() if value != fields[name].default)
        name = f"images in {self.path}{f' ({options})' if options else ''}"
        return (digest_images(name, self._root(), self._files()),)

    @property
    def augments_images(self) -> bool:
        return True

    def load(self) -> Splits:
        files = self._files()
        return Splits(*(self._split(part) for part in (files.train, files.validation, files.test)))

    def _files(self) -> ImageSplits:
        folders = find_folders(self._root())
        if self.num_classes not in (None, len(folders.classes)):
            rule = f"must be the number of class folders, {len(folders.classes)}, not {self.num_classes}"
            raise SpecError(rule, field="num_classes", source=self.path)
        return split_files(folders, self.validation, self.test)

    def _root(self) -> Path:
        return Path(self.path).expanduser()

    def _split(self, files: Files) -> DatasetSplit:
        labels = [label for label, members in enumerate(files) for _ in members]
        framing = Framing(
            resolution=self.resolution,
            crop=self.crop,
            smallest_area=self.smallest_area,
            flip=self.flip,
            aspect=self.aspect,
            interpolation=self.interpolation,
            test_interpolation=self.test_interpolation,
            vertical_flip=self.vertical_flip,
        )
        return ImageSplit(FileSource(self._root(), [path for members in files for path in members], labels), framing)
