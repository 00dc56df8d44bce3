"""The folder of a report, whose files appear all at once, and never in the place of somebody else's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from archspec.errors import SpecError
from archspec.files.os_errors import unwritable
from archspec.files.output_folder import fresh_folder, is_leftover
from archspec.files.ownership import OutputCommand

GENERATOR = '<meta name="generator" content="archspec report">'
_SLACK_SECONDS = 2
"""Between the last file of a report and its page, whose time of writing earlier versions left as the only sign."""


def publish(run: Path, out: Path | None, write: Callable[[Path], None], *, force: bool = False) -> Path:
    """Have `write` fill a fresh folder, move what is in it to `out` (`run`/report), and return the path of index.html.

    Only files that earlier reports wrote, and nobody changed since, are replaced or removed in `out`, and only when all
    are written.

    Args:
        run: folder of the run.
        out: folder of the report.
        write: writes the report into the folder that it is given.
        force: replace any file of the same name.

    Raises:
        SpecError: `out` holds or is something else, or cannot be written; a file in it would be lost.
        RunError: the disk is full.
    """
    folder = run / "report" if out is None else out
    command = OutputCommand("report", force, "--force of archspec report")
    try:
        _check_target(folder, command, own=out is None)
        page = folder / "index.html"
        written = page.stat().st_mtime + _SLACK_SECONDS if _is_report(page) else 0.0
    except OSError as error:
        raise unwritable(error, folder) from None
    with fresh_folder(folder, command, prune=True, adopt=lambda path: path.stat().st_mtime <= written) as fresh:
        write(fresh)
    return page


def _check_target(folder: Path, command: OutputCommand, *, own: bool) -> None:
    """Refuse to write among files that are not a report's."""
    if folder.exists() and not folder.is_dir():
        raise SpecError("is a file: the report needs a folder", source=str(folder))
    if own or command.force or not folder.is_dir() or all(is_leftover(path.name) for path in folder.iterdir()):
        return
    if not _is_report(folder / "index.html"):
        rule = (
            f"holds files that are not a report: name an empty or a new folder, or {command.remedy} writes among them"
        )
        raise SpecError(rule, source=str(folder))


def _is_report(page: Path) -> bool:
    return page.is_file() and GENERATOR in page.read_text(encoding="utf-8", errors="replace")[:2000]
