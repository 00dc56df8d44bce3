"""Small images in every mode that photographs come in, and the files of many that hold them."""

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from PIL import Image

from search.data.stored.storage import RowStorage

NAMES = ("dark", "light")


class Photo(NamedTuple):
    """An encoded image, its ending and its label."""

    data: bytes
    ending: str
    label: int


def photos(count: int, seed: int = 0) -> list[Photo]:
    """Images of two classes, of one brightness each, in odd sizes: RGB, gray, RGBA, palette, 16-bit gray, JPEG."""
    rng = np.random.default_rng(seed)
    return [_photo(number, rng) for number in range(count)]


def _photo(number: int, rng: np.random.Generator) -> Photo:
    label, kind = number % 2, number // 2 % 6
    level, shape = (40, 210)[label], (int(rng.integers(20, 60)), int(rng.integers(20, 60)))
    if kind == 4:
        pixels = rng.integers((level - 20) << 8, (level + 20) << 8, shape).astype(np.uint16)
        image, ending = Image.fromarray(pixels), "png"
    else:
        pixels = rng.integers(level - 20, level + 20, (*shape, 3)).astype(np.uint8)
        image = Image.fromarray(pixels).convert(("RGB", "L", "RGBA", "P", "", "RGB")[kind])
        ending = "jpg" if kind == 5 else "png"
    buffer = io.BytesIO()
    image.save(buffer, "JPEG" if ending == "jpg" else "PNG")
    return Photo(buffer.getvalue(), ending, label)


def write_shard(path: Path, found: Sequence[Photo], start: int = 0, **members: Any) -> Path:
    """A tar shard: for each image a member of it, and `cls` with its label; beside them, `members` of each sample."""
    with tarfile.open(path, "w") as shard:
        for number, photo in enumerate(found, start):
            parts = {photo.ending: photo.data, "cls": str(photo.label).encode()}
            for ending, data in {**parts, **{name: make(photo) for name, make in members.items()}}.items():
                member = tarfile.TarInfo(f"set/{number:04}.{ending}")
                member.size = len(data)
                shard.addfile(member, io.BytesIO(data))
    return path


def write_table(path: Path, found: Sequence[Photo], /, **columns: Any) -> Path:
    """A Parquet file as the Hub's: structs of bytes and path, and labels; `columns` of other values stand over them."""
    import pyarrow as pa  # pyright: ignore[reportMissingImports]
    import pyarrow.parquet as parquet  # pyright: ignore[reportMissingImports]

    kind = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
    images = pa.array([{"bytes": photo.data, "path": None} for photo in found], kind)
    table = {"image": images, "label": pa.array([photo.label for photo in found])} | columns
    parquet.write_table(pa.table({name: column for name, column in table.items() if column is not None}), path, 10)
    return path


def saved(found: Sequence[Photo]) -> Any:
    """A `datasets.Dataset` of the images."""
    import datasets  # pyright: ignore[reportMissingImports]

    features = datasets.Features({"image": datasets.Image(), "label": datasets.ClassLabel(names=list(NAMES))})
    cells = [{"bytes": photo.data, "path": None} for photo in found]
    return datasets.Dataset.from_dict({"image": cells, "label": [photo.label for photo in found]}, features=features)


def read_row(images: RowStorage, row: int) -> bytes:
    """The image in a row."""
    with images.open(row) as file:
        return file.read()
