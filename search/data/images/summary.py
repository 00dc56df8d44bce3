"""A data set in a line at the start of a run: how many images of each class each split has."""

from collections.abc import Mapping, Sequence, Set
from statistics import median

from archspec.documents.safe_text import printable
from archspec.documents.wording import plural

EACH = 10
"""Classes that are counted one by one; of more, the range, the median, and the smallest by name."""
SMALLEST = 3


def summarise(classes: Sequence[str], splits: Mapping[str, Sequence[int]]) -> str:
    """`560 images of 3 classes: train 448 (ash 150, oak 148, yew 150), validation 56 (...), test 56 (...)`.

    Args:
        classes: their names.
        splits: of each split, the number of images of each class.
    """
    total = sum(sum(counts) for counts in splits.values())
    parts = [f"{name} {sum(counts):,} ({_classes(classes, counts)})" for name, counts in splits.items()]
    return f"{plural(total, 'image').replace(str(total), f'{total:,}')} of {len(classes):,} classes: {', '.join(parts)}"


def _classes(names: Sequence[str], counts: Sequence[int]) -> str:
    if len(names) <= EACH:
        return ", ".join(f"{printable(name)} {count:,}" for name, count in zip(names, counts, strict=True))
    least, most = min(counts), max(counts)
    if least == most:
        return f"{least:,} of each class"
    smallest = sorted(zip(counts, names, strict=True))[:SMALLEST]
    named = ", ".join(f"{printable(name)} {count:,}" for count, name in smallest)
    return f"{least:,} to {most:,} of a class, median {median(counts):,.6g}; fewest: {named}"


def count_images(parts: Mapping[str, Sequence[Sequence[str]]], left_out: Set[str]) -> dict[str, list[int]]:
    """Of each split, the number of images of each class, without those that are left out."""
    return {
        split: [sum(path not in left_out for path in members) for members in classes]
        for split, classes in parts.items()
    }


def describe_presence(
    images: Mapping[str, int], classes: int, present: Mapping[str, Sequence[int]] | None = None
) -> str:
    """`40 images with masks of 3 classes: train 32 (0 in 32, 1 in 20, 2 in 9), validation 4 (...), test 4 (...)`.

    Args:
        images: number of each split.
        classes: number of classes.
        present: of each split, the number of masks that each class is in; None where nobody looked.
    """
    parts: list[str] = []
    for split, count in images.items():
        counts = [] if present is None else present[split]
        absent = sum(not one for one in counts)
        said = ", ".join(f"{label} in {one:,}" for label, one in enumerate(counts))
        if len(counts) > EACH:
            said = f"{absent:,} classes in none of them" if absent else "every class in some"
        parts.append(f"{split} {count:,}{f' ({said})' if said else ''}")
    return f"{sum(images.values()):,} images with masks of {classes} classes: {', '.join(parts)}"
