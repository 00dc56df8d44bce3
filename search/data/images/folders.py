"""Image files in class folders, and which split each belongs to; the disk is read, no image is opened."""

import os
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import final

from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from search.data.images.files import Identity, ImageFile, holds_image, list_images, some, stray_images, subfolders
from search.seeding import mix

VALIDATION = ("val", "valid", "validation")
SPLIT_NAMES = frozenset({"train", "training", *VALIDATION, "test", "testing", "dev"})

Files = list[list[str]]
"""Paths per class, sorted, relative to the data set's folder."""


@final
@dataclass(frozen=True)
class Folders:
    """The folders of a data set's images: its classes, sorted, and the splits' folders relative to `root`.

    `left_out` are notes on what stands beside them and is no data.
    """

    root: Path
    classes: tuple[str, ...]
    train: str
    validation: str | None
    test: str | None
    left_out: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class ImageSplits:
    """The files of the three splits by class, and notes on the files that are left out."""

    train: Files
    validation: Files
    test: Files
    left_out: tuple[str, ...]

    @property
    def parts(self) -> dict[str, Files]:
        """The splits by their names."""
        return {"train": self.train, "validation": self.validation, "test": self.test}


def find_folders(root: Path) -> Folders:
    """Recognise `root/train/<class>/`, with or without `val` and `test` beside it, or `root/<class>/`.

    Without `test`, the images of `val` are the test split: figures published with such folders (ImageNet's) are
    stated on `val`, and a search must not see what its result is stated on. Splits without a folder are carved out
    of the training images. Folders that are hidden, or that systems leave (`__MACOSX`), are no classes.

    Raises:
        SpecError: no folder, one that cannot be read, fewer than two classes, a class without images, or splits with
            different classes.
    """
    if not os.path.isdir(root):
        shown, state = printable(str(root)), "not one" if os.path.exists(root) else "not there"
        raise SpecError(f"must be a folder of images, {shown} is {state}", field="path")
    inside = subfolders(root)
    if "train" not in inside or not subfolders(root / "train"):
        if inside and SPLIT_NAMES.issuperset(name.lower() for name in inside):
            rule = f"{printable(str(root))} holds {some(inside)}, but no class folders where splits have them"
            raise SpecError(f"{rule}: train/<class>/, and val and test in the same way", field="path")
        return Folders(root, _classes(root, "", inside), ".", None, None, _strays(root))
    classes = _classes(root, "train", subfolders(root / "train"))
    validation = next((name for name in VALIDATION if name in inside), None)
    test = "test" if "test" in inside else None
    for name in (validation, test):
        if name is not None:
            _check_classes(root, name, classes)
    notes = _strays(root / "train")
    beside = [name for name in inside if name not in ("train", validation, test)]
    if beside:
        notes += (f"beside train, what is in {some(beside)} is left out",)
    if test is None:
        validation, test = None, validation
    return Folders(root, classes, "train", validation, test, notes)


def split_files(folders: Folders, validation: float, test: float) -> ImageSplits:
    """The files of each split; a split without a folder is its share of each class's training images.

    Which images are carved out follows from a hash of their paths: the same on every machine, in any order on disk.

    Raises:
        SpecError: a class has no image in some split, a folder cannot be read, a link leads nowhere, or one file
            stands in two classes or splits.
    """
    others, known = Counter[str](), dict[Identity, str]()
    repeated: list[tuple[str, str]] = []

    def read(part: str) -> Files:
        found: Files = []
        for label in folders.classes:
            listing = list_images(folders.root, os.path.normpath(os.path.join(part, label)))
            others.update(listing.others)
            repeated.extend(_repeated(listing.images, known))
            found.append([image.path for image in listing.images])
        return found

    rest = read(folders.train)
    tested = read(folders.test) if folders.test else None
    validated = read(folders.validation) if folders.validation else None
    _refuse_repeated(folders, repeated)
    tested = _carve(rest, test) if tested is None else tested
    validated = _carve(rest, validation) if validated is None else validated
    for name, files in (("train", rest), ("validation", validated), ("test", tested)):
        empty = [label for label, members in zip(folders.classes, files, strict=True) if not members]
        if empty:
            raise SpecError(f"{printable(str(folders.root))}: no image for {name} in class {some(empty)}", field="path")
    return ImageSplits(rest, validated, tested, (*folders.left_out, *_endings(others)))


def _repeated(images: list[ImageFile], known: dict[Identity, str]) -> Iterator[tuple[str, str]]:
    for image in images:
        first = known.setdefault(image.identity, image.path)
        if first != image.path:
            yield first, image.path


def _refuse_repeated(folders: Folders, repeated: list[tuple[str, str]]) -> None:
    if not repeated:
        return
    first, second = (printable(path) for path in repeated[0])
    more = f", and {len(repeated) - 1} more such files" if len(repeated) > 1 else ""
    rule = f"one file stands in two classes or splits: {first} and {second}{more}"
    raise SpecError(f"{rule}; take the link away, or copy the file if it is meant", field="path")


def _endings(others: Counter[str]) -> tuple[str, ...]:
    if not others:
        return ()
    count, named = others.total(), ", ".join(f"{printable(name)} {n}" for name, n in others.most_common(3))
    files = "1 file is" if count == 1 else f"{count:,} files are"
    return (f"{files} left out: no images by the ending of the name ({named})",)


def _strays(folder: Path) -> tuple[str, ...]:
    count = stray_images(folder)
    images = "1 image stands" if count == 1 else f"{count:,} images stand"
    return (f"{images} in {printable(str(folder))} outside the class folders, and left out",) if count else ()


def _carve(files: Files, fraction: float) -> Files:
    """Take `fraction`, at least one, of each class out of `files`: those whose paths hash lowest."""
    taken: Files = []
    for members in files:
        count = max(1, round(fraction * len(members)))
        chosen = sorted(sorted(members, key=lambda path: mix("split", _portable(path)))[:count])
        gone = set(chosen)
        members[:] = [path for path in members if path not in gone]
        taken.append(chosen)
    return taken


def _portable(path: str) -> str:
    return Path(path).as_posix()


def _classes(root: Path, part: str, names: list[str]) -> tuple[str, ...]:
    place = printable(str(root / part))
    if len(names) < 2:
        raise SpecError(
            f"{place} must hold a folder of images for each of at least two classes, not {len(names)}", field="path"
        )
    empty = [name for name in names if not holds_image(root, os.path.join(part, name))]
    if empty:
        folders = "class folder {} holds" if len(empty) == 1 else "class folders {} hold"
        raise SpecError(f"{folders.format(some(empty))} no image (in {place})", field="path")
    return tuple(names)


def _check_classes(root: Path, name: str, classes: tuple[str, ...]) -> None:
    found = subfolders(root / name)
    if tuple(found) == classes:
        return
    missing, extra = sorted(set(classes) - set(found)), sorted(set(found) - set(classes))
    sides = [f"only in train: {some(missing)}"] if missing else []
    sides += [f"only in {name}: {some(extra)}"] if extra else []
    rule = f"{printable(str(root / name))} and train must have the same classes; {'; '.join(sides)}"
    raise SpecError(rule, field="path")
