"""The file of a run that says what it was asked: a search's study, an ablation's plan."""

from __future__ import annotations

import os
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from archspec.documents.safe_text import printable
from archspec.documents.wording import show
from archspec.errors import RunError, SpecError
from archspec.files.output import write_text

STUDY, PLAN, JOURNAL = "study.yaml", "plan.yaml", "journal.log"
KINDS = {STUDY: "a search", PLAN: "an ablation"}
COMMANDS = {STUDY: "search", PLAN: "ablate"}

Compared = Iterable[tuple[str, Any, Any]]
"""Dotted paths of fields that may not change, each with what it was and what it would be."""


def find_asked(name: str, source: str, runs: Path) -> Path | None:
    """The file called `name` of the run that `source` names, by its folder or by its name; None where there is none."""
    return next((file for file in (Path(source) / name, runs / source / name) if os.path.isfile(file)), None)


def home_of(name: str, source: str, run: str, runs: Path) -> Path:
    """The folder of all runs that a run goes on in: its own, where `source` is the folder of that run.

    Args:
        name: of the file of such a run.
        source: what was asked for.
        run: the run's name.
        runs: the folder for all others.
    """
    folder = Path(source)
    if not os.path.isfile(folder / name) or folder.resolve().name != run:
        return runs
    return folder.parent if folder.name not in ("", "..") else folder.resolve().parent


def refuse_other_kind(name: str, source: str, runs: Path) -> None:
    """Refuse a run of another kind than those that `name` belongs to, where `source` is no file.

    Raises:
        SpecError: `source` names one.
    """
    for other, kind in KINDS.items():
        found = find_asked(other, source, runs)
        if other != name and found and not os.path.isfile(source):
            raise SpecError(
                f"holds {kind}; `archspec {COMMANDS[other]} {source}` continues it", source=str(found.parent)
            )


@contextmanager
def take_back(path: Path) -> Generator[None]:
    """A file that is taken back where the run is refused before it began, which may then begin with other options."""
    known = path.exists()
    try:
        yield
    except SpecError:
        if not known:
            path.unlink(missing_ok=True)
        raise


def record_asked(path: Path, text: str, noun: str, compare: Callable[[dict[str, Any]], Compared]) -> None:
    """Write what is asked, or check first that a run that exists was asked the same.

    Args:
        path: the file, in the folder of the run.
        text: what it is to hold.
        noun: what is asked, for messages: `plan`.
        compare: what of the file as it is may not change.

    Raises:
        SpecError: a field differs that may not change when a run is continued, the folder holds another kind of run,
            or the file is the user's own.
        RunError: the file is damaged; it is kept as it is.
        OSError: it cannot be read or written.
    """
    for name, kind in KINDS.items():
        if name != path.name and (path.parent / name).exists():
            raise SpecError(f"holds {kind}; give the {noun} another name", field="name", source=str(path.parent))
    if path.exists():
        if not (path.parent / JOURNAL).exists() and not _is_dump(path.read_bytes()):
            rule = f"is no run's, whose {JOURNAL} would stand beside it: kept as it is; give the {noun} another --name"
            raise SpecError(rule, source=str(path))
        try:
            recorded = yaml.safe_load(path.read_text(encoding="utf-8"))
            if not isinstance(recorded, dict):
                raise TypeError(f"a {noun} must be a mapping, not {show(recorded)}")
            found = list(compare(recorded))
        except (yaml.YAMLError, AttributeError, LookupError, TypeError, ValueError, RecursionError) as error:
            raise RunError(f"{path}{_fault(error)}; kept as it is") from None
        for field, old, new in found:
            if old != new:
                change = first_difference(old, new, field)
                rule = f"the {noun} was started with another {change}; continue it with the same, or give this one "
                raise SpecError(f"{rule}another --name", source=str(path))
    write_text(path, text)


def _fault(error: Exception) -> str:
    """The line and the words of what is wrong with a recorded file."""
    mark = getattr(error, "problem_mark", None)
    line = f":{mark.line + 1}" if mark is not None else ""
    if isinstance(error, KeyError):
        return f"{line}: damaged: no field {error}"
    words = getattr(error, "problem", None) or " ".join(str(error).split())
    return f"{line}: damaged: {printable(words[:200]) or type(error).__name__}"


def _is_dump(data: bytes) -> bool:
    """Whether a file is in the form that a run writes, without a comment or line of anybody's own."""
    try:
        return yaml.safe_dump(yaml.safe_load(data), sort_keys=False, width=120).encode("utf-8") == data
    except (yaml.YAMLError, RecursionError, TypeError, ValueError):
        return False


def first_difference(old: Any, new: Any, path: str) -> str:
    """The first field below `path` in which two configurations differ, with both values."""
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            if old.get(key) != new.get(key):
                return first_difference(old.get(key), new.get(key), f"{path}.{key}")
    if isinstance(old, Sequence) and isinstance(new, Sequence) and not isinstance(old, str) and len(old) == len(new):
        for index, (a, b) in enumerate(zip(old, new, strict=True)):
            if a != b:
                return first_difference(a, b, f"{path}[{index}]")
    return f"{path} ({old!r:.60}, now {new!r:.60})"
