"""Images and the masks that belong to them, by equal names in two folders, and which split each pair is in."""

import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, final

from archspec.documents.safe_text import printable
from archspec.documents.wording import plural
from archspec.errors import SpecError
from search.data.images.files import list_images, some, subfolders
from search.data.images.folders import VALIDATION, carve, endings

IMAGES = ("images", "JPEGImages")
MASKS = ("masks", "annotations", "labels", "SegmentationClass")
LISTS = os.path.join("ImageSets", "Segmentation")
"""Where Pascal VOC's folders have the names of each split, a file each."""
SPLITS = {"train": ("train", "training"), "validation": VALIDATION, "test": ("test", "testing")}
LOSSLESS = (".png", ".bmp", ".gif", ".tif", ".tiff")
"""Endings of masks: JPEG would change the classes."""


class Pair(NamedTuple):
    """An image and its mask: paths relative to the data set's folder."""

    image: str
    mask: str


@final
@dataclass(frozen=True)
class PairSplits:
    """The pairs of the three splits, sorted, and notes on the files that are left out."""

    train: list[Pair]
    validation: list[Pair]
    test: list[Pair]
    left_out: tuple[str, ...]

    @property
    def parts(self) -> dict[str, list[Pair]]:
        """The splits by their names."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def find_pairs(root: Path, validation: float, test: float) -> PairSplits:
    """Recognise `images/` and `masks/` (or `annotations`, `labels`), with or without folders of the same splits inside.

    Those of ADE20K (`training`, `validation`) and Pascal VOC (`JPEGImages`, `SegmentationClass`, and the lists in
    `ImageSets/Segmentation`) are such. Without `test`, the images of `val` are the test split, as in folders of
    classes; splits without a folder are carved out of the training images by a hash of their paths.

    Raises:
        SpecError: no such folders, an image without a mask, two images of one name, or a split without images.
    """
    images, masks = _folder(root, IMAGES, "images"), _folder(root, MASKS, "masks")
    reader = _Reader(root, images, masks)
    if (root / LISTS).is_dir():
        found = reader.listed()
    else:
        inside = subfolders(root / images)
        names = {split: next((name for name in known if name in inside), None) for split, known in SPLITS.items()}
        if names["train"] is None:
            found = {"train": reader.read(".")}
        else:
            found = {split: reader.read(name) for split, name in names.items() if name is not None}
            beside = [name for name in inside if name not in names.values()]
            reader.notes += [f"beside {names['train']}, what is in {some(beside)} is left out"] if beside else []
    train, validated, tested = (found.get(split) for split in SPLITS)
    train = train or []
    if not tested:
        validated, tested = None, validated
    tested = tested or _carved(train, test)
    validated = validated or _carved(train, validation)
    result = PairSplits(train, validated, tested, (*reader.notes, *endings(reader.others)))
    for name, pairs in result.parts.items():
        if not pairs:
            raise SpecError(f"no image with a mask for {name}", field="path", source=printable(str(root)))
    return result


def _folder(root: Path, names: Sequence[str], what: str) -> str:
    if not root.is_dir():
        raise SpecError(f"must be a folder of images and masks, {printable(str(root))} is not there", field="path")
    found = next((name for name in names if (root / name).is_dir()), None)
    if found is None:
        rule = f"{printable(str(root))} must hold a folder of {what}: {', '.join(names[:-1])} or {names[-1]}"
        raise SpecError(rule, field="path")
    return found


def _carved(pairs: list[Pair], fraction: float) -> list[Pair]:
    """A share of the pairs, taken out of them."""
    if len(pairs) < 2:
        return []
    by_image, left = {pair.image: pair for pair in pairs}, [[pair.image for pair in pairs]]
    (taken,) = carve(left, fraction)
    pairs[:] = [by_image[path] for path in left[0]]
    return [by_image[path] for path in taken]


@final
class _Reader:
    """Pairs in two folders; it collects what is left out."""

    def __init__(self, root: Path, images: str, masks: str) -> None:
        self.root, self._images, self._masks = root, images, masks
        self.others = Counter[str]()
        self.notes: list[str] = []

    def read(self, split: str) -> list[Pair]:
        """The pairs in a split's folder; none of a test split that has no masks."""
        images = self._by_name(self._images, split)
        if not (self.root / self._masks / split).is_dir():
            return self._without_masks(split, len(images))
        masks = self._by_name(self._masks, split, LOSSLESS)
        missing = [path for name, path in images.items() if name not in masks]
        if missing:
            rule = f"no mask of the same name in {self._masks} for {plural(len(missing), 'image')}: {some(missing)}"
            raise SpecError(rule, field="path", source=printable(str(self.root)))
        spare = [path for name, path in masks.items() if name not in images]
        if spare:
            self.notes.append(f"left out, without an image: {plural(len(spare), 'mask')} ({some(spare)})")
        return sorted(Pair(path, masks[name]) for name, path in images.items())

    def listed(self) -> dict[str, list[Pair]]:
        """The pairs of each split that Pascal VOC's lists name."""
        images, masks = self._by_name(self._images, "."), self._by_name(self._masks, ".", LOSSLESS)
        found: dict[str, list[Pair]] = {}
        for split, known in SPLITS.items():
            path = next((p for name in known if (p := self.root / LISTS / f"{name}.txt").is_file()), None)
            names = [] if path is None else path.read_text(encoding="utf-8", errors="replace").split()
            if split == "test" and names and not any(name in masks for name in names):
                self._without_masks("test", len(names))
                continue
            missing = [name for name in names if name not in images or name not in masks]
            if missing:
                rule = f"no image or no mask for {plural(len(missing), 'name')}: {some(missing)}"
                raise SpecError(rule, field="path", source=printable(str(path)))
            found[split] = sorted({Pair(images[name], masks[name]) for name in names})
        return {split: pairs for split, pairs in found.items() if pairs}

    def _without_masks(self, split: str, count: int) -> list[Pair]:
        if split not in SPLITS["test"]:
            rule = f"no folder {self._masks}/{printable(split)} with the masks of {self._images}/{printable(split)}"
            raise SpecError(rule, field="path", source=printable(str(self.root)))
        are = "is" if count == 1 else "are"
        self.notes.append(f"{plural(count, 'image')} in {split} {are} left out, without masks")
        return []

    def _by_name(self, folder: str, split: str, wanted: Sequence[str] = ()) -> dict[str, str]:
        """Paths of the images in a folder by what stands below it, without the ending."""
        base = os.path.normpath(os.path.join(folder, split))
        listing = list_images(self.root, base)
        self.others.update(listing.others)
        found: dict[str, str] = {}
        for image in listing.images:
            stem, ending = os.path.splitext(os.path.relpath(image.path, base))
            if wanted and ending.lower() not in wanted:
                rule = f"masks must be lossless ({', '.join(wanted)}), not {printable(image.path)}"
                raise SpecError(rule, field="path", source=printable(str(self.root)))
            name = Path(stem).as_posix()
            if name in found:
                rule = f"two files of one name: {printable(found[name])} and {printable(image.path)}"
                raise SpecError(rule, field="path", source=printable(str(self.root)))
            found[name] = image.path
        return found
