"""Splits of stored images: which labels they have, and which are carved out of the training images."""

from collections.abc import Sequence
from io import BytesIO
from typing import BinaryIO, final

import numpy as np
import pytest
from stored_images import photos

from archspec.errors import SpecError
from search.data.stored.division import Division, Parts, arrange, divide
from search.data.stored.readable import describe_images
from search.data.stored.storage import RowStorage, Stored, StoredSource


@final
class Encoded(RowStorage):
    """Images in memory."""

    def __init__(self, images: list[bytes]) -> None:
        self.images = images

    def __len__(self) -> int:
        return len(self.images)

    def open(self, row: int) -> BinaryIO:
        return BytesIO(self.images[row])

    def name(self, row: int) -> str:
        return f"row {row}"


def stored(labels: Sequence[int] | Sequence[str], keys: Sequence[bytes] | None = None) -> Stored:
    texts = [label for label in labels if isinstance(label, str)]
    values = texts if texts else np.asarray(labels, np.int64)
    return Stored(
        Encoded([bytes([row]) for row in range(len(labels))]), values, None if keys is None else np.asarray(keys)
    )


def rows(division: Division) -> dict[str, list[int]]:
    return {split: source.rows.tolist() for split, source in division.sources.items()}


def test_shares_are_carved_out_of_each_class_by_hash():
    labels = [0] * 30 + [1] * 10
    division = divide(Parts("x", 0.1, 0.2), {"train": stored(labels)}, None, None)
    found = rows(division)
    assert sorted(row for part in found.values() for row in part) == list(range(40))  # disjoint, and nothing is lost
    assert [sum(row < 30 for row in found[split]) for split in ("train", "validation", "test")] == [22, 2, 6]
    assert [sum(row >= 30 for row in found[split]) for split in ("train", "validation", "test")] == [7, 1, 2]
    assert [source.labels.tolist() for source in division.sources.values()] == [
        [labels[row] for row in part] for part in found.values()
    ]
    source = division.sources["test"]
    assert source.open(3).image.read() == bytes([found["test"][3]])
    assert source.name(3) == f"row {found['test'][3]}"


def test_keys_decide_and_not_where_they_stand():
    keys = [f"k{number}".encode() for number in range(20)]
    order = np.random.default_rng(0).permutation(20)
    labels = np.arange(20) % 2
    first = divide(Parts("x", 0.2, 0.2), {"train": stored(labels.tolist(), keys)}, None, None)
    moved = stored(labels[order].tolist(), [keys[number] for number in order])
    second = divide(Parts("x", 0.2, 0.2), {"train": moved}, None, None)
    for split in ("train", "validation", "test"):
        assert {keys[row] for row in rows(first)[split]} == {keys[order[row]] for row in rows(second)[split]}


def test_validation_alone_is_the_test_and_validation_comes_of_train():
    assert arrange("a", "b", 0.3) == Parts("a", 0.1, "b")
    assert arrange("a", 0.2, "c") == Parts("a", 0.2, "c")
    assert arrange("a", "b", "c") == Parts("a", "b", "c")
    parts = arrange("a", "b", 0.3)
    division = divide(parts, {"train": stored([0, 1] * 10), "test": stored([0, 1])}, None, None)
    assert [len(source) for source in division.sources.values()] == [18, 2, 2]


def test_names_are_classes_in_the_order_of_the_alphabet():
    division = divide(Parts("x", 0.1, "y"), {"train": stored(["b", "a", "c"] * 3), "test": stored(["c"])}, None, 3)
    assert division.classes == ("a", "b", "c")
    assert division.sources["test"].labels.tolist() == [2]
    encoded = photos(1)[0].data
    sources = {
        name: StoredSource(Encoded([encoded] * 9), part.rows, part.labels.numpy())
        for name, part in division.sources.items()
    }
    notes = describe_images("set", division.classes, sources, "refuse")
    assert notes[0].startswith(
        "set: 10 images of 3 classes: train 6 (a 2, b 2, c 2), validation 3 (a 1, b 1, c 1), test 1 ("
    )
    assert notes[1:] == ["test has no image of 2 of 3 classes: a, b"]


@pytest.mark.parametrize(
    ("train", "test", "names", "count", "rule"),
    [
        ([0, 1] * 5, [0, 2], None, None, "test: row 1: label 2 is out of range: labels are 0 to 1"),
        ([0, 1] * 5, [-1], None, None, "test: row 0: label -1 is out of range: labels are 0 to 1; a split without"),
        ([0, 1, 2] * 5, [0], ("a", "b"), None, "train: row 2: label 2 is out of range: labels are 0 to 1"),
        ([0, 1, 5] * 5, [0], None, 3, "train: row 2: label 5 is out of range: labels are 0 to 2"),
        ([0, 2] * 5, [0], None, None, "train: no image for train in class 1"),
        ([0, 1, 1, 1], [0], None, None, "train: no image for train in class 0 (where validation or test are carved"),
        ([0, 1] * 5, [0], ("a", "b"), 3, "num_classes: must be the number of classes, 2, not 3"),
        ([0] * 5, [0], None, None, "label: must have at least two classes, not 1 (0)"),
        (["cat"] * 5, ["cat"], None, None, "label: must have at least two classes, not 1 (cat)"),
        (["a", "b"] * 5, ["c"], None, None, "test: row 0: no image of train is of class c"),
        ([], [0], None, None, "train: has no images"),
        ([0, 1], [], None, None, "test: has no images"),
    ],
)
def test_labels_that_cannot_be_trained_on_are_refused(
    train: list[int], test: list[int], names: tuple[str, ...] | None, count: int | None, rule: str
):
    with pytest.raises(SpecError) as caught:
        divide(Parts("x", 0.1, "y"), {"train": stored(train), "test": stored(test)}, names, count)
    assert str(caught.value).startswith(rule)
