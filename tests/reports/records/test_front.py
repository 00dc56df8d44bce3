"""Who is on the front, and what the final trainings say about it."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from statistics import fmean, stdev

import pytest

from reports.records.front import front
from reports.records.search import finished, read


def test_members_are_those_that_no_trial_beats(demo_run: Path) -> None:
    record = read(demo_run)
    search = finished(record.search)
    points = list(zip(search["digest"], search["accuracy"], search["macs"], strict=True))
    expected = {
        digest
        for digest, accuracy, macs in points
        if not any(a >= accuracy and m <= macs and (a, m) != (accuracy, macs) for _, a, m in points)
    }
    members = front(record).members
    assert {member.digest for member in members} == expected
    assert [member.rank for member in members] == list(range(1, len(members) + 1))
    costs = [member.costs["macs"] for member in members]
    assert costs == sorted(costs)
    accuracies = [member.accuracy for member in members]
    assert accuracies == sorted(accuracies)


def test_test_accuracy_is_over_the_final_seeds(demo_run: Path) -> None:
    record = read(demo_run)
    for member in front(record).members:
        own = record.final[record.final["digest"] == member.digest]["test_accuracy"].tolist()
        assert member.test.n == 3
        assert member.test.mean == pytest.approx(fmean(own))
        assert member.test.sd == pytest.approx(stdev(own))


def test_anchors_stand_apart(demo_run: Path) -> None:
    found = front(read(demo_run))
    assert [anchor.name for anchor in found.anchors] == ["tiny"]
    assert found.anchors[0].test.n == 3
    assert found.anchors[0].costs["macs"] > 0
    assert not found.former


def test_without_final_trainings_there_is_no_test_accuracy(make_run: Callable[..., Path]) -> None:
    found = front(read(make_run(final=False)))
    assert found.members
    assert all(member.test.n == 0 and math.isnan(member.test.mean) for member in found.members)
    assert not found.anchors


def test_a_member_that_was_overtaken_is_a_former_one(make_run: Callable[..., Path]) -> None:
    record = read(make_run())
    gone = front(record).members[0]
    search = record.search[record.search["digest"] != gone.digest]
    found = front(type(record)(**{**vars(record), "search": search}))
    assert [anchor.digest for anchor in found.former] == [gone.digest]
    assert gone.digest not in {member.digest for member in found.members}


def test_single_objective_has_the_best_trial(make_run: Callable[..., Path]) -> None:
    record = read(make_run(objectives=("accuracy",)))
    members = front(record).members
    assert [member.accuracy for member in members] == [finished(record.search)["accuracy"].max()]


def test_four_objectives(make_run: Callable[..., Path]) -> None:
    found = front(read(make_run(objectives=("accuracy", "macs", "params", "latency_ms"))))
    assert len(found.members) > 7
    costs = [member.costs["macs"] for member in found.members]
    assert costs == sorted(costs)
