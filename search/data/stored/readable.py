"""Stored images that cannot be decoded, found and named before anything is trained."""

import warnings
from collections.abc import Mapping, Sequence

from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from search.data.decoding.pixels import Unreadable, decoding_errors, is_damage, reason_of
from search.data.images.files import some
from search.data.images.readable import NAMED, WHOLE
from search.data.images.summary import summarise
from search.data.stored.storage import StoredSource


def describe_images(
    name: str, classes: Sequence[str], sources: Mapping[str, StoredSource], policy: Unreadable
) -> list[str]:
    """Notes on the splits: how many images of each class there are, and which are left out.

    The first `WHOLE` bytes of images are decoded; what is damaged behind them is met when it is trained on.

    Args:
        name: of the data set, for people.
        classes: their names.
        sources: the images of each split.
        policy: what becomes of images that cannot be decoded.

    Raises:
        SpecError: there are such images, and the policy is to refuse them or leaves a class without a training image;
            or one cannot be read at all.
    """
    import numpy as np

    damaged = {split: dict[int, str]() for split in sources}
    left, looked = WHOLE, 0
    for split, source in sources.items():
        for index in range(len(source)):
            if left <= 0:
                break
            size, damage = _look(source, index)
            left, looked = left - size, looked + 1
            if damage:
                damaged[split][index] = f"{source.name(index)} ({damage})"
    notes: list[str] = []
    said = [printable(line) for found in damaged.values() for line in found.values()]
    if said:
        of = f"{len(said):,} of {looked:,} images cannot be decoded"
        if policy == "refuse":
            rule = f"{of}: {some(said)}; repair them or take them away, or leave them out by unreadable: skip"
            raise SpecError(rule, field="unreadable")
        notes.append(f"{of} and are left out: {some(said, NAMED)}")
    counts: dict[str, list[int]] = {
        split: np.bincount(np.delete(source.labels.numpy(), list(damaged[split])), minlength=len(classes)).tolist()
        for split, source in sources.items()
    }
    if 0 in counts["train"]:
        label = counts["train"].index(0)
        raise SpecError(f"no image for train in class {printable(classes[label])} that can be decoded", field="train")
    return [f"{name}: {summarise(classes, counts)}", *notes, *_absent(classes, counts)]


def _look(source: StoredSource, index: int) -> tuple[int, str]:
    """Bytes of an image, and a few words on why it cannot be decoded."""
    from PIL import Image

    size = 0
    try:
        with warnings.catch_warnings(), source.open(index).image as file:
            warnings.simplefilter("ignore")  # on what decodes nevertheless
            size = file.seek(0, 2)
            file.seek(0)
            with Image.open(file) as image:
                image.draft(None, (1, 1))  # pyright: ignore[reportArgumentType]  (a mode of None keeps it)
                image.load()
    except decoding_errors() as error:
        if not is_damage(error):
            raise SpecError(f"{printable(source.name(index))} cannot be read: {reason_of(error)}") from None
        return size, reason_of(error)
    return size, ""


def _absent(classes: Sequence[str], counts: Mapping[str, Sequence[int]]) -> list[str]:
    found: list[str] = []
    for split, numbers in counts.items():
        absent = [name for name, count in zip(classes, numbers, strict=True) if not count]
        if absent:
            found.append(f"{split} has no image of {len(absent)} of {len(classes)} classes: {some(absent)}")
    return found
