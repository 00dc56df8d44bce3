"""The course of a training run, epoch by epoch."""

import csv
import io
from collections.abc import Sequence
from dataclasses import asdict, astuple, dataclass, fields
from pathlib import Path
from typing import final

from archspec.files.output import write_text


@final
@dataclass(frozen=True)
class EpochRecord:
    """One row of `curve.csv`: epoch from 1, its last learning rate, mean training loss, wall seconds."""

    epoch: int
    lr: float
    train_loss: float
    val_accuracy: float
    val_loss: float
    seconds: float

    @property
    def values(self) -> dict[str, float]:
        """Its numbers by name, without the epoch's own."""
        return {name: value for name, value in asdict(self).items() if name != "epoch"}


def write_curve(path: Path, curve: Sequence[EpochRecord]) -> None:
    """Replace the CSV file at `path`, one row per epoch under the names of `EpochRecord`'s fields."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([column.name for column in fields(EpochRecord)])
    writer.writerows(astuple(record) for record in curve)
    write_text(path, text.getvalue())


def read_curve(path: Path) -> list[EpochRecord]:
    """The rows of the CSV file at `path`; none where there is no file, or another one of that name."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            header, *rows = csv.reader(file)
        if header != [column.name for column in fields(EpochRecord)]:
            return []
        return [EpochRecord(int(epoch), *map(float, numbers)) for epoch, *numbers in rows]
    except (OSError, ValueError, TypeError, csv.Error):
        return []
