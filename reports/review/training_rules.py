"""Objections to trainings: networks whose accuracy still rises when their training ends."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from statistics import median, stdev
from typing import Any, cast

from reports.records.curves import last_rise, mean_curve, read_curves
from reports.records.front import by_layout
from reports.records.search import finished
from reports.review.ablation_rules import AblationRun
from reports.review.objection import Objection
from reports.review.search_run import SearchRun
from reports.statistics.summary import Summary, pooled_sd, summarise


def undertrained_search(run: SearchRun) -> Iterator[Objection]:
    """Trials of the search whose validation accuracy still rises at the end, by more than seeds differ."""
    record = run.record
    evaluated = set(finished(record.search)["digest"])
    curves = [list(one.accuracies) for digest, (one, *_) in read_curves(record.study).items() if digest in evaluated]
    found = _rise(curves, by_layout(record.final, "accuracy").values())
    if found is not None:
        accuracies = [float(value) for value in finished(record.search)["accuracy"]]
        severity = "serious" if len(accuracies) > 1 and found[0] > stdev(accuracies) else "minor"
        change, first = _longer(run, curves, "evaluator.recipe.epochs", {})
        text = _text(*found, record.full.word) + first
        yield Objection(severity, "undertrained", text, "study search", run.shell.again("longer", changes=change))


def undertrained_finalists(run: SearchRun) -> Iterator[Objection]:
    """Members of the front whose validation accuracy still rises at the end of their re-training."""
    record = run.record
    members = {member.digest for member in run.front.members}
    means = [mean_curve(curves) for digest, curves in read_curves(record.final_study).items() if digest in members]
    curves = [list(one.accuracies) for one in means]
    found = _rise(curves, by_layout(record.final, "accuracy").values())
    if found is not None:
        change, first = _longer(run, curves, "final.changes.epochs", run.changes)
        text = _text(*found, record.full.word) + first
        yield Objection("minor", "undertrained-front", text, "study final", run.shell.again("longer", changes=change))


def _longer(
    run: SearchRun, curves: Sequence[Sequence[float]], field: str, changed: Mapping[str, Any]
) -> tuple[dict[str, object], str]:
    """Twice the epochs as a change of the study; where its evaluator has no recipe, a clause on what to do first."""
    evaluator = run.asked.get("evaluator")
    recipe = cast("Mapping[str, Any]", evaluator).get("recipe") if isinstance(evaluator, Mapping) else None
    if not isinstance(recipe, Mapping):
        return {}, "; train longer in what the evaluator runs first"
    epochs = _epochs({**cast("Mapping[str, Any]", recipe), **changed}, max(map(len, curves)))
    return {field: 2 * epochs}, ""


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


def _curve_files(run: Path, digest: str) -> list[Path]:
    return sorted((run / "artifacts" / digest).glob("*/curve.csv"))


def _read(path: Path) -> list[float]:
    """Validation accuracies of a `curve.csv`; none of another file of that name."""
    try:
        with path.open(encoding="utf-8", newline="") as file:
            return [float(row["val_accuracy"]) for row in csv.DictReader(file)]
    except (OSError, ValueError, KeyError, TypeError, csv.Error):
        return []
