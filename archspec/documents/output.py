"""Files that appear whole or not at all, with the modes that the user's umask gives."""

from __future__ import annotations

import os
import secrets
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path


def write_text(path: Path, text: str) -> None:
    """Write `text` in UTF-8; see `write_whole`."""
    write_bytes(path, text.encode("utf-8"))


def write_bytes(path: Path, data: bytes) -> None:
    """Write `data`; see `write_whole`."""

    def write(partial: Path) -> None:
        partial.write_bytes(data)

    write_whole(path, write)


def write_whole(path: Path, write: Callable[[Path], None]) -> None:
    """Replace `path` in one step by what `write` leaves at the path that it is given.

    A reader, or a kill at any moment, meets the old file or the new one; a failure leaves the old one and nothing else.
    The name on the way is another one each time, so that two writers do not meet in it.

    Args:
        path: of the file; its folder exists.
        write: creates the file at the path that it is given, beside `path`.

    Raises:
        OSError: as `write`, or the system, has it.
    """
    partial = path.with_name(f".{path.name[:100]}.{secrets.token_hex(6)}.tmp")
    try:
        write(partial)
        descriptor = os.open(partial, os.O_RDONLY)
        try:
            os.fsync(descriptor)  # a full disk may say so only here
        finally:
            os.close(descriptor)
        partial.chmod(0o666 & ~_umask())  # libraries that write through a private temporary file make it 0600
        os.replace(partial, path)
    except BaseException:
        with suppress(OSError):
            partial.unlink(missing_ok=True)
        raise


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
