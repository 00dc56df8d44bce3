"""Sections of a report: each is one file in `reports/sections/` with its data, its drawing and its words.

Pages do not know their sections: a file that defines a `SECTION` is found by its being there. What a section is about
is the class `of`: the results of a search, or those of one view of an ablation.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Generic, TypeVar, final

from reports.drawing.canvas import style
from reports.drawing.page import Picture, inline

FIGURES = "figures"
"""The folder of a report that holds its figures and their data."""
PACKAGE = "reports.sections"

S = TypeVar("S")
"""The results that a section is about."""
D = TypeVar("D")
"""The data that it computes from them."""


@final
@dataclass(frozen=True)
class TableCell:
    """A cell of a table on the page: its text, a class of the style sheet, and where it leads."""

    text: str
    style: str = ""
    link: str = ""


@final
@dataclass(frozen=True)
class SectionTable:
    """A table on the page, with a caption above and notes below.

    Attributes:
        header: names of the columns; those with an index in `text` hold words and are set to the left.
        rows: cells, as many as in the header.
        styles: a class of the style sheet for each row.
        files: of the same table, without suffix, from the report's folder: `front` for front.md, front.csv, front.tex.
        about: a sentence behind the links to these; `code` between backticks.
    """

    header: Sequence[str]
    rows: Sequence[Sequence[TableCell]]
    text: frozenset[int]
    caption: str
    files: str
    styles: Sequence[str] = ()
    notes: Sequence[str] = ()
    about: str = ""


@final
@dataclass(frozen=True)
class SectionContent:
    """The part of the page that a section fills, from top to bottom.

    Attributes:
        title: the heading; empty where the section belongs to what is above it.
        table: above the figure.
        picture: the figure.
        notes: sentences, a paragraph each.
        missing: sentences that say why something is not there, a paragraph each.
    """

    title: str = ""
    table: SectionTable | None = None
    picture: Picture | None = None
    notes: Sequence[str] = ()
    missing: Sequence[str] = ()


@final
@dataclass(frozen=True)
class Section(Generic[S, D]):
    """A figure or table of a report.

    Attributes:
        name: of its module, and of its files where a page shows it once.
        of: the class of what it is about.
        order: its place on the page, smallest first.
        compute: its data, before anything is written; None where there is nothing to show.
        write: writes the files into the folder of the report, in which `figures/` is there, and returns the
            content of the page; matplotlib has the style of reports meanwhile.
        narrow: whether it stands beside others where the page is wide enough.
    """

    name: str
    of: type[S]
    order: int
    compute: Callable[[S], D | None]
    write: Callable[[D, Path], SectionContent]
    narrow: bool = False


@final
@dataclass(frozen=True)
class ComputedSection(Generic[D]):
    """A section with its data."""

    section: Section[Any, D]
    data: D


@final
@dataclass(frozen=True)
class WrittenSection:
    """The content of a section whose files are written, and whether it stands beside others."""

    content: SectionContent
    narrow: bool


def sections(of: type[S]) -> tuple[Section[S, Any], ...]:
    """The sections about `of`, in the order of the page."""
    names = [module.name for module in pkgutil.iter_modules(import_module(PACKAGE).__path__)]
    found: list[Section[Any, Any]] = [import_module(f"{PACKAGE}.{name}").SECTION for name in names]
    return tuple(sorted((one for one in found if one.of is of), key=lambda one: (one.order, one.name)))


def compute_sections(subject: object) -> tuple[ComputedSection[Any], ...]:
    """The sections about `subject` that have anything to show, with their data."""
    data = [(section, section.compute(subject)) for section in sections(type(subject))]
    return tuple(ComputedSection(section, found) for section, found in data if found is not None)


def write_sections(computed: Sequence[ComputedSection[Any]], folder: Path) -> tuple[WrittenSection, ...]:
    """Write the files of sections into the folder of the report."""
    (folder / FIGURES).mkdir(exist_ok=True)
    with style():
        return tuple(WrittenSection(one.section.write(one.data, folder), one.section.narrow) for one in computed)


def picture(folder: Path, name: str, alt: str, caption: str) -> Picture:
    """The figure `name` of the report in `folder`, with its version for narrow screens where NAME-column.svg is there.

    Args:
        folder: of the report, in which figures/NAME.svg has been written.
        name: of the figure's files.
        alt: what it shows, for those who do not see it.
        caption: the sentences below it.
    """
    narrow = folder / FIGURES / f"{name}-column.svg"
    small = inline(narrow) if narrow.exists() else ""
    return Picture(name, alt, caption, inline(folder / FIGURES / f"{name}.svg"), small)
