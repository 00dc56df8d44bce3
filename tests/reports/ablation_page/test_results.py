"""Rows against their references: families, equal runs, lost trainings, sequential stopping, seeds that would decide."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from archspec.errors import RunError
from reports.ablation_page.pilot import noise
from reports.ablation_page.results import AblationResults, CostChange, compute
from reports.records.ablation import read_ablation
from reports.statistics.comparison import Settings, compare
from reports.statistics.power import seeds_for

BASE = [84.1, 83.6, 84.4, 83.9, 84.2]
NOISY = [84.6, 83.3, 84.9, 83.8, 84.5]
BETTER = [85.3, 84.9, 85.6, 85.2, 85.3]
SCORES = {"base": BASE, "+ a": BETTER, "+ b": NOISY}
Make = Callable[..., Path]


def _computed(make: Make, scores: Mapping[str, Sequence[float | None]], **options: Any) -> AblationResults:
    return compute(read_ablation(make(dict(scores), **options)))


def test_progressive_rows_and_the_whole_way_are_one_family(make_ablation: Make) -> None:
    view = _computed(make_ablation, SCORES).views[0]
    by_seed = {name: dict(enumerate(scores)) for name, scores in SCORES.items()}
    expected = compare(
        by_seed | {"all": by_seed["+ b"]}, {"+ a": "base", "+ b": "+ a", "all": "base"}, Settings(paired=True)
    )
    assert view.comparisons == 3
    assert [outcome.against for _, outcome in view.outcomes] == [0, 1, 0]
    for (_, outcome), each in zip(view.outcomes, expected, strict=True):
        assert outcome.comparison
        assert outcome.status == each.mark
        for name in ("difference", "sd", "low", "high", "p", "adjusted"):
            assert getattr(outcome.comparison, name) == pytest.approx(getattr(each, name), rel=1e-6)
    assert view.lines[1].outcome
    assert view.lines[1].outcome.status == "better"
    assert view.overall
    assert view.overall.outcome
    assert view.overall.outcome.status == "within noise"
    assert view.overall.params == CostChange(200_000, pytest.approx(10.0))


def test_two_rows_have_no_overall_line(make_ablation: Make) -> None:
    view = _computed(make_ablation, {"base": BASE, "+ a": BETTER}).views[0]
    assert view.overall is None
    assert view.comparisons == 1


def test_costs_against_the_row_compared_with(make_ablation: Make) -> None:
    steps, out = _computed(make_ablation, SCORES, views=("progressive", "leave_one_out")).views
    assert steps.lines[0].params is None
    assert steps.lines[2].params == CostChange(100_000, pytest.approx(100 / 21))
    assert out.lines[2].params == CostChange(200_000, pytest.approx(10.0))
    assert out.lines[2].macs == CostChange(40_000_000, pytest.approx(40 / 3))
    assert out.overall is None


def test_views_share_scores_of_a_run(make_ablation: Make) -> None:
    steps, out = _computed(make_ablation, SCORES, views=("progressive", "leave_one_out")).views
    assert [line.score for line in steps.lines] == [line.score for line in out.lines]
    assert steps.lines[0].score.mean == pytest.approx(84.04)
    assert steps.lines[0].score.n == 5


def test_an_edit_without_effect_is_not_tested(make_ablation: Make) -> None:
    scores = SCORES | {"+ nothing": []}
    view = _computed(make_ablation, scores, same={"+ nothing": "+ b"}).views[0]
    outcome = view.lines[3].outcome
    assert outcome
    assert outcome.status == "same run"
    assert outcome.comparison is None
    assert view.comparisons == 3  # two steps and the whole way
    assert view.lines[3].score == view.lines[2].score


def test_one_hypothesis_stated_twice_counts_once(make_ablation: Make) -> None:
    scores = SCORES | {"+ again": []}
    view = _computed(make_ablation, scores, same={"+ again": "+ a"}, views=("leave_one_out",)).views[0]
    assert view.comparisons == 2
    assert view.lines[1].outcome == view.lines[3].outcome


def test_lost_and_missing_trainings(make_ablation: Make) -> None:
    scores = {"base": BASE, "+ a": [85.3, None, 85.6, 85.2, None], "+ b": NOISY[:1]}
    view = _computed(make_ablation, scores, views=("leave_one_out",), requeued=1).views[0]
    assert [(line.score.n, line.failed, line.missing) for line in view.lines] == [(5, 0, 0), (3, 2, 0), (1, 0, 4)]
    first, second = (outcome for _, outcome in view.outcomes)
    assert first.comparison
    assert first.comparison.n == 3
    assert second.status == "untested"
    assert second.needed is None
    assert view.comparisons == 2  # the size of the plan, not of what finished


def test_undecided_rows_say_how_many_seeds(make_ablation: Make) -> None:
    results = _computed(make_ablation, SCORES, views=("leave_one_out",))
    record, view = results.record, results.views[0]
    decided, undecided = (outcome for _, outcome in view.outcomes)
    assert decided.needed is None
    found = undecided.comparison
    assert found
    assert undecided.needed == seeds_for(abs(found.difference), noise(record), 2)


def test_differences_that_no_seeds_show(make_ablation: Make) -> None:
    view = _computed(make_ablation, {"base": BASE, "+ a": list(BASE)}).views[0]
    outcome = view.lines[1].outcome
    assert outcome
    assert (outcome.status, outcome.needed) == ("within noise", None)


def test_nothing_finished(make_ablation: Make) -> None:
    view = _computed(make_ablation, {"base": [], "+ a": []}).views[0]
    assert view.lines[1].missing == 5
    assert math.isnan(view.lines[1].score.mean)
    assert view.lines[1].outcome
    assert view.lines[1].outcome.status == "untested"


def test_unpaired(make_ablation: Make) -> None:
    view = _computed(make_ablation, SCORES, paired=False).views[0]
    assert view.lines[1].outcome
    assert view.lines[1].outcome.comparison
    assert view.lines[1].outcome.comparison.test == "Welch t"


LOOKS = [[3, 0.01], [5, 0.02]]


def test_a_look_stops_a_row_on_what_it_saw(make_ablation: Make) -> None:
    scores = {"base": BASE, "+ a": BETTER[:3], "+ b": NOISY}
    view = _computed(make_ablation, scores, views=("leave_one_out",), looks=LOOKS).views[0]
    stopped, full = (outcome for _, outcome in view.outcomes)
    assert (stopped.status, stopped.stopped) == ("better", 3)
    assert stopped.comparison
    assert stopped.comparison.p <= 0.01
    assert math.isnan(stopped.comparison.adjusted)
    assert (full.status, full.stopped) == ("within noise", None)
    assert full.comparison
    assert full.comparison.n == 5
    assert [line.missing for line in view.lines] == [0, 0, 0]


def test_scores_after_the_deciding_look_change_nothing(make_ablation: Make) -> None:
    few = _computed(make_ablation, {"base": BASE, "+ a": BETTER[:3]}, looks=LOOKS, name="few").views[0]
    more = _computed(make_ablation, {"base": BASE, "+ a": [*BETTER[:3], 1.0, 2.0]}, looks=LOOKS, name="more").views[0]
    assert few.lines[1].outcome == more.lines[1].outcome


def test_marks_under_looks_are_not_holms(make_ablation: Make) -> None:
    # p of the difference is about 0.0003: any table would mark it, but not a look that asks for less.
    scores = {"base": BASE, "+ a": BETTER}
    assert _computed(make_ablation, scores, name="table").views[0].lines[1].outcome.status == "better"  # type: ignore[union-attr]
    looks = [[3, 1e-9], [5, 1e-9]]
    outcome = _computed(make_ablation, scores, looks=looks, name="looks").views[0].lines[1].outcome
    assert outcome
    assert outcome.status == "within noise"


def test_between_looks_a_row_is_open(make_ablation: Make) -> None:
    scores = {"base": BASE, "+ a": NOISY[:4]}
    view = _computed(make_ablation, scores, looks=LOOKS).views[0]
    assert view.lines[1].outcome
    assert view.lines[1].outcome.status == "open"
    assert view.lines[1].missing == 1


def test_the_looks_leave_nothing_for_the_whole_way(make_ablation: Make) -> None:
    view = _computed(make_ablation, SCORES, looks=LOOKS).views[0]
    assert view.overall
    assert view.overall.outcome
    assert view.overall.outcome.comparison
    assert view.overall.outcome.status == "untested"
    assert math.isnan(view.overall.outcome.comparison.p)
    assert math.isfinite(view.overall.outcome.comparison.low)


FACTORIAL = {"base": BASE, "a": [score + 1 for score in BASE], "b": NOISY, "a b": [score + 1 for score in NOISY]}
EDITS = {"base": [], "a": ["a"], "b": ["b"], "a b": ["a", "b"]}


def test_effects_of_a_factorial(make_ablation: Make) -> None:
    options = {"views": ("progressive", "factorial"), "factors": ("a", "b"), "edits": EDITS}
    steps, factorial = _computed(make_ablation, FACTORIAL, **options).views
    assert steps.effects == ()
    assert [effect.name for effect in factorial.effects] == ["a", "b", "a:b"]
    assert factorial.effects[0].comparison.difference == pytest.approx(1.0)
    assert factorial.effects[0].comparison.n == 5


def test_effects_are_not_tested_after_looks(make_ablation: Make) -> None:
    options = {"views": ("factorial",), "factors": ("a", "b"), "edits": EDITS, "looks": LOOKS}
    (view,) = _computed(make_ablation, FACTORIAL, **options).views
    assert {effect.comparison.mark for effect in view.effects} == {"untested"}
    assert view.effects[0].comparison.difference == pytest.approx(1.0)


def test_rows_that_are_no_design(make_ablation: Make) -> None:
    edits = EDITS | {"a b": []}
    with pytest.raises(RunError, match="view factorial: rows: a must be made in half of the 4 rows, not in 1"):
        _computed(make_ablation, FACTORIAL, views=("factorial",), factors=("a", "b"), edits=edits)
