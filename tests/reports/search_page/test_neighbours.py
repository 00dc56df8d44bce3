"""Which neighbours on the front differ by more than noise."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from scipy import stats

from reports.records.front import FrontMember, FrontRecord
from reports.records.search import Record, read
from reports.search_page.neighbours import Neighbours, legend, neighbours
from reports.search_page.write import write_report
from reports.statistics.summary import summarise

FIRST = (0.601, 0.612, 0.607, 0.598)
SAME = (0.604, 0.607, 0.611, 0.599)
HIGHER = (0.702, 0.711, 0.709, 0.700)


def final(**tests: tuple[float, ...]) -> pd.DataFrame:
    rows = [(digest, seed, test) for digest, values in tests.items() for seed, test in enumerate(values, 1)]
    table = pd.DataFrame(rows, columns=["digest", "seed", "test_accuracy"])
    return table.assign(state="COMPLETE", seed=table["seed"].astype("float64"))


def members(**tests: tuple[float, ...]) -> FrontRecord:
    found = [FrontMember(rank, name, name, 0, 0.5, {}, summarise(tests[name])) for rank, name in enumerate(tests, 1)]
    return FrontRecord(("accuracy", "params"), tuple(found), (), ())


def of(record: Record, **tests: tuple[float, ...]) -> Neighbours:
    return neighbours(replace(record, final=final(**tests)), members(**tests))


@pytest.fixture(scope="module")
def record(demo_run: Path) -> Record:
    return read(demo_run)


def test_each_is_compared_with_the_next_cheaper_by_seed_and_corrected(record: Record) -> None:
    found = of(record, a=FIRST, b=SAME, c=HIGHER)
    assert [(one.row, one.reference) for one in found.comparisons.values()] == [("b", "a"), ("c", "b")]
    assert [one.mark for one in found.comparisons.values()] == ["within noise", "better"]
    last = found.comparisons["c"]
    assert last.p == pytest.approx(stats.ttest_rel(HIGHER, SAME).pvalue)
    assert last.adjusted == pytest.approx(2 * last.p)
    assert "next cheaper re-trained member (by parameters)" in legend(found)
    assert "(paired t, paired by seed, 5 % over the column by Holm's correction)" in legend(found)


def test_members_that_were_not_retrained_are_passed_over(record: Record) -> None:
    found = of(record, a=FIRST, b=(), c=HIGHER)
    assert [(one.row, one.reference) for one in found.comparisons.values()] == [("c", "a")]


@pytest.mark.parametrize("tests", [{}, {"a": FIRST}, {"a": (0.5,), "b": (0.6,)}])
def test_nothing_is_said_without_seeds(record: Record, tests: dict[str, tuple[float, ...]]) -> None:
    found = of(record, **tests)
    assert not found.comparisons
    assert legend(found) == ""


def test_a_front_of_equals_is_marked_in_one_of_twenty_at_most(record: Record) -> None:
    generator = np.random.default_rng(0)
    marked = 0
    for _ in range(200):
        draws = {name: tuple(generator.normal(0.6, 0.01, 4)) for name in "abcd"}
        marked += any(one.decided for one in of(record, **draws).comparisons.values())
    assert marked <= stats.binom.ppf(0.999, 200, 0.05)


def test_without_scipy_the_report_has_no_column_and_says_why(
    make_run: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "scipy.stats", None)
    page = write_report(make_run(trials=8, startup=4, baseline=0))
    assert "Δ to the cheaper" not in page.read_text()
    assert "not stated: comparing rows needs scipy: pip install" in (page.parent / "front.md").read_text()
    assert "Best of 8 layouts" in page.read_text()


def test_the_page_greys_what_is_within_noise(make_run: Callable[..., Path]) -> None:
    page = write_report(make_run(trials=8, startup=4, baseline=0, spread=0.0)).read_text()
    assert "<th>Δ to the cheaper</th>" in page
    assert page.count('<td class="noise">') >= 1
