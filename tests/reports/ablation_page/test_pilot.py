"""The noise that an ablation's journal shows, on synthetic journals."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np
import pytest

from archspec.errors import RunError, SpecError
from reports.ablation_page.pilot import effective_freedom, families, pilot
from reports.ablation_page.results import compute
from reports.records.ablation import read_ablation
from reports.statistics.power import upper_sd

Rows = Sequence[tuple[str, str, int | None]]  # label, run, against
Scores = Mapping[str, Mapping[int, float]]
PROGRESSIVE: Rows = (("base", "r0", None), ("+ a", "r1", 0), ("+ b", "r2", 1))
SINGLE: Rows = (("base", "r0", None), ("a", "r1", 0))
SCORES: Scores = {
    "r0": {1: 0.600, 2: 0.610, 3: 0.605},
    "r1": {1: 0.620, 2: 0.626, 3: 0.631},
    "r2": {1: 0.625, 2: 0.640},
}


@pytest.fixture
def make(tmp_path: Path, write_journal: Callable[..., Path]) -> Callable[..., Path]:
    def make_(views: Mapping[str, Rows], scores: Scores = SCORES, name: str = "ablation") -> Path:
        shown = [
            {"name": view, "rows": [dict(zip(("label", "run", "against"), row, strict=True)) for row in rows]}
            for view, rows in views.items()
        ]
        runs = {run for rows in views.values() for _, run, _ in rows}
        known = {run: seeds for run, seeds in scores.items() if run in runs}
        failures = [("r2", 3, {"failure": "killed"})] if "r2" in runs else []
        return write_journal(tmp_path / "plan", shown, known, failures, name=name)

    return make_


def test_differences_are_paired_by_seed_and_in_points(make: Callable[..., Path]) -> None:
    found = pilot(make({"progressive": PROGRESSIVE}))
    first, second = found.differences
    assert (first.row, first.against, first.seeds) == ("+ a", "base", 3)
    assert first.mean == pytest.approx((2.0 + 1.6 + 2.6) / 3)
    assert first.sd == pytest.approx(np.std([2.0, 1.6, 2.6], ddof=1))
    assert (second.row, second.against, second.seeds) == ("+ b", "+ a", 2)
    assert second.mean == pytest.approx((0.5 + 1.4) / 2)
    assert found.sd == pytest.approx(math.sqrt((2 * first.sd**2 + second.sd**2) / 3))
    assert (found.comparisons, found.seeds) == (2, 2)
    # Three degrees of freedom; the two comparisons share r1: 3^2 / (2 + 1 + 2 (1/4) 1) = 2.57.
    assert found.freedom == 2


def test_a_comparison_that_two_views_share_is_pooled_once(make: Callable[..., Path]) -> None:
    run = make({"progressive": PROGRESSIVE, "leave_one_in": SINGLE, "twice": (("a", "r1", 1), ("base", "r0", None))})
    found = pilot(run)
    assert found.comparisons == 2
    assert [(one.view, one.seeds) for one in found.differences] == [
        ("progressive", 3),
        ("progressive", 2),
        ("leave_one_in", 3),
        ("twice", 3),
    ]
    assert families(run) == {"progressive": 2, "leave_one_in": 1, "twice": 1}


def test_the_family_is_that_of_the_table(tmp_path: Path, write_journal: Callable[..., Path]) -> None:
    """The whole way counts, but looks do not test it; a row that trains just what its reference trains is no test."""
    labels = (("base", "r0", None), ("+ a", "r1", 0), ("+ b", "r2", 1), ("+ nothing", "r2", 2))
    rows = [dict(zip(("label", "run", "against"), row, strict=True)) for row in labels]
    run = write_journal(tmp_path / "plan", [{"name": "steps", "type": "progressive", "rows": rows}], SCORES)
    assert families(run) == {"steps": compute(read_ablation(run)).views[0].comparisons} == {"steps": 3}
    assert families(run, looks=True) == {"steps": 2}


def test_rows_without_seeds_are_listed_and_not_pooled(make: Callable[..., Path]) -> None:
    found = pilot(make({"progressive": (*PROGRESSIVE, ("+ c", "r9", 2), ("same", "r2", 2))}))
    assert found.differences[2].seeds == 0
    assert math.isnan(found.differences[2].mean)
    assert found.comparisons == 2  # nor is a row that trains just what its reference trains


@pytest.mark.parametrize(
    ("scores", "words"),
    [
        ({"r0": {1: 0.5, 2: 0.5}, "r1": {2: 0.6, 3: 0.6}}, "shares two finished seeds"),
        ({"r0": {1: 0.5, 2: 0.5}, "r1": {1: 0.625, 2: 0.625}}, "show no noise"),
        ({}, "shares two finished seeds"),
    ],
)
def test_no_noise_is_made_up(make: Callable[..., Path], scores: dict[str, dict[int, float]], words: str) -> None:
    with pytest.raises(SpecError, match=words):
        pilot(make({"progressive": PROGRESSIVE}, scores))


def test_what_is_no_ablation_is_refused(make: Callable[..., Path], tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="no such file"):
        pilot(tmp_path / "missing")
    assert not list(tmp_path.iterdir())
    run = make({"progressive": PROGRESSIVE}, name="search")
    with pytest.raises(SpecError, match="no study named 'ablation'"):
        pilot(run)
    (run / "journal.log").write_text('{"op_code": 99}\n')
    with pytest.raises(RunError, match="damaged"):
        families(run)


def test_a_plan_without_comparisons_is_refused(make: Callable[..., Path]) -> None:
    with pytest.raises(SpecError, match="compares no row"):
        families(make({"progressive": PROGRESSIVE[:1]}))


@pytest.mark.parametrize(("pairs", "freedom"), [([("a", "b")], 4.0), ([("a", "b"), ("c", "d")], 8.0)])
def test_freedom_of_comparisons_that_share_nothing_adds_up(pairs: list[tuple[str, str]], freedom: float) -> None:
    assert effective_freedom(pairs, [5] * len(pairs)) == freedom


@pytest.mark.parametrize("chain", [True, False])
def test_the_upper_bound_holds_for_comparisons_that_share_rows(chain: bool) -> None:
    rows, seeds, times = 6, 4, 4000
    pairs = [(str(row), str(row - 1 if chain else 0)) for row in range(1, rows)]
    draws = np.random.default_rng(0).normal(size=(times, rows, seeds)) + np.random.default_rng(1).normal(size=seeds)
    differences = np.stack([draws[:, int(a)] - draws[:, int(b)] for a, b in pairs], axis=1)
    pooled = np.sqrt(differences.var(axis=2, ddof=1).mean(axis=1))
    freedom = effective_freedom(pairs, [seeds] * len(pairs))
    bounded = np.mean(pooled * upper_sd(1.0, math.floor(freedom)) >= math.sqrt(2))
    assert freedom < (rows - 1) * (seeds - 1)
    assert 0.78 < bounded < 0.86  # degrees are rounded down
    # The variance of the pooled variance is what so many degrees of freedom have.
    assert 2 * 4 / freedom == pytest.approx(np.var(pooled**2), rel=0.12)
