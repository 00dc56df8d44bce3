"""Image files in class folders, and which split each belongs to; the disk is read, no image is opened."""

import os
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from search.data.images.files import Identity, ImageFile, holds_image, list_images, some, stray_images, subfolders
from search.data.images.listed import GROUND_TRUTH, data_folder, find_list, read_labels
from search.data.images.subset import Subset
from search.seeding import mix

VALIDATION = ("val", "valid", "validation")
SPLIT_NAMES = frozenset({"train", "training", *VALIDATION, "test", "testing", "dev"})

Files = list[list[str]]
"""Paths per class, sorted, relative to the data set's folder."""


@final
@dataclass(frozen=True)
class Folders:
    """The folders of a data set's images: its classes, sorted, and the splits' folders relative to `root`.

    `listed` is the class of each image of the validation images, where these have no class folders but a list;
    `left_out` are notes on what stands beside them and is no data.
    """

    root: Path
    classes: tuple[str, ...]
    train: str
    validation: str | None
    test: str | None
    left_out: tuple[str, ...] = ()
    listed: Mapping[str, str] | None = None


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


def find_folders(root: Path, subset: Subset | None = None, labels: str | None = None) -> Folders:
    """Recognise `root/train/<class>/`, with or without `val` and `test` beside it, or `root/<class>/`.

    Without `test`, the images of `val` are the test split: figures published with such folders (ImageNet's) are
    stated on `val`, and a search must not see what its result is stated on. Splits without a folder are carved out
    of the training images. Folders that are hidden, or that systems leave (`__MACOSX`), are no classes. Of ImageNet,
    `val` may be without class folders, and `train` and `val` as deep as Kaggle's archive has them.

    Args:
        root: folder of the data set.
        subset: the classes that are wanted.
        labels: the list of the labels of `val`, where that has no class folders.

    Raises:
        SpecError: no folder, one that cannot be read, fewer than two classes, a class without images, or splits with
            different classes.
    """
    if not os.path.isdir(root):
        shown, state = printable(str(root)), "not one" if os.path.exists(root) else "not there"
        raise SpecError(f"must be a folder of images, {shown} is {state}", field="path")
    chosen, place = subset or Subset(), data_folder(root)
    inside = subfolders(root / place)
    if "train" not in inside or not subfolders(root / place / "train"):
        if inside and SPLIT_NAMES.issuperset(name.lower() for name in inside):
            rule = f"{printable(str(root))} holds {some(inside)}, but no class folders where splits have them"
            rule += ": train/<class>/, and val and test in the same way"
            raise SpecError(rule + _archives(root / place / "train"), field="path")
        classes = _classes(root, "", inside, chosen)
        return Folders(root, classes, ".", None, None, (*_strays(root), *_others(classes, inside)))
    train, everything = os.path.join(place, "train"), subfolders(root / place / "train")
    classes = _classes(root, train, everything, chosen)
    notes = (*_strays(root / train), *_others(classes, everything))
    validation = next((name for name in VALIDATION if name in inside), None)
    test = "test" if "test" in inside else None
    beside = [name for name in inside if name not in ("train", validation, test)]
    if beside:
        notes += (f"beside train, what is in {some(beside)} is left out",)
    listed = None
    if validation is not None and (labels is not None or _flat(root / place / validation)):
        listed = _listed(root, place, validation, labels, everything)
    if test is not None and (listed is not None or place) and _flat(root / place / test):
        notes += (f"the images in {test} are left out: they have no labels",)
        test = None
    for name in (None if listed is not None else validation, test):
        if name is not None:
            _check_classes(root, os.path.join(place, name), classes, subset=len(classes) < len(everything))
    validation, test = (os.path.join(place, name) if name else None for name in (validation, test))
    if test is None:
        validation, test = None, validation
    return Folders(root, classes, train, validation, test, notes, listed)


def split_files(folders: Folders, validation: float, test: float, subset: Subset | None = None) -> ImageSplits:
    """The files of each split; a split without a folder is its share of each class's training images.

    Which images are carved out follows from a hash of their paths: the same on every machine, in any order on disk.
    A subset takes away training images after that, so that the other splits are those of the whole.

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

    def read_flat(part: str, listed: Mapping[str, str]) -> Files:
        listing = list_images(folders.root, part)
        others.update(listing.others)
        repeated.extend(_repeated(listing.images, known))
        numbers = {label: number for number, label in enumerate(folders.classes)}
        found: Files = [[] for _ in folders.classes]
        for image in listing.images:
            if listed[image.path] in numbers:
                found[numbers[listed[image.path]]].append(image.path)
        return found

    rest = read(folders.train)
    parts = [folders.test, folders.validation]
    flat = None if folders.listed is None else folders.validation or folders.test
    tested, validated = (
        None if part is None else read_flat(part, folders.listed or {}) if part == flat else read(part)
        for part in parts
    )
    _refuse_repeated(folders, repeated)
    tested = carve(rest, test) if tested is None else tested
    validated = carve(rest, validation) if validated is None else validated
    taken = 0 if subset is None else subset.reduce(rest)
    reduced = (f"{taken:,} training images are left out, by subset",) if taken else ()
    for name, files in (("train", rest), ("validation", validated), ("test", tested)):
        empty = [label for label, members in zip(folders.classes, files, strict=True) if not members]
        if empty:
            raise SpecError(f"{printable(str(folders.root))}: no image for {name} in class {some(empty)}", field="path")
    return ImageSplits(rest, validated, tested, (*folders.left_out, *endings(others), *reduced))


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


def endings(others: Counter[str]) -> tuple[str, ...]:
    """A note on files that are left out because of the ending of their names."""
    if not others:
        return ()
    count, named = others.total(), ", ".join(f"{printable(name)} {n}" for name, n in others.most_common(3))
    files = "1 file is" if count == 1 else f"{count:,} files are"
    return (f"{files} left out: no images by the ending of the name ({named})",)


def _strays(folder: Path) -> tuple[str, ...]:
    count = stray_images(folder)
    images = "1 image stands" if count == 1 else f"{count:,} images stand"
    return (f"{images} in {printable(str(folder))} outside the class folders, and left out",) if count else ()


def carve(files: Files, fraction: float) -> Files:
    """`fraction` of each class, at least one file, taken out of `files`: those whose paths hash lowest."""
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


def _classes(root: Path, part: str, names: list[str], subset: Subset) -> tuple[str, ...]:
    place = printable(str(root / part))
    if len(names) < 2:
        rule = f"{place} must hold a folder of images for each of at least two classes, not {len(names)}"
        raise SpecError(rule + _archives(root / part), field="path")
    names = subset.choose(names)
    empty = [name for name in names if not holds_image(root, os.path.join(part, name))]
    if empty:
        folders = "class folder {} holds" if len(empty) == 1 else "class folders {} hold"
        raise SpecError(f"{folders.format(some(empty))} no image (in {place})", field="path")
    return tuple(names)


def _others(classes: Sequence[str], everything: Sequence[str]) -> tuple[str, ...]:
    count = len(everything) - len(classes)
    return (f"{count:,} of {len(everything):,} classes are left out, by subset",) if count else ()


def _archives(folder: Path) -> str:
    """A word on archives that stand where class folders should."""
    found = sorted(path.name for path in folder.glob("*.tar")) if folder.is_dir() else []
    return f"; unpack {some(found)}, each into a folder of its name" if found else ""


def _flat(folder: Path) -> bool:
    """Whether a folder holds images, and no folders."""
    return not subfolders(folder) and stray_images(folder) > 0


def _listed(root: Path, place: str, name: str, labels: str | None, classes: list[str]) -> dict[str, str]:
    """The class of each image of a folder without class folders."""
    part = os.path.join(place, name)
    path = find_list(root, place, labels)
    if path is None:
        rule = f"{printable(str(root / part))} has no class folders: state the list of its labels as val_labels"
        raise SpecError(f"{rule} (LOC_val_solution.csv, val.txt, or the devkit's {GROUND_TRUTH})", field="path")
    return read_labels(path, [image.path for image in list_images(root, part).images], classes)


def _check_classes(root: Path, name: str, classes: tuple[str, ...], *, subset: bool) -> None:
    found = subfolders(root / name)
    missing, extra = sorted(set(classes) - set(found)), [] if subset else sorted(set(found) - set(classes))
    if not missing and not extra:
        return
    sides = [f"only in train: {some(missing)}"] if missing else []
    sides += [f"only in {os.path.basename(name)}: {some(extra)}"] if extra else []
    rule = f"{printable(str(root / name))} and train must have the same classes; {'; '.join(sides)}"
    raise SpecError(rule, field="path")
