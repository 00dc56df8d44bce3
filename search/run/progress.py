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
from rich.table import Table
from rich.text import Text

from archspec.documents.safe_text import printable
from search.run.worker import Order

MAX_ROWS = 20
MAX_UNDER_WAY = 4
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
        self.console = Console(stderr=True, highlight=False)
        self.running: dict[tuple[str, str], str] = {}
        self.live = self.console.is_terminal and not self.console.is_dumb_terminal and not quiet
        self._title = title
        self._done, self._wanted = 0, 0
        self._begun = self._spoken = time.monotonic()
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
            self.console.print(Text(printable(text)), soft_wrap=True)

    def show_table(self, table: Table) -> None:
        """A table; where nobody looks at a screen, as wide as it needs to be."""
        if self.quiet or not table.row_count:
            return
        with self._guard:
            width = self.console.width
            if not self.console.is_terminal:
                wide = self.console.options.update(width=10_000)
                self.console.width = max(width, table.__rich_measure__(self.console, wide).maximum)
            self.console.print(table)
            self.console.width = width

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


def front_table(search: Study, objectives: Sequence[str], width: int | None = None) -> Table:
    """The front, cheapest first, with all its numbers whole.

    Args:
        search: the study.
        objectives: their titles.
        width: of the screen in characters. Where layouts do not fit, they are left out, and where numbers do not
            fit, they stand below one another. None for no limit.
    """
    trials = sorted(search.best_trials, key=lambda trial: tuple(reversed(trial.values)))
    distinct = list({trial.user_attrs.get("digest", ""): trial for trial in reversed(trials)}.values())[::-1]
    names = ("trial", *map(printable, objectives), "layout")
    rows = [
        (str(one.number), *map(_number, one.values), printable(str(one.user_attrs.get("code", ""))))
        for one in distinct[:MAX_ROWS]
    ]
    notes = [f"and {len(distinct) - MAX_ROWS} more"] if len(distinct) > MAX_ROWS else []
    table = Table(title=Text("front"), title_justify="left", caption_justify="left")
    if width is not None and _width(names, rows) > width:
        names, rows = names[:-1], [row[:-1] for row in rows]
        notes.append("without layouts, which are too wide here: the report has them")
    if width is not None and _width(names, rows) > width:
        cells = [", ".join(f"{name} {text}" for name, text in zip(names, row, strict=True)) for row in rows]
        names, rows = ("member",), [(cell,) for cell in cells]
    for name in names:
        table.add_column(Text(name), justify="left" if name in ("layout", "member") else "right", overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row))
    table.caption = Text("; ".join(notes)) if notes else None
    return table


def _width(names: Sequence[str], rows: Sequence[Sequence[str]]) -> int:
    """Characters that a table takes, its rules included."""
    return sum(max(map(len, column)) + 3 for column in zip(names, *rows, strict=True)) + 1


def _number(value: float) -> str:
    return f"{value:.4g}" if abs(value) < 1000 or not math.isfinite(value) else f"{value:,.0f}"
