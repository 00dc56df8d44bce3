# pyright: reportUnknownMemberType=false
"""Importance of the parameters of a space, one objective at a time."""

from __future__ import annotations

import math
import re
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import optuna
from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from optuna.importance import PedAnovaImportanceEvaluator, get_param_importances

from archspec.cost.metrics import Metric
from archspec.documents.safe_text import printable
from reports.drawing.canvas import BLUE, COLUMN, PAGE, PALE, VERMILLION, folded, keep_within, save, sheet, write_csv
from reports.drawing.units import in_text, title
from reports.records.metrics import QUALITY
from reports.records.search import Record, finished
from reports.search_page.results import SearchResults
from reports.section import FIGURES, Section, SectionContent, picture

MIN_TRIALS = 20
# What counts as good: the best fifth, and no fewer trials than this. Optuna's default, a tenth, leaves so few of a
# short search that not even the width of the first stage shows in the MACs.
TOP_TRIALS, TOP_SHARE = 10, 0.2
SHUFFLES = 20
MAX_SHUFFLED = 500
SHOWN = 12


@dataclass(frozen=True)
class Importance:
    """PED-ANOVA importances for one objective, or the reason why there are none.

    `shares` sum to 1 over the parameters. `chance` is the largest share that each parameter reached in `SHUFFLES`
    runs with the objective's values shuffled among the trials: a share below it says nothing (it beats all of them
    by chance once in 21 times). Empty where shuffling was left out. `title` is the objective's name for people.
    """

    objective: str
    trials: int
    top: int
    shares: Mapping[str, float]
    chance: Mapping[str, float]
    reason: str = ""
    title: str = ""


def importances(record: Record) -> tuple[Importance, ...]:
    """Importance of every parameter for each objective of the study, over the distinct trained layouts."""
    table = finished(record.search)
    numbers = [int(number) for number in table["number"]]
    values = {metric: table[metric.name].astype(float) for metric in record.goals}
    return tuple(
        _importance(record.study, metric, dict(zip(numbers, values[metric], strict=True)), record.metric.word)
        for metric in record.goals
    )


def _importance(study: optuna.Study, metric: Metric, values: Mapping[int, float], word: str) -> Importance:
    count = len(values)
    top = max(TOP_TRIALS, math.ceil(TOP_SHARE * count))
    blank = Importance(metric.name, count, top, {}, {}, title=title(metric, word))
    reason = _obstacle(study, word if metric.name == QUALITY else in_text(metric), values)
    if reason:
        return replace(blank, reason=reason)
    sign = -1.0 if metric.direction == "maximize" else 1.0
    losses = {number: sign * value for number, value in values.items()}
    try:
        shares, chance = _shares(study, losses, top / count), _chance(study, losses, top / count)
    except (ArithmeticError, LookupError, ValueError, RuntimeError, AssertionError) as error:
        return replace(
            blank, reason=f"Optuna cannot tell ({type(error).__name__}: {' '.join(str(error).split())[:120]})"
        )
    return replace(blank, shares=shares, chance=chance)


def _chance(study: optuna.Study, losses: Mapping[int, float], quantile: float) -> dict[str, float]:
    """Largest share of each parameter when the losses are shuffled among the trials; empty for a long search."""
    chance: dict[str, float] = {}
    random = np.random.default_rng(0)
    for _ in range(SHUFFLES if len(losses) <= MAX_SHUFFLED else 0):
        shuffled = dict(zip(losses, random.permutation(list(losses.values())), strict=True))
        for name, share in _shares(study, shuffled, quantile).items():
            chance[name] = max(chance.get(name, 0.0), share)
    return chance


def _obstacle(study: optuna.Study, name: str, values: Mapping[int, float]) -> str:
    if len(values) < MIN_TRIALS:
        return f"needs at least {MIN_TRIALS} distinct trained layouts, has {len(values)}"
    if len(set(values.values())) == 1:
        return f"all layouts have the same {name}"
    free = {name for trial in study.trials for name, kind in trial.distributions.items() if not kind.single()}
    return "" if free else "the space has no free parameter"


def _shares(study: optuna.Study, losses: Mapping[int, float], quantile: float) -> dict[str, float]:
    """Share of each parameter in reaching the lowest `quantile` of `losses` (by trial number), in order of name."""
    evaluator = PedAnovaImportanceEvaluator(target_quantile=quantile)
    with warnings.catch_warnings():
        # Optuna reminds of the sign, which is turned above, and of rare values of conditional parameters.
        warnings.simplefilter("ignore")
        found = get_param_importances(
            study, evaluator=evaluator, target=lambda trial: losses.get(trial.number, math.nan)
        )
    return {name: float(found[name]) for name in sorted(found, key=_natural)}


def _natural(name: str) -> list[tuple[int, str]]:
    """Sort key that puts stages[10] behind stages[9]."""
    return [(int(part), "") if part.isdigit() else (-1, part) for part in re.split(r"(\d+)", name)]


def draw(info: tuple[Importance, ...]) -> Figure | None:
    """Bars per objective with the same parameters in the same rows; None when no objective has importances."""
    known = [one for one in info if not one.reason]
    if not known:
        return None
    strongest = {name: max(one.shares.get(name, 0.0) for one in known) for one in known for name in one.shares}
    rows = sorted(sorted(strongest, key=lambda name: -strongest[name])[:SHOWN], key=_natural)
    width = COLUMN if len(known) <= 2 else PAGE
    figure = sheet(width, 1.0 + 0.165 * len(rows))
    axes: list[Axes] = list(figure.subplots(1, len(known), squeeze=False, sharey=True).flat)
    for one, place in zip(known, axes, strict=True):
        _draw_bars(place, one, rows)
    above = {one.shares.get(name, 0.0) > one.chance.get(name, 0.0) for one in known for name in rows}
    handles: list[Artist] = [Patch(color=BLUE, label="above chance")] if True in above else []
    if any(one.chance for one in known):
        tick: dict[str, Any] = {"linestyle": "none", "marker": "|", "markersize": 6.5, "markeredgewidth": 1.1}
        handles += [Patch(color=PALE, label="within chance")] if False in above else []
        handles.append(Line2D([], [], color=VERMILLION, label=f"largest of {SHUFFLES} shuffles", **tick))
        figure.legend(handles=handles, loc="outside lower center", ncols=3, columnspacing=1.2, handlelength=1.0)
    return figure


def _draw_bars(axes: Axes, one: Importance, rows: list[str]) -> None:
    places = range(len(rows))
    shares = [one.shares.get(name, 0.0) for name in rows]
    chance = [one.chance.get(name, 0.0) for name in rows]
    clear = [BLUE if share > limit else PALE for share, limit in zip(shares, chance, strict=True)]
    axes.barh(places, shares, color=clear, height=0.62)
    if one.chance:
        axes.plot(chance, places, linestyle="none", marker="|", color=VERMILLION, markersize=6.5, markeredgewidth=1.1)
    axes.set_yticks(places, [printable(name) for name in rows])
    axes.set_ylim(len(rows) - 0.5, -0.5)
    axes.set_title(folded(one.title, 26))
    axes.set_xlabel("share of importance")
    axes.set_xlim(left=0)
    keep_within(axes, 0, 1, along="x")
    axes.locator_params(axis="x", nbins=4)
    axes.grid(visible=False, axis="y")
    axes.tick_params(axis="y", length=0)


def write(info: tuple[Importance, ...], folder: Path) -> bool:
    """Write importances.{png,svg,pdf,csv}; False and nothing written when no objective has importances."""
    figure = draw(info)
    if figure is None:
        return False
    save(figure, folder, "importances")
    rows = [
        [one.objective, name, f"{share:.6f}", f"{one.chance[name]:.6f}" if one.chance else None]
        for one in info
        for name, share in one.shares.items()
    ]
    write_csv(folder / "importances.csv", ["objective", "parameter", "share", "largest_share_by_chance"], rows)
    return True


def _write(info: tuple[Importance, ...], folder: Path) -> SectionContent:
    missing = tuple(f"{one.title}: {one.reason}." for one in info if one.reason)
    if not write(info, folder / FIGURES):
        return SectionContent("Importances", missing=missing)
    known = next(one for one in info if not one.reason)
    caption = (
        f"PED-ANOVA, one objective at a time: what sets the best {known.top} of {known.trials} distinct "
        "layouts apart. A bar that stays below its tick is no longer than chance made it when the values were "
        "shuffled among the trials. At most twelve parameters are drawn; the CSV has all."
    )
    figure = picture(folder, "importances", "Importance of each parameter of the space per objective", caption)
    return SectionContent("Importances", picture=figure, missing=missing)


def _compute(results: SearchResults) -> tuple[Importance, ...]:
    return importances(results.record)


SECTION = Section("importances", of=SearchResults, order=50, compute=_compute, write=_write, narrow=True)
