"""The page of `benchmarks/samplers.py`: every number in it is computed here from the searches and the table."""

from __future__ import annotations

import csv
import platform
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from convergence import band, difference, draw, trials_to_reach
from numpy.typing import NDArray
from samplers_truth import MARGIN, Truth
from samplers_verdict import DECIDED, markdown, summarise_verdicts, verdict_part

from reports.drawing.canvas import style

POINTS = (10, 20, 30, 40, 60)
SHARES = (0.9, 0.95, 0.99)
BASE = "random"
MAKE = "`benchmarks/supernet_table.py` makes it"

Floats = NDArray[np.float64]
Records = Sequence[dict[str, Any]]


@dataclass(frozen=True)
class Section:
    """A table with the searches on it.

    Attributes:
        name: of the table.
        truth: what is known of it.
        runs: as records.
    """

    name: str
    truth: Truth
    runs: Records

    @property
    def quality(self) -> dict[str, Floats]:
        """Hypervolume [seeds, trials] by sampler."""
        return _curves(self.runs, "hypervolume")


def write_page(folder: Path, sections: Sequence[Section], missing: Sequence[str], startup: int) -> Path:
    """Write samplers.md, and a figure and the curves of each table in samplers/, under `folder`; the path of the page.

    Args:
        folder: of the page.
        sections: one for each table.
        missing: tables that are not there.
        startup: layouts at the start of each search that are drawn at random.
    """
    place = folder / "samplers"
    place.mkdir(parents=True, exist_ok=True)
    parts = [_head(sections, startup), summarise_verdicts([(one.name, one.quality) for one in sections])]
    parts += [f"Table `{name}` is not there and was left out: {MAKE}." for name in missing]
    for one in sections:
        parts += _section(place, one, startup)
    parts.append(_foot(sections))
    path = folder / "samplers.md"
    path.write_text("\n\n".join(part.strip() for part in parts if part) + "\n", encoding="utf-8")
    return path


def _section(place: Path, one: Section, startup: int) -> list[str]:
    """The parts of the page on one table; writes its figure and its curves into the folder `place`."""
    quality, reported = one.quality, _curves(one.runs, "reported")
    with style():
        figure = draw(quality, BASE, quality="hypervolume (share of the true front's)", startup=startup)
        figure.savefig(place / f"{one.name}.png", metadata={"Software": None})
    _write_curves(place / f"{one.name}.csv", one.runs)
    return [
        _table_part(one),
        verdict_part(one.name, quality, one.truth.additive_share()),
        _quality_part(quality, reported),
        _reach_part(quality),
        _paired_part(quality, startup),
        _cost_part(one.runs),
    ]


def _curves(runs: Records, key: str) -> dict[str, Floats]:
    """[seeds, trials] by sampler; a search that ended early stays where it was."""
    names = list(dict.fromkeys(run["job"]["sampler"] for run in runs))
    trials = max(run["job"]["trials"] for run in runs)
    curves: dict[str, Floats] = {}
    for name in names:
        own = sorted((run for run in runs if run["job"]["sampler"] == name), key=lambda run: run["job"]["seed"])
        curves[name] = np.array([run[key] + run[key][-1:] * (trials - len(run[key])) for run in own])
    return curves


def _write_curves(path: Path, runs: Records) -> None:
    trials = max(run["job"]["trials"] for run in runs)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["sampler", "seed", *range(1, trials + 1)])
        for run in runs:
            writer.writerow([run["job"]["sampler"], run["job"]["seed"], *(f"{v:.4f}" for v in run["hypervolume"])])


def _head(sections: Sequence[Section], startup: int) -> str:
    quality = sections[0].quality
    trials = next(iter(quality.values())).shape[1]
    counts = "Seeds: " + ", ".join(f"{name} {len(curves)}" for name, curves in quality.items())
    if len({len(curves) for curves in quality.values()}) > 1:
        counts += " (differences are over the seeds that both have; fewer where proposals take long)"
    return f"""
# Samplers compared on trained layouts

Written by `python benchmarks/samplers.py --write docs/explain`; no number here is typed by hand.

Each search may train {trials} layouts of a table. The table answers instead of a training, with **one** training of the
layout, drawn from the search's seed (less what that training's seed does to all layouts alike, as in a search that
trains them all with one seed). The score is the hypervolume of the layouts trained so far by their **mean** accuracy
over the table's seeds, divided by that of the true front. The reference point is the lowest mean accuracy of any layout
and multiply-adds {MARGIN:.0%} of the log span beyond the dearest; multiply-adds count by their logarithm. The searches
are those of `archspec search` with one worker: duplicates are answered from the record and do not count as trained. The
first {startup} layouts are drawn at random, the same for every sampler with the same seed, so that differences between
samplers are paired. {counts}.

Where a table holds some layouts of a large space, every sampler has the same list: start-up and `random` draw from it,
`exact` looks for its optimum in it, and a proposal of `gp` or `tpe` is moved to the nearest layout of the list (fewest
changed holes, then the smallest moves) that was not trained, of which they are then told; children of `nsga2` are moved
to the list, too. So these do not choose among the listed layouts by what they expect of each, as `exact` does: that
part of its lead is of the list, and says nothing of a whole space. And 20, 40 or 60 trainings are a larger share of a
list than of a space: where they are half of it, drawing at random finds about half of the front.
"""


def _table_part(one: Section) -> str:
    truth, trials = one.truth, next(iter(one.quality.values())).shape[1]
    layouts = len(truth.macs)
    shares = ", ".join(f"{point} are {point / layouts:.0%}" for point in DECIDED if point <= trials)
    held = f"{layouts} of the layouts of the space `{truth.space}`" if truth.listed else f"all {layouts} of its space"
    spread, sd = truth.spread(), truth.noise()
    seeds = truth.accuracy.shape[1]
    own = max(spread.sd**2 - sd**2 / seeds, 0.0) ** 0.5
    taus = ", ".join(f"{tau:.3f} ({a} and {b})" for (a, b), tau in truth.taus().items())
    means = ", ".join(f"{mean:.4f}" for mean in truth.accuracy.mean(axis=0))
    pearson, spearman = truth.cost_correlation()
    rows = [
        [
            f"`{truth.codes[index]}`",
            f"{truth.macs[index] / 1e6:.3f}",
            f"{truth.mean[index]:.4f}",
            f"{truth.accuracy[index].std(ddof=1):.4f}",
        ]
        for index in truth.front
    ]
    return f"""
## Table `{one.name}`

![Hypervolume against trained layouts of {one.name}](samplers/{one.name}.png)

Lines are means over seeds, bands their 95 % Student intervals, point by point; (b) and on are differences
between searches with the same seed.

The table holds {held}, {seeds} seeds each. Of its layouts {shares}.

| | |
|---|---|
| mean accuracy, lowest and highest layout | {truth.mean.min():.4f} … {truth.mean.max():.4f} |
| standard deviation between layouts, of the means | {spread.sd:.4f} |
| mean over layouts, seed by seed | {means} |
| standard deviation of one training about its layout's mean, the seeds' means apart | {sd:.4f} |
| standard deviation between layouts, that noise removed | {own:.4f} |
| Kendall's tau between two seeds | {taus} |
| correlation of log multiply-adds with mean accuracy | {pearson:.3f} (Pearson), {spearman:.3f} (Spearman) |
| variance of the means that is such noise | {sd**2 / seeds / spread.sd**2:.1%} |
| variance of the means that a sum of one effect per option explains (adjusted R²) | {truth.additive_share():.1%} |

The standard error of a layout's mean is {sd / seeds**0.5:.4f}, so the "true" front is itself an estimate, the same for
every sampler; and the training that a search sees is one of the {seeds} in the mean, so what looked good to it scores a
little better than fresh trainings would. The {len(truth.front)} layouts of the front:

{markdown(["layout", "MACs (M)", "accuracy", "sd"], rows)}
"""


def _quality_part(quality: dict[str, Floats], reported: dict[str, Floats]) -> str:
    points = _points(quality)

    last = points[-1]
    ends = {name: float(curves[:, last - 1].mean()) for name, curves in quality.items()}
    cost = np.mean([end - reported[name][:, last - 1].mean() for name, end in ends.items()])
    gain = max(ends.values()) - ends[BASE]

    def cell(values: Floats) -> str:
        return f"{values.mean():.3f} ± {values.std(ddof=1):.3f}"

    return f"""
### Hypervolume after so many trained layouts

Mean ± standard deviation over seeds; 1 is the true front.

{_by_point(quality, points, cell)}

The same of the layouts alone that the search would report, which it picks by the accuracies that it saw:

{_by_point(reported, points, cell)}

After {last} layouts, choosing by one noisy training costs {cost:.3f} on average over the samplers; the most that a
sampler gains over `{BASE}` is {gain:.3f}.
"""


def _reach_part(quality: dict[str, Floats]) -> str:
    rows: list[list[str]] = []
    for name, curves in quality.items():
        row = [name]
        for share in SHARES:
            needed = trials_to_reach(curves, share)
            middle = float(np.median(needed))
            shown = f"{middle:g}" if np.isfinite(middle) else f"> {curves.shape[1]}"
            row.append(f"{shown} ({np.isfinite(needed).sum()} of {len(needed)})")
        rows.append(row)
    return f"""
### Trained layouts until a share of the true front's hypervolume

Median over seeds; in brackets, how many of the seeds got there at all.

{markdown(["sampler", *(f"{share:.0%}" for share in SHARES)], rows)}
"""


def _paired_part(quality: dict[str, Floats], startup: int) -> str:
    points = [point for point in _points(quality) if point > startup]
    return f"""
### Differences from `{BASE}`

Mean paired difference over seeds, with its 95 % Student interval; in bold where the interval excludes 0. Of the
intervals here, one in twenty would exclude 0 by chance alone.

{_differences(quality, points)}
"""


def _differences(quality: dict[str, Floats], points: Sequence[int]) -> str:
    rows: list[list[str]] = []
    for name in quality:
        if name == BASE:
            continue
        shown = [f"{name} − {BASE}"]
        for point in points:
            mean, low, high = _interval(quality, name, BASE, point)
            text = f"{mean:+.3f} [{low:+.3f}, {high:+.3f}]"
            shown.append(f"**{text}**" if low > 0 or high < 0 else text)
        rows.append(shown)
    return markdown(["", *map(str, points)], rows)


def _cost_part(runs: Records) -> str:
    rows: list[list[str]] = []
    for name in dict.fromkeys(run["job"]["sampler"] for run in runs):
        own = [run for run in runs if run["job"]["sampler"] == name]
        trained = sum(len(run["hypervolume"]) for run in own)
        seconds = sum(run["seconds"] for run in own)
        early = sum(len(run["hypervolume"]) < run["job"]["trials"] for run in own)
        proposals = sum(run["proposals"] for run in own)
        rows.append([name, f"{1e3 * seconds / trained:.1f}", f"{proposals / trained:.2f}", str(early)])
    return f"""
### What proposing costs

CPU time of the search on one thread, in-memory storage, per trained layout: proposing, checking, noting the answer.
Where a sampler proposes layouts that are known, a trained layout takes several proposals.

{markdown(["sampler", "CPU ms per trained layout", "proposals per trained layout", "searches that ended early"], rows)}
"""


def _foot(sections: Sequence[Section]) -> str:
    packages = ", ".join(f"{name} {version(name)}" for name in ("optuna", "numpy", "scipy", "torch"))
    files = ", ".join(f"[{one.name}.csv](samplers/{one.name}.csv)" for one in sections)
    return f"""
## Versions

archspec {version("archspec-vision")}, Python {platform.python_version()}, {packages} (torch serves Optuna's Gaussian
process only; nothing is trained here). Samplers at archspec's defaults; nsga2 has a population of 20. Curves of every
seed: {files}.
"""


def _interval(quality: dict[str, Floats], first: str, second: str, point: int) -> tuple[float, float, float]:
    at = band(difference(quality[first], quality[second])[:, point - 1 : point])
    return float(at.mean[0]), float(at.low[0]), float(at.high[0])


def _points(quality: dict[str, Floats]) -> list[int]:
    trials = next(iter(quality.values())).shape[1]
    return [point for point in POINTS if point <= trials]


def _by_point(curves: dict[str, Floats], points: Sequence[int], cell: Callable[[Floats], str]) -> str:
    rows = [[name, *(cell(values[:, point - 1]) for point in points)] for name, values in curves.items()]
    return markdown(["sampler", *map(str, points)], rows)
