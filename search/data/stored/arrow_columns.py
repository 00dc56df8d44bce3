"""Columns of Arrow tables, as Parquet files and Hugging Face's data sets hold them: images and labels."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from archspec.documents.paths import suggest
from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from search.data.images.content import MAX_CONTENT

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

IMAGE_NAMES, LABEL_NAMES = ("image", "img"), ("label", "labels")
"""Names of columns that are taken where the table does not say what its columns hold."""
SHOWN = 12


class Columns(NamedTuple):
    """The columns of images and labels, and the names of the classes where the table states them."""

    image: str
    label: str
    classes: tuple[str, ...] | None


def choose_columns(known: Sequence[str], features: Mapping[str, Any], image: str | None, label: str | None) -> Columns:
    """The columns that are asked for, or else the only image feature and the only class label.

    Args:
        known: all columns.
        features: what Hugging Face's `Features.to_dict` states of them; empty where nobody did.
        image: the column of images that the configuration names.
        label: the column of labels that it names.

    Raises:
        SpecError: there is no such column, or none or several may be meant.
    """
    pictures = _choose("image", image, known, _of_kind(features, "Image"), IMAGE_NAMES)
    labels = _choose("label", label, known, _of_kind(features, "ClassLabel"), LABEL_NAMES)
    stated = features.get(labels)
    names = stated.get("names") if isinstance(stated, Mapping) else None
    return Columns(pictures, labels, tuple(map(str, names)) if names else None)


def _of_kind(features: Mapping[str, Any], kind: str) -> list[str]:
    return [name for name, feature in features.items() if isinstance(feature, Mapping) and feature.get("_type") == kind]


def _choose(field: str, asked: str | None, known: Sequence[str], marked: list[str], usual: tuple[str, ...]) -> str:
    shown = ", ".join(printable(name) for name in known[:SHOWN])
    if asked is not None:
        if asked not in known:
            rule = f"no column is called {printable(asked)}{suggest(asked, known)}; the columns are {shown}"
            raise SpecError(rule, field=field)
        return asked
    found = marked or [name for name in usual if name in known][:1]
    if len(found) == 1:
        return found[0]
    kind = f"{len(found)} columns may be meant, {', '.join(map(printable, found))}" if found else "no column is marked"
    raise SpecError(f"{kind} as that of the {field}s: name it; the columns are {shown}", field=field)


def check_images(kind: Any, column: str) -> None:
    """Refuse a column that holds no encoded images.

    Args:
        kind: its type in Arrow.
        column: its name.

    Raises:
        SpecError: it holds neither bytes, nor paths, nor a struct that has `bytes`.
    """
    import pyarrow.types as types  # pyright: ignore[reportMissingImports]

    flat = [types.is_binary, types.is_large_binary, types.is_string, types.is_large_string]
    if types.is_struct(kind) and any(child.name == "bytes" for child in kind):
        return
    if not any(is_kind(kind) for is_kind in flat):
        rule = f"column {printable(column)} holds {kind!s:.60}, not images as bytes (or a struct of bytes and path)"
        raise SpecError(rule, field="image")


def null_image(column: Any) -> int | None:
    """The first row of a column (an array in Arrow) that holds no image."""
    import pyarrow.compute as pc  # pyright: ignore[reportMissingImports]
    import pyarrow.types as types  # pyright: ignore[reportMissingImports]

    if not len(column):
        return None
    empty = pc.is_null(column)
    if types.is_struct(column.type):
        inner = pc.is_null(pc.struct_field(column, "bytes"))
        if any(child.name == "path" for child in column.type):
            inner = pc.and_(inner, pc.is_null(pc.struct_field(column, "path")))
        empty = pc.or_(empty, inner)
    row = pc.index(empty, True).as_py()
    return None if row < 0 else row


def read_labels(column: Any, name: str, split: str) -> NDArray[np.int64] | list[str]:
    """The labels in a column (an array in Arrow): numbers (N,) int64, or names.

    Raises:
        SpecError: it holds something else, or a row holds nothing.
    """
    import numpy as np
    import pyarrow as pa  # pyright: ignore[reportMissingImports]
    import pyarrow.compute as pc  # pyright: ignore[reportMissingImports]
    import pyarrow.types as types  # pyright: ignore[reportMissingImports]

    if types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    integers, texts = types.is_integer(column.type), types.is_string(column.type) or types.is_large_string(column.type)
    if not integers and not texts:
        rule = f"column {printable(name)} holds {column.type!s:.60}, not labels (integers, or names of classes)"
        raise SpecError(rule, field="label")
    if column.null_count:
        row = pc.index(pc.is_null(column), True).as_py()
        raise SpecError(f"split {split}: row {row}: the label is null", field="label")
    return np.array(column.cast(pa.int64()).to_numpy(), np.int64) if integers else column.to_pylist()


def digest_rows(images: Any, labels: NDArray[np.int64] | list[str]) -> str:
    """The content of a split as rows of a table: its number of rows, and a digest.

    Sizes of images and their labels tell it from others, and the images themselves where they have at most
    `MAX_CONTENT` bytes together.

    Args:
        images: the column of images, an array in Arrow.
        labels: the label of each.
    """
    import numpy as np
    import pyarrow.compute as pc  # pyright: ignore[reportMissingImports]
    import pyarrow.types as types  # pyright: ignore[reportMissingImports]

    names = "\0".join(labels).encode("utf-8", "surrogatepass") if isinstance(labels, list) else labels.tobytes()
    digest = hashlib.sha256(names)
    fields = (
        [child.name for child in images.type if child.name in ("bytes", "path")] if types.is_struct(images.type) else []
    )
    for part in [pc.struct_field(images, field) for field in fields] or [images]:
        sizes = pc.fill_null(pc.binary_length(part), -1).cast("int64").to_numpy()
        digest.update(np.asarray(sizes).tobytes())
        if sizes.sum() <= MAX_CONTENT:
            for cell in part:
                data = cell.as_py() or b""
                digest.update(data.encode("utf-8", "surrogatepass") if isinstance(data, str) else data)
    return f"{len(images)} rows {digest.hexdigest()[:16]}"
