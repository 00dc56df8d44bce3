"""Images of one's own, in class folders."""

from collections.abc import Mapping
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Literal, cast, final

from pydantic import BeforeValidator, Field, model_validator

from archspec.documents.paths import suggest
from archspec.documents.safe_text import printable
from archspec.errors import FieldError, SpecError
from search.augment.geometric import ASPECT
from search.data.dataset import Dataset, DatasetSplit, Splits
from search.data.decoding.pixels import Unreadable
from search.data.images.content import digest_images
from search.data.images.folders import Files, Folders, ImageSplits, find_folders, split_files
from search.data.images.source import FileSource
from search.data.images.split import ImageSplit
from search.data.images.subset import Subset
from search.data.stored.options import Ratio, frame
from search.inputs import Input
from search.tasks.classification import Classification

ClassWeight = Annotated[float, Field(ge=0, le=1e6, strict=True)]


def check_weights(raw: object) -> object:
    """The weights of classes that a study gives, unless they are of another form.

    Raises:
        FieldError: the rule, which pydantic has none for where a field may be one of several things.
    """
    if raw is None or raw == "balanced":
        return raw
    if not isinstance(raw, Mapping):
        raise FieldError("", f"must be balanced, or a weight for each class by its name, not {raw!r:.40}")
    for name, weight in cast("Mapping[object, object]", raw).items():
        if not isinstance(name, str):
            raise FieldError("", f"names classes by their folders: {name!r:.40} must stand in quotes")
        if isinstance(weight, bool) or not isinstance(weight, int | float) or not 0 <= weight <= 1e6:
            raise FieldError(name, f"must be a number from 0 to 1000000, not {weight!r:.40}")
    return cast("object", raw)


@final
class ImageFolder(Dataset):
    """A folder of `<class>/**`, or of `train/<class>/**` with `val` and `test`; missing splits are carved out by hash.

    With `train` and `val` alone, as in ImageNet, `val` is the test split and validation is carved out of `train`.
    """

    LATER: ClassVar[frozenset[str]] = frozenset(
        {"val_labels", "subset", "class_weights", "unreadable", "draft", "aspect", "interpolation"}
        | {"test_interpolation", "vertical_flip"}
    )

    type: Literal["imagefolder"] = "imagefolder"
    path: str = Field(min_length=1, description="folder of the data set; relative to where the command runs")
    resolution: Annotated[int, Field(ge=8, le=4096, strict=True, description="image side in pixels")] = 224
    validation: float = Field(
        default=0.1, gt=0, le=0.45, strict=True, description="share of training images for validation, without a folder"
    )
    test: float = Field(
        default=0.1, gt=0, le=0.45, strict=True, description="share of training images for the test, without a folder"
    )
    crop: float = Field(
        default=0.875,
        ge=0.1,
        le=1,
        strict=True,
        description="part of the shorter side that is scored, around the centre",
    )
    smallest_area: float = Field(
        default=0.08, gt=0, le=1, strict=True, description="smallest part of an image's area to train on"
    )
    flip: bool = Field(default=True, description="mirror half of the training images")
    num_classes: int | None = Field(
        default=None,
        ge=2,
        le=1_000_000,
        strict=True,
        description="number of class folders, to check specs where they are not",
    )
    val_labels: str | None = Field(
        default=None,
        min_length=1,
        max_length=1000,
        description="list of the labels of val, where that has no class folders; ImageNet's own are found by name",
    )
    subset: Subset | None = Field(default=None, description="part of the data: {per_class, only}; null for all of it")
    class_weights: Annotated[Literal["balanced"] | dict[str, ClassWeight] | None, BeforeValidator(check_weights)] = (
        Field(
            default=None,
            description="weights in the loss: balanced, or by class, 1 for those not named; 1 on average",
        )
    )
    unreadable: Unreadable = Field(
        default="refuse", description="images that cannot be decoded: refuse before training, or skip"
    )
    draft: bool = Field(
        default=False, description="decode large JPEGs at a half, quarter or eighth where that suffices"
    )
    protocol: str | None = Field(
        default=None, max_length=60, description="published benchmark whose images and splits these are: imagenet1k"
    )
    aspect: tuple[Ratio, Ratio] = Field(
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
        return find_folders(self._root(), self.subset, self.val_labels)

    @property
    def class_names(self) -> tuple[str, ...]:
        return self.folders.classes

    @property
    def benchmark(self) -> str | None:
        return self.protocol

    def inputs(self) -> tuple[Input, ...]:
        shares = {"validation": self.validation, "test": self.test}
        fields = type(self).model_fields
        options = [f"{name} {value:g}" for name, value in shares.items() if value != fields[name].default]
        options += [str(self.subset)] if self.subset is not None else []
        said = f" ({', '.join(options)})" if options else ""
        folders, files = self._files()
        self._weights(folders, files)
        return (digest_images(f"images in {self.path}{said}", self._root(), files, folders.classes, self.unreadable),)

    @property
    def augments_images(self) -> bool:
        return True

    def load(self) -> Splits:
        folders, files = self._files()
        weights = self._weights(folders, files)
        return Splits(*(self._split(part, weights) for part in (files.train, files.validation, files.test)))

    def _files(self) -> tuple[Folders, ImageSplits]:
        folders = find_folders(self._root(), self.subset, self.val_labels)
        if self.num_classes not in (None, len(folders.classes)):
            of = "class folders" if self.subset is None else "classes of the subset"
            rule = f"must be the number of {of}, {len(folders.classes)}, not {self.num_classes}"
            raise SpecError(rule, field="num_classes", source=self.path)
        return folders, split_files(folders, self.validation, self.test, self.subset)

    def _weights(self, folders: Folders, files: ImageSplits) -> tuple[float, ...] | None:
        """The weight of each class in the loss; None where all count the same."""
        wanted, counts = self.class_weights, [len(members) for members in files.train]
        if wanted is None:
            return None
        if wanted == "balanced":
            return tuple(sum(counts) / (len(counts) * count) for count in counts)
        for name in wanted:
            if name not in folders.classes:
                hint = suggest(name, folders.classes)
                rule = f"{printable(name)} is none of the {len(counts)} class folders{hint}"
                raise SpecError(rule, field="class_weights", source=self.path)
        weights = [wanted.get(name, 1.0) for name in folders.classes]
        mean = sum(weight * count for weight, count in zip(weights, counts, strict=True)) / sum(counts)
        if not mean:
            raise SpecError("must leave a class that counts, not be 0 for all", field="class_weights", source=self.path)
        return tuple(weight / mean for weight in weights)

    def _root(self) -> Path:
        return Path(self.path).expanduser()

    def _split(self, files: Files, weights: tuple[float, ...] | None) -> DatasetSplit:
        labels = [label for label, members in enumerate(files) for _ in members]
        source = FileSource(self._root(), [path for members in files for path in members], labels)
        return ImageSplit(source, frame(self), supervision=Classification(weights), unreadable=self.unreadable)
