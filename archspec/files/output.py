"""Files that appear whole or not at all, with the modes that the user's umask gives, and files that grow."""

from __future__ import annotations

import os
import re
import secrets
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from archspec.files.fence import check_fence

_PARTIAL = re.compile(r"\..*\.[0-9a-f]{12}\.tmp", re.DOTALL)
_FORMER = frozenset({"checkpoint.pt.tmp", "curve.csv.tmp", "result.json.tmp", "study.yaml.tmp", "plan.yaml.tmp"})
"""Names on the way that earlier versions used."""


def write_text(path: Path, text: str) -> None:
    """Write `text` in UTF-8; see `write_whole`."""
    write_bytes(path, text.encode("utf-8"))


def write_first(path: Path, text: str) -> None:
    """Write `text` in UTF-8 unless the file is there: of several writers, on several machines too, one is the first.

    Readers meet its file whole, or none. Where a file system has no hard links, two writers at the very same time may
    replace one another.

    Raises:
        OSError: as the system has it, with `path`.
        Interrupted: a later writer has the folder (`archspec.files.fence`).
    """
    check_fence(path)
    try:
        _replace(path, lambda partial: partial.write_bytes(text.encode("utf-8")), _publish_first)
    except OSError as error:
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data`; see `write_whole`."""

    def write(partial: Path) -> None:
        partial.write_bytes(data)

    write_whole(path, write)


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Replace `path` in one step by what `write` leaves at the path that it is given.

    A reader, or a kill at any moment, meets the old file or the new one; a failure leaves the old one and nothing else.
    The name on the way is another one each time, so that two writers do not meet in it. Through a symbolic link the
    file that it names is replaced; what is no file but a device or a pipe is written to.

    Args:
        path: of the file; its folder exists.
        write: creates the file at the path that it is given, beside `path`.

    Raises:
        OSError: as `write`, or the system, has it, with `path`.
        Interrupted: a later writer has the folder (`archspec.files.fence`).
    """
    check_fence(path)
    try:
        if _is_stream(path):
            write(path)
            return
        target = Path(os.path.realpath(path))
        if target.is_dir():  # before any work: a folder cannot be replaced by a file
            raise IsADirectoryError(21, "Is a directory")
        _replace(target, write)
    except OSError as error:  # a failed write knows no path, and that of the file on the way says nothing
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def append_bytes(path: Path, data: bytes) -> None:
    """Write `data` at the end of a file, made if need be; a failure takes back what was written of it.

    Raises:
        OSError: as the system has it, with `path`.
        Interrupted: a later writer has the folder (`archspec.files.fence`).
    """
    check_fence(path)
    size = None
    try:
        with path.open("ab") as file:
            size = file.tell()
            file.write(data)
    except OSError as error:
        if size is not None:
            with suppress(OSError):
                os.truncate(path, size)
        raise OSError(error.errno, error.strerror or str(error), str(path)) from error


def clear_partial(root: Path) -> None:
    """Remove what killed processes left on the way to files below `root`, which no other process writes."""
    for folder, _, names in os.walk(root):
        for name in names:
            if _PARTIAL.fullmatch(name) or name in _FORMER:
                with suppress(OSError):
                    os.unlink(os.path.join(folder, name))


def _replace(path: Path, write: Callable[[Path], object], publish: Callable[[Path, Path], None] = os.replace) -> None:
    start = path.name.encode("utf-8", "ignore")[:100].decode("utf-8", "ignore")  # systems limit a name's bytes
    partial = path.with_name(f".{start}.{secrets.token_hex(6)}.tmp")
    try:
        write(partial)
        descriptor = os.open(partial, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # a full disk may say so only here
        finally:
            os.close(descriptor)
        partial.chmod(0o666 & ~_umask())  # libraries that write through a private temporary file make it 0600
        check_fence(path)
        publish(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def _publish_first(partial: Path, path: Path) -> None:
    """Give a file its name unless another one has it."""
    try:
        os.link(partial, path)
    except FileExistsError:
        pass
    except OSError:  # a file system without hard links
        if not path.exists():
            os.replace(partial, path)
            return
    os.unlink(partial)


def _is_stream(path: Path) -> bool:
    """Whether `path` is there and is neither a file nor a folder: /dev/stdout, a named pipe."""
    try:
        mode = path.stat().st_mode
    except OSError:
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)) or path.parent in (Path("/dev"), Path("/dev/fd"))


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
