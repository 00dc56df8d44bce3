"""Tables that fit their screen: names are shortened, words wrapped and columns left out, but no number is ever cut."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal, final

from rich.box import HEAVY_HEAD, Box
from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from archspec.documents.safe_text import printable
from archspec.printing.fitted_text import WIDE, longest_piece, longest_word, shorten, wrap, wrap_pieces

Kind = Literal["number", "size", "name", "code", "words", "bar"]
"""How a column gives way: numbers and sizes (`64×32×32`, on the left) never do, a name loses its middle, a short code
is broken behind its separators, words are wrapped, a bar is drawn shorter."""
Cell = str | Text | tuple[str, ...] | Callable[[int], str]
"""Text, which may be styled; lines of text; or what draws a bar of at most so many cells."""

LEAST: dict[Kind, int] = {"name": 12, "code": 16, "words": 16, "bar": 8}
"""Cells that columns of these kinds keep before others are left out for them."""
FULL_BAR, LABEL = 32, 40
"""Cells of a bar where there is room, and of words that are labels rather than sentences."""


@final
@dataclass(frozen=True)
class Column:
    """A column of a table.

    Attributes:
        title: its heading.
        kind: how it gives way where the screen is narrow.
        rank: 0 stays; of the others the highest is left out first.
        least: cells that it keeps before others are left out for it; by its kind where 0.
        known_as: what it is called where it is left out, if another column has the same heading.
    """

    title: str
    kind: Kind = "number"
    rank: int = 0
    least: int = 0
    known_as: str = ""


@final
@dataclass
class FittedTable:
    """A table that rich prints in the width that there is.

    Attributes:
        title: above it; empty for none.
        columns: from left to right.
        caption: below it.
        whole: where all columns are, said when some are left out: `--json has all`.
        box: the lines between cells; None for none.
    """

    title: str
    columns: Sequence[Column]
    caption: str = ""
    whole: str = ""
    box: Box | None = HEAVY_HEAD
    _rows: list[_Row] = field(default_factory=list["_Row"], init=False)

    @property
    def row_count(self) -> int:
        """Number of rows."""
        return len(self._rows)

    def add_row(self, *cells: Cell, style: str = "") -> None:
        """A row with a cell for each column; a row of one cell is a heading above the rows that follow."""
        self._rows.append(_Row(tuple(map(_safe, cells)), style))

    def add_section(self) -> None:
        """A line below the rows so far."""
        if self._rows:
            self._rows[-1].ends_section = True

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        terminal = options.is_terminal
        room = options.max_width if terminal else max(WIDE, _asked_width())
        kept, widths = self._fit(console, options, room, terminal)
        if widths is None:
            yield from self._stacked(options.max_width)
            return
        table = self._table(kept, widths)
        width = Measurement.get(console, options.update(max_width=10**6), table).maximum
        table.title = Text("\n".join(wrap(printable(self.title), width)), style="table.title") if self.title else None
        said = [line for text in (self.caption, self._left_out(kept, room)) if text for line in wrap(text, width)]
        table.caption = Text("\n".join(said), style="table.caption") if said else None
        yield from console.render(table, options.update(max_width=max(width, options.max_width)))

    def _fit(
        self, console: Console, options: ConsoleOptions, room: int, terminal: bool
    ) -> tuple[list[int], list[int] | None]:
        """The columns that stay, and their widths; None where even those that must stay are too wide."""
        natural = [self._natural(index) for index in range(len(self.columns))]
        least = [self._least(index, natural[index], terminal) for index in range(len(self.columns))]
        kept = list(range(len(self.columns)))
        while True:
            frame = self._frame(console, options, len(kept))
            spare = room - frame - sum(least[index] for index in kept)
            if spare >= 0 or not terminal:
                return kept, self._widen(kept, least, natural, max(spare, 0))
            leaving = max(kept, key=lambda index: (self.columns[index].rank, index))
            if not self.columns[leaving].rank:
                return kept, None
            kept.remove(leaving)

    def _widen(self, kept: list[int], least: list[int], natural: list[int], spare: int) -> list[int]:
        """The widths of the columns that stay.

        What is spare goes to names first, then to codes, bars, labels, headings of numbers and other words.
        """
        widths = {index: least[index] for index in kept}
        labels = [index for index in kept if self.columns[index].kind == "words" and natural[index] <= LABEL]
        kinds = (("name",), ("code",), ("bar",), ("number", "size"), ("words",))
        groups = [[index for index in kept if self.columns[index].kind in kind] for kind in kinds]
        for group in (*groups[:3], labels, *groups[3:]):
            numbers = group is groups[3]
            full = {i: max(natural[i], cell_len(self.columns[i].title) if numbers else 0) for i in group}
            while spare and (open_ := [index for index in full if widths[index] < full[index]]):
                widths[min(open_, key=lambda index: widths[index])] += 1
                spare -= 1
        return [widths[index] for index in kept]

    def _natural(self, index: int) -> int:
        column = self.columns[index]
        if column.kind == "bar":
            return FULL_BAR
        cells = [cell_len(line) for row in self._rows for line in row.lines(index)]
        if column.kind in ("number", "size"):  # a heading of several words takes several lines
            return max([longest_word(column.title), *cells])
        return max([cell_len(column.title), *cells])

    def _least(self, index: int, natural: int, terminal: bool) -> int:
        column = self.columns[index]
        if column.kind in ("number", "size") or (column.kind in ("name", "code") and not terminal):
            return natural
        lines = [line for row in self._rows for line in row.lines(index)]
        floor = max(longest_word(column.title), column.least or LEAST[column.kind])
        parts = {"code": longest_piece, "words": longest_word}.get(column.kind)
        return min(natural, max([floor, *map(parts, lines)]) if parts else floor)

    def _frame(self, console: Console, options: ConsoleOptions, columns: int) -> int:
        """Cells that lines and padding take."""
        bare = self._bare()
        for _ in range(columns):
            bare.add_column(width=1)
        return Measurement.get(console, options.update(max_width=10**6), bare).maximum - columns

    def _bare(self) -> Table:
        lined = self.box is HEAVY_HEAD
        return Table(box=self.box, pad_edge=lined, padding=(0, 1) if lined or self.box is None else (0, 1, 0, 0))

    def _table(self, kept: list[int], widths: list[int]) -> Table:
        table = self._bare()
        for index, width in zip(kept, widths, strict=True):
            column = self.columns[index]
            heading = Text("\n".join(wrap(column.title, width)))
            table.add_column(heading, justify="right" if column.kind == "number" else "left", width=width, no_wrap=True)
        for row in self._rows:
            if len(row.cells) == len(self.columns):
                cells = [self._shown(row.cells[index], index, width) for index, width in zip(kept, widths, strict=True)]
                table.add_row(*cells, style=row.style)
            else:  # a heading among the rows, in the first column
                table.add_row(self._shown(row.cells[0], kept[0], widths[0]), style=row.style)
            if row.ends_section:
                table.add_section()
        return table

    def _shown(self, cell: Cell, index: int, width: int) -> Text:
        kind = self.columns[index].kind
        style = cell.style if isinstance(cell, Text) else ""
        if callable(cell) and not isinstance(cell, Text | str):
            return Text(cell(width))
        lines = _lines(cell)
        if kind == "name":
            lines = [shorten(line, width) for line in lines]
        elif kind == "code":
            lines = [part for line in lines for part in wrap_pieces(line, width)]
        elif kind == "words":
            lines = [part for line in lines for part in wrap(line, width)]
        return Text("\n".join(lines), style=style)

    def _left_out(self, kept: list[int], room: int) -> str:
        left = [column for index, column in enumerate(self.columns) if index not in kept]
        missing = [column.known_as or column.title or "bar" for column in left]
        if not missing:
            return ""
        columns = "1 column" if len(missing) == 1 else f"{len(missing)} columns"
        where = f"; {self.whole}" if self.whole else ""
        return f"{columns} left out at {room} characters: {', '.join(missing)}{where}"

    def _stacked(self, width: int) -> RenderResult:
        """Every row as lines of `heading: value`, for a screen that is too narrow for a table."""
        for text in (self.title,) if self.title else ():
            yield Text("\n".join(wrap(printable(text), width)), style="table.title")
        for row in self._rows:
            lines: list[str] = []
            for column, cell in zip(self.columns, row.cells, strict=False):
                if column.kind == "bar":
                    continue
                heading = f"{column.title}: " if column.title and len(row.cells) > 1 else ""
                for text in _lines(cell):
                    if text:
                        broken = wrap_pieces if column.kind in ("name", "code") else wrap
                        lines += broken(f"{heading}{text}", width)
            yield Text("\n".join([*lines, ""]), style=row.style)
        if self.caption:
            yield Text("\n".join(wrap(self.caption, width)), style="table.caption")


@final
@dataclass
class _Row:
    cells: tuple[Cell, ...]
    style: str
    ends_section: bool = False

    def lines(self, index: int) -> list[str]:
        """The lines of a cell; none where a heading has no such cell."""
        return _lines(self.cells[index]) if index < len(self.cells) else []


def _safe(cell: Cell) -> Cell:
    """A cell without what would steer a terminal."""
    if isinstance(cell, str):
        return printable(cell)
    if isinstance(cell, Text):
        return Text(printable(cell.plain), style=cell.style)
    return tuple(map(printable, cell)) if isinstance(cell, tuple) else cell


def _lines(cell: Cell) -> list[str]:
    if isinstance(cell, Text):
        return [cell.plain]
    return [cell] if isinstance(cell, str) else list(cell) if isinstance(cell, tuple) else []


def _asked_width() -> int:
    columns = os.environ.get("COLUMNS", "")
    return int(columns) if columns.isascii() and columns.isdigit() and len(columns) < 6 else 0
