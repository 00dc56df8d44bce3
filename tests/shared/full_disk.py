"""A disk that is full from the n-th write on, below one folder: files cannot be made or written, all else goes on."""

from __future__ import annotations

import builtins
import errno
import io
import os
import re
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import pytest


class _FullFile:
    """An open file on a disk with room for half of what is written next."""

    def __init__(self, file: Any, path: str) -> None:
        self._file, self._path = file, path

    def __enter__(self) -> _FullFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def write(self, data: Any) -> int:
        self._file.write(data[: len(data) // 2])
        self._file.flush()
        raise OSError(errno.ENOSPC, "No space left on device")


def telling(writes: list[str], step: int) -> list[int]:
    """Of writes those that are told apart: the first and last of each kind, and every `step`-th of all."""
    last = {write: number for number, write in enumerate(writes)}
    first = {write: number for number, write in reversed(list(enumerate(writes)))}
    return sorted({*first.values(), *last.values(), *range(0, len(writes), step)})


class FullDisk:
    """Makes writes below `folder` fail from the `room`-th on, counted from 0; `failed` says whether one did.

    After `refusals` of them there is space again. `writes` are those that were tried: what is done, and the name of the
    file. Nothing waits for the real disk.
    """

    def __init__(self, folder: Path, room: int = 10**9, refusals: int = 10**9) -> None:
        self.folder, self.room, self.refusals = folder, room, refusals
        self.writes: list[str] = []
        self.failed = False
        self._open, self._mkdir, self._os_open = io.open, os.mkdir, os.open

    def install(self, patch: pytest.MonkeyPatch) -> None:
        for module in (builtins, io):
            patch.setattr(module, "open", self.open)
        patch.setattr(os, "mkdir", self._counted(self._mkdir))
        patch.setattr(os, "fsync", self.fsync)
        patch.setattr(os, "open", self.os_open)

    def open(self, file: Any, mode: str = "r", *more: Any, **named: Any) -> Any:
        if not set(mode) & set("wax+") or not self._inside(file):
            return self._open(file, mode, *more, **named)
        full = self._full(f"open {Path(os.fsdecode(file)).name}")
        if not full and self._refuses():
            raise OSError(errno.ENOSPC, "No space left on device", str(file))
        opened = self._open(file, mode, *more, **named)
        return _FullFile(opened, str(file)) if full else opened

    def os_open(self, path: Any, flags: int, *more: Any, **named: Any) -> int:
        if flags & os.O_CREAT and self._inside(path) and not os.path.exists(path):
            self._check(path)
        return self._os_open(path, flags, *more, **named)

    def fsync(self, descriptor: int) -> None:
        path = os.readlink(f"/proc/self/fd/{descriptor}")
        if self._inside(path) and self._full(f"sync {Path(path).name}"):
            raise OSError(errno.ENOSPC, "No space left on device")

    def _counted(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def counted(path: Any, *more: Any, **named: Any) -> Any:
            if self._inside(path) and not os.path.exists(path):
                self._check(path)
            return call(path, *more, **named)

        return counted

    def _check(self, path: Any) -> None:
        if self._full(f"make {Path(os.fsdecode(path)).name}") or self._refuses():
            raise OSError(errno.ENOSPC, "No space left on device", str(path))

    def _full(self, write: str) -> bool:
        """Whether this write is the first one for which there is no room."""
        if self.failed:
            return False
        self.failed = len(self.writes) >= self.room
        self.writes.append(re.sub("[0-9a-f]{12,16}", "*", write))
        return self.failed

    def _refuses(self) -> bool:
        """Whether there is still no room, after the first write for which there was none."""
        self.refusals -= self.failed
        return self.failed and self.refusals >= 0

    def _inside(self, path: Any) -> bool:
        if isinstance(path, int):
            return False
        return Path(os.path.abspath(os.fsdecode(path))).is_relative_to(self.folder)
