"""Progress of a run for people: a header, a line per answer, trainings under way, and a summary at the end."""

from __future__ import annotations

import math
import shlex
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path
from typing import final

from optuna.study import Study
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.text import Text

from archspec.documents.safe_text import printable
from archspec.printing.fitted_table import Column, FittedTable
from archspec.printing.fitted_text import FittedText
from search.run.worker import Order

MAX_ROWS = 20
MAX_UNDER_WAY = 4
LAYOUT = 18
"""Cells that the code of a layout keeps in the table of the front."""
BEAT_SECONDS = 30.0
"""Without a terminal, a line is written at least this often."""


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
        self.running: dict[tuple[str, str], str] = {}
        self.live = self.console.is_terminal and not self.console.is_dumb_terminal and not quiet
        self._title = title
        self._done, self._wanted = 0, 0
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
            console=self.console,
        )
        self._task = self._bar.add_task(printable(title), total=None)
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

    def say(self, text: str) -> None:
        """A line for people."""
        if self.quiet:
            return
        with self._guard:
            self._spoken = time.monotonic()
            self.console.print(FittedText(printable(text), wide=0), crop=False)

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

    def show_started(self, order: Order) -> None:
        """An order has gone to a worker."""
        self.show_progress(order, "started")

    def show_progress(self, order: Order, text: str) -> None:
        """Show the progress of a worker."""
        with self._guard:
            self.running[order.digest, order.run] = printable(f"{order.run} {order.digest[:8]}: {text}")

    def show_answer(self, line: str, progress: tuple[int, int], order: Order) -> None:
        """An answer has come in."""
        with self._guard:
            self.running.pop((order.digest, order.run), None)
            self._done, self._wanted = progress
            self._bar.update(self._task, completed=progress[0], total=progress[1])
        self.say(f"[{progress[0]}/{progress[1]}] {line}")

    def describe_work(self) -> str:
        """One line on how far the run is, and what is under way."""
        working = list(self.running.values())
        more = f" and {len(working) - MAX_UNDER_WAY} more" if len(working) > MAX_UNDER_WAY else ""
        text = "; ".join(working[:MAX_UNDER_WAY]) + more if working else "nothing"
        return f"[{self._done}/{self._wanted}] after {self.elapsed}, under way: {text}"

    def _keep_speaking(self) -> None:
        while not self._ended.wait(min(1.0, BEAT_SECONDS / 4)):
            with self._guard:
                if not self._ended.is_set() and time.monotonic() - self._spoken >= BEAT_SECONDS:
                    self.say(self.describe_work())

    def _render(self) -> Group:
        working = [Text(f"  {text}", style="dim", no_wrap=True, overflow="ellipsis") for text in self.running.values()]
        return Group(self._bar, *working)


def hint(command: str, root: Path, *more: str) -> str:
    """The line on what to do next: a command of archspec on a run, as a shell takes it."""
    return f"next: {shlex.join(['archspec', command, str(root), *more])}"


def front_table(search: Study, objectives: Sequence[str]) -> FittedTable:
    """The front, cheapest first, with all its numbers whole.

    Args:
        search: the study.
        objectives: their titles.
    """
    trials = sorted(search.best_trials, key=lambda trial: tuple(reversed(trial.values)))
    distinct = list({trial.user_attrs.get("digest", ""): trial for trial in reversed(trials)}.values())[::-1]
    columns = (Column("trial"), *map(Column, objectives), Column("layout", "code", 1, LAYOUT))
    notes = f"and {len(distinct) - MAX_ROWS} more" if len(distinct) > MAX_ROWS else ""
    table = FittedTable("front", columns, notes, "the report has all")
    for one in distinct[:MAX_ROWS]:
        table.add_row(str(one.number), *map(_number, one.values), str(one.user_attrs.get("code", "")))
    return table


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 or not math.isfinite(value) else f"{value:,.0f}"
