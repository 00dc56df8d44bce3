# pyright: reportUnknownMemberType=false
"""The style of figures and the files that keep them: one palette, three formats, the same bytes every time."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from textwrap import wrap
from typing import Any, Literal, cast

import matplotlib
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from matplotlib.ticker import FixedLocator, FuncFormatter, NullFormatter, NullLocator

from archspec.documents.safe_text import csv_cell, multiline, printable

COLUMN = 3.5
"""Width of one column of a two-column page, in inches; fonts are sized for it."""
PAGE = 7.16
"""Width of both columns, in inches."""
FORMATS = ("png", "svg", "pdf")

# Okabe and Ito, "Color universal design" (2008): distinct under every common colour vision deficiency.
BLACK, ORANGE, SKY, GREEN, YELLOW, BLUE, VERMILLION, PURPLE = (
    "#000000",
    "#E69F00",
    "#56B4E9",
    "#009E73",
    "#F0E442",
    "#0072B2",
    "#D55E00",
    "#CC79A7",
)
GREY, PALE = "#8A8A8A", "#BDBDBD"

_STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 7.5,
    "axes.titlesize": 8,
    "axes.labelsize": 7.5,
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
    "legend.fontsize": 7,
    "axes.linewidth": 0.6,
    "axes.edgecolor": "#444444",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.unicode_minus": True,
    "grid.color": "#E6E6E6",
    "grid.linewidth": 0.6,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.color": "#444444",
    "ytick.color": "#444444",
    "legend.frameon": False,
    "figure.facecolor": "white",
    "savefig.dpi": 300,
    "pdf.fonttype": 42,
    "svg.hashsalt": "archspec",
    "text.parse_math": False,  # a name is no formula, whatever dollars it holds
}


@contextmanager
def style() -> Generator[None]:
    """matplotlib's settings for the figures of a report, undone at the end."""
    with matplotlib.rc_context(cast(Any, _STYLE)), warnings.catch_warnings():
        # The font shows a box for such a character; beside the figure stands the whole name.
        warnings.filterwarnings("ignore", message="Glyph .* missing from")
        yield


def sheet(width: float, height: float) -> Figure:
    """An empty figure of so many inches, laid out so that nothing is cut off, apart from pyplot's global state."""
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def save(figure: Figure, folder: Path, name: str) -> None:
    """Write `figure` as `name`.png (300 dpi), .svg and .pdf, without dates, so that equal figures are equal files."""
    metadata: dict[str, dict[str, Any]] = {
        "png": {"Software": None},
        "svg": {"Date": None, "Creator": None},
        "pdf": {"CreationDate": None, "Creator": None, "Producer": None},
    }
    clean(figure)
    for suffix in FORMATS:
        figure.savefig(folder / f"{name}.{suffix}", metadata=metadata[suffix])


def folded(text: str, width: int) -> str:
    """A label in lines of at most so many characters: axes that it would not fit beside collapse."""
    return "\n".join(wrap(printable(text), width)) or text


def clean(figure: Figure) -> None:
    """Put escapes in place of what in the texts of `figure` is no sign but a command; once they are all there.

    Labels of ticks are made anew as they are drawn: those of a user's are cleaned where they are set.
    """
    for text in figure.findobj(Text):
        text.set_text(multiline(text.get_text()))


def write_csv(path: Path, header: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """Write the data behind a figure; numbers that are missing (NaN) become empty cells, and no text a formula."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerows([csv_cell(cell) for cell in row] for row in (header, *rows))


def log_axis(axes: Axes, low: float, high: float, *, along: Literal["x", "y"] = "x") -> None:
    """Make an axis logarithmic from `low` to `high`, with ticks at plain numbers (1, 2, 5, 10, ...)."""
    axis = axes.xaxis if along == "x" else axes.yaxis
    axes.set(**{f"{along}scale": "log", f"{along}lim": (low, high)})
    axis.set_major_locator(FixedLocator(_ticks(low, high)))
    axis.set_major_formatter(FuncFormatter(_plain))
    axis.set_minor_locator(NullLocator())
    axis.set_minor_formatter(NullFormatter())


def keep_within(axes: Axes, low: float, high: float, *, along: Literal["x", "y"] = "y", least: float = 0.0) -> None:
    """End an axis, once all is drawn on it, at what its values can be at most.

    Args:
        axes: the axes.
        low, high: what no value lies beyond: 0 and 100 percent.
        along: the axis.
        least: the span that it has at least, however alike the values are.
    """
    first, last = axes.get_ylim() if along == "y" else axes.get_xlim()
    spare = max(0.0, least - (last - first)) / 2
    first, last = first - spare, last + spare
    first, last = max(low, first - max(0.0, last - high)), min(high, last + max(0.0, low - first))
    if along == "y":
        axes.set_ylim(first, last)
    else:
        axes.set_xlim(first, last)


def _ticks(low: float, high: float) -> list[float]:
    """The sparsest set of plain numbers of which at least three lie between `low` and `high`."""
    inside: list[float] = []
    for steps in ((1,), (1, 3), (1, 2, 5), (1, 2, 3, 5, 7), (1, 1.5, 2, 2.5, 3, 4, 5, 6, 7, 8, 9)):
        ticks = [step * 10.0**power for power in range(-6, 13) for step in steps]
        inside = [tick for tick in ticks if low <= tick <= high]
        if len(inside) >= 3:
            break
    return inside


def _plain(value: float, _: int | None = None) -> str:
    return f"{value:g}"
