"""The content of a folder of images as an input of a run: which files it holds, and which split each is in."""

import os
from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path

from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from search.data.decoding.pixels import Unreadable
from search.data.images.files import some
from search.data.images.folders import ImageSplits
from search.data.images.readable import check_readable
from search.data.images.same import PlacedImage, find_same
from search.data.images.summary import count_images, summarise
from search.inputs import Input, digest_bytes, digest_text

MAX_CONTENT = 256 * 2**20
"""Bytes of a data set whose files are told apart by content; of a larger one by their sizes."""
MAX_NAMED = 20_000
"""Files of a data set that are recorded one by one; of a larger one, each class of each split is one item."""


def digest_images(name: str, root: Path, files: ImageSplits, classes: Sequence[str], policy: Unreadable) -> Input:
    """The input of the images below `root`; its notes say how many there are, and what is wrong with them.

    Args:
        name: for people.
        root: folder of the data set.
        files: its images, by split and class.
        classes: names of the classes.
        policy: what becomes of images that cannot be decoded.

    Raises:
        SpecError: a file cannot be read; when it is examined, also where the policy refuses an image, or leaves
            none of a class to train on.
    """
    images = [
        PlacedImage(path, split, label)
        for split, members in files.parts.items()
        for label, paths in enumerate(members)
        for path in paths
    ]

    def examine(sizes: dict[str, int]) -> list[str]:
        notes, left_out = check_readable(root, sizes, policy)
        counts = count_images(files.parts, left_out)
        empty = [label for label, count in zip(classes, counts["train"], strict=True) if not count]
        empty = [f"train in class {some(empty)}"] if empty else [split for split in counts if not any(counts[split])]
        if empty:
            rule = f"no image for {empty[0]} that can be decoded"
            raise SpecError(rule, field="path", source=printable(str(root)))
        return [f"{name}: {summarise(classes, counts)}", *files.left_out, *notes, *find_same(root, images, sizes)]

    return digest_files(name, root, images, {}, examine)


def digest_files(
    name: str,
    root: Path,
    images: Sequence[PlacedImage],
    masks: dict[str, str],
    examine: Callable[[dict[str, int]], list[str]],
) -> Input:
    """The input of some files below `root`.

    Names and sizes tell files apart, and their content where all are at most `MAX_CONTENT` bytes together. Times do
    not count: a copy of a folder is the same data.

    Args:
        name: for people.
        root: folder of the data set.
        images: with their splits and classes.
        masks: the file of the mask of each image that has one, by the image's path.
        examine: notes on the data, from the bytes of each file.

    Raises:
        SpecError: a file cannot be read.
    """
    paths = [*(image.path for image in images), *masks.values()]
    try:
        sizes = {path: os.stat(root / path).st_size for path in paths}
        whole = sum(sizes.values()) <= MAX_CONTENT
        content = {
            Path(path).as_posix(): f"{size} {digest_bytes((root / path).read_bytes())}" if whole else str(size)
            for path, size in sizes.items()
        }
    except OSError as error:
        raise SpecError(f"cannot be read: {error.strerror}", field="path", source=str(error.filename)) from None
    lines = [f"{image.split} {image.label} {Path(image.path).as_posix()}" for image in images]
    lines += [f"{Path(path).as_posix()} {Path(mask).as_posix()}" for path, mask in masks.items()]
    counts = dict(Counter(image.split for image in images))
    noun, items = ("file", content) if len(content) <= MAX_NAMED else ("class folder", _by_folder(content))
    return Input("data", name, noun, items, counts, digest_text("\n".join(lines)), partial(examine, sizes))


def _by_folder(content: dict[str, str]) -> dict[str, str]:
    """The content of each folder, by its name: number, bytes and digest of its files."""
    folders: dict[str, list[str]] = {}
    for path, size in content.items():
        folders.setdefault(os.path.dirname(path), []).append(f"{path} {size}")
    return {name: f"{len(lines)} files {digest_text(chr(10).join(sorted(lines)))}" for name, lines in folders.items()}
