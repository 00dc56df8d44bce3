"""The work of `archspec edf`: read runs, compare what they drew at random, and draw it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from archspec.errors import FieldError, SpecError
from archspec.files.output_folder import fresh_folder
from archspec.files.ownership import OutputCommand
from reports.drawing.canvas import FORMATS, style
from reports.records.search import Record, read
from reports.spaces.edf import COSTS, Band, Edf, edf, population
from reports.spaces.edf_figure import write
from search.space.limits import parse_limits


def compare(runs: Sequence[Path], budget: Sequence[str], seed: int) -> Edf:
    """The populations of `runs` inside a budget, compared.

    Raises:
        SpecError: a folder that is no run, a budget that breaks a rule.
        RunError: a run without layouts drawn at random, or damaged.
    """
    found = [(read(run), run) for run in runs]
    return edf([population(record, run, _bands(budget, record)) for record, run in found], seed=seed)


def draw(found: Edf, out: Path, *, force: bool = False) -> str:
    """Write the figure as FILE.pdf, .svg and .png, and its data as FILE.csv; a line on what was written.

    Raises:
        SpecError: the folder cannot be written, or a file in it would be lost.
        RunError: the disk is full.
    """
    name = out.stem if out.suffix.removeprefix(".") in (*FORMATS, "csv") else out.name
    with fresh_folder(out.parent, OutputCommand("edf", force)) as fresh, style():
        write(found, fresh, name)
    return f"wrote {out.parent / name}.pdf, .svg and .png, the same for one column, and {name}.csv"


def _bands(budget: Sequence[str], record: Record) -> list[Band]:
    """The limits as bands of what a run's record states.

    Raises:
        SpecError: a limit on something else, or at another resolution than the run's.
    """
    try:
        box = parse_limits(budget)
    except FieldError as error:
        raise SpecError(error.rule, field="--budget") from None
    for limit in box:
        if limit.metric.name not in COSTS:
            raise SpecError(f"{limit}: only {' and '.join(COSTS)} can be limited here", field="--budget")
        if limit.metric.resolution not in (None, record.resolution):
            rule = f"{limit}: {record.name} states its costs at {record.resolution} px"
            raise SpecError(rule, field="--budget")
    return [(limit.metric.name, limit.low, limit.high) for limit in box]
