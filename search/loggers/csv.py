"""Two tables of a run: `csv/epochs.csv` and `csv/trials.csv` in its folder."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal, final

from archspec.files.output import append_bytes, write_text
from search.evaluator import Epoch
from search.logger import LoggedMember, LoggedRun, LoggedTrial, Logger, LogSession, RunEnd, TrialEnd

EPOCHS = ("trial", "epoch", "lr", "train_loss", "val_accuracy", "val_loss", "seconds")
TRIALS = ("trial", "title", "part", "number", "state", "digest", "layout", "seed", "metric", "value")


@final
class CsvLogger(Logger):
    """All epochs and all results of a run in two long tables, for spreadsheets and pandas; needs nothing installed."""

    type: Literal["csv"] = "csv"

    def open(self, run: LoggedRun) -> LogSession:
        return CsvSession(run.root / "csv")


@final
class CsvSession(LogSession):
    """Lines appended to the tables as they come.

    Args:
        folder: of the tables.
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._last: dict[str, int] = {}
        for row in _read(folder / "epochs.csv", EPOCHS):
            self._last[row[0]] = max(self._last.get(row[0], 0), int(row[1]))
        self._ended = {row[0] for row in _read(folder / "trials.csv", TRIALS) if row[4] == "done"}

    def begin_trial(self, trial: LoggedTrial) -> int:
        return self._last.get(trial.name, 0)

    def log_epoch(self, trial: LoggedTrial, epoch: Epoch) -> None:
        values = [epoch.values.get(name, "") for name in EPOCHS[2:]]
        self._append("epochs.csv", [[trial.name, epoch.number, *values]])

    def end_trial(self, trial: LoggedTrial, state: TrialEnd, metrics: Mapping[str, float | int]) -> None:
        if state == "interrupted" or trial.name in self._ended:
            return
        about = [trial.name, trial.title, trial.part, trial.number, state, trial.digest, trial.code, trial.seed]
        numbers = dict(trial.costs) | dict(metrics)
        self._append("trials.csv", [[*about, name, value] for name, value in numbers.items()])
        if state == "done":
            self._ended.add(trial.name)

    def log_members(self, title: str, members: Sequence[LoggedMember]) -> None:
        del title  # a table of its own would say what trials.csv says

    def close(self, state: RunEnd) -> None:
        del state

    def _append(self, name: str, rows: Sequence[Sequence[Any]]) -> None:
        append_bytes(self._folder / name, _text(rows).encode())


def _text(rows: Sequence[Sequence[Any]]) -> str:
    out = io.StringIO()
    csv.writer(out, lineterminator="\n").writerows(rows)
    return out.getvalue()


def _read(path: Path, header: Sequence[str]) -> list[list[str]]:
    """The rows of a table, without its header; a new table gets one, and a line that was cut short is taken away."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    whole = text[: text.rfind("\n") + 1]
    if not whole.startswith(first := _text([header])):
        if whole:
            raise ValueError(f"{path}: its columns are not {', '.join(header)}: move it away")
        whole = first
    if whole != text:
        write_text(path, whole)
    return [row for row in csv.reader(io.StringIO(whole)) if len(row) == len(header)][1:]
