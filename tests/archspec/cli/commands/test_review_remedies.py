"""What `archspec review` prints behind a `$`, run, takes its objection away, in the run or in the one that it starts.

Those that no command can resolve alone are named in docs/reference/review.md.
"""

from __future__ import annotations

import json
import shlex
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from reports.review.review import ABLATION, SEARCH

Run = Callable[..., tuple[int, str, str]]
NOT_TRIED = {
    "test-selection": "other images have to be scored first",
    "behind-baseline": "more runs may say the same",
    "late-reference": "the report has no other reference",
    "noisy-latency": "the machine has to be quiet",
    "unlike-devices": "needs two kinds of devices",
    "failed-trials": "the cause has to go first",
    "repaired-layouts": "no table holds layouts that need repairs",
    "order-in-noise": "resolved with a chance of 80 %",
    "family-per-view": "resolved with a chance of 80 %",
    "published-beside": "needs a public benchmark",
    "anchor-recipe": "needs trainings by two recipes in one run",
    "half-matched": "the plan needs a row of the spec that the command makes",
    "undertrained": "needs trainings of many epochs: tests/reports/review/test_training_rules.py",
    "unchecked-estimate": "a check trains ten layouts: tests/reports/search_page/test_estimates.py",
    "refused-estimate": "a check trains ten layouts: tests/reports/search_page/test_estimates.py",
    "undertrained-front": "needs trainings of many epochs: tests/reports/review/test_training_rules.py",
}
"""Rules that are not tried here, and why."""
TABLE: dict[str, Any] = {"evaluator": {"type": "table", "table": "five_stage_grid"}, "space": "five_stage_grid"}
TPE = {"sampler": {"type": "tpe", "startup": 3}}
STUDIES: dict[str, dict[str, Any]] = {
    "few": {**TPE, "baseline": 15, "final": {"seeds": 2, "members": 2}},
    "none": {**TPE, "final": {"seeds": 0}},
    "changed": {"sampler": {"type": "random"}, "final": {"seeds": 2, "members": 2, "changes": {"seed": "mean"}}},
}
SEARCHES = {
    "untested-members": "few",
    "few-seeds": "few",
    "short-baseline": "few",
    "shared-start-up": "few",
    "one-run": "few",
    "unfinished": "few",
    "untested-best": "none",
    "no-baseline": "none",
    "search-recipe": "changed",
}
SCORE = """
test -e fail -a {seed} = 1 && exit 3
score=$(printf '0.%02d%03d' $(grep -o 'depth: 2' {spec} | wc -l) $( (cat {spec}; echo {seed}) | cksum | cut -c1-3))
printf '{"accuracy": %s, "test_accuracy": %s}' $score $score
"""
"""A score that grows with the blocks of the spec, and differs a little from seed to seed and from spec to spec."""
PLAN: dict[str, Any] = {
    "name": "steps",
    "base": "tiny",
    "seeds": 2,
    "evaluator": {"type": "command", "command": ["sh", "-c", SCORE], "resolution": 64},
    "edits": {
        "a": {"set": {"stages[0].depth": 2}},
        "b": {"set": {"stages[1].depth": 2, "evaluator.timeout": 99}},
        "c": {"set": {"stages[2].depth": 2}},
    },
    "views": [{"type": "progressive"}],
}
PLANS: dict[str, dict[str, Any]] = {
    "missing-seeds": {},
    "failed-seeds": {"seeds": 3},
    "few-seeds-to-mark": {},
    "mixed-change": {},
    "untested-order": {},
    "validation-score": {"score": "validation"},
}


def test_every_rule_is_tried_or_has_a_reason():
    assert {*SEARCH, *ABLATION} == {*SEARCHES, *PLANS, *NOT_TRIED}


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def raised(run: Run, folder: str) -> dict[str, dict[str, str]]:
    code, out, err = run("review", folder, "--json")
    assert code == 0, err
    return {objection["rule"]: objection for objection in json.loads(out)["objections"]}


def follow(run: Run, commands: str) -> str:
    """Run every line; the folder of the run that the last one continued or started."""
    folder = ""
    for line in commands.splitlines():
        program, *arguments = shlex.split(line)
        assert program == "archspec"
        code, _, err = run(*arguments)
        assert (code, err if code else "") == (0, ""), line
        folder = f"runs/{arguments[arguments.index('--name') + 1]}" if "--name" in arguments else arguments[1]
    return folder


@pytest.mark.parametrize("name", sorted(STUDIES))
def test_what_a_review_of_a_search_says_resolves_it(here, run, name):
    asked = {"name": "table", "objectives": ["accuracy", "macs"], "trials": 20, **TABLE, **STUDIES[name]}
    (here / "study.yaml").write_text(yaml.safe_dump(asked))
    assert run("search", "study.yaml")[0] == 0
    stop_before_the_end(here / "runs" / "table")
    shutil.copytree(here / "runs", here / "kept")
    for rule in (rule for rule, study in SEARCHES.items() if study == name):
        found = raised(run, "runs/table")
        assert rule in found
        done = follow(run, found[rule]["command"])
        # The run is read with what stands beside it.
        assert rule not in raised(run, "runs/table" if rule in ("shared-start-up", "one-run") else done), rule
        shutil.rmtree(here / "runs")
        shutil.copytree(here / "kept", here / "runs")


def stop_before_the_end(folder: Path) -> None:
    """Let the search have been asked for one trial more, which waits."""
    storage = JournalStorage(JournalFileBackend(str(folder / "journal.log")))
    study = optuna.load_study(study_name="search", storage=storage)
    study.enqueue_trial(study.trials[0].params)
    asked = yaml.safe_load((folder / "study.yaml").read_text())
    (folder / "study.yaml").write_text(yaml.safe_dump(asked | {"trials": 21}, sort_keys=False))


@pytest.mark.parametrize("rule", sorted(PLANS))
def test_what_a_review_of_an_ablation_says_resolves_it(here, run, rule, monkeypatch):
    monkeypatch.setattr("reports.ablation_page.write.write_ablation", lambda run, _: run)
    (here / "steps.yaml").write_text(yaml.safe_dump(PLAN | PLANS[rule], sort_keys=False))
    fail = here / "fail"
    if rule == "failed-seeds":
        fail.touch()
    assert run("ablate", "steps.yaml")[0] == 0
    if rule == "missing-seeds":
        plan = here / "runs" / "steps" / "journal.log"
        storage = JournalStorage(JournalFileBackend(str(plan)))
        optuna.load_study(study_name="ablation", storage=storage).set_user_attr("seeds", 3)
        asked = yaml.safe_load((here / "runs" / "steps" / "plan.yaml").read_text())
        (here / "runs" / "steps" / "plan.yaml").write_text(yaml.safe_dump(asked | {"seeds": 3}, sort_keys=False))
    fail.unlink(missing_ok=True)
    found = raised(run, "runs/steps")
    assert rule in found
    done = follow(run, found[rule]["command"])
    assert rule not in raised(run, done)
    if rule == "mixed-change":
        assert "untested-order" not in raised(run, done)  # one command gives the plan all that it lacks
