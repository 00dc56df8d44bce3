"""A search with rungs that trains, killed five times in its trainings: it ends as if nothing had been killed."""

import json
import os
import signal
import time
from collections import Counter
from dataclasses import replace
from fractions import Fraction
from pathlib import Path

import pytest
import torch
from forked_runs import ForkedRun, kill
from journals import trials_of
from promoted import check_promoted

from archspec.cli.commands import search as _command  # noqa: F401 # loaded before anything forks
from archspec.documents.reader import Document
from archspec.loader import load, parse
from search.evaluator import Task
from search.rungs.history import rung_trials
from search.rungs.promotion import expected_steps
from search.study.reading import load_study
from search.train.checkpoint import load_checkpoint
from search.train.curve import read_curve

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="forks, and ends workers by /proc")

RUNGS, KEEP = (1, 2, 4), Fraction(1, 2)
LAYOUTS = 6
AROUND = {
    "resolution": 64,
    "stem": {"type": "hr_stem", "width": 4},
    "head": {"type": "classifier", "classes": 10},
}
LAYOUT = {**AROUND, "stages": [{"block": "HR", "depth": 1, "width": 4, "expansion": 2}]}
STUDY = {
    "name": "toy",
    "space": {
        "name": "blocks",
        **AROUND,
        "stages": [{"block": "HR", "depth": 1, "width": {"choice": [4, 8]}, "expansion": {"range": [1, 6]}}],
    },
    "evaluator": {
        "type": "train",
        "data": {"type": "cluttered_digits", "train": 100, "validation": 100, "test": 100},
        "recipe": {"epochs": RUNGS[-1], "batch_size": 34, "warmup_epochs": 0},
    },
    "rungs": {"epochs": list(RUNGS), "keep": str(KEEP)},
    "trials": LAYOUTS,
    "sampler": "random",
    "final": {"seeds": 0},
}
MEASURED = ("latency_", "train_seconds")
KILLS = (
    (1, 0.00, "conductor"),
    (3, 0.03, "worker"),
    (5, 0.06, "both"),
    (7, 0.02, "conductor"),
    (9, 0.04, "both"),
)
"""Epochs that are saved, the seconds after that, and what is killed then."""


@pytest.fixture
def session(tmp_path, monkeypatch):
    """What trains here, as in workers: with one thread. What is imported and loaded for that, forks find loaded."""
    before = torch.get_num_threads()
    (tmp_path / "toy.json").write_text(json.dumps(STUDY))
    session = load_study(str(tmp_path / "toy.json"), tmp_path, {}).evaluator.open()
    train(session, parse(Document(LAYOUT, "test")), tmp_path / "first", RUNGS[0])
    monkeypatch.setattr(os, "fsync", lambda file: time.sleep(0.02))  # a slow disk: kills come between its writes, too
    yield session
    torch.set_num_threads(before)


def train(session, spec, folder, epochs):
    """The answer of a training without interruption, until it pauses or ends."""
    task = Task(spec, 0, folder, folder, epochs=epochs if epochs < RUNGS[-1] else None)
    return session.evaluate(task, lambda: False, lambda told: None)


def trainings(run):
    """The folder of each training of a search, by the digest of its layout."""
    return {folder.parent.name: folder for folder in run.glob("artifacts/*/search-seed0")}


def curves(run):
    """The epochs that are saved of each training, as its file has them."""
    found = {digest: folder / "curve.csv" for digest, folder in trainings(run).items()}
    return {digest: path.read_text().splitlines()[1:] for digest, path in found.items() if path.exists()}


def under_way(run):
    """The process that trains, as the folders of trainings say."""
    events = [
        json.loads(line) for path in run.glob("artifacts/*/*/events.jsonl") for line in path.read_text().splitlines()
    ]
    return max(events, key=lambda event: event["time"])["pid"]


def same(one, other):
    """Whether two states of trainings are the same to the bit, but for the time that epochs took."""
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(same(one[key], other[key]) for key in one)
    if isinstance(one, list | tuple):
        return len(one) == len(other) and all(map(same, one, other))
    return one == other


def state(folder):
    found = load_checkpoint(folder / "checkpoint.pt", {})
    assert found is not None
    found["curve"] = [row[:-1] for row in found["curve"]]
    return found


def kill_after(command, run, epochs, seconds, victim, said):
    """Start a run, or go on with it, and kill it in its trainings; see `KILLS`."""
    with ForkedRun(*command, said=said) as started:
        started.wait(lambda: sum(map(len, curves(run).values())) >= epochs)
        time.sleep(seconds)
        worker = under_way(run)
        if victim == "worker":
            kill(worker)
            started.wait(lambda: under_way(run) != worker)
        kill(started.process.pid, *([under_way(run)] if victim == "both" else []))
        assert started.end() == -signal.SIGKILL


def test_killed_five_times_each_training_is_that_of_a_run_that_was_not(session, tmp_path, monkeypatch):
    run, said = tmp_path / "runs" / "toy", tmp_path / "said"
    command = ("search", tmp_path / "toy.json", "--runs", tmp_path / "runs")
    seen, results = {}, []

    def check_nothing_is_lost():
        """What was there stands: an epoch that is trained again would have taken other seconds."""
        found = rung_trials(trials_of(run))
        assert [one.values for one in found[: len(results)]] == results
        after = curves(run)
        assert all(after[digest][: len(rows)] == rows for digest, rows in seen.items())
        return after, [one.values for one in found]

    for epochs, seconds, victim in KILLS:
        kill_after(command, run, epochs, seconds, victim, said)
        seen, results = check_nothing_is_lost()
    assert 0 < len(results) < sum(expected_steps(LAYOUTS, 3, KEEP))
    with ForkedRun(*command, said=said) as started:
        assert started.end() == 0, said.read_text()
    check_nothing_is_lost()
    found = check_promoted(trials_of(run), LAYOUTS, len(RUNGS), KEEP)

    reached = Counter()
    for one in found:
        reached[one.trial.user_attrs["digest"]] = max(reached[one.trial.user_attrs["digest"]], one.epochs)
    assert {digest: len(rows) for digest, rows in curves(run).items()} == reached
    monkeypatch.undo()
    for digest, folder in trainings(run).items():
        alone = tmp_path / "alone" / digest
        metrics = train(session, load(folder.parent / "spec.yaml"), alone, reached[digest])
        name = "result.json" if reached[digest] == RUNGS[-1] else f"paused-{reached[digest]}.json"
        recorded = json.loads((folder / name).read_text())["metrics"]
        assert recorded.keys() == metrics.keys()
        assert all(value == recorded[key] for key, value in metrics.items() if not key.startswith(MEASURED))
        assert same(state(alone), state(folder))
        ours, theirs = (read_curve(one / "curve.csv") for one in (folder, alone))
        assert [replace(one, seconds=0) for one in ours] == [replace(one, seconds=0) for one in theirs]
