"""Hugging Face's data sets of images, on this machine."""

from functools import cached_property, partial
from typing import Annotated, Literal, final

from pydantic import Field

from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from search.augment.geometric import ASPECT
from search.data.dataset import Dataset, Splits
from search.data.images.folders import VALIDATION
from search.data.stored.arrow_columns import (
    Columns,
    check_images,
    choose_columns,
    digest_rows,
    null_image,
    read_labels,
)
from search.data.stored.division import SHARE, Division, Parts, arrange, divide
from search.data.stored.hub_rows import HubRows, HubSplits, commit_of, find_split, open_hub
from search.data.stored.options import (
    Aspect,
    ClassCount,
    Column,
    Crop,
    Damaged,
    Draft,
    Flip,
    Interpolation,
    PublishedAs,
    Side,
    SmallestArea,
    SplitName,
    SplitPart,
    TestInterpolation,
    VerticalFlip,
    frame,
)
from search.data.stored.readable import describe_images
from search.data.stored.storage import Stored
from search.inputs import Input


@final
class HuggingFace(Dataset):
    """A set of Hugging Face's `datasets` that is on this machine: saved to disk, in data files, or in the cache.

    Splits are found by their names; those that are missing are carved out of `train` by hash. With `train` and
    `validation` alone, `validation` is the test split and validation is carved out of `train`.
    """

    type: Literal["hf"] = "hf"
    path: str = Field(min_length=1, description="folder, Parquet or Arrow file, or name of a set in the cache")
    config: str | None = Field(default=None, min_length=1, description="configuration of the set, where it has several")
    revision: str | None = Field(
        default=None, pattern="^[0-9a-f]{7,40}$", description="commit that the cached set must be of"
    )
    train: Annotated[SplitName, Field(description="split to train on")] = "train"
    validation: Annotated[
        SplitPart, Field(description="split for validation, or the share of training images where there is none")
    ] = SHARE
    test: Annotated[
        SplitPart, Field(description="split for the test, or the share of training images where there is none")
    ] = SHARE
    image: Annotated[Column, Field(description="column of images; without it, the only one of them")] = None
    label: Annotated[Column, Field(description="column of labels; without it, the only one of them")] = None
    resolution: Side = 224
    crop: Crop = 0.875
    smallest_area: SmallestArea = 0.08
    flip: Flip = True
    aspect: Aspect = ASPECT
    interpolation: Interpolation = "bicubic"
    test_interpolation: TestInterpolation = "bicubic"
    vertical_flip: VerticalFlip = False
    unreadable: Damaged = "refuse"
    draft: Draft = False
    num_classes: ClassCount = None
    protocol: PublishedAs = None

    @property
    def classes(self) -> int:
        """Number of classes; SpecError where the set cannot be read, unless `num_classes` says it."""
        return self._found if self.num_classes is None else self.num_classes

    @property
    def augments_images(self) -> bool:
        return True

    @property
    def benchmark(self) -> str | None:
        return self.protocol

    def inputs(self) -> tuple[Input, ...]:
        found, parts = self._open()
        named, columns, stored = self._read(found, parts)
        items = {
            parts.given[role]: digest_rows(split.data.column(columns.image), stored[role].labels)
            for role, split in named.items()
        }
        commit = commit_of(found)
        items |= {"commit": commit} if commit else {}
        options = "".join(f", {value}" for value in (self.config, self.revision) if value)
        division, name = self._divide(parts, columns, stored), f"images of {self.path}{options}"
        examine = partial(describe_images, name, division.classes, division.sources, self.unreadable)
        return (division.input(name, "split", items, examine),)

    def load(self) -> Splits:
        return self._division().splits(frame(self), self.unreadable)

    @cached_property
    def _found(self) -> int:
        return len(self._division().classes)

    def _division(self) -> Division:
        found, parts = self._open()
        _, columns, stored = self._read(found, parts)
        return self._divide(parts, columns, stored)

    def _divide(self, parts: Parts[str], columns: Columns, stored: dict[str, Stored]) -> Division:
        return divide(parts, stored, columns.classes, self.num_classes)

    def _open(self) -> tuple[HubSplits, Parts[str]]:
        """All splits of the set, and those that train, validation and test are."""
        found = open_hub(self.path, self.config, self.revision)
        named = [name for name in (self.train, self.validation, self.test) if isinstance(name, str)]
        for name in named:
            if named.count(name) > 1:
                raise SpecError(f"two splits cannot be the same, {printable(name)}", field="train")
        free = [name for name in found if name not in named]
        validation, test = (
            part if isinstance(part, str) else next((name for name in usual if name in free), part)
            for part, usual in ((self.validation, VALIDATION), (self.test, ("test",)))
        )
        share = self.validation if isinstance(self.validation, float) else SHARE
        return found, arrange(self.train, validation, test, share)

    def _read(self, found: HubSplits, parts: Parts[str]) -> tuple[HubSplits, Columns, dict[str, Stored]]:
        """The splits that are given with the columns that count, and what is stored in them."""
        named = {role: find_split(found, name, role) for role, name in parts.given.items()}
        first = named["train"]
        columns = choose_columns(first.column_names, first.features.to_dict(), self.image, self.label)
        stored: dict[str, Stored] = {}
        for role, split in named.items():
            name = parts.given[role]
            missing = {columns.image, columns.label} - set(split.column_names)
            if missing:
                rule = f"split {name} has no column {', '.join(sorted(missing))}, as {self.train} has"
                raise SpecError(printable(rule), field=role)
            images = split.data.column(columns.image)
            check_images(images.type, columns.image)
            if (row := null_image(images)) is not None:
                raise SpecError(f"split {printable(name)}: row {row}: the image is null", field="image")
            labels = read_labels(split.data.column(columns.label), columns.label, name)
            stored[role] = Stored(HubRows(split, columns.image, name), labels)
        return named, columns, stored
