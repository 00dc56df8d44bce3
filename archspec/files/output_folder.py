"""Folders that receive files all at once: written beside, checked for what would be lost, then moved into place."""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Callable, Generator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from archspec.files.os_errors import unwritable
from archspec.files.ownership import (
    OutputCommand,
    Signature,
    digest,
    fault,
    listed,
    read_digests,
    refusal,
    write_digests,
)

_FRESH = re.compile(r"\.archspec-new-[0-9a-f]{12}")
_FORMER = re.compile(r"\.new-[a-z0-9_]{8}")
"""Names of the folders on the way of this version, and of earlier ones, which used them for reports only."""
WAIT_SECONDS = 60

Adopt = Callable[[Path], bool]
"""Whether a file that no list names was written by an earlier version of the same command, and not changed since."""


@contextmanager
def fresh_folder(
    folder: Path, command: OutputCommand, *, prune: bool = False, adopt: Adopt | None = None
) -> Generator[Path]:
    """An empty folder whose files replace those of the same names in `folder` when the block ends without an error.

    Until then `folder` is as it was; after a failure, too. What a killed process left on the way is cleared.

    Args:
        folder: to write to; made if need be.
        command: that writes.
        prune: remove the command's own files that are not written again.
        adopt: see `Adopt`.

    Raises:
        SpecError: a file would be lost, another process writes there, or the folder cannot be written.
        RunError: the disk is full.
    """
    try:
        made = not folder.exists()
        folder.mkdir(parents=True, exist_ok=True)
        with _held(folder) as alone:
            if alone:
                _clear(folder, former=adopt is not None)
            work = folder / f".archspec-new-{secrets.token_hex(6)}"
            try:
                (work / "new").mkdir(parents=True)
                yield work / "new"
                _install(folder, work, command, prune, adopt)
            finally:
                _discard(folder, work)
                if made:  # and is empty: the block failed
                    with suppress(OSError):
                        folder.rmdir()
    except OSError as error:
        raise unwritable(error, folder) from None


def is_leftover(name: str) -> bool:
    """Whether a folder's name is one on the way, which only a killed process leaves."""
    return bool(_FRESH.fullmatch(name) or _FORMER.fullmatch(name))


def _install(folder: Path, work: Path, command: OutputCommand, prune: bool, adopt: Adopt | None) -> None:
    new = work / "new"
    names = sorted(path.relative_to(new).as_posix() for path in new.rglob("*") if path.is_file())
    names.sort(key=lambda name: name == "index.html")  # the page last: until then the old one names the old files
    digests = {name: digest((new / name).read_bytes()) for name in names}
    entries = read_digests(folder)
    _check(folder, digests, entries, command, adopt)
    stale = [name for name, (by, _) in entries.items() if by == command.name and name not in digests] if prune else []
    stale = [name for name in stale if _intact(folder / name, entries[name])]
    # Before any file is moved: killed on the way, the old ones and the new ones are both known.
    both = {
        name: (command.name, [*(entries[name][1] if name in entries else ()), one]) for name, one in digests.items()
    }
    write_digests(folder, {**entries, **both})
    _swap(folder, work, names, stale)
    left = {name: entry for name, entry in entries.items() if name not in stale}
    with suppress(OSError):  # what is listed stays true without it
        write_digests(folder, {**left, **{name: (command.name, [one]) for name, one in digests.items()}})


def _check(
    folder: Path,
    digests: Mapping[str, str],
    entries: Mapping[str, tuple[str, list[str]]],
    command: OutputCommand,
    adopt: Adopt | None,
) -> None:
    """Refuse to replace what is not the command's own."""
    broken: list[tuple[Path, str]] = []
    for name, wanted in digests.items():
        path = folder / name
        if path.is_dir():
            raise SpecError("is a folder where a file is to be written", source=printable(str(path)))
        if command.force or not path.is_file() or path.stat().st_size == 0:
            continue
        found: Signature | None = listed(path, entries.get(name))
        if found is None and adopt is not None and not entries and adopt(path):
            continue
        reason = fault(found, command)
        if reason and digest(path.read_bytes()) != wanted:
            broken.append((path, reason))
    if broken:
        raise refusal(*broken[0], command, len(broken) - 1)


def _swap(folder: Path, work: Path, names: list[str], stale: list[str]) -> None:
    """Move all files into place, the old ones out of the way first, from where `_discard` has them back."""
    placed: list[str] = []
    try:
        for name in names:
            target, kept = folder / name, work / "old" / name
            if target.exists() or target.is_symlink():
                kept.parent.mkdir(parents=True, exist_ok=True)
                os.replace(target, kept)
            target.parent.mkdir(parents=True, exist_ok=True)
            placed.append(name)
            os.replace(work / "new" / name, target)
    except BaseException:
        for name in placed:
            with suppress(OSError):
                os.unlink(folder / name)
        raise
    for name in stale:
        with suppress(OSError):
            (folder / name).unlink()
            (folder / name).parent.rmdir()  # where it was the last one


def _intact(path: Path, entry: tuple[str, list[str]]) -> bool:
    found = listed(path, entry) if path.is_file() else None
    return found is not None and found.intact


def _clear(folder: Path, *, former: bool) -> None:
    for path in list(folder.iterdir()):
        known = _FRESH.fullmatch(path.name) or (former and _FORMER.fullmatch(path.name))
        if known and path.is_dir() and not path.is_symlink():
            _discard(folder, path)


def _discard(folder: Path, work: Path) -> None:
    """Remove a folder on the way, once every old file in it whose place is empty is back there."""
    old = work / "old"
    for path in [path for path in old.rglob("*") if path.is_symlink() or path.is_file()]:
        target = folder / path.relative_to(old)
        if not (target.exists() or target.is_symlink()):
            try:
                target.parent.mkdir(parents=True, exist_ok=True)
                os.replace(path, target)
            except OSError:
                return  # another time: what cannot be moved back is kept
    shutil.rmtree(work, ignore_errors=True)


@contextmanager
def _held(folder: Path) -> Generator[bool]:
    """The lock of a folder, held, which the system drops when the process ends; False where there are no locks."""
    try:
        import fcntl
    except ImportError:  # a system without them
        yield False
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        deadline = time.monotonic() + WAIT_SECONDS
        while (held := _lock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)) is None:
            if time.monotonic() > deadline:
                raise SpecError("another archspec process is writing there", source=printable(str(folder)))
            time.sleep(0.05)
        yield held
    finally:
        os.close(descriptor)


def _lock(descriptor: int, how: int) -> bool | None:
    """Whether the lock was taken; None where another process holds it."""
    import fcntl

    try:
        fcntl.flock(descriptor, how)
    except BlockingIOError:
        return None
    except OSError:  # a file system without locks
        return False
    return True
