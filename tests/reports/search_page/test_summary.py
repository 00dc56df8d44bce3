"""Headline counts and what the seeds say."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import optuna
import pytest
from optuna.trial import create_trial

from reports.records.front import FrontMember, FrontRecord, front
from reports.records.search import read
from reports.search_page.summary import Failure, budget, summary
from reports.statistics.power import seeds_for
from reports.statistics.summary import Summary


def test_counts(demo_run: Path) -> None:
    record = read(demo_run)
    found = summary(record, front(record))
    assert (found.trained, found.failed, found.duplicates, found.requeued, found.unfinished) == (30, 3, 2, 0, 0)
    assert found.repaired == int((record.search["repaired"] > 0).sum()) > 0
    assert found.sampler == "tpe (startup 8, seed 0)"
    assert found.failures == (
        Failure("killed", "search", (32,)),
        Failure("out of memory in epoch 1", "search", (31,)),
        Failure("the loss is not finite in epoch 3", "search", (30,)),
    )


def test_training_time_counts_no_copy_and_no_duplicate(demo_run: Path) -> None:
    record = read(demo_run)
    found = summary(record, front(record))
    assert found.training["search"] == pytest.approx(record.search["train_seconds"][:30].sum())
    assert found.training["baseline"] == pytest.approx(record.baseline["train_seconds"][8:].sum())
    assert list(found.training) == ["search", "baseline", "final"]


def test_requeued_trials_are_interrupted_not_failed(make_run: Callable[..., Path]) -> None:
    record = read(make_run(failures=("killed", "killed")))
    search = record.search.copy()
    search.loc[search["failure"] == "killed", "requeued"] = [True, False]
    found = summary(type(record)(**{**vars(record), "search": search}), front(record))
    assert (found.failed, found.requeued) == (1, 1)
    assert found.failures[0].trials == (30, 31)


def test_the_surrogate_is_quoted_as_the_last_proposal_noted_it(demo_run: Path) -> None:
    record = read(demo_run)
    assert summary(record, front(record)).surrogate == ()
    study = optuna.create_study(directions=["maximize", "minimize"])
    for trials, spearman in ((10, 0.1), (11, 0.45)):
        note = {"loo_rmse": 0.0193, "kendall": 0.31, "spearman": spearman, "trials": trials}
        study.add_trial(create_trial(values=[0.5, 1.0], user_attrs={"surrogate": note}))
    found = summary(type(record)(**{**vars(record), "study": study}), front(record))
    assert found.surrogate == (
        "The additive surrogate behind the proposals was last fitted to 11 layouts. Predicted from the others, a "
        "layout's accuracy was off by 1.93 points (root mean square); the rank correlation of these predictions with "
        "the answers was 0.31 (Kendall's tau b), 0.45 (Spearman's rho).",
    )


def members(*tests: Summary) -> FrontRecord:
    found = [FrontMember(rank, "d", "c", 0, 0.5, {}, test) for rank, test in enumerate(tests, 1)]
    return FrontRecord(("accuracy", "macs"), tuple(found), (), ())


def test_noise_is_pooled_and_put_beside_the_ends(demo_run: Path) -> None:
    record = read(demo_run)
    # Variances 0.01^2 and 0.03^2 with two degrees each: sqrt(0.0005) = 2.236 points.
    noise = summary(record, members(Summary(0.6, 0.01, 3), Summary(0.61, 0.03, 3), Summary(0.7, math.nan, 1))).noise
    assert noise[0] == "Seed noise (pooled standard deviation over the re-trained members) is 2.24 points."
    assert "members 1 and 3, differ by +10.00 points of test accuracy, 4.5 times seed noise" in noise[1]
    # 2.236 √2 = 3.162 points of deviation of differences, and two comparisons.
    assert seeds_for(1.0, 3.1622777, 2) == 98
    assert "members 1 and 2, differ by 1.00 points; to tell such a difference from noise takes 98 seeds" in noise[2]
    assert "over 2 comparisons" in noise[2]
    assert "archspec power --sd 3.16228 --effect 1 --rows 3)" in noise[2]


def test_no_noise_is_claimed_without_seeds(demo_run: Path) -> None:
    record = read(demo_run)
    assert summary(record, members(Summary(0.6, math.nan, 1), Summary(0.7, math.nan, 1))).noise == ()
    assert summary(record, members(Summary(0.6, 0.1, 3))).noise == ()
    same = summary(record, members(Summary(0.6, 0.1, 3), Summary(0.6, 0.1, 3))).noise
    assert "takes more than 1000 seeds each" in same[2]


def test_budget() -> None:
    assert budget({"search": 750.0, "final": 41.0}) == "search 12.5 min, final 41 s"
