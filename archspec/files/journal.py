"""A run's journal as a file: each line is checked as it is read, and carries a checksum from when it is written.

The lines are those of Optuna's journal storage. A checksum covers its line and the line before it, so that a changed,
missing, repeated or displaced line is found where it stands. Journals of earlier versions, and lines that other tools
append, have none: those are checked by what they say alone.
"""

from __future__ import annotations

import json
import os
import re
import zlib
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, final

from optuna.exceptions import OptunaError
from optuna.storages import JournalStorage
from optuna.storages.journal import BaseJournalBackend

from archspec.documents.safe_text import printable
from archspec.errors import RunError
from archspec.files.journal_entries import EntryCheck

SUM = re.compile(rb',"crc":"([0-9a-f]{8})"\}$')
"""The end of a line that carries its checksum: CRC-32 of the line without it, begun with that of the line before."""


@final
class JournalFile(BaseJournalBackend):
    """The lines of a journal, for Optuna's storage.

    Args:
        path: of the file, which appears with the first line written.

    Attributes:
        line: number of the last line that was read, from 1.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.line = 0
        self._offset = 0  # bytes read
        self._sum = 0  # CRC-32 of the last line read
        self._check = EntryCheck()

    def read_logs(self, log_number_from: int) -> Iterator[dict[str, Any]]:
        """The entries from the number `log_number_from` on, from 0; a last line without its end is left for later.

        Raises:
            RunError: an entry breaks a rule; the message has its line.
            OSError: the file cannot be read.
        """
        if log_number_from != self.line or not self.path.exists():
            self.line, self._offset, self._sum, self._check = 0, 0, 0, EntryCheck()
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
                if self.line > log_number_from:
                    yield entry

    def refuse(self, error: Exception) -> RunError:
        """The error on the line that was read last, whose rule is that of `error`."""
        words = printable(" ".join(str(error).split())[:200]) or type(error).__name__
        return RunError(f"{self.path}:{self.line}: damaged: {words}; kept as it is")

    def append_logs(self, logs: list[dict[str, Any]]) -> None:
        """Write entries, each with its checksum; nothing of them stays where one cannot be written whole.

        Raises:
            OSError: as the system has it.
        """
        with self.path.open("ab", buffering=0) as file:  # closing a buffered one would write again what failed
            end = file.tell()
            last = self._sum if end == self._offset else self._last_sum()
            lines = b""
            for log in logs:
                body = json.dumps(log, separators=(",", ":")).encode()
                raw = body[:-1] + b',"crc":"%08x"}\n' % zlib.crc32(body, last)
                lines, last = lines + raw, zlib.crc32(raw)
            try:
                left = memoryview(lines)
                while left:
                    left = left[file.write(left) :]
                os.fsync(file.fileno())
            except OSError as error:
                with suppress(OSError):
                    os.truncate(self.path, end)  # a full disk takes the beginning of a line
                raise OSError(error.errno, error.strerror, str(self.path)) from None

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

    def _last_sum(self) -> int:
        """The sum of the last line of the file, which another tool has written since this one read it."""
        with self.path.open("rb") as file:
            file.seek(self._offset)
            return zlib.crc32((file.read().splitlines(keepends=True) or [b""])[-1])


def open_journal(path: Path) -> JournalStorage:
    """The storage in the journal at `path`, read to its end.

    Raises:
        RunError: it cannot be read, or is damaged; the message has the line, and the file is left as it is.
    """
    lines = JournalFile(path)
    try:
        return JournalStorage(lines)
    except OSError as error:
        raise RunError(f"{path}: cannot be read: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError, OptunaError) as error:
        raise lines.refuse(error) from None
