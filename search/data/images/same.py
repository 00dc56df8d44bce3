"""Images that are the same, or nearly, in two splits or two classes: a warning, within bounds of work.

Files of one size are compared by content; up to `MAX_DECODED` images are decoded too, and their 16x16 gray thumbnails
compared, which finds an image that was saved again in another format, size or quality.
"""

import hashlib
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from archspec.documents.safe_text import printable

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

MAX_FILES = 20_000
MAX_BYTES = 512 * 2**20
"""Bytes of files of one size that are read to compare them."""
MAX_DECODED = 2_000
SIDE = 16
NEAR = 5.0
"""Root mean square difference of two thumbnails, in gray levels of 255, below which images are nearly the same.

An image saved again at another size or quality differs by 1 to 4; the nearest two of 600 enlarged handwritten digits
differ by 15.
"""
FLAT = 4.0
"""Standard deviation of a thumbnail below which it shows too little to be told from others."""


class PlacedImage(NamedTuple):
    """An image: its path below the data set's folder, its split and its class."""

    path: str
    split: str
    label: int


def find_same(root: Path, images: Sequence[PlacedImage], sizes: Mapping[str, int]) -> list[str]:
    """Warnings, a line each, on images that stand in two splits or two classes; none where there are too many to look.

    Args:
        root: folder of the data set.
        images: all of it.
        sizes: bytes of each file.
    """
    if len(images) > MAX_FILES:
        return []
    same = list(_same_content(root, images, sizes))
    known = {(one.path, other.path) for one, other in same}
    near = [] if len(images) > MAX_DECODED else list(_nearly_same(root, images))
    near = [pair for pair in near if (pair[0].path, pair[1].path) not in known]
    lines: list[str] = []
    for pairs, how in ((same, "the same"), (near, "nearly the same")):
        across = [pair for pair in pairs if pair[0].split != pair[1].split]
        if across:
            lines.append(f"{_count(across)} {how} in two splits: {_examples(across)}")
        within = [pair for pair in pairs if pair[0].split == pair[1].split]
        if within:
            lines.append(f"{_count(within)} {how} in two classes: {_examples(within)}")
    return lines


def _same_content(
    root: Path, images: Sequence[PlacedImage], sizes: Mapping[str, int]
) -> Iterator[tuple[PlacedImage, PlacedImage]]:
    """Pairs of images with the same bytes; files of a size that no other has are not read."""
    alike: dict[int, list[PlacedImage]] = defaultdict(list)
    for image in images:
        alike[sizes.get(image.path, -1)].append(image)
    left = MAX_BYTES
    for size, members in sorted(alike.items()):
        if size < 1 or not _apart(members):
            continue
        left -= size * len(members)
        if left < 0:
            return
        same: dict[bytes, list[PlacedImage]] = defaultdict(list)
        for image in members:
            try:
                same[hashlib.sha256((root / image.path).read_bytes()).digest()].append(image)
            except OSError:  # is told when it is trained on
                continue
        for found in same.values():
            yield from _pairs(found)


def _apart(images: Sequence[PlacedImage]) -> bool:
    return len({(image.split, image.label) for image in images}) > 1


def _pairs(found: Sequence[PlacedImage]) -> Iterator[tuple[PlacedImage, PlacedImage]]:
    """Each image but the first, with one of another split where there is one, or else of another class."""
    for index, image in enumerate(found[1:], 1):
        other = next((one for one in found[:index] if one.split != image.split), None)
        other = other or next((one for one in found[:index] if one.label != image.label), None)
        if other is not None:
            yield other, image


def _nearly_same(root: Path, images: Sequence[PlacedImage]) -> Iterator[tuple[PlacedImage, PlacedImage]]:
    """Pairs of images whose thumbnails are near; one pair for each image."""
    import numpy as np

    decoded = [(image, thumbnail) for image in images if (thumbnail := _thumbnail(root / image.path)) is not None]
    if not decoded:
        return
    shown = np.stack([thumbnail for _, thumbnail in decoded])
    squares = (shown**2).sum(1)
    for index, (image, _) in enumerate(decoded[1:], 1):
        apart = squares[:index] + squares[index] - 2 * (shown[:index] @ shown[index])
        for other in np.flatnonzero(apart < shown.shape[1] * NEAR**2).tolist():
            found = decoded[other][0]
            if (found.split, found.label) != (image.split, image.label):
                yield found, image
                break


def _thumbnail(path: Path) -> "NDArray[np.float32] | None":
    """Gray levels (256,), or None of an image that cannot be decoded or shows next to nothing."""
    import numpy as np
    from PIL import Image

    try:
        with Image.open(path) as image:
            image.draft("L", (4 * SIDE, 4 * SIDE))
            gray = image.convert("RGB").convert("L").resize((SIDE, SIDE), Image.Resampling.BOX)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):  # is told when it is trained on
        return None
    levels = np.asarray(gray, np.float32).reshape(-1)
    return levels if levels.std() > FLAT else None


def _count(pairs: Sequence[tuple[PlacedImage, PlacedImage]]) -> str:
    count = len({other.path for _, other in pairs})
    return "1 image is" if count == 1 else f"{count:,} images are"


def _examples(pairs: Sequence[tuple[PlacedImage, PlacedImage]]) -> str:
    shown = [f"{_place(one)} and {_place(other)}" for one, other in pairs[:2]]
    return "; ".join(shown) + ("; ..." if len(pairs) > 2 else "")


def _place(image: PlacedImage) -> str:
    return f"{printable(image.path)} ({image.split})"
