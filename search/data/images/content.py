"""The content of a folder of images as an input of a run: which files it holds, and which split each is in."""

import os
from functools import partial
from pathlib import Path

from archspec.errors import SpecError
from search.data.images.folders import ImageSplits
from search.data.images.same import PlacedImage, find_same
from search.inputs import Input, digest_bytes, digest_text

MAX_CONTENT = 256 * 2**20
"""Bytes of a data set whose files are told apart by content; of a larger one by their sizes."""
MAX_NAMED = 20_000
"""Files of a data set that are recorded one by one; of a larger one, each class of each split is one item."""


def digest_images(name: str, root: Path, files: ImageSplits) -> Input:
    """The input of the images below `root`.

    Names and sizes tell files apart, and their content where all are at most `MAX_CONTENT` bytes together. Times do
    not count: a copy of a folder is the same data.

    Raises:
        SpecError: a file cannot be read.
    """
    images = [
        PlacedImage(path, split, label)
        for split, classes in files.parts.items()
        for label, members in enumerate(classes)
        for path in members
    ]
    try:
        sizes = {image.path: os.stat(root / image.path).st_size for image in images}
        whole = sum(sizes.values()) <= MAX_CONTENT
        content = {
            Path(path).as_posix(): f"{size} {digest_bytes((root / path).read_bytes())}" if whole else str(size)
            for path, size in sizes.items()
        }
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", field="path", source=str(error.filename)) from None
    placed = "\n".join(f"{image.split} {image.label} {Path(image.path).as_posix()}" for image in images)
    counts = {split: sum(map(len, classes)) for split, classes in files.parts.items()}
    examine = partial(_examine, root, files, images, sizes)
    if len(content) <= MAX_NAMED:
        return Input("data", name, "file", content, counts, digest_text(placed), examine)
    return Input("data", name, "class folder", _by_folder(content), counts, digest_text(placed), examine)


def _by_folder(content: dict[str, str]) -> dict[str, str]:
    """The content of each folder, by its name: number, bytes and digest of its files."""
    folders: dict[str, list[str]] = {}
    for path, size in content.items():
        folders.setdefault(os.path.dirname(path), []).append(f"{path} {size}")
    return {name: f"{len(lines)} files {digest_text(chr(10).join(sorted(lines)))}" for name, lines in folders.items()}


def _examine(root: Path, files: ImageSplits, images: list[PlacedImage], sizes: dict[str, int]) -> list[str]:
    return [*files.left_out, *find_same(root, images, sizes)]
