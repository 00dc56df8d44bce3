"""Tables of trained layouts: what training each of them gave, so that searches can be compared without training.

A table is a CSV file as `benchmarks/train_grid.py` writes it: a row per layout and seed, with the columns `digest`,
`seed` and `accuracy`, and `test_accuracy` and `code` where known. A table with curves has the columns of `CURVES` too,
numbers by epoch that spaces separate: `accuracies` on the validation split, and where known the losses on it, the
training losses, and the seconds of each epoch. Shipped ones are in the folder `search/data/tables/`.
"""

from __future__ import annotations

import csv
import math
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import final

from archspec.documents.paths import suggest
from archspec.documents.safe_text import printable
from archspec.documents.shipped import Shelf
from archspec.documents.wording import plural
from archspec.errors import FieldError, SpecError

TABLES = Shelf("table", "search.data", "tables", ".csv")
NEEDED = ("digest", "seed", "accuracy")
CURVES = ("accuracies", "losses", "train_losses", "seconds")
DIGEST = re.compile(r"[0-9a-f]{16}")
SAME = 5e-5
"""Largest difference of two numbers that a table may round differently."""
MAX_EPOCHS = 10_000


@final
@dataclass(frozen=True, slots=True)
class TrainedCurve:
    """The course of a training, [epochs] each; what the table does not say is empty.

    Attributes:
        accuracies: on the validation split (0 to 1).
        losses: on the validation split.
        train_losses: mean over the batches of each epoch.
        seconds: that each epoch took.
    """

    accuracies: tuple[float, ...]
    losses: tuple[float, ...] = ()
    train_losses: tuple[float, ...] = ()
    seconds: tuple[float, ...] = ()


@final
@dataclass(frozen=True, slots=True)
class TrainedLayout:
    """One training of a layout: its seed, its accuracies on the validation and test split (0 to 1), and its course."""

    seed: int
    accuracy: float
    test_accuracy: float | None = None
    curve: TrainedCurve | None = None

    def __repr__(self) -> str:
        plain = f"TrainedLayout(seed={self.seed!r}, accuracy={self.accuracy!r}, test_accuracy={self.test_accuracy!r}"
        return f"{plain})" if self.curve is None else f"{plain}, curve={self.curve!r})"


@final
@dataclass(frozen=True, slots=True)
class TrainedLayouts:
    """The results of training.

    Attributes:
        name: of the table.
        rows: the trainings of each layout, by digest, in order of their seeds.
        codes: short codes of layouts, by digest, where the table has them.
        epochs: of every training; 0 in a table without curves.
        timed: whether the seconds of every epoch are known.
    """

    name: str
    rows: Mapping[str, tuple[TrainedLayout, ...]]
    codes: Mapping[str, str] = field(default_factory=dict[str, str])
    epochs: int = 0
    timed: bool = False


def content_of(rows: tuple[TrainedLayout, ...]) -> str:
    """All that the trainings of a layout say, as text; of those without a curve the text of earlier versions."""
    return repr(rows)


def tables() -> tuple[str, ...]:
    """Names of the shipped tables."""
    return TABLES.names()


def load_table(source: str) -> TrainedLayouts:
    """The table in a CSV file, or the shipped one of that name.

    Raises:
        FieldError: neither a file nor a shipped table.
        SpecError: a row breaks a rule, with its line.
    """
    shipped = source in tables()
    path = TABLES.file(source) if shipped else Path(os.path.expanduser(source))
    if not shipped and not os.path.isfile(str(path)):
        hint = suggest(source, tables()) or f" (known: {', '.join(tables())})"
        raise FieldError("table", f"{source!r:.80} is no file and no shipped table{hint}")
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise SpecError(f"cannot be read: {error}", source=source) from None
    return parse_table(text.splitlines(), source)


def parse_table(lines: Iterable[str], source: str) -> TrainedLayouts:
    """The table in the lines of a CSV file.

    Raises:
        SpecError: a column is missing, a value is out of its range, a layout has two rows of one seed, or curves are
            not all of as many epochs.
    """
    reader = csv.DictReader(lines)
    try:
        missing = [name for name in NEEDED if name not in (reader.fieldnames or ())]
        if missing:
            has = ", ".join(printable(name[:40]) for name in (reader.fieldnames or ())[:8]) or "none"
            raise SpecError(f"a table needs the column {missing[0]} (it has {has})", source=source, line=1)
        rows: dict[str, dict[int, TrainedLayout]] = {}
        codes: dict[str, str] = {}
        epochs = None
        for record in reader:
            digest, row = _row(record, source, reader.line_num)
            epochs = _same_epochs(row, epochs, source, reader.line_num)
            if code := record.get("code"):
                codes[digest] = code
            seeds = rows.setdefault(digest, {})
            if row.seed in seeds:
                rule = f"layout {digest} has two rows of seed {row.seed}"
                raise SpecError(rule, source=source, line=reader.line_num)
            seeds[row.seed] = row
    except csv.Error as error:
        raise SpecError(str(error), source=source, line=reader.line_num) from None
    if not rows:
        raise SpecError("a table needs at least one row", source=source, line=1)
    trained = {digest: tuple(seeds[seed] for seed in sorted(seeds)) for digest, seeds in rows.items()}
    timed = all(row.curve is not None and row.curve.seconds for found in trained.values() for row in found)
    return TrainedLayouts(source, trained, codes, epochs or 0, timed)


def _same_epochs(row: TrainedLayout, epochs: int | None, source: str, line: int) -> int:
    """The epochs of a row, which those of the rows before must be."""
    own = 0 if row.curve is None else len(row.curve.accuracies)
    if epochs is not None and own != epochs:
        rule = f"the rows before have curves of {plural(epochs, 'epoch')}, this one of {own}"
        raise SpecError(rule, field="accuracies", source=source, line=line)
    return own


def _row(record: Mapping[str, str | None], source: str, line: int) -> tuple[str, TrainedLayout]:
    digest, seed = record["digest"] or "", record["seed"] or ""
    if not DIGEST.fullmatch(digest):
        raise SpecError(f"must be 16 hex digits, not {digest!r:.40}", field="digest", source=source, line=line)
    if not re.fullmatch(r"[0-9]{1,18}", seed):
        raise SpecError(f"must be a whole number from 0, not {seed!r:.40}", field="seed", source=source, line=line)
    test = record.get("test_accuracy")
    accuracy = _share(record["accuracy"] or "", "accuracy", source, line)
    curve = _curve(record, accuracy, source, line)
    return digest, TrainedLayout(
        int(seed), accuracy, _share(test, "test_accuracy", source, line) if test else None, curve
    )


def _curve(record: Mapping[str, str | None], accuracy: float, source: str, line: int) -> TrainedCurve | None:
    """The course of a training; None where no column says anything of it."""

    def refuse(name: str, rule: str) -> SpecError:
        return SpecError(rule, field=name, source=source, line=line)

    words = {name: (record.get(name) or "").split() for name in CURVES}
    stated = [name for name in CURVES if words[name]]
    if not stated:
        return None
    epochs = len(words["accuracies"])
    if not epochs:
        raise refuse("accuracies", f"must be stated where {stated[0]} is: numbers by epoch that spaces separate")
    if epochs > MAX_EPOCHS:
        raise refuse("accuracies", f"has {epochs:,} epochs, more than {MAX_EPOCHS:,}")
    for name in stated:
        if len(words[name]) != epochs:
            raise refuse(name, f"has {plural(len(words[name]), 'epoch')}, accuracies has {epochs}")
    accuracies = tuple(_share(text, "accuracies", source, line) for text in words["accuracies"])
    if abs(accuracies[-1] - accuracy) > SAME:
        raise refuse("accuracies", f"must end with the accuracy of the row, {accuracy:g}, not with {accuracies[-1]:g}")
    others: dict[str, tuple[float, ...]] = {}
    for name in CURVES[1:]:
        numbers = tuple(map(_number, words[name]))
        for text, number in zip(words[name], numbers, strict=True):
            if math.isnan(number):
                raise refuse(name, f"must be finite numbers, not {text!r:.40}")
            if name == "seconds" and number <= 0:
                raise refuse(name, f"must be above 0, not {text}")
        others[name] = numbers
    return TrainedCurve(accuracies, **others)


def _number(text: str) -> float:
    """A finite number, or NaN."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if math.isfinite(value) else math.nan


def _share(text: str, name: str, source: str, line: int) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 1:
        percent = f": {text} looks like per cent: divide by 100" if 1 < value <= 100 else ""
        raise SpecError(
            f"must be a number from 0 to 1, not {text!r:.40}{percent}", field=name, source=source, line=line
        )
    return value
