"""The headline of a report: what was asked, how it went, and what the front's ends say about noise."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, cast

import pandas as pd

from archspec.documents.wording import plural
from archspec.errors import SpecError
from reports.drawing.page import same_reason
from reports.drawing.units import seconds
from reports.records.devices import device_sentences
from reports.records.front import FrontRecord
from reports.records.metrics import QUALITY
from reports.records.rungs import read_rungs
from reports.records.search import Record, finished, repeated
from reports.search_page.best import best
from reports.search_page.estimates import estimate_lines
from reports.statistics.power import independent_sd, needed_seeds
from reports.statistics.summary import pooled_sd

MOST_SEEDS = 1000
"""Beyond, the number itself is of no use."""


@dataclass(frozen=True)
class Failure:
    """One reason why trials failed, and which."""

    reason: str
    study: str
    trials: tuple[int, ...]


@dataclass(frozen=True)
class SearchSummary:
    """Counts of the search's trials, seconds of training by study, failures, and sentences about seed noise, about
    what the best layouts are worth, about the surrogate of `sampler: exact` (none for the others), and about the
    estimate that guided the search (none for others). `timed` says on which devices inference times were measured, and
    `unlike` what it means where they are of several models."""

    trained: int
    failed: int
    requeued: int
    duplicates: int
    repaired: int
    unfinished: int
    sampler: str
    training: Mapping[str, float]
    failures: tuple[Failure, ...]
    noise: tuple[str, ...]
    best: tuple[str, ...]
    surrogate: tuple[str, ...]
    estimate: tuple[str, ...] = ()
    timed: tuple[str, ...] = ()
    unlike: tuple[str, ...] = ()


def summary(record: Record, front: FrontRecord) -> SearchSummary:
    """Count what happened in `record`."""
    search = record.search
    states, again = search["state"], repeated(search)
    tables = {"search": search, "baseline": record.baseline, "check": record.check, "final": record.final}
    return SearchSummary(
        trained=len(finished(search)),
        failed=int(((states == "FAIL") & ~search["requeued"]).sum()),
        requeued=int(((states == "FAIL") & search["requeued"]).sum()),
        duplicates=int((states == "COMPLETE").sum()) - len(finished(search)) - len(again) + _paused_duplicates(search),
        repaired=int((search["repaired"] > 0).sum()),
        unfinished=int(states.isin(["RUNNING", "WAITING"]).sum()),
        sampler=_sampler(record),
        training={
            name: _seconds(table) + (_paused_seconds(record) if name == "search" else 0)
            for name, table in tables.items()
            if len(table)
        },
        failures=tuple(failure for name, table in tables.items() for failure in _failures(name, table)),
        noise=tuple(_noise(front, record.full.word)),
        best=best(record, front),
        surrogate=(*_surrogate(record), *_covariates(record), *_repeats(record)),
        estimate=estimate_lines(record),
        timed=device_sentences(one for one in record.timings if not one.unlike),
        unlike=device_sentences(one for one in record.timings if one.unlike),
    )


def _sampler(record: Record) -> str:
    """The sampler by name, its settings in brackets."""
    settings = record.attributes.get("sampler")
    if not isinstance(settings, Mapping):
        return str(settings or "unknown")
    known = dict(cast("Mapping[str, object]", settings))
    name = str(known.pop("type", "unknown"))
    if name in ("tpe", "gp", "random", "qmc", "exact"):  # earlier versions wrote it for these, too
        known.pop("population", None)
    named = [str(cast("Mapping[str, object]", one).get("type")) for one in _mappings(known.pop("covariates", []))]
    drawn = known.pop("covariate_layouts", None)
    if named:
        known["covariates"] = f"{' and '.join(named)} of {drawn} layouts"
    known["seed"] = record.attributes.get("seed")
    rest = ", ".join(f"{key} {value}" for key, value in known.items() if value is not None and value is not False)
    return f"{name} ({rest})" if rest else name


def _mappings(value: object) -> list[object]:
    return [one for one in cast("list[object]", value) if isinstance(one, Mapping)] if isinstance(value, list) else []


def _seconds(table: pd.DataFrame) -> float:
    """Seconds of training that the study itself spent: answers from the record and copies cost nothing."""
    own = table[table["duplicate_of"].isna() & table["copied_from"].isna()]
    return float(own["train_seconds"].sum())


def _paused_seconds(record: Record) -> float:
    """Seconds of the trainings that stopped at a rung; those that went on have theirs with the whole."""
    rungs = read_rungs(record.study)
    return sum(one.seconds for one in rungs.paused) if rungs is not None else 0.0


def _paused_duplicates(table: pd.DataFrame) -> int:
    return int(((table["state"] == "PRUNED") & table["duplicate_of"].notna()).sum())


def _failures(study: str, table: pd.DataFrame) -> list[Failure]:
    failed = table[table["state"] == "FAIL"]
    reasons = failed["failure"].fillna("no reason recorded").map(same_reason)
    return [
        Failure(str(reason), study, tuple(int(number) for number in group["number"]))
        for reason, group in failed.groupby(reasons, sort=True)
    ]


def _noise(front: FrontRecord, word: str) -> list[str]:
    tested = [member for member in front.members if member.test.n]
    sd = pooled_sd([member.test for member in tested])
    if len(tested) < 2 or not math.isfinite(sd):
        return []
    first, last = tested[0], tested[-1]
    gap = last.test.mean - first.test.mean
    ratio = f", {abs(gap) / sd:.1f} times" if sd else "; there is no"
    sentences = [
        f"Seed noise (pooled standard deviation over the re-trained members) is {100 * sd:.2f} points.",
        f"The ends of the front, members {first.rank} and {last.rank}, differ by {100 * gap:+.2f} points of test "
        f"{word}{ratio} seed noise.",
    ]
    pairs = list(pairwise(tested))
    gaps = [abs(two.test.mean - one.test.mean) for one, two in pairs]
    least = gaps.index(min(gaps))
    one, two = (member.rank for member in pairs[least])
    closest = f"The closest neighbours, members {one} and {two}, differ by {100 * gaps[least]:.2f} points"
    try:
        seeds = needed_seeds(gaps[least], independent_sd(sd), len(pairs))
    except SpecError:  # scipy, which the number takes, is no dependency of a report
        return [*sentences, f"{closest}."]
    if not seeds or seeds > MOST_SEEDS:
        return [*sentences, f"{closest}; to tell such a difference from noise takes more than {MOST_SEEDS} seeds each."]
    asked = f"--sd {independent_sd(100 * sd):.6g} --effect {100 * gaps[least]:.6g} --rows {len(pairs) + 1}"
    return [
        *sentences,
        f"{closest}; to tell such a difference from noise takes {seeds} seeds each (paired t test, two-sided, at the "
        f"strictest level of Holm's correction over {plural(len(pairs), 'comparison')}, 80 % power, standard deviation "
        f"of differences √2 times seed noise: archspec power {asked}).",
    ]


def _surrogate(record: Record) -> list[str]:
    """How good the additive surrogate was when it proposed for the last time, as its trial notes."""
    trials = reversed(record.study.get_trials(deepcopy=False))
    notes = next((trial.user_attrs["surrogate"] for trial in trials if "surrogate" in trial.user_attrs), {})
    try:
        error, kendall, spearman, known = (float(notes[key]) for key in ("loo_rmse", "kendall", "spearman", "trials"))
    except (KeyError, TypeError, ValueError):
        return []
    off = f"{error:.4g}" if record.scored else f"{100 * error:.2f} points"
    return [
        f"The additive surrogate behind the proposals was last fitted to {known:.0f} layouts. Predicted from the "
        f"others, a layout's {record.metric.word} was off by {off} (root mean square); the rank "
        f"correlation of these predictions with the answers was {kendall:.2f} (Kendall's tau b), {spearman:.2f} "
        "(Spearman's rho)."
    ]


def _covariates(record: Record) -> list[str]:
    """Since when each covariate of the surrogate was in its fit, or that it never was."""
    notes: dict[str, list[tuple[int, Mapping[str, Any]]]] = {}
    for trial in record.study.get_trials(deepcopy=False):
        found = trial.user_attrs.get("covariates")
        for name, one in found.items() if isinstance(found, dict) else ():
            notes.setdefault(str(name), []).append((trial.number, one))
    return [_covariate(name, noted) for name, noted in notes.items()]


def _covariate(name: str, noted: Sequence[tuple[int, Mapping[str, Any]]]) -> str:
    used = [number for number, one in noted if one.get("used")]
    last = noted[-1][1]
    value, low, high, layouts = (float(last.get(key, math.nan)) for key in ("partial", "low", "high", "layouts"))
    bounds = f" [{low:.2f}, {high:.2f}]" if math.isfinite(low) else ", without an interval"
    if not used:
        text = f"The covariate {name} never entered the fit"
    else:
        text = f"The covariate {name} entered the fit at trial {used[0]}, and was in it for {len(used)} of "
        text += plural(len(noted), "proposal")
    return (
        f"{text}: its partial rank correlation with {plural(int(layouts), 'full training')} given cost was last "
        f"{value:.2f}{bounds}, and it is taken while the interval is above zero."
    )


def _repeats(record: Record) -> list[str]:
    """How many layouts the search trained again, and what the noise of seeds came to."""
    again = repeated(record.search)
    if not len(again):
        return []
    done = record.search[record.search["duplicate_of"].isna() & (record.search["state"] == "COMPLETE")]
    word, layouts = record.metric.word, done[done["digest"].isin(set(again["digest"]))].groupby("digest")[QUALITY]
    sd = math.sqrt(float((layouts.var() * (layouts.count() - 1)).sum() / (layouts.count() - 1).sum()))
    noise = f"{sd:.4g}" if record.scored else f"{100 * sd:.2f} points"
    verb = "was" if len(layouts) == 1 else "were"
    return [
        f"{len(layouts)} of the {plural(len(finished(record.search)), 'layout')} {verb} "
        f"trained again with other seeds ({plural(len(again), 'training')} more); the mean {word} of all its trainings "
        f"counts. Between trainings of one layout the standard deviation was {noise}."
    ]


def budget(training: Mapping[str, float]) -> str:
    """Seconds of training for people, studies that spent none left out: `search 12.5 min, final 3.0 min`."""
    return ", ".join(f"{name} {seconds(value)}" for name, value in training.items() if value)
