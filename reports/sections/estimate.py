# pyright: reportUnknownMemberType=false
"""A cheap estimate against full trainings: one point per layout of the check, its cost as colour."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from matplotlib import colormaps
from matplotlib.colors import LogNorm
from matplotlib.figure import Figure

from reports.drawing.canvas import COLUMN, folded, save, sheet, write_csv
from reports.drawing.units import title, unit
from reports.records.gate import GateRecord
from reports.records.metrics import QUALITY
from reports.records.search import Record
from reports.search_page.results import SearchResults
from reports.section import FIGURES, Section, SectionContent, picture

COST = "macs"


@dataclass(frozen=True)
class CheckedLayout:
    """A layout of the check: what was estimated, the mean of its full trainings (a fraction) and their number."""

    digest: str
    code: str
    estimate: float
    accuracy: float
    seeds: int
    cost: float


@dataclass(frozen=True)
class EstimateCheck:
    """The layouts of a check, the gate that they decided, and the names of both axes."""

    layouts: tuple[CheckedLayout, ...]
    gate: GateRecord | None
    estimate: str
    word: str


def estimate_check(record: Record) -> EstimateCheck | None:
    """The check of a search that an estimate guided; None where fewer than two layouts were trained for it."""
    done = record.check[(record.check["state"] == "COMPLETE") & record.check["digest"].notna()]
    done = done[done["estimate"].notna() & done[QUALITY].notna() & (done[COST] > 0)]
    layouts = [
        CheckedLayout(
            str(digest),
            str(group["code"].iloc[0]),
            float(group["estimate"].iloc[0]),
            float(group[QUALITY].mean()),
            len(group),
            float(group[COST].iloc[0]),
        )
        for digest, group in done.drop_duplicates(["digest", "seed"]).groupby("digest", sort=False)
    ]
    if len(layouts) < 2:
        return None
    gate = next((one for one in record.gates if one.kind == "check" and not one.skipped), None)
    return EstimateCheck(tuple(layouts), gate, record.metric.word, record.full.word)


def draw(info: EstimateCheck) -> Figure:
    """A scatter of both; cost by brightness."""
    figure = sheet(COLUMN, 2.6)
    axes = figure.subplots()
    costs = [one.cost for one in info.layouts]
    scale = unit(COST, costs)
    low, high = min(costs) / scale.divisor, max(costs) / scale.divisor
    points = axes.scatter(
        [one.estimate for one in info.layouts],
        [100 * one.accuracy for one in info.layouts],
        c=[cost / scale.divisor for cost in costs],
        norm=LogNorm(low, high if high > low else 1.01 * low),
        cmap=colormaps["viridis"],
        s=14,
        linewidths=0.4,
        edgecolors="#444444",
    )
    axes.set_xlabel(folded(info.estimate, 44))
    axes.set_ylabel(folded(f"{info.word}, full training (%)", 32))
    bar = figure.colorbar(points, ax=axes, label=scale.label)
    bar.minorticks_off()
    ticks = [low, (low * high) ** 0.5, high] if high > low else [low]
    bar.set_ticks(ticks, labels=[f"{tick:.3g}" for tick in ticks])
    if info.gate is not None:
        axes.set_title(f"tau b {info.gate.tau}")
    return figure


def _write(info: EstimateCheck, folder: Path) -> SectionContent:
    place = folder / FIGURES
    save(draw(info), place, "estimate")
    rows = [[one.digest, one.code, one.estimate, one.accuracy, one.seeds, int(one.cost)] for one in info.layouts]
    write_csv(place / "estimate.csv", ["digest", "code", "estimate", "accuracy", "seeds", COST], rows)
    caption = (
        f"Layouts drawn uniformly at random in the space: {info.estimate} against the validation {info.word} of full "
        f"trainings, mean over seeds; {title(COST)} as colour. Were colour all that orders the points, cost alone "
        "would rank as well."
    )
    figure = picture(folder, "estimate", f"{info.estimate} against {info.word} of full trainings", caption)
    return SectionContent("The estimate against full trainings", picture=figure)


def _compute(results: SearchResults) -> EstimateCheck | None:
    return estimate_check(results.record)


SECTION = Section("estimate", of=SearchResults, order=5, compute=_compute, write=_write)
