"""Images in a column of Parquet files, read by row group."""

from __future__ import annotations

import json
import os
from collections import OrderedDict
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, BinaryIO, NamedTuple, final

from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from search.data.stored.arrow_columns import Columns, check_images, choose_columns, null_image, read_labels
from search.data.stored.packages import require
from search.data.stored.storage import RowStorage, Stored, open_cell

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LARGE = 32 * 2**20
"""Bytes of a row group that takes longer to read than the image that is wanted of it takes to decode."""
KEPT = 64 * 2**20
"""Bytes of row groups that a process keeps of a split; the one that was read last is kept whatever its size."""


class RowGroup(NamedTuple):
    """A row group: its first row in the split, the number of its file, and its own in it.

    `size` is that of its images in bytes, and `nulls` whether some may be missing.
    """

    first: int
    file: int
    number: int
    size: int
    nulls: bool


@final
class ParquetRows(RowStorage):
    """The images of Parquet files. For an image its row group is read, unless it is one of those read last.

    Args:
        files: the files, whose rows follow one another.
        column: the column of images.
        groups: their row groups in order.
        length: number of rows.
    """

    def __init__(self, files: Sequence[str], column: str, groups: Sequence[RowGroup], length: int) -> None:
        import numpy as np

        self._files, self._name, self._length = list(files), column, length
        self._groups = list(groups)
        self._starts: NDArray[np.int64] = np.asarray([group.first for group in groups], np.int64)
        self._kept: OrderedDict[int, Any] = OrderedDict()

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_kept": OrderedDict()}

    def __len__(self) -> int:
        return self._length

    @property
    def note(self) -> str | None:
        """A line for people where row groups are so large that reading one for each image takes long."""
        sizes = [group.size for group in self._groups]
        if sum(sizes) <= KEPT or (mean := sum(sizes) / len(sizes)) <= LARGE:
            return None
        rule = f"row groups of {printable(os.path.basename(self._files[0]))} hold {mean / 2**20:.0f} MiB of images on"
        return f"{rule} average, and one is read for each image: write them with about 100 rows each, or use type: hf"

    def open(self, row: int) -> BinaryIO:
        place = self._place(row)
        group = self._groups[place]
        return open_cell(self._read(place)[row - group.first].as_py(), os.path.dirname(self._files[group.file]))

    def name(self, row: int) -> str:
        group = self._groups[self._place(row)]
        first = next(other.first for other in self._groups if other.file == group.file)
        return f"{self._files[group.file]}: row {row - first}"

    def null(self) -> int | None:
        """The first row without an image, of row groups whose statistics say that they have such."""
        for place, group in enumerate(self._groups):
            if group.nulls and (row := null_image(self._read(place))) is not None:
                return group.first + row
        return None

    def _place(self, row: int) -> int:
        import numpy as np

        return int(np.searchsorted(self._starts, row, side="right")) - 1

    def _read(self, place: int) -> Any:
        """The images of a row group as a chunked array in Arrow."""
        import pyarrow.parquet as parquet  # pyright: ignore[reportMissingImports]

        cells = self._kept.pop(place, None)
        if cells is None:
            group = self._groups[place]
            with parquet.ParquetFile(self._files[group.file], memory_map=True) as file:
                cells = file.read_row_group(group.number, columns=[self._name], use_threads=False).column(0)
        self._kept[place] = cells
        while len(self._kept) > 1 and sum(kept.nbytes for kept in self._kept.values()) > KEPT:
            self._kept.popitem(last=False)
        return cells


def open_parquet(
    parts: Mapping[str, Sequence[str]], image: str | None, label: str | None
) -> tuple[Columns, dict[str, Stored]]:
    """The columns that count, and what is stored in the files of each split; labels are read, images are not.

    Args:
        parts: the files of each split, `train` among them.
        image: the column of images, where the configuration names it.
        label: the column of labels, where it names it.

    Raises:
        SpecError: `pyarrow` is not installed, a file cannot be read, lacks a column or holds other things in it, or a
            row without an image or a label.
    """
    parquet, arrow = require("pyarrow.parquet", "parquet", "parquet"), require("pyarrow", "parquet", "parquet")
    columns: Columns | None = None
    stored: dict[str, Stored] = {}
    for split, files in parts.items():
        groups: list[RowGroup] = []
        labels: list[Any] = []
        length = 0
        for number, path in enumerate(files):
            with _opened(parquet, path, split) as file:
                if columns is None:
                    columns = _columns(file.schema_arrow, image, label)
                _check_schema(file.schema_arrow, columns, path, split)
                groups += _groups(file.metadata, columns.image, number, length)
                labels.append(file.read(columns=[columns.label]).column(0))
                length += file.metadata.num_rows
        assert columns is not None, "a split has at least one file"
        rows = ParquetRows(files, columns.image, groups, length)
        if (row := rows.null()) is not None:
            raise SpecError(f"{printable(rows.name(row))}: the image is null", field=split)
        column = arrow.chunked_array([chunk for part in labels for chunk in part.chunks], labels[0].type)
        stored[split] = Stored(rows, read_labels(column, columns.label, split))
    assert columns is not None
    return columns, stored


@contextmanager
def _opened(parquet: Any, path: str, split: str) -> Generator[Any]:
    try:
        with parquet.ParquetFile(path, memory_map=True) as file:
            yield file
    except (OSError, ValueError) as error:
        said = " ".join(str(error).split())[:160]
        raise SpecError(f"{printable(path)} cannot be read as Parquet: {printable(said)}", field=split) from None


def _columns(schema: Any, image: str | None, label: str | None) -> Columns:
    """The columns that count; Hugging Face's library writes into a file which of them are images and labels."""
    try:
        stated = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
        features = stated["info"]["features"]
    except (ValueError, LookupError, TypeError):
        features = {}
    return choose_columns(schema.names, features if isinstance(features, dict) else {}, image, label)


def _check_schema(schema: Any, columns: Columns, path: str, split: str) -> None:
    missing = [name for name in (columns.image, columns.label) if name not in schema.names]
    if missing:
        rule = f"{path} has no column {missing[0]}; its columns are {', '.join(schema.names[:12])}"
        raise SpecError(printable(rule), field=split)
    check_images(schema.field(columns.image).type, columns.image)


def _groups(metadata: Any, column: str, file: int, first: int) -> Iterator[RowGroup]:
    for number in range(metadata.num_row_groups):
        group = metadata.row_group(number)
        parts = [group.column(index) for index in range(group.num_columns)]
        images = [part for part in parts if part.path_in_schema in (column, f"{column}.bytes")]
        counts = [
            part.statistics.null_count if part.is_stats_set and part.statistics.has_null_count else 1 for part in images
        ]
        yield RowGroup(first, file, number, sum(part.total_uncompressed_size for part in images), any(counts))
        first += group.num_rows
