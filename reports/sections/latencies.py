# pyright: reportUnknownMemberType=false
"""Inference times of the same layouts by several backends or batches, and whether they rank the layouts alike."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from archspec.cost.metrics import Metric
from archspec.documents.wording import plural
from reports.drawing.canvas import BLUE, COLUMN, folded, log_axis, save, sheet, write_csv
from reports.drawing.units import in_text, unit
from reports.records.devices import device_sentences, is_latency
from reports.records.search import Record, finished
from reports.search_page.results import SearchResults
from reports.section import FIGURES, Section, SectionContent, picture
from reports.statistics.rank_correlation import RankAgreement, rank_agreement

FEWEST = 4
"""Layouts of which a rank correlation says anything."""
PANELS = 3
MAIN = "latency_ms"


@dataclass(frozen=True)
class LatencyPair:
    """Two figures of the same layouts.

    Attributes:
        first, second: the metrics.
        x, y: their values, a pair per layout that has both.
        agreement: of the two rankings, each from the best to the worst.
    """

    first: Metric
    second: Metric
    x: tuple[float, ...]
    y: tuple[float, ...]
    agreement: RankAgreement


@dataclass(frozen=True)
class Latencies:
    """Every pair of the figures that a run measured, those with `latency_ms` first; `about` says what that timed, and
    `devices` are sentences on where all of them were."""

    pairs: tuple[LatencyPair, ...]
    noisy: int
    about: str = ""
    devices: tuple[str, ...] = ()

    @property
    def drawn(self) -> tuple[LatencyPair, ...]:
        """The pairs of the figure: the first metric against others."""
        return tuple(one for one in self.pairs if one.first is self.pairs[0].first)[:PANELS]

    @property
    def sentences(self) -> tuple[str, ...]:
        """The rank correlation of each pair that is drawn, and the reservation about noise."""
        lines = [_sentence(one) for one in self.drawn]
        if self.noisy:
            lines.append(
                f"{plural(self.noisy, 'layout')} had a figure taken while something else kept the machine busy, which "
                "lowers these correlations."
            )
        return (*lines, *self.devices)


def latencies(record: Record) -> Latencies | None:
    """The figures of inference time of a run; None where fewer than two were measured on `FEWEST` layouts."""
    table = finished(record.search)
    measured = [one for one in record.metrics if is_latency(one)]
    pairs: list[LatencyPair] = []
    for first, second in combinations(measured, 2):
        both = table[[first.name, second.name]].dropna()
        if len(both) < FEWEST:
            continue
        if (both <= 0).any(axis=None):  # no time, and no axis would show it
            continue
        x, y = (tuple(float(value) for value in both[one.name]) for one in (first, second))
        signs = [-1 if one.direction == "maximize" else 1 for one in (first, second)]
        losses = [[sign * value for value in values] for sign, values in zip(signs, (x, y), strict=True)]
        pairs.append(LatencyPair(first, second, x, y, rank_agreement(*losses)))
    noisy = int((table["latency_noisy"] > 0).sum()) if any(one.name == MAIN for one in measured) else 0
    return Latencies(tuple(pairs), noisy, record.latency, device_sentences(record.timings)) if pairs else None


def _sentence(pair: LatencyPair) -> str:
    found = pair.agreement
    names = f"{in_text(pair.first)} and {in_text(pair.second)}"
    if not math.isfinite(found.tau):
        return f"One of {names} is the same for all {len(pair.x)} layouts, so that nothing ranks them."
    alike = (
        "no pair of layouts changes its order"
        if not found.turned
        else f"they order {found.turned} of {found.pairs} pairs of layouts the other way round"
    )
    return f"Over {len(pair.x)} layouts, {names} have a rank correlation of {found.tau:.2f} (Kendall's tau b): {alike}."


def draw(info: Latencies) -> Figure:
    """A panel per pair, one below the other, both axes logarithmic."""
    count = len(info.drawn)
    figure = sheet(COLUMN, 2.2 * count + 0.2)
    places: list[Axes] = list(figure.subplots(count, 1, squeeze=False).flat)
    for pair, axes in zip(info.drawn, places, strict=True):
        x, y = (_scaled(metric, values) for metric, values in ((pair.first, pair.x), (pair.second, pair.y)))
        axes.plot(x[1], y[1], linestyle="none", marker="o", markersize=4, markerfacecolor="none", color=BLUE)
        log_axis(axes, min(x[1]) / 1.1, max(x[1]) * 1.1)
        log_axis(axes, min(y[1]) / 1.1, max(y[1]) * 1.1, along="y")
        axes.set_xlabel(folded(x[0], 32))
        axes.set_ylabel(folded(y[0], 32))
        axes.set_title(f"tau b {pair.agreement.tau:.2f}" if math.isfinite(pair.agreement.tau) else "no ranking")
    return figure


def _scaled(metric: Metric, values: Sequence[float]) -> tuple[str, list[float]]:
    """The label of an axis, and the values in its unit."""
    scale = unit(metric, values)
    return scale.label, [value / scale.divisor for value in values]


def _write(info: Latencies, folder: Path) -> SectionContent:
    place = folder / FIGURES
    save(draw(info), place, "latencies")
    rows = [
        [one.first.name, one.second.name, len(one.x), one.agreement.tau, one.agreement.turned, one.agreement.pairs]
        for one in info.pairs
    ]
    write_csv(place / "latencies.csv", ["first", "second", "layouts", "kendall_tau_b", "turned", "pairs"], rows)
    named = any(one.first.name == MAIN for one in info.pairs) and info.about
    about = f"Latency without a name beside it: {info.about}. " if named else ""
    caption = (
        f"{about}Each point is a trained layout of the search. Where two figures rank layouts alike, the points lie "
        "on a line that only rises, or only falls if one of them is a throughput. The CSV has every pair."
    )
    figure = picture(folder, "latencies", "Inference times of the same layouts, one against another", caption)
    return SectionContent("Latencies", picture=figure, notes=info.sentences)


def _compute(results: SearchResults) -> Latencies | None:
    return latencies(results.record)


SECTION = Section("latencies", of=SearchResults, order=45, compute=_compute, write=_write, narrow=True)
