"""The state of a run at work, in a file of its folder that any node can read: what is under way, where, since when.

The process that conducts the run writes it every few seconds; its time tells whether there is one. The record of a run
is its journal: this file may be gone, or old, without harm.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, final

from archspec.files.output import write_text
from search.evaluator import Epoch
from search.monitor.estimate import Key
from search.processes.machine import host_name

STATUS = "status.json"
EVERY_SECONDS = 5.0
"""Time between two writings, and before the first: a run that takes less has none."""


@final
@dataclass(slots=True)
class TaskStatus:
    """An evaluation under way.

    Attributes:
        name: for people: `trial 7`.
        folder: of its files, in that of the run.
        place: that it runs at, for people: `process 123 on n1`, `job 7_3, running on n2`.
        since: time at which it began there, in seconds since the epoch.
        epoch, total: the last epoch that has ended, and how many there will be; 0 where nothing was told.
        ends: expected time of its end; None while nothing tells.
    """

    name: str
    folder: str
    place: str = ""
    since: float = 0.0
    epoch: int = 0
    total: int = 0
    ends: float | None = None


@final
@dataclass(frozen=True, slots=True)
class RunStatus:
    """A run at work as its process last wrote it.

    Attributes:
        host, pid: of the process that conducts it.
        engine: where its evaluations run.
        written: time of the writing, in seconds since the epoch.
        part: of the run.
        done, wanted: evaluations of that part.
        left: expected seconds to the end of the run; None while nothing tells.
        tasks: under way.
    """

    host: str
    pid: int
    engine: str
    written: float
    part: str
    done: int
    wanted: int
    left: float | None
    tasks: tuple[TaskStatus, ...]


@final
class StatusBoard:
    """The writer of the file.

    Args:
        root: folder of the run.
        engine: name of it.
    """

    def __init__(self, root: Path, engine: str) -> None:
        self.root, self._engine = root, engine
        self._tasks: dict[Key, TaskStatus] = {}
        self._next = time.monotonic() + EVERY_SECONDS

    def __enter__(self) -> StatusBoard:
        return self

    def __exit__(self, *_: object) -> None:
        with suppress(OSError):  # nobody conducts the run any more
            (self.root / STATUS).unlink(missing_ok=True)

    def begin(self, key: Key, name: str, folder: Path) -> None:
        """An evaluation has been handed over."""
        self._tasks[key] = TaskStatus(name, os.path.relpath(folder, self.root), since=time.time())

    def note(self, key: Key, epoch: Epoch) -> None:
        """An epoch of it has ended."""
        if key in self._tasks:
            self._tasks[key].epoch, self._tasks[key].total = epoch.number, epoch.total

    def end(self, key: Key) -> None:
        """Its answer has come."""
        self._tasks.pop(key, None)

    @property
    def due(self) -> bool:
        """Whether it is time to write."""
        return time.monotonic() >= self._next

    def write(
        self,
        part: str,
        progress: tuple[int, int],
        left: float | None,
        places: Mapping[Key, tuple[str, float | None]],
        left_of: Callable[[Key], float | None],
    ) -> None:
        """Write the state; a disk that is full, or a folder that is gone, is for others to tell.

        Args:
            part: of the run.
            progress: evaluations of it that are done, and wanted.
            left: expected seconds to the end of the run.
            places: where each evaluation is, and since when, as far as the engine knows.
            left_of: expected seconds to the end of one.
        """
        begun, now = time.monotonic(), time.time()
        for key, task in self._tasks.items():
            place, since = places.get(key, ("", None))
            seconds = left_of(key)
            task.place, task.since = place, since or task.since
            task.ends = None if seconds is None else now + seconds
        tasks = tuple(self._tasks.values())
        state = RunStatus(host_name(), os.getpid(), self._engine, now, part, *progress, left, tasks)
        with suppress(OSError):
            write_text(self.root / STATUS, json.dumps(asdict(state)))
        self._next = begun + max(EVERY_SECONDS, 50 * (time.monotonic() - begun))


def read_status(root: Path) -> RunStatus | None:
    """The state of a run as it was last written; None where there is none that can be read.

    Args:
        root: folder of the run.
    """
    try:
        data: dict[str, Any] = json.loads((root / STATUS).read_text(encoding="utf-8"))
        data["tasks"] = tuple(TaskStatus(**one) for one in data["tasks"])
        return RunStatus(**data)
    except (OSError, ValueError, TypeError, KeyError):
        return None
