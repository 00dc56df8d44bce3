"""Measurements on disk: one JSON file each, under the hash of what was asked.

Files appear whole or not at all, so that any number of processes may share the folder; one that is damaged, or
whose code has changed, counts as absent. The folder may be deleted at any time.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from archspec.files.output import write_text
from blocks.opaque.result import Measured
from blocks.opaque.source_code import digest

if TYPE_CHECKING:
    Question = Mapping[str, Any]


def folder() -> Path | None:
    """`$ARCHSPEC_CACHE`, else `archspec` under `$XDG_CACHE_HOME` or `~/.cache`; None where there is no home."""
    if own := os.environ.get("ARCHSPEC_CACHE"):
        return Path(own).absolute()
    caches = Path(os.environ.get("XDG_CACHE_HOME", ""))
    # A relative path there is to be ignored, by the XDG rules.
    if not caches.is_absolute():
        try:
            caches = Path.home() / ".cache"
        except RuntimeError:
            return None
    return caches / "archspec"


def read(root: Path, question: Question) -> Measured | None:
    """The stored answer, if it is whole and the files behind it have not changed."""
    try:
        entry = json.loads(_path(root, question).read_text(encoding="utf-8"))
        answer, sources = entry["answer"], entry["sources"]
        if entry["question"] != question or entry["checksum"] != _checksum(question, sources, answer):
            return None
        if any(digest(Path(file)) != known for file, known in sources.items()):
            return None
        return _adapter().validate_python(answer)
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError):
        return None


def write(root: Path, question: Question, answer: Measured, sources: Mapping[str, str]) -> None:
    """Store an answer with the digests of the files behind it; a folder that cannot be written stores nothing."""
    path = _path(root, question)
    plain = _adapter().dump_python(answer, mode="json")
    entry = {"question": question, "sources": sources, "answer": plain, "checksum": _checksum(question, sources, plain)}
    with suppress(OSError):
        path.parent.mkdir(parents=True, exist_ok=True)
        write_text(path, json.dumps(entry, indent=1))


def _path(root: Path, question: Question) -> Path:
    name = _checksum(question)
    return root / "opaque" / name[:2] / f"{name}.json"


def _checksum(*values: object) -> str:
    text = json.dumps(values, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def _adapter() -> TypeAdapter[Measured]:
    return TypeAdapter(Measured)
