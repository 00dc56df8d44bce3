"""Errors of the operating system as one line: the path and the reason."""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path

from archspec.documents.safe_text import printable
from archspec.errors import ArchspecError, RunError, SpecError

EXHAUSTED = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO, errno.EMFILE, errno.ENFILE})
"""What a full or broken disk, a quota or a limit of the system answers: no input is to blame."""
_SPACE = frozenset({errno.ENOSPC, errno.EDQUOT})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS, errno.ENOTDIR, errno.EISDIR, errno.ENOENT})
PROBE_BYTES = 1 << 16


def reason(error: OSError) -> str:
    """The reason alone: `No space left on device`."""
    return printable(error.strerror or str(error) or type(error).__name__)


def explain(error: OSError) -> str:
    """`path: reason` of an error; the reason alone where it knows no path."""
    path = error.filename
    if path is None or isinstance(path, int):
        return reason(error)
    return f"{printable(os.fsdecode(path))}: {reason(error)}"


def unwritable(error: OSError, place: Path) -> ArchspecError:
    """The error of a place that cannot be written: bad input where the place is wrong, a failure where the disk is."""
    rule = f"cannot be written: {reason(error)}"
    if error.errno in EXHAUSTED:
        return RunError(f"{printable(str(place))}: {rule}")
    return SpecError(rule, source=printable(str(place)))


def lacks_space(error: OSError) -> bool:
    """Whether an error says that a disk or a quota is full, so that the same write may do later."""
    return error.errno in _SPACE


def is_of_disk(error: OSError, root: Path) -> bool:
    """Whether an error says that files below `root` cannot be written, rather than that a layout is to blame.

    Args:
        error: whatever an evaluation raised.
        root: folder of the run; a denial counts only inside it.
    """
    if error.errno in EXHAUSTED | {errno.EROFS}:
        return True
    if error.errno not in _FORBIDDEN or not isinstance(error.filename, str | bytes):
        return False
    return Path(os.path.abspath(os.fsdecode(error.filename))).is_relative_to(os.path.abspath(root))


def check_space(folder: Path) -> None:
    """Write a little and remove it: what a failed program says of itself need not be that the disk was full.

    Raises:
        OSError: files cannot be written to `folder`, or not of 64 KiB.
    """
    probe = folder / f".space.{secrets.token_hex(6)}.tmp"
    try:
        with probe.open("wb") as file:
            file.write(bytes(PROBE_BYTES))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(folder)) from None
    finally:
        probe.unlink(missing_ok=True)
