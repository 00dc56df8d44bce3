"""Images in Parquet files."""

from functools import cached_property
from typing import Annotated, Literal, final

from pydantic import Field

from search.augment.geometric import ASPECT
from search.data.dataset import Dataset, Splits
from search.data.stored.arrow_columns import Columns
from search.data.stored.content import digest_files
from search.data.stored.division import SHARE, Division, Parts, arrange, divide
from search.data.stored.options import (
    Aspect,
    ClassCount,
    Column,
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
from search.data.stored.parquet_rows import ParquetRows, open_parquet
from search.data.stored.paths import find_parts
from search.data.stored.readable import describe_images
from search.data.stored.storage import Stored
from search.inputs import Input


@final
class Parquet(Dataset):
    """Parquet files with a column of encoded images and a column of labels; splits as in `arrange`."""

    type: Literal["parquet"] = "parquet"
    train: Annotated[Files, Field(description="files to train on: data/train-*.parquet; one pattern or several")]
    validation: Annotated[
        FilesPart, Field(description="files for validation, or the share of training images where there are none")
    ] = SHARE
    test: Annotated[
        FilesPart, Field(description="files for the test, or the share of training images where there are none")
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
        """Number of classes; SpecError where the files cannot be read, unless `num_classes` says it."""
        return self._found if self.num_classes is None else self.num_classes

    @property
    def augments_images(self) -> bool:
        return True

    @property
    def benchmark(self) -> str | None:
        return self.protocol

    def inputs(self) -> tuple[Input, ...]:
        parts = self._parts()
        files = find_parts(parts.given)
        columns, stored = open_parquet(files, self.image, self.label)
        division = self._divide(parts, columns, stored)
        name = f"images in {self.train if isinstance(self.train, str) else self.train[0]}"

        def examine() -> list[str]:
            notes = [part.images.note for part in stored.values() if isinstance(part.images, ParquetRows)]
            found = describe_images(name, division.classes, division.sources, self.unreadable)
            return [*found, *(note for note in notes if note)]

        return (division.input(name, "file", digest_files(files), examine),)

    def load(self) -> Splits:
        return self._division().splits(frame(self), self.unreadable)

    @cached_property
    def _found(self) -> int:
        return len(self._division().classes)

    def _parts(self) -> Parts[str | tuple[str, ...]]:
        return arrange(self.train, self.validation, self.test)

    def _division(self) -> Division:
        parts = self._parts()
        return self._divide(parts, *open_parquet(find_parts(parts.given), self.image, self.label))

    def _divide(self, parts: Parts[str | tuple[str, ...]], columns: Columns, stored: dict[str, Stored]) -> Division:
        return divide(parts, stored, columns.classes, self.num_classes)
