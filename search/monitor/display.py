"""Progress of a run for people: a header, a line per answer, trainings under way, and a summary at the end."""

from __future__ import annotations

import math
import shlex
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import islice
from pathlib import Path
from typing import final

from optuna.study import Study
from optuna.trial import FrozenTrial
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from archspec.documents.safe_text import printable
from archspec.documents.wording import unlike_devices
from archspec.printing.fitted_table import Column, FittedTable
from archspec.printing.fitted_text import FittedText
from search.monitor.estimate import Key, show_seconds
from search.repeats import find_front

MAX_ROWS = 20
MAX_UNDER_WAY = 4
LAYOUT = 18
"""Cells that the code of a layout keeps in the table of the front."""
BEAT_SECONDS = 30.0
"""Without a terminal, a line is written at least this often."""


@final
@dataclass(slots=True)
class UnderWay:
    """A training under way: its name, the last words on it, and when it will end by an estimate."""

    name: str
    text: str
    ends: float = math.inf

    def show(self) -> str:
        """All of it in one line."""
        left = show_left(self.ends)
        return f"{self.name}: {self.text}" + (f", {left}" if left else "")


@final
class ProgressDisplay:
    """Lines on standard error; on a terminal, a bar and what is under way below them.

    Args:
        title: of the bar.
        quiet: say nothing at all.
    """

    def __init__(self, title: str, *, quiet: bool = False) -> None:
        self.quiet = quiet
        self.console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self.running: dict[Key, UnderWay] = {}
        self.live = self.console.is_terminal and not self.console.is_dumb_terminal and not quiet
        self._title = title
        self._done, self._wanted = 0, 0
        self._stage, self._ends = "", math.inf
        self._begun = self._spoken = time.monotonic()
        self._said: set[str] = set()
        self._guard = threading.RLock()
        self._ended = threading.Event()
        self._beat = threading.Thread(target=self._keep_speaking, name="archspec-progress", daemon=True)
        self._bar = Progress(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            TextColumn("{task.fields[left]}", markup=False),
            console=self.console,
        )
        self._task = self._bar.add_task(printable(title), total=None, left="")
        self._screen = Live(console=self.console, refresh_per_second=4, get_renderable=self._render, transient=True)

    def __enter__(self) -> ProgressDisplay:
        if self.live:
            self._screen.start()
        elif not self.quiet:
            self._beat.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Take away the bar and what is under way; lines may follow."""
        if self._screen.is_started:
            self._screen.stop()
        self._ended.set()

    @property
    def elapsed(self) -> str:
        """Hours, minutes and seconds since the display was made."""
        return str(timedelta(seconds=round(time.monotonic() - self._begun)))

    def say(self, *lines: str) -> None:
        """Lines for people."""
        if self.quiet or not lines:
            return
        with self._guard:
            self._spoken = time.monotonic()
            for line in lines:
                self.console.print(FittedText(printable(line), wide=0), crop=False)

    def say_once(self, text: str) -> None:
        """A line for people that several workers may say."""
        if text not in self._said:
            self._said.add(text)
            self.say(text)

    def show_table(self, table: FittedTable) -> None:
        """A table; where nobody looks at a screen, as wide as it needs to be."""
        if self.quiet or not table.row_count:
            return
        with self._guard:
            self.console.print(table, crop=False)

    def show_phase(self, title: str, progress: tuple[int, int]) -> None:
        """A part of the run begins, of which so much is done and wanted."""
        with self._guard:
            self._done, self._wanted = progress
            self._bar.update(self._task, description=printable(f"{self._title}: {title}"))
            self._bar.update(self._task, completed=progress[0], total=progress[1])

    def show_stage(self, text: str) -> None:
        """The run does something itself, before its first order."""
        with self._guard:
            self._stage = printable(text)

    def show_started(self, key: Key, label: str) -> None:
        """An evaluation has gone to a worker; `label` is what people call it."""
        with self._guard:
            self._stage = ""
            self.running[key] = UnderWay(printable(label), "begins")

    def show_progress(self, key: Key, text: str, left: float | None = None) -> None:
        """Show the progress of a worker, and the seconds that its training still needs."""
        with self._guard:
            one = self.running[key]
            one.text, one.ends = printable(text), math.inf if left is None else time.monotonic() + left

    def show_left(self, left: float | None) -> None:
        """Show the seconds that the whole run still needs."""
        with self._guard:
            self._ends = math.inf if left is None else time.monotonic() + left

    def show_answer(self, line: str, progress: tuple[int, int], key: Key) -> None:
        """An answer has come in."""
        with self._guard:
            self.running.pop(key, None)
            self._done, self._wanted = progress
            self._bar.update(self._task, completed=progress[0], total=progress[1])
        self.say(f"[{progress[0]}/{progress[1]}] {line}")

    def describe_work(self) -> str:
        """One line on how far the run is, and what is under way."""
        working = [one.show() for one in islice(self.running.values(), MAX_UNDER_WAY)]
        more = f" and {len(self.running) - MAX_UNDER_WAY} more" if len(self.running) > MAX_UNDER_WAY else ""
        text = "; ".join(working) + more if working else self._stage or "nothing"
        count = f"[{self._done}/{self._wanted}] " if self._wanted else ""
        left = show_left(self._ends)
        return f"{count}after {self.elapsed}{f', {left} in all' if left else ''}, under way: {text}"

    def _keep_speaking(self) -> None:
        while not self._ended.wait(min(1.0, BEAT_SECONDS / 4)):
            with self._guard:
                if not self._ended.is_set() and time.monotonic() - self._spoken >= BEAT_SECONDS:
                    self.say(self.describe_work())

    def _render(self) -> Group:
        self._bar.update(self._task, left=show_left(self._ends))
        shown = [one.show() for one in islice(self.running.values(), MAX_ROWS)] or [self._stage]
        if len(self.running) > MAX_ROWS:
            shown.append(f"and {len(self.running) - MAX_ROWS:,} more")
        working = [Text(f"  {text}", style="dim", no_wrap=True, overflow="ellipsis") for text in filter(None, shown)]
        return Group(self._bar, *working)


def show_left(ends: float) -> str:
    """The time to the monotonic second `ends` in words: `about 12 min left`; empty where it is not known, or over."""
    left = ends - time.monotonic()
    return f"about {show_seconds(left)} left" if 0 < left < math.inf else ""


def hint(command: str, root: Path, *more: str) -> str:
    """The line on what to do next: a command of archspec on a run, as a shell takes it."""
    return f"next: {shlex.join(['archspec', command, str(root), *more])}"


def front_trials(search: Study) -> list[FrozenTrial]:
    """The trials on the front, cheapest first, one of each layout."""
    trials = sorted(find_front(search), key=lambda trial: tuple(reversed(trial.values)))
    return list({trial.user_attrs.get("digest", ""): trial for trial in reversed(trials)}.values())[::-1]


def front_table(search: Study, objectives: Sequence[str]) -> FittedTable:
    """The front, cheapest first, with all its numbers whole.

    Args:
        search: the study.
        objectives: their titles.
    """
    distinct = front_trials(search)
    columns = (Column("trial"), *map(Column, objectives), Column("layout", "code", 1, LAYOUT))
    notes = f"and {len(distinct) - MAX_ROWS} more" if len(distinct) > MAX_ROWS else ""
    table = FittedTable("front", columns, notes, "the report has all")
    for one in distinct[:MAX_ROWS]:
        table.add_row(str(one.number), *map(_number, one.values), str(one.user_attrs.get("code", "")))
    return table


def device_lines(search: Study, objectives: Sequence[str]) -> list[str]:
    """Lines for people on the devices of those objectives that are inference times, as far as its trials say.

    Args:
        search: the study.
        objectives: names of its metrics.
    """
    lines, devices = list[str](), [one.user_attrs.get("devices", {}) for one in front_trials(search)]
    for name in objectives:
        stated = [one.get(name) for one in devices]
        counts = Counter(printable(model) for model in stated if model)
        if len(counts) > 1:
            lines.append(f"{name} was measured {unlike_devices(dict(counts.most_common()), 'member')}")
        elif counts:
            lines.append(f"{name} was measured on {next(iter(counts))}")
    return lines


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 or not math.isfinite(value) else f"{value:,.0f}"
