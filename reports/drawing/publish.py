"""The folder of a report, whose files appear all at once, and never among somebody else's."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path

from archspec.errors import RunError

GENERATOR = '<meta name="generator" content="archspec report">'


def publish(run: Path, out: Path | None, write: Callable[[Path], None]) -> Path:
    """Have `write` fill a fresh folder, move what is in it to `out` (`run`/report), and return the path of index.html.

    Only files and folders of the same names are replaced in `out`, and only when all are written.

    Raises:
        RunError: `out` holds or is something else, or cannot be written.
    """
    folder = run / "report" if out is None else out
    _check_target(folder, own=out is None)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".new-") as name:
            fresh = Path(name)
            write(fresh)
            for entry in sorted(fresh.iterdir()):
                _replace(folder / entry.name, entry)
    except OSError as error:
        raise RunError(f"{folder}: cannot be written: {error.strerror}") from None
    return folder / "index.html"


def _check_target(folder: Path, *, own: bool) -> None:
    """Refuse to write among files that are not a report's."""
    if folder.exists() and not folder.is_dir():
        raise RunError(f"{folder}: is a file: the report needs a folder")
    if own or not folder.is_dir() or not any(folder.iterdir()):
        return
    index = folder / "index.html"
    if not index.is_file() or GENERATOR not in index.read_text(encoding="utf-8", errors="replace")[:2000]:
        raise RunError(f"{folder}: holds files that are not a report: name an empty or a new folder")


def _replace(old: Path, new: Path) -> None:
    if old.is_dir() and not old.is_symlink():
        shutil.rmtree(old)
    else:
        old.unlink(missing_ok=True)
    new.rename(old)
