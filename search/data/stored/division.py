"""Splits of stored images: those that there are, and those that are carved out of the training images by hash."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast, final

from archspec.errors import SpecError
from search.data.dataset import Splits
from search.data.decoding.pixels import Unreadable
from search.data.images.files import some
from search.data.images.framing import Framing
from search.data.images.split import ImageSplit
from search.data.stored.labels import Labels, find_classes
from search.data.stored.storage import Stored, StoredSource
from search.inputs import Input, digest_text
from search.seeding import mix

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHARE = 0.1
"""Share of the training images that is carved out where no other is stated."""

T = TypeVar("T")


@final
@dataclass(frozen=True)
class Parts(Generic[T]):
    """The place that each split is read from; a number is the share of the training images that is carved out."""

    train: T
    validation: T | float
    test: T | float

    @property
    def given(self) -> dict[str, T]:
        """The splits that are not carved out, by their names."""
        parts: dict[str, T | float] = {"train": self.train, "validation": self.validation, "test": self.test}
        return {name: cast("T", part) for name, part in parts.items() if not isinstance(part, float)}


def arrange(train: T, validation: T | float, test: T | float, share: float = SHARE) -> Parts[T]:
    """The splits of a data set whose test may be missing.

    Without it, `validation` is the test split and validation, a `share`, is carved out of `train`: figures that are
    published with such a set are stated on it, and a search must not see what its result is stated on.
    """
    if isinstance(test, float) and not isinstance(validation, float):
        return Parts(train, share, validation)
    return Parts(train, validation, test)


@final
@dataclass(frozen=True)
class Division:
    """Three splits of stored images.

    Attributes:
        classes: their names.
        sources: the images of each split.
        rule: how they came about, by which a change of it is seen.
    """

    classes: tuple[str, ...]
    sources: Mapping[str, StoredSource]
    rule: str

    def splits(self, framing: Framing, unreadable: Unreadable) -> Splits:
        """The splits as they are trained on."""
        parts = (self.sources[name] for name in ("train", "validation", "test"))
        return Splits(*(ImageSplit(part, framing, unreadable=unreadable) for part in parts))

    def input(self, name: str, noun: str, items: Mapping[str, str], examine: Callable[[], Sequence[str]]) -> Input:
        """The input of a run that these splits are; see `Input`."""
        counts = {split: len(source) for split, source in self.sources.items()}
        return Input("data", name, noun, items, counts, digest_text(self.rule), examine)


def divide(
    parts: Parts[Any], stored: Mapping[str, Stored], names: tuple[str, ...] | None, count: int | None
) -> Division:
    """The three splits of stored images.

    A share is taken of each class, at least one image, those whose keys hash lowest: the same on every machine.

    Args:
        parts: the splits that are there, and the shares of those that are carved out.
        stored: the images of those that are there, by split.
        names: of the classes, where the data states them beside numbers.
        count: the number of classes, where the configuration states it.

    Raises:
        SpecError: as `find_classes`, or no training image is left of a class.
    """
    import numpy as np

    classes, labels = find_classes(stored, names, count)
    sources = {
        split: StoredSource(part.images, np.arange(len(part.images)), labels[split]) for split, part in stored.items()
    }
    shares = {"test": parts.test, "validation": parts.validation}  # in the order in which folders of images are carved
    carved = {split: share for split, share in shares.items() if isinstance(share, float)}
    rest = np.arange(len(stored["train"].images))
    ranks = _ranks(stored["train"]) if carved else rest
    for split, share in carved.items():
        rest, taken = _carve(rest, labels["train"], ranks, share)
        sources[split] = StoredSource(stored["train"].images, taken, labels["train"][taken])
    sources["train"] = StoredSource(stored["train"].images, rest, labels["train"][rest])
    _check_train(classes, labels, rest, bool(carved))
    rule = ", ".join(f"{split} {carved.get(split, 'given')}" for split in ("train", "validation", "test"))
    return Division(classes, {split: sources[split] for split in ("train", "validation", "test")}, rule)


def _ranks(part: Stored) -> NDArray[np.int64]:
    import numpy as np

    keys = range(len(part.images)) if part.keys is None else part.keys.tolist()
    words = (key.decode("utf-8", "surrogateescape") if isinstance(key, bytes) else key for key in keys)
    return np.fromiter((mix("split", word) for word in words), np.int64, len(part.images))


def _carve(
    rows: NDArray[np.int64], labels: NDArray[np.int64], ranks: NDArray[np.int64], share: float
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Rows that are left, and those that are taken: of each class `share`, at least one, of the lowest ranks."""
    import numpy as np

    order = rows[np.lexsort((ranks[rows], labels[rows]))]
    _, starts, sizes = np.unique(labels[order], return_index=True, return_counts=True)
    counts = np.maximum(1, np.rint(share * sizes)).astype(np.int64)
    within = np.arange(len(order)) - np.repeat(starts, sizes)
    taken = within < np.repeat(counts, sizes)
    return np.sort(order[~taken]), np.sort(order[taken])


def _check_train(classes: tuple[str, ...], labels: Labels, rest: NDArray[np.int64], carved: bool) -> None:
    import numpy as np

    left = np.bincount(labels["train"][rest], minlength=len(classes))
    empty = [classes[label] for label in np.flatnonzero(left == 0)]
    if empty:
        hint = " (where validation or test are carved out, each takes at least one image of a class)" if carved else ""
        raise SpecError(f"no image for train in class {some(empty)}{hint}", field="train")
