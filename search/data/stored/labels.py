"""Classes of stored images: the names or numbers that stand beside them, as labels from 0."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from search.data.images.files import some
from search.data.stored.storage import Stored

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MOST_CLASSES = 1_000_000

Labels = dict[str, "NDArray[np.int64]"]
"""Labels (N,) int64 of each split."""


def find_classes(
    parts: Mapping[str, Stored], names: tuple[str, ...] | None, count: int | None
) -> tuple[tuple[str, ...], Labels]:
    """The names of the classes, and the labels of each split.

    Numbers are labels as they stand, from 0. Names are classes in the order of the alphabet, as folders are.

    Args:
        parts: the splits by their names, `train` among them.
        names: of the classes, where the data states them beside numbers.
        count: the number of classes, where the configuration states it.

    Raises:
        SpecError: fewer than two classes, another number of them than `count`, a label out of range, a class of one
            split that `train` does not have, or a split without images.
    """
    empty = [split for split, part in parts.items() if not len(part.images)]
    if empty:
        raise SpecError("has no images", field=empty[0])
    if any(isinstance(part.labels, list) for part in parts.values()):
        classes, labels = _named(parts)
    else:
        classes, labels = _numbered(parts, names, count)
    if count not in (None, len(classes)):
        raise SpecError(f"must be the number of classes, {len(classes)}, not {count}", field="num_classes")
    if len(classes) < 2:
        raise SpecError(f"must have at least two classes, not {len(classes)} ({some(classes)})", field="label")
    return classes, labels


def _named(parts: Mapping[str, Stored]) -> tuple[tuple[str, ...], Labels]:
    import numpy as np

    classes = tuple(sorted({str(label) for label in parts["train"].labels}))
    number = {name: label for label, name in enumerate(classes)}
    labels: Labels = {}
    for split, part in parts.items():
        found = [number.get(str(label), -1) for label in part.labels]
        if -1 in found:
            row = found.index(-1)
            rule = f"{part.images.name(row)}: no image of train is of class {printable(str(part.labels[row])):.60}"
            raise SpecError(rule, field=split)
        labels[split] = np.asarray(found, np.int64)
    return classes, labels


def _numbered(
    parts: Mapping[str, Stored], names: tuple[str, ...] | None, count: int | None
) -> tuple[tuple[str, ...], Labels]:
    import numpy as np

    labels: Labels = {split: np.array(part.labels, np.int64) for split, part in parts.items()}
    stated = len(names) if names else count
    total = stated or min(int(labels["train"].max()) + 1, MOST_CLASSES)
    for split, part in labels.items():
        wrong = np.flatnonzero((part < 0) | (part >= total))
        if len(wrong):
            row, value = int(wrong[0]), int(part[wrong[0]])
            rule = f"{parts[split].images.name(row)}: label {value} is out of range: labels are 0 to {total - 1}"
            hint = "; a split without labels cannot be scored, name one that has them" if value < 0 else ""
            raise SpecError(rule + hint, field=split)
    return names or tuple(str(label) for label in range(total)), labels
