"""Image files below a folder: each once, links followed once, in an order that the disk does not decide."""

import os
import stat
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple, final

from archspec.documents.safe_text import printable
from archspec.errors import SpecError

SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".png", ".ppm", ".tif", ".tiff", ".webp")
LEFT_OUT = frozenset({"__MACOSX", "@eaDir", "$RECYCLE.BIN", "System Volume Information", "lost+found", "__pycache__"})
"""Folders that systems and tools leave among a user's; like those whose names begin with a dot, they are no classes."""

Identity = tuple[int, int] | str
"""Device and inode of a file, or its real path where the file system numbers none."""


class ImageFile(NamedTuple):
    """An image: its path relative to the data set's folder, and what tells it from other files under other names."""

    path: str
    identity: Identity


@final
@dataclass
class Listing:
    """The files below a folder.

    Attributes:
        images: sorted by path, each file once.
        others: files that are left out because their names do not end as images' do, counted by ending.
    """

    images: list[ImageFile] = field(default_factory=list[ImageFile])
    others: Counter[str] = field(default_factory=Counter[str])


def list_images(root: Path, folder: str) -> Listing:
    """The images below `folder`, which is relative to `root`, in folders inside it and behind links.

    A folder that several links lead to is entered once, and never from inside itself; of a file with several names
    that is counted, which links had least to do with.

    Raises:
        SpecError: a folder that cannot be read, or links that lead nowhere.
    """
    listing, dangling = Listing(), list[str]()
    known: set[Identity] = set()
    for entry, place, device in _walk(root, folder):
        path = os.path.join(place, entry.name)
        ending = os.path.splitext(entry.name)[1].lower()
        found = _identity(entry, device)
        if found is None:
            dangling += [path] if ending in SUFFIXES or not ending else []
        elif ending not in SUFFIXES:
            listing.others[ending or "no ending"] += 1
        elif found not in known:
            known.add(found)
            listing.images.append(ImageFile(path, found))
    if dangling:
        count = "a link leads" if len(dangling) == 1 else f"{len(dangling)} links lead"
        raise SpecError(f"{count} nowhere: {some(sorted(dangling))}", field="path", source=printable(str(root)))
    listing.images.sort()
    return listing


def holds_image(root: Path, folder: str) -> bool:
    """Whether there is an image below `folder`; it stops at the first."""
    return any(entry.name.lower().endswith(SUFFIXES) for entry, _, _ in _walk(root, folder))


def subfolders(folder: Path) -> list[str]:
    """Names of the folders in a folder, sorted, without those that are hidden or left by systems.

    Raises:
        SpecError: it cannot be read, or a link in it leads nowhere.
    """
    entries = _scan(folder)
    gone = [entry.name for entry in entries if entry.is_symlink() and not os.path.exists(entry.path)]
    gone = [name for name in gone if not os.path.splitext(name)[1]]
    if gone:
        raise SpecError(f"a link leads nowhere: {some(gone)}", field="path", source=printable(str(folder)))
    return sorted(entry.name for entry in entries if _is_folder(entry))


def stray_images(folder: Path) -> int:
    """Number of images that stand in a folder itself."""
    return sum(entry.name.lower().endswith(SUFFIXES) and entry.is_file() for entry in _scan(folder))


def some(names: Sequence[str], most: int = 3) -> str:
    """The first names of several, safe to show, and how many more there are."""
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(printable(name) for name in names[:most]) + more


def _walk(root: Path, folder: str) -> Iterator[tuple[os.DirEntry[str], str, int]]:
    """Every file, with its folder relative to `root` and that folder's device; what links lead to comes last."""
    start = os.path.realpath(root / folder)
    entered = {start}
    waiting: deque[tuple[str, str]] = deque([(folder, start)])
    linked: deque[tuple[str, str]] = deque()
    links: list[tuple[os.DirEntry[str], str, int]] = []
    while waiting or linked:
        place, real = (waiting or linked).popleft()
        if real in entered and place != folder:
            continue
        entered.add(real)
        device = os.stat(real).st_dev
        for entry in _scan(root / place):
            inside = os.path.join(place, entry.name)
            if _is_folder(entry):
                if not entry.is_symlink():
                    waiting.append((inside, os.path.join(real, entry.name)))
                elif not _encloses(target := os.path.realpath(entry.path), real):
                    linked.append((inside, target))
            elif entry.is_symlink():
                links.append((entry, place, device))
            else:
                yield entry, place, device
    yield from links


def _scan(folder: Path) -> list[os.DirEntry[str]]:
    """The entries of a folder by name, without those that nobody put there as data."""
    try:
        with os.scandir(folder) as entries:
            found = [entry for entry in entries if entry.name[0] != "." and entry.name not in LEFT_OUT]
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise SpecError(f"folder cannot be read: {reason}", field="path", source=printable(str(folder))) from None
    return sorted(found, key=lambda entry: entry.name)


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that leads to itself
        return False


def _encloses(folder: str, other: str) -> bool:
    """Whether `folder` is `other` or around it: a link from inside to it is a loop."""
    return os.path.join(other, "").startswith(os.path.join(folder, ""))


def _identity(entry: os.DirEntry[str], device: int) -> Identity | None:
    """What tells the file from others; None for one that is not there, or no file."""
    if not entry.is_symlink():
        return ((device, entry.inode()) if entry.inode() else os.path.realpath(entry.path)) if entry.is_file() else None
    try:
        found = os.stat(entry.path)
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return (found.st_dev, found.st_ino) if found.st_ino else os.path.realpath(entry.path)
