"""What the best of a search is worth: the sentences, against a simulation and against what they may not claim."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from reports.records.front import FrontMember, FrontRecord, front
from reports.records.search import Record, finished, read
from reports.search_page.best import best
from reports.statistics.summary import Summary, pooled_sd, summarise
from reports.statistics.winners_curse import best_of

NONE = FrontRecord(("accuracy", "macs"), (), (), ())


@pytest.fixture(scope="module")
def record(demo_run: Path) -> Record:
    return read(demo_run)


def test_seen_expected_and_measured(record: Record) -> None:
    first, second = best(record, NONE)
    search = finished(record.search)
    groups = [summarise(group["accuracy"]) for _, group in record.final.groupby("digest")]
    winner = best_of(search["accuracy"].tolist(), 1, pooled_sd(groups))
    top = search.loc[search["accuracy"].idxmax()]
    again = record.final[record.final["digest"] == top["digest"]]
    assert first == (
        f"Best of {len(search)} layouts, trial {top['number']}: {100 * top['accuracy']:.1f} % seen on validation with "
        f"one seed, {100 * winner.corrected:.1f} % [{100 * winner.low:.1f}, {100 * winner.high:.1f}] expected there "
        f"when it is trained again by the search's recipe, {100 * again['accuracy'].mean():.1f} % on validation and "
        f"{100 * again['test_accuracy'].mean():.1f} % on test measured over 3 seeds."
    )
    assert winner.corrected < winner.naive
    assert f"{sum(group.n - 1 for group in groups)} degrees of freedom. What re-training measured" in second


def test_a_search_of_equals_is_corrected_towards_their_mean(make_run: Callable[..., Path]) -> None:
    # All layouts are worth about the same, so that most of what the best shows above their mean is luck.
    record = read(make_run(trials=60, spread=0.0, noise=0.02, baseline=0, seeds=12))
    first = best(record, NONE)[0]
    seen, expected = (float(text) for text in re.findall(r"([\d.]+) % (?:seen|\[)", first))
    truth = 100 * finished(record.search)["accuracy"].mean()
    assert seen > truth + 2
    assert abs(expected - truth) < (seen - truth) / 2


@pytest.mark.parametrize(
    ("asked", "words"),
    [
        (None, "; whether their recipe is the search's is not recorded."),
        ({"final": {"changes": {"epochs": 60}}}, "(final.changes: epochs), so this noise is an approximation."),
        ({"evaluator": {"type": "command"}}, "; the command was asked for the test split there"),
        ({"evaluator": "command"}, "; the command was asked for the test split there"),
        ({"evaluator": {"type": "train"}, "final": {"changes": {}}}, "degrees of freedom. "),
        ({"final": "nonsense"}, "degrees of freedom. "),
    ],
)
def test_another_recipe_or_split_is_said(record: Record, asked: dict[str, object] | None, words: str) -> None:
    assert words in best(replace(record, asked=asked), NONE)[1]


def test_the_study_file_is_read_and_a_damaged_one_is_not_trusted(make_run: Callable[..., Path]) -> None:
    run = make_run(trials=6, startup=4, baseline=0)
    (run / "study.yaml").write_text("final: {changes: {epochs: 9}}\n")
    assert "final.changes: epochs" in best(read(run), NONE)[1]
    (run / "study.yaml").write_text("final: [")
    assert "is not recorded" in best(read(run), NONE)[1]


def test_nothing_is_claimed_where_the_noise_is_not_known(make_run: Callable[..., Path]) -> None:
    for name, options in {"never": {"final": False}, "once": {"seeds": 1}, "few": {"trials": 3, "startup": 3}}.items():
        record = read(make_run(name, baseline=0, **options))
        assert best(record, NONE) == ()


def members(*tests: Summary) -> FrontRecord:
    return replace(
        NONE, members=tuple(FrontMember(rank, "d", "c", 0, 0.5, {}, test) for rank, test in enumerate(tests, 1))
    )


def test_the_best_member_is_corrected_by_the_noise_of_its_mean(record: Record) -> None:
    tests = [Summary(mean, 0.01, 4) for mean in (0.61, 0.60, 0.63, 0.62, 0.60)]
    winner = best_of([one.mean for one in tests], 4, 0.01)
    assert best(replace(record, final=record.final[:0]), members(*tests)) == (
        f"Best of 5 re-trained members, member 3: 63.0 % seen on test over 4 seeds, {100 * winner.corrected:.1f} % "
        f"[{100 * winner.low:.1f}, {100 * winner.high:.1f}] expected of fresh seeds (noise of one training 1.00 "
        "points).",
    )


def test_unequal_seeds_count_as_the_fewest_and_three_members_say_nothing(record: Record) -> None:
    bare = replace(record, final=record.final[:0])
    tests = [Summary(0.6 + index / 100, 0.01, 2 + index) for index in range(4)]
    said = best(bare, members(*tests))[0]
    assert "over 5 seeds" in said
    assert "all means taken as over 2" in said
    assert best(bare, members(*tests[:3])) == ()
    assert best(bare, members(*(Summary(0.6, math.nan, 1) for _ in range(6)))) == ()


def test_members_of_equal_worth_are_not_told_apart(record: Record) -> None:
    generator, errors = np.random.default_rng(0), []
    bare = replace(record, final=record.final[:0])
    for _ in range(200):
        tests = [summarise(generator.normal(0.6, 0.01, 3)) for _ in range(8)]
        seen, expected = (float(t) for t in re.findall(r"([\d.]+) % (?:seen|\[)", best(bare, members(*tests))[0]))
        errors.append((seen - 60, expected - 60))
    naive, corrected = np.mean(errors, axis=0)
    assert naive > 0.7
    assert corrected < naive / 2


def test_the_summary_of_a_run_says_both(record: Record) -> None:
    said = best(record, front(record))
    assert len(said) == 3
    assert said[2].startswith("Best of ")
