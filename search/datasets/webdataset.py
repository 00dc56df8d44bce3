"""Images in tar shards of WebDataset's layout."""

from functools import cached_property, partial
from typing import Annotated, Literal, final

from pydantic import Field

from search.augment.geometric import ASPECT
from search.data.dataset import Dataset, Splits
from search.data.stored.content import digest_files
from search.data.stored.division import SHARE, Division, Parts, arrange, divide
from search.data.stored.options import (
    Aspect,
    ClassCount,
    Crop,
    Damaged,
    Draft,
    Files,
    FilesPart,
    Flip,
    Interpolation,
    PublishedAs,
    Side,
    SmallestArea,
    TestInterpolation,
    VerticalFlip,
    frame,
)
from search.data.stored.paths import find_parts
from search.data.stored.readable import describe_images
from search.data.stored.shards import Wanted, open_shards
from search.inputs import Input


@final
class WebDataset(Dataset):
    """Tar shards whose members share a key for each sample (`0001.jpg`, `0001.cls`); splits as in `arrange`."""

    type: Literal["webdataset"] = "webdataset"
    train: Annotated[
        Files, Field(description="shards to train on: shards/train-{0000..0009}.tar; one pattern or several")
    ]
    validation: Annotated[
        FilesPart, Field(description="shards for validation, or the share of training images where there are none")
    ] = SHARE
    test: Annotated[
        FilesPart, Field(description="shards for the test, or the share of training images where there are none")
    ] = SHARE
    image: tuple[str, ...] = Field(
        default=("jpg", "jpeg", "png", "webp"), min_length=1, description="endings of images, the first found counts"
    )
    label: str = Field(
        default="cls", min_length=1, description="ending of labels, or a field of a JSON object: json.label"
    )
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
        """Number of classes; SpecError where the shards cannot be read, unless `num_classes` says it."""
        return self._found if self.num_classes is None else self.num_classes

    @property
    def augments_images(self) -> bool:
        return True

    @property
    def benchmark(self) -> str | None:
        return self.protocol

    def inputs(self) -> tuple[Input, ...]:
        files = find_parts(self._parts().given)
        name = f"images in {self.train if isinstance(self.train, str) else self.train[0]}"
        division = self._divide(files)
        examine = partial(describe_images, name, division.classes, division.sources, self.unreadable)
        return (division.input(name, "shard", digest_files(files), examine),)

    def load(self) -> Splits:
        return self._division().splits(frame(self), self.unreadable)

    @cached_property
    def _found(self) -> int:
        return len(self._division().classes)

    def _parts(self) -> Parts[str | tuple[str, ...]]:
        return arrange(self.train, self.validation, self.test)

    def _division(self) -> Division:
        return self._divide(find_parts(self._parts().given))

    def _divide(self, files: dict[str, list[str]]) -> Division:
        stored = open_shards(files, Wanted(tuple(ending.lstrip(".").lower() for ending in self.image), self.label))
        return divide(self._parts(), stored, None, self.num_classes)
