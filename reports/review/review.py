"""The objections that a reviewer of a paper would raise to a run, each from its data, each with what resolves it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from reports.records.ablation import find_ablation
from reports.review import ablation_rules as plan
from reports.review import estimate_rules as estimates
from reports.review import finalist_rules as finalists
from reports.review import search_rules as arms
from reports.review import training_rules as trainings
from reports.review.objection import Objection, Shell
from reports.review.search_run import SearchRun, read_search

SEARCH: dict[str, Callable[[SearchRun], Iterator[Objection]]] = {
    "untested-best": finalists.untested_best,
    "untested-members": finalists.untested_members,
    "few-seeds": finalists.few_seeds,
    "test-selection": finalists.test_selection,
    "order-in-noise": finalists.order_in_noise,
    "anchor-recipe": finalists.anchor_recipe,
    "search-recipe": finalists.search_recipe,
    "published-beside": finalists.published_beside,
    "unfinished": arms.unfinished,
    "no-baseline": arms.no_baseline,
    "short-baseline": arms.short_baseline,
    "shared-start-up": arms.shared_start_up,
    "behind-baseline": arms.behind_baseline,
    "one-run": arms.one_run,
    "late-reference": arms.late_reference,
    "noisy-latency": arms.noisy_latency,
    "unlike-devices": arms.unlike_devices,
    "failed-trials": arms.failed_trials,
    "repaired-layouts": arms.repaired_layouts,
    "undertrained": trainings.undertrained_search,
    "undertrained-front": trainings.undertrained_finalists,
    "unchecked-estimate": estimates.unchecked_estimate,
    "refused-estimate": estimates.refused_estimate,
}
ABLATION: dict[str, Callable[[plan.AblationRun], Iterator[Objection]]] = {
    "missing-seeds": plan.missing_seeds,
    "failed-seeds": plan.failed_seeds,
    "few-seeds-to-mark": plan.few_seeds_to_mark,
    "mixed-change": plan.mixed_change,
    "half-matched": plan.half_matched,
    "untested-order": plan.untested_order,
    "validation-score": plan.validation_score,
    "family-per-view": plan.family_per_view,
    "undertrained": trainings.undertrained_rows,
}


@dataclass(frozen=True)
class Review:
    """The objections to the run `name`, serious ones first, and the rules that were checked."""

    name: str
    kind: str
    objections: tuple[Objection, ...]
    checked: tuple[str, ...]


def examine(run: Path) -> Review:
    """The objections to the search or ablation in the folder `run`, with what was checked.

    Raises:
        SpecError: there is no journal, or a statistic needs scipy, which is not installed.
        RunError: the journal is damaged, or holds no finished trial of a search.
    """
    run = run if run.name not in ("", "..") else run.resolve()  # a shell line needs its name
    ablation = find_ablation(run)
    if ablation is None:
        search = read_search(run)
        found = [objection for rule in SEARCH.values() for objection in rule(search)]
        return Review(run.name, "search", _sorted(found), tuple(SEARCH))
    subject = plan.AblationRun(ablation, Shell(run))
    found = [objection for rule in ABLATION.values() for objection in rule(subject)]
    return Review(run.name, "ablation", _sorted(found), tuple(ABLATION))


def _sorted(found: list[Objection]) -> tuple[Objection, ...]:
    return tuple(sorted(found, key=lambda objection: objection.severity == "minor"))
