"""Objections to trainings: networks whose accuracy still rises when their training ends."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import fmean, median, stdev
from typing import Any, cast

from reports.records.front import by_layout
from reports.records.search import finished
from reports.review.ablation_rules import AblationRun
from reports.review.objection import Objection
from reports.review.search_run import SearchRun
from reports.statistics.summary import Summary, pooled_sd, summarise

FEWEST = 6
"""Epochs of a training below which its last third is no more than a step."""


def undertrained_search(run: SearchRun) -> Iterator[Objection]:
    """Trials of the search whose validation accuracy still rises at the end, by more than seeds differ."""
    trials = {trial.number: trial.user_attrs for trial in run.record.study.get_trials(deepcopy=False)}
    own = [trials.get(int(number), {}) for number in finished(run.record.search)["number"]]
    curves = [_noted(attrs) for attrs in own]
    repeated = list(by_layout(run.record.final, "accuracy").values())
    found = _rise([curve for curve in curves if curve], repeated)
    if found is None:
        return
    evaluator = run.asked.get("evaluator")
    recipe = cast("Mapping[str, Any]", evaluator).get("recipe") if isinstance(evaluator, Mapping) else None
    epochs = max(map(len, curves))
    changes: dict[str, object] = {"evaluator.recipe.epochs": 2 * _epochs(recipe, epochs)}
    first = "" if isinstance(recipe, Mapping) else "; train longer in what the evaluator runs first"
    command = run.shell.again("longer", changes=changes if isinstance(recipe, Mapping) else {})
    accuracies = [float(value) for value in finished(run.record.search)["accuracy"]]
    severity = "serious" if len(accuracies) > 1 and found[0] > stdev(accuracies) else "minor"
    yield Objection(severity, "undertrained", _text(*found, run.record.metric.word) + first, "study search", command)


def undertrained_rows(ablation: AblationRun) -> Iterator[Objection]:
    """Rows of an ablation whose validation accuracy still rises at the end, by more than seeds differ."""
    record = ablation.record
    digests = {row.digest for view in record.views for row in view.rows}
    paths = [path for digest in sorted(digests) for path in _curve_files(ablation.shell.run, digest)]
    curves = [curve for path in paths if (curve := _read(path))]
    groups = [summarise(score / 100 for score in seeds.values()) for seeds in record.scores.values()]
    found = _rise(curves, groups)
    if found is None:
        return
    evaluator = ablation.asked.get("evaluator")
    recipe = cast("Mapping[str, Any]", evaluator).get("recipe") if isinstance(evaluator, Mapping) else None
    if isinstance(recipe, Mapping):
        longer = 2 * _epochs(recipe, max(map(len, curves)))
        command, first = ablation.shell.ablate_again("longer", "evaluator.recipe.epochs", longer), ""
    else:
        command, first = ablation.shell.ablate_anew("longer"), "; train longer in what the evaluator runs first"
    yield Objection("minor", "undertrained", _text(*found, record.metric.word) + first, "all views", command)


def last_rise(curve: Sequence[float]) -> float:
    """The rise of a curve over its last third, by the line of least squares through it; NaN of a short curve."""
    if len(curve) < FEWEST:
        return math.nan
    part = curve[-max(3, len(curve) // 3) :]
    middle, mean = (len(part) - 1) / 2, fmean(part)
    slope = sum((index - middle) * (value - mean) for index, value in enumerate(part))
    slope /= sum((index - middle) ** 2 for index in range(len(part)))
    return slope * (len(part) - 1)


def _rise(curves: Sequence[Sequence[float]], repeated: Iterable[Summary]) -> tuple[float, float, int] | None:
    """The median rise of the trainings where it is more than the noise of seeds, that noise, and how many they are.

    Where no layout was trained twice, the noise is that of the rises themselves: the error of their mean, twice.
    """
    rises = [rise for rise in map(last_rise, curves) if math.isfinite(rise)]
    if not rises:
        return None
    noise = pooled_sd(list(repeated))
    if not math.isfinite(noise):
        noise = 2 * stdev(rises) / math.sqrt(len(rises)) if len(rises) > 1 else math.inf
    found = median(rises)
    return (found, noise, len(rises)) if found > max(noise, 0.0) else None


def _text(rise: float, noise: float, count: int, word: str) -> str:
    return (
        f"validation {word} still rises when training ends: by {100 * rise:.2f} points over the last third of the "
        f"epochs (median of {count}), and seeds differ by {100 * noise:.2f}: with more epochs the order may be another "
        "one"
    )


def _epochs(recipe: object, seen: int) -> int:
    """Epochs that the recipe states; as many as a curve has where it states none."""
    value = cast("Mapping[str, Any]", recipe).get("epochs") if isinstance(recipe, Mapping) else None
    return value if isinstance(value, int) else seen


def _noted(attrs: Mapping[str, Any]) -> list[float]:
    """The curve of a trial, of whose epochs the journal keeps a hundred."""
    rows = attrs.get("curve")
    values = [cast("dict[str, Any]", row).get("val_accuracy") for row in cast("list[Any]", rows or [])
              if isinstance(row, dict)] if isinstance(rows, list) else []  # fmt: skip
    return [float(value) for value in values if isinstance(value, int | float) and math.isfinite(value)]


def _curve_files(run: Path, digest: str) -> list[Path]:
    return sorted((run / "artifacts" / digest).glob("*/curve.csv"))


def _read(path: Path) -> list[float]:
    """Validation accuracies of a `curve.csv`; none of another file of that name."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [float(row["val_accuracy"]) for row in csv.DictReader(file)]
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return []
