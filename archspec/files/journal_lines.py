"""The lines of a run's journal: each is checked as it is read, and carries a checksum from when it is written.

The lines are those of Optuna's journal storage. A checksum covers its line and the line before it, so that a changed,
missing, repeated or displaced line is found where it stands. Journals of earlier versions, and lines that other tools
append, have none: those are checked by what they say alone.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, final

from archspec.documents.safe_text import printable
from archspec.errors import RunError
from archspec.files.journal_entries import EntryCheck

SUM = re.compile(rb',"crc":"([0-9a-f]{8})"\}$')
"""The end of a line that carries its checksum: CRC-32 of the line without it, begun with that of the line before."""


@final
class JournalFile:
    """The lines of a journal, for a storage that knows what those before say.

    Args:
        path: of the file, which appears with the first line written.

    Attributes:
        line: number of the last line that was read or written, from 1.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = 0
        self._offset = 0  # bytes read
        self._sum = 0  # CRC-32 of the last line read
        self._check = EntryCheck()

    @property
    def grown(self) -> bool:
        """Whether another program has written to the file, or it was not read yet."""
        try:
            return os.stat(self.path).st_size != self._offset
        except FileNotFoundError:
            return False

    def read(self) -> Iterator[dict[str, Any]]:
        """The entries behind the last line that is known; a last line without its end is left for later.

        Raises:
            RunError: an entry breaks a rule; the message has its line.
            OSError: the file cannot be read.
        """
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            file.seek(self._offset)
            for raw in file:
                if not raw.endswith(b"\n"):
                    return
                self.line += 1
                try:
                    entry = self._parse(raw)
                except ValueError as error:
                    raise self.refuse(error) from None
                self._offset += len(raw)
                self._sum = zlib.crc32(raw)
                yield entry

    def refuse(self, error: Exception) -> RunError:
        """The error on the line that was read last, whose rule is that of `error`."""
        words = printable(" ".join(str(error).split())[:200]) or type(error).__name__
        return RunError(f"{self.path}:{self.line}: damaged: {words}; kept as it is")

    def append(self, entries: Sequence[dict[str, Any]]) -> None:
        """Write entries in one step, each with its checksum; nothing of them stays where one cannot be written whole.

        Raises:
            OSError: as the system has it.
            RunError: an entry breaks a rule.
        """
        parts, last = list[bytes](), self._sum
        for entry in entries:
            body = json.dumps(entry, separators=(",", ":")).encode()
            raw = body[:-1] + b',"crc":"%08x"}\n' % zlib.crc32(body, last)
            parts.append(raw)
            last = zlib.crc32(raw)
        lines = b"".join(parts)
        with self.path.open("ab", buffering=0) as file:  # closing a buffered one would write again what failed
            end = file.tell()
            try:
                left = memoryview(lines)
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            except OSError as error:
                with suppress(OSError):
                    os.truncate(self.path, end)  # a full disk takes the beginning of a line
                raise OSError(error.errno, error.strerror, str(self.path)) from None
        self._offset, self._sum = end + len(lines), last
        for entry in entries:
            self.line += 1
            try:
                self._check.check(entry, strict=False)
            except ValueError as error:
                raise self.refuse(error) from None

    def _parse(self, raw: bytes) -> dict[str, Any]:
        text = raw.rstrip(b"\r\n")
        try:
            entry = json.loads(text)
        except (ValueError, RecursionError):
            entry = None
        if not isinstance(entry, dict) or "op_code" not in entry:
            raise ValueError("not an entry of an Optuna journal")
        found = SUM.search(text)
        if entry.pop("crc", None) is not None or found:
            known = int(found[1], 16) if found else -1
            if not found or known != zlib.crc32(text[: found.start()] + b"}", self._sum):
                raise ValueError("this line or the one before it is not as it was written (checksum)")
        self._check.check(entry, strict=not found)
        return entry
