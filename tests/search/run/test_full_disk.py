"""A disk that is full at any write of a run: one line, no layout blamed, and afterwards the same front."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from full_disk import FullDisk, telling
from journals import trials_of
from optuna.trial import TrialState

from archspec.documents.os_errors import explain
from archspec.errors import ArchspecError
from search.ablation.plan import parse_plan
from search.ablation.rows import Ablation
from search.ablation.run import conduct_plan
from archspec.documents.reader import Document
from search.evaluators.function import FunctionEvaluator
from search.run.run import conduct
from search.study.config import parse_study

SPACE: dict[str, Any] = {
    "name": "toy",
    "resolution": 16,
    "stem": {"type": "hr_stem", "width": 8},
    "stages": [{"block": "HR", "depth": {"range": [1, 3]}, "width": 8, "expansion": 2}],
    "head": {"type": "classifier", "classes": 10},
}
EVALUATOR = FunctionEvaluator().bind(lambda spec, seed: {"accuracy": 0.3 + int(spec.digest, 16) % 97 / 300, "test_accuracy": 0.5})
PLAN = {
    "name": "toy",
    "base": "tiny",
    "seeds": 2,
    "score": "validation",
    "edits": {"deeper": {"set": {"stages[0].depth": 2}}},
    "views": [{"name": "steps", "type": "enumerate", "rows": [{"label": "base", "edits": []}, {"label": "deeper", "edits": ["deeper"]}]}],
}

Start = Callable[[Path], bool]


def search(runs: Path) -> bool:
    asked = {"name": "toy", "space": SPACE, "trials": 3, "sampler": {"type": "random"}, "final": {"seeds": 1, "anchors": []}}
    return conduct(parse_study(Document({**asked, "evaluator": EVALUATOR}, "")), runs)


def ablation(runs: Path) -> bool:
    return conduct_plan(Ablation(parse_plan(Document({**PLAN, "evaluator": EVALUATOR}, ""))), runs)


def answers(run: Path, arms: tuple[str, ...]) -> dict[str, set[tuple[Any, ...]]]:
    """What was found, by study; whatever failed for good is part of it."""
    found: dict[str, set[tuple[Any, ...]]] = {}
    for arm in arms:
        trials = trials_of(run, arm)
        found[arm] = {(t.user_attrs["digest"], t.user_attrs["seed"], *t.values) for t in trials if t.state == TrialState.COMPLETE}
        found[arm] |= {("failed", t.user_attrs["failure"]) for t in trials if t.state == TrialState.FAIL and "digest" in t.user_attrs and "requeued" not in t.user_attrs}
    return found


@pytest.mark.parametrize(("start", "arms"), [(search, ("search", "final")), (ablation, ("ablation",))])
def test_any_write_of_a_run_may_fail(tmp_path: Path, start: Start, arms: tuple[str, ...]) -> None:
    whole = FullDisk(tmp_path)
    with pytest.MonkeyPatch.context() as patch:
        whole.install(patch)
        assert start(tmp_path / "whole")
    wanted = answers(tmp_path / "whole" / "toy", arms)
    assert all(wanted.values())
    assert {"open journal.log", "sync journal.log", "open .spec.yaml.*.tmp", "open .result.json.*.tmp"} <= {*whole.writes}
    for room in telling(whole.writes, 20):
        runs = tmp_path / f"room-{room}"
        with pytest.MonkeyPatch.context() as patch:
            disk = FullDisk(tmp_path, room)
            disk.install(patch)
            with pytest.raises((OSError, ArchspecError)) as failed:
                start(runs)
            assert disk.failed
            line = explain(failed.value) if isinstance(failed.value, OSError) else str(failed.value)
            assert line.startswith(str(runs)), (room, line)
            assert line.endswith("No space left on device"), (room, line)
            assert getattr(failed.value, "exit_code", 1) == 1
        with pytest.MonkeyPatch.context() as patch:
            FullDisk(tmp_path).install(patch)
            assert start(runs), room
        assert answers(runs / "toy", arms) == wanted, (room, whole.writes[room])
        assert not list(runs.rglob("*.tmp")), room
        shutil.rmtree(runs)
