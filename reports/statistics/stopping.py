"""Early end of an ablation's trainings, where every comparison that they serve is decided."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from reports.statistics.sequential import Look, decide
from reports.statistics.summary import paired_differences

Scores = Mapping[str, Mapping[int, float]]
"""Run to seed to score; NaN where a training failed."""


def stopped(pairs: Sequence[tuple[str, str]], scores: Scores, plan: Sequence[Look], seeds: int) -> frozenset[str]:
    """The runs whose comparisons are all decided after `seeds` seeds, by the boundaries of `plan`.

    Args:
        pairs: (run, run that it is compared with) for every comparison of every view.
        scores: of all trainings so far.
        plan: the looks.
        seeds: the look that has been reached; earlier ones count too.

    Raises:
        SpecError: scipy is not installed.
    """
    reached = [look for look in plan if look.seeds <= seeds]
    open_runs: set[str] = set()
    for pair in pairs:
        run, reference = (scores.get(one, {}) for one in pair)
        if decide(paired_differences(run, reference), reached).state in ("continue", "within noise"):
            open_runs.update(pair)
    return frozenset({run for pair in pairs for run in pair} - open_runs)
