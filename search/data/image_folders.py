"""Image files in class folders, and which split each belongs to; the disk is read, no image is opened."""

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from archspec.errors import SpecError
from search.seeding import mix

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
VALIDATION = ("val", "valid", "validation")

Files = list[list[str]]
"""Paths per class, sorted, relative to the data set's folder."""


@final
@dataclass(frozen=True)
class Folders:
    """The folders of a data set's images: its classes, sorted, and the splits' folders relative to `root`."""

    root: Path
    classes: tuple[str, ...]
    train: str
    validation: str | None
    test: str | None


def find_folders(root: Path) -> Folders:
    """Recognise `root/train/<class>/`, with or without `val` and `test` beside it, or `root/<class>/`.

    Without `test`, the images of `val` are the test split: figures published with such folders (ImageNet's) are
    stated on `val`, and a search must not see what its result is stated on. Splits without a folder are carved out
    of the training images.

    Raises:
        SpecError: no folder, fewer than two classes, or splits with different classes.
    """
    if not os.path.isdir(root):
        raise SpecError(
            f"must be a folder of images, {root} is {'not one' if os.path.exists(root) else 'not there'}", field="path"
        )
    inside = _subfolders(root)
    if "train" not in inside or not _subfolders(root / "train"):
        return Folders(root, _classes(root, inside), ".", None, None)
    classes = _classes(root / "train", _subfolders(root / "train"))
    validation = next((name for name in VALIDATION if name in inside), None)
    test = "test" if "test" in inside else None
    for name in (validation, test):
        if name is not None and tuple(_subfolders(root / name)) != classes:
            odd = sorted(set(_subfolders(root / name)) ^ set(classes))
            raise SpecError(
                f"{root / name} and train must have the same classes; only in one: {_some(odd)}", field="path"
            )
    if test is None:
        validation, test = None, validation
    return Folders(root, classes, "train", validation, test)


def split_files(folders: Folders, validation: float, test: float) -> tuple[Files, Files, Files]:
    """Train, validation and test files; a split without a folder is its share of each class's training images.

    Which images are carved out follows from a hash of their paths: the same on every machine, in any order on disk.

    Raises:
        SpecError: a class has no image in some split.
    """
    rest = _read(folders, folders.train)
    tested = _read(folders, folders.test) if folders.test else _carve(rest, test)
    validated = _read(folders, folders.validation) if folders.validation else _carve(rest, validation)
    for name, files in (("train", rest), ("validation", validated), ("test", tested)):
        empty = [label for label, members in zip(folders.classes, files, strict=True) if not members]
        if empty:
            raise SpecError(f"{folders.root}: no image for {name} in class {_some(empty)}", field="path")
    return rest, validated, tested


def _carve(files: Files, fraction: float) -> Files:
    """Take `fraction`, at least one, of each class out of `files`: those whose paths hash lowest."""
    taken: Files = []
    for members in files:
        count = max(1, round(fraction * len(members)))
        chosen = sorted(sorted(members, key=lambda path: mix("split", _portable(path)))[:count])
        members[:] = [path for path in members if path not in set(chosen)]
        taken.append(chosen)
    return taken


def _read(folders: Folders, part: str) -> Files:
    return [_images(folders.root, Path(part) / label) for label in folders.classes]


def _images(root: Path, folder: Path) -> list[str]:
    found: list[str] = []
    for place, _, names in os.walk(root / folder, followlinks=True):
        inside = Path(place).relative_to(root)
        found.extend(str(inside / name) for name in names if name.lower().endswith(SUFFIXES) and name[0] != ".")
    return sorted(found)


def _portable(path: str) -> str:
    return Path(path).as_posix()


def _subfolders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(entry.name for entry in entries if entry.is_dir() and not entry.name.startswith("."))


def _classes(place: Path, names: list[str]) -> tuple[str, ...]:
    if len(names) < 2:
        raise SpecError(
            f"{place} must hold a folder of images for each of at least two classes, not {len(names)}", field="path"
        )
    return tuple(names)


def _some(names: Sequence[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return ", ".join(names[:3]) + more
