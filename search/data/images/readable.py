"""Image files that cannot be decoded, found and named before anything is trained."""

import os
import struct
import warnings
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from search.data.decoding.pixels import Unreadable, decoding_errors, is_damage, reason_of
from search.data.images.files import some

if TYPE_CHECKING:
    from PIL.Image import Image

WHOLE = 256 * 2**20
"""Bytes of a data set that are decoded in full; of a larger one, each file's header and its end are looked at."""
TAIL = 64
"""Bytes at the end of a file in which its format's last mark must stand; a file without it is decoded in full."""
READERS = 8
"""Files opened at a time: most of the time goes into waiting for a disk, or for a network behind it."""
NAMED = 20
"""Files left out that are recorded by name."""


def check_readable(root: Path, sizes: Mapping[str, int], policy: Unreadable) -> tuple[list[str], frozenset[str]]:
    """A note on the files that are left out, and these files.

    Args:
        root: folder of the data set.
        sizes: bytes of each image, by its path below `root`.
        policy: what becomes of a file that cannot be decoded.

    Raises:
        SpecError: there are such files, and the policy is to refuse them; or one cannot be read at all.
    """
    damaged = find_unreadable(root, sizes)
    if not damaged:
        return [], frozenset()
    said = [f"{printable(path)} ({reason})" for path, reason in damaged.items()]
    of = f"{len(damaged):,} of {len(sizes):,} images cannot be decoded"
    if policy == "refuse":
        rule = f"{of}: {some(said, 3)}; repair them or take them away, or leave them out by unreadable: skip"
        raise SpecError(rule, field="path", source=printable(str(root)))
    return [f"{of} and are left out: {some(said, NAMED)}"], frozenset(damaged)


def find_unreadable(root: Path, sizes: Mapping[str, int]) -> dict[str, str]:
    """The files that cannot be decoded, sorted by path, with a few words on why.

    Up to `WHOLE` bytes of images are decoded in full, JPEGs at an eighth of their size. Of a larger set only files
    whose end is missing are: what is damaged in the middle is met when it is trained on.

    Raises:
        SpecError: a file cannot be read.
    """
    whole = sum(sizes.values()) <= WHOLE
    paths = sorted(sizes)

    def check(path: str) -> str:
        return damage_of(root / path, whole=whole)

    with warnings.catch_warnings(), ThreadPoolExecutor(READERS) as readers:
        warnings.simplefilter("ignore")  # on what decodes nevertheless
        reasons = list(readers.map(check, paths, chunksize=64))
    return {path: reason for path, reason in zip(paths, reasons, strict=True) if reason}


def damage_of(path: Path, *, whole: bool) -> str:
    """A few words on why an image cannot be decoded; empty for one that can, as far as was looked.

    Raises:
        SpecError: the file cannot be read.
    """
    from PIL import Image

    try:
        with path.open("rb") as file, Image.open(file) as image:
            if whole or not _complete(file, image):
                image.draft(None, (1, 1))  # pyright: ignore[reportArgumentType]  (a mode of None keeps it)
                image.load()
    except decoding_errors() as error:
        if not is_damage(error):
            raise SpecError(f"cannot be read: {reason_of(error)}", field="path", source=printable(str(path))) from None
        return reason_of(error)
    return ""


def _complete(file: BinaryIO, image: "Image") -> bool:
    """Whether the mark that ends such a file stands at its end; where a format has none, False."""
    place = file.tell()
    size = file.seek(0, os.SEEK_END)
    file.seek(max(0, size - TAIL))
    tail = file.read(TAIL)
    file.seek(0)
    head = file.read(8)
    file.seek(place)
    if image.format in ("JPEG", "MPO"):
        return b"\xff\xd9" in tail
    if image.format == "PNG":
        return b"IEND" in tail
    with suppress(struct.error):
        return image.format == "WEBP" and struct.unpack("<I", head[4:])[0] + 8 <= size
    return False
