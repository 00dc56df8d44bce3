"""Files that may be replaced at places that a user names: the same command wrote them, and nobody changed them since.

A YAML file says so itself, in its first line; other files of a folder are listed in a file of digests beside them. What
is identical already is no loss, and `--force` replaces anything.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from archspec.documents.safe_text import printable
from archspec.errors import SpecError
from archspec.files.os_errors import unwritable
from archspec.files.output import write_text

DIGESTS = ".archspec.json"
"""In a folder: digests of the files that archspec wrote there, and by which command."""
_ABOUT = "files that archspec wrote here, and may replace while they have these digests"
_MARK = re.compile(rb"# written by archspec ([a-z]+), sha256 of the rest: ([0-9a-f]{16})\n")
_TRIED = re.compile(rb"# written by archspec ([a-z]+),")


@dataclass(frozen=True, slots=True)
class OutputCommand:
    """The command that writes.

    Attributes:
        name: `build`; of a function of the Python API its name.
        force: whether it may replace what is not its own.
        remedy: how to ask for that.
    """

    name: str
    force: bool = False
    remedy: str = "--force"


@dataclass(frozen=True, slots=True)
class Signature:
    """The signature of a file: the command that wrote it, and whether it is as that command left it."""

    command: str
    intact: bool


def mark(text: str, command: str) -> str:
    """YAML with the line that says who wrote it, and lets a later change be seen."""
    return f"# written by archspec {command}, sha256 of the rest: {digest(text.encode('utf-8'))}\n{text}"


def read_mark(path: Path) -> Signature | None:
    """The signature in a file's first line; None where it has none.

    Raises:
        OSError: it cannot be read.
    """
    data = path.read_bytes()
    if found := _MARK.match(data):
        return Signature(found[1].decode(), digest(data[found.end() :]).encode() == found[2])
    tried = _TRIED.match(data)
    return Signature(tried[1].decode(), intact=False) if tried else None


def digest(data: bytes) -> str:
    """The first 16 hexadecimal digits of the SHA-256 of `data`."""
    return hashlib.sha256(data).hexdigest()[:16]


def check_replaceable(
    path: Path,
    command: OutputCommand,
    signature: Callable[[Path], Signature | None] = read_mark,
    *,
    text: str | None = None,
    reads: Iterable[str | Path] = (),
) -> None:
    """Refuse to write a file that would be lost.

    Args:
        path: the file to write.
        command: that writes it.
        signature: reads whose file it is.
        text: what is to be written, without its mark; the same text there is no loss.
        reads: what the command reads, by path or by any other name.

    Raises:
        SpecError: `path` is a folder, one of `reads`, or not the command's own.
        RunError: it cannot be read.
    """
    try:
        if path.is_dir():
            raise SpecError("is a folder: name a file", source=printable(str(path)))
        if command.force or not path.is_file() or path.stat().st_size == 0 or _same(path, text):
            return
        if any(_is_file(one) and os.path.samefile(one, path) for one in reads):
            raise refusal(path, "is what the command reads", command)
        if broken := fault(signature(path), command):
            raise refusal(path, broken, command)
        if not path.stat().st_mode & 0o222:
            raise refusal(path, "is read-only", command)
    except OSError as error:
        raise unwritable(error, path) from None


def refusal(path: Path, broken: str, command: OutputCommand, more: int = 0) -> SpecError:
    """The error of a file that is kept, and of `more` beside it."""
    others = f" (and {more} more)" if more else ""
    rule = f"{broken}{others}: kept as it is; name another place, or {command.remedy} replaces it"
    return SpecError(rule, source=printable(str(path)))


def write_marked(path: Path, text: str, command: OutputCommand, reads: Iterable[str | Path] = ()) -> None:
    """Write YAML with its mark, whole or not at all, unless something would be lost; see `check_replaceable`.

    Raises:
        SpecError: it would, or `path` cannot be written.
        RunError: the disk is full.
    """
    check_replaceable(path, command, text=text, reads=reads)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, mark(text, command.name))
    except OSError as error:
        raise unwritable(error, path) from None


def read_digests(folder: Path) -> dict[str, tuple[str, list[str]]]:
    """The command and digests of each file that is listed in a folder, by its path there; nothing of a damaged list."""
    try:
        files = cast("Mapping[str, Any]", json.loads((folder / DIGESTS).read_text(encoding="utf-8"))["files"])
        return {str(name): (str(entry["by"]), [str(one) for one in entry["sha256"]]) for name, entry in files.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return {}


def write_digests(folder: Path, files: Mapping[str, tuple[str, list[str]]]) -> None:
    """Replace the list of a folder.

    Raises:
        OSError: it cannot be written.
    """
    entries = {name: {"by": by, "sha256": known} for name, (by, known) in sorted(files.items())}
    write_text(folder / DIGESTS, json.dumps({"about": _ABOUT, "files": entries}, indent=1) + "\n")


def listed(path: Path, entry: tuple[str, list[str]] | None) -> Signature | None:
    """The signature of a file by its entry in a folder's list."""
    return None if entry is None else Signature(entry[0], digest(path.read_bytes()) in entry[1])


def fault(found: Signature | None, command: OutputCommand) -> str:
    """The reason why a command may not replace a file with this signature; empty where it may."""
    if found is None:
        return f"is there already, and archspec {command.name} did not write it"
    if not found.intact:
        return f"was changed since archspec {found.command} wrote it"
    return "" if found.command == command.name else f"was written by archspec {found.command}, not by {command.name}"


def _same(path: Path, text: str | None) -> bool:
    if text is None:
        return False
    data = path.read_bytes()
    found = _MARK.match(data)
    return data[found.end() if found else 0 :] == text.encode("utf-8")


def _is_file(source: str | Path) -> bool:
    with suppress(OSError, ValueError):  # a short code may be longer than a name may be
        return os.path.isfile(source)
    return False
