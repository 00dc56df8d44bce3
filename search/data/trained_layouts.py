"""Tables of trained layouts: what training each of them gave, so that searches can be compared without training.

A table is a CSV file as `benchmarks/train_grid.py` writes it: a row per layout and seed, with the columns `digest`,
`seed` and `accuracy`, and `test_accuracy` and `code` where known. Shipped ones are in the folder `search/tables/`.
"""

from __future__ import annotations

import csv
import os
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import final

from archspec.documents.paths import suggest
from archspec.documents.safe_text import printable
from archspec.documents.shipped import Shelf
from archspec.errors import FieldError, SpecError

TABLES = Shelf("table", "search.data", "tables", ".csv")
NEEDED = ("digest", "seed", "accuracy")
DIGEST = re.compile(r"[0-9a-f]{16}")


@final
@dataclass(frozen=True, slots=True, order=True)
class TrainedLayout:
    """One training of a layout: its seed, and its accuracies on the validation and test split (0 to 1)."""

    seed: int
    accuracy: float
    test_accuracy: float | None = None


@final
@dataclass(frozen=True, slots=True)
class TrainedLayouts:
    """The results of training: `rows` are the trainings of each layout, by digest, in order of their seeds."""

    name: str
    rows: Mapping[str, tuple[TrainedLayout, ...]]


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
        SpecError: a column is missing, a value is out of its range, or a layout has two rows of one seed.
    """
    reader = csv.DictReader(lines)
    try:
        missing = [name for name in NEEDED if name not in (reader.fieldnames or ())]
        if missing:
            has = ", ".join(printable(name[:40]) for name in (reader.fieldnames or ())[:8]) or "none"
            raise SpecError(f"a table needs the column {missing[0]} (it has {has})", source=source, line=1)
        rows: dict[str, dict[int, TrainedLayout]] = {}
        for record in reader:
            digest, row = _row(record, source, reader.line_num)
            seeds = rows.setdefault(digest, {})
            if row.seed in seeds:
                rule = f"layout {digest} has two rows of seed {row.seed}"
                raise SpecError(rule, source=source, line=reader.line_num)
            seeds[row.seed] = row
    except csv.Error as error:
        raise SpecError(str(error), source=source, line=reader.line_num) from None
    if not rows:
        raise SpecError("a table needs at least one row", source=source, line=1)
    return TrainedLayouts(source, {digest: tuple(sorted(seeds.values())) for digest, seeds in rows.items()})


def _row(record: Mapping[str, str | None], source: str, line: int) -> tuple[str, TrainedLayout]:
    digest, seed = record["digest"] or "", record["seed"] or ""
    if not DIGEST.fullmatch(digest):
        raise SpecError(f"must be 16 hex digits, not {digest!r:.40}", field="digest", source=source, line=line)
    if not re.fullmatch(r"[0-9]{1,18}", seed):
        raise SpecError(f"must be a whole number from 0, not {seed!r:.40}", field="seed", source=source, line=line)
    test = record.get("test_accuracy")
    return digest, TrainedLayout(
        int(seed),
        _share(record, "accuracy", source, line),
        _share(record, "test_accuracy", source, line) if test else None,
    )


def _share(record: Mapping[str, str | None], name: str, source: str, line: int) -> float:
    text = record[name] or ""
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
