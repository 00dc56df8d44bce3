"""Progress of a run for people: a bar, what is known so far as a table, and a line per answer."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import final

from optuna.study import Study
from rich.console import Console, Group
from rich.live import Live
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from search.run.worker import Order

MAX_ROWS = 10


@final
class ProgressDisplay:
    """A live display on a terminal; plain lines elsewhere.

    Args:
        title: of the bar.
        summarize: what is known so far, from the study whose answers come in.
    """

    def __init__(self, title: str, summarize: Callable[[Study], Table]) -> None:
        self.summarize = summarize
        self.console = Console(stderr=True, highlight=False, markup=False, emoji=False)
        self.bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
        )
        self.task = self.bar.add_task(title, total=None)
        self.table = Table()
        self.running: dict[tuple[str, str], str] = {}
        self.live = Live(console=self.console, refresh_per_second=4, get_renderable=self._render)

    def __enter__(self) -> ProgressDisplay:
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        if self.console.is_terminal:
            self.live.stop()

    def say(self, text: str) -> None:
        """A line for people."""
        self.console.print(Text(text), soft_wrap=True)

    def show_progress(self, order: Order, text: str) -> None:
        """Show the progress of a worker."""
        self.running[order.digest, order.run] = f"{order.run}: {text}"

    def show_answer(self, line: str, progress: tuple[int, int], order: Order, search: Study) -> None:
        """An answer has come in."""
        done, wanted = progress
        self.running.pop((order.digest, order.run), None)
        self.bar.update(self.task, completed=done, total=wanted)
        if self.console.is_terminal:
            self.table = self.summarize(search)
        self.say(f"[{done}/{wanted}] {line}")

    def _render(self) -> Group:
        working = [Text(f"  {text}", style="dim") for text in self.running.values()]
        return Group(self.table, self.bar, *working) if self.table.row_count else Group(self.bar, *working)


def front_table(search: Study, objectives: Sequence[str]) -> Table:
    """The front so far."""
    table = Table(title="front so far", title_justify="left")
    for name in ("trial", *objectives):
        table.add_column(name, justify="right")
    table.add_column("layout", no_wrap=True)
    trials = sorted(search.best_trials, key=lambda trial: tuple(reversed(trial.values)))
    for trial in trials[:MAX_ROWS]:
        values = (f"{value:.4g}" if value < 1000 else f"{value:,.0f}" for value in trial.values)
        table.add_row(str(trial.number), *values, trial.user_attrs.get("code", ""))
    if len(trials) > MAX_ROWS:
        table.caption = f"and {len(trials) - MAX_ROWS} more"
    return table
