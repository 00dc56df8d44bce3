"""What the seeds of an ablation say about its noise: the pilot by which `archspec power` plans the rest."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from archspec.errors import RunError, SpecError
from reports.statistics import pooled_sd, summarise

Scores = Mapping[str, Mapping[int, float]]
"""Run (what a row trains, shared by views) to seed to accuracy in percent points."""
POINTS = 100


@dataclass(frozen=True)
class Difference:
    """A row less the row that it is compared with, over the seeds that both finished.

    `seeds` counts them; `mean` and `sd` (sample standard deviation) are in percent points, NaN where too few.
    """

    view: str
    row: str
    against: str
    seeds: int
    mean: float
    sd: float


@dataclass(frozen=True)
class Pilot:
    """Noise of an ablation.

    Attributes:
        sd: of the paired differences, in percent points, pooled over the distinct comparisons of all views.
        freedom: its effective degrees of freedom, rounded down: comparisons that share a row repeat one another.
        comparisons: how many distinct comparisons were pooled.
        seeds: the fewest pairs of seeds among these.
        differences: of every view, in the plan's order.
    """

    sd: float
    freedom: int
    comparisons: int
    seeds: int
    differences: tuple[Difference, ...]


@dataclass(frozen=True)
class Pair:
    """A comparison of two runs, by name, and the labels of the plan."""

    view: str
    row: str
    against: str
    runs: tuple[str, str]


def families(run: Path) -> dict[str, int]:
    """View to the number of its comparisons, which Holm corrects as one family, for the ablation in the folder `run`.

    Raises:
        SpecError: no journal, or a plan that compares nothing.
        RunError: the journal is damaged, or is not an ablation's.
    """
    pairs, _ = scores(run)
    counts: dict[str, int] = {}
    for pair in pairs:
        counts[pair.view] = counts.get(pair.view, 0) + 1
    if not counts:
        raise SpecError("its plan compares no row with another", source=str(run))
    return counts


def pilot(run: Path) -> Pilot:
    """The noise that the ablation in the folder `run` has shown.

    Raises:
        SpecError: no journal, or no comparison that has two seeds and any noise.
        RunError: the journal is damaged, or is not an ablation's.
    """
    pairs, known = scores(run)
    differences = tuple(_difference(pair, known) for pair in pairs)
    distinct = {
        frozenset(pair.runs): (pair.runs, one)
        for pair, one in zip(pairs, differences, strict=True)
        if one.seeds > 1 and pair.runs[0] != pair.runs[1]
    }
    if not distinct:
        raise SpecError("no row shares two finished seeds with the row it is compared with: give --sd", source=str(run))
    pooled = [one for _, one in distinct.values()]
    sd = pooled_sd([summarise(_paired(runs, known)) for runs, _ in distinct.values()])
    if not sd > 0:
        raise SpecError("its seeds show no noise at all, so no seeds are needed: give --sd", source=str(run))
    freedom = effective_freedom([runs for runs, _ in distinct.values()], [one.seeds for one in pooled])
    return Pilot(sd, math.floor(freedom), len(pooled), min(one.seeds for one in pooled), differences)


def effective_freedom(pairs: Sequence[tuple[str, str]], seeds: Sequence[int]) -> float:
    """Degrees of freedom of the pooled variance of paired differences.

    Source: Satterthwaite 1946, An approximate distribution of estimates of variance components, Biometrics Bull. 2,
    110-114, with the correlation that two differences have when rows have equal noise: 1/2 (or -1/2) where they share
    one row. Where seeds differ, the fewer of two are taken as shared, which errs on the side of fewer degrees.

    Args:
        pairs: row and reference of each comparison, all distinct.
        seeds: pairs of seeds of each, at least 2.
    """
    own = [count - 1 for count in seeds]
    doubled = sum(
        _correlation(one, two) ** 2 * min(first, second)
        for one, first in zip(pairs, own, strict=True)
        for two, second in zip(pairs, own, strict=True)
    )
    return sum(own) ** 2 / doubled


def scores(run: Path) -> tuple[list[Pair], Scores]:
    """The comparisons of all views in the plan's order, and the scores of the trainings that are finished.

    Raises:
        SpecError: there is no journal.
        RunError: the journal is damaged, or is not an ablation's.
    """
    journal = run / "journal.log"
    if not journal.is_file():  # which JournalFileBackend would create
        raise SpecError("no such file: give the run folder of an ablation, runs/NAME", source=str(journal))
    try:
        storage = JournalStorage(JournalFileBackend(str(journal)))
        if "ablation" not in [study.study_name for study in storage.get_all_studies()]:
            raise RunError(f"{journal}: no study named 'ablation': this is not the journal of an ablation")
        study = optuna.load_study(study_name="ablation", storage=storage)
        return _pairs(study.user_attrs["plan"]), _scores(study)
    except OSError as error:
        raise RunError(f"{journal}: cannot be read: {error.strerror}") from None
    except (ValueError, LookupError, TypeError, AttributeError, AssertionError, ArithmeticError, RuntimeError) as error:
        said = " ".join(str(error).split())[:160] or type(error).__name__
        raise RunError(f"{journal}: damaged: {said}") from None


def _pairs(plan: Mapping[str, Any]) -> list[Pair]:
    found: list[Pair] = []
    for view in plan["views"]:
        rows = view["rows"]
        for row in rows:
            if row["against"] is not None:
                base = rows[row["against"]]
                runs = (str(row["run"]), str(base["run"]))
                found.append(Pair(str(view["name"]), str(row["label"]), str(base["label"]), runs))
    return found


def _scores(study: optuna.Study) -> Scores:
    found: dict[str, dict[int, float]] = {}
    for trial in study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,)):
        score = POINTS * float(trial.values[0])
        if math.isfinite(score):
            found.setdefault(str(trial.user_attrs["run"]), {})[int(trial.user_attrs["seed"])] = score
    return found


def _difference(pair: Pair, known: Scores) -> Difference:
    seen = summarise(_paired(pair.runs, known))
    return Difference(pair.view, pair.row, pair.against, seen.n, seen.mean, seen.sd)


def _paired(runs: tuple[str, str], known: Scores) -> list[float]:
    """Differences of two runs over the seeds that both finished."""
    ours, theirs = (known.get(name, {}) for name in runs)
    return [ours[seed] - theirs[seed] for seed in sorted(ours.keys() & theirs.keys())]


def _correlation(one: tuple[str, str], two: tuple[str, str]) -> float:
    (a, b), (c, d) = one, two
    return ((a == c) - (a == d) - (b == c) + (b == d)) / 2
