"""A search end to end: counts, duplicates, interruption, kill -9, and what is refused."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import optuna
import pytest
import yaml
from journals import trained, trials_of
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from archspec.errors import RunError, SpecError
from archspec.loader import load
from search.run.run import conduct
from search.study.reading import load_study

COSTS = ("params", "macs", "activations", "saved_bytes")


def finished_events(run: Path) -> Counter[str]:
    events: Counter[str] = Counter()
    for path in run.glob("artifacts/*/*/events.jsonl"):
        for line in path.read_text().splitlines():
            events[str(path.parent.relative_to(run))] += json.loads(line)["event"] == "finished"
    return events


def count_events(run: Path) -> int:
    return sum(len(path.read_text().splitlines()) for path in run.glob("artifacts/*/*/events.jsonl"))


def wait_until(condition) -> None:
    deadline = time.monotonic() + 60
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)


def test_search_counts_trains_each_layout_once_and_records_everything(study_file, tmp_path):
    config = load_study(str(study_file(trials=15, baseline=8, final={"seeds": 2, "anchors": []})), tmp_path, {})
    assert conduct(config, tmp_path / "runs", workers=2)
    run = tmp_path / "runs" / "toy"
    done = trained(trials_of(run))
    assert len(done) == 15
    digests = [trial.user_attrs["digest"] for trial in done]
    assert len(set(digests)) == 15
    for trial in done:
        spec = load(run / "artifacts" / trial.user_attrs["digest"] / "spec.yaml")
        assert spec.digest == trial.user_attrs["digest"]
        assert trial.values == [trial.user_attrs[name] for name in ("accuracy", "macs")]
    assert set(finished_events(run).values()) == {1}
    baseline = trained(trials_of(run, "baseline"))
    assert len(baseline) == 8
    assert {t.user_attrs["copied_from"] for t in baseline if "copied_from" in t.user_attrs} == {
        t.number for t in done if t.user_attrs["arm"] == "random"
    }
    front = {
        t.user_attrs["digest"]
        for t in optuna.load_study(
            study_name="search", storage=JournalStorage(JournalFileBackend(str(run / "journal.log")))
        ).best_trials
    }
    finals = trials_of(run, "final")
    assert Counter(t.user_attrs["digest"] for t in finals) == dict.fromkeys(front, 2)
    assert {t.user_attrs["seed"] for t in finals} == {1, 2}
    assert all("test_accuracy" in t.user_attrs for t in finals)
    assert not any("test_accuracy" in t.user_attrs for t in done)


def test_duplicates_are_answered_from_the_record_and_an_exhausted_space_ends_the_search(study_file, tmp_path):
    space = {
        "resolution": 32,
        "stem": "hr_stem",
        "head": {"type": "classifier", "classes": 10},
        "stages": [{"block": "HR", "depth": {"range": [1, 3]}, "width": 8}],
    }
    config = load_study(str(study_file(trials=10, space=space)), tmp_path, {})
    assert conduct(config, tmp_path / "runs")
    trials = trials_of(tmp_path / "runs" / "toy")
    assert len(trained(trials)) == 3
    copies = [t for t in trials if "duplicate_of" in t.user_attrs]
    assert copies
    for copy in copies:
        original = trials[copy.user_attrs["duplicate_of"]]
        assert copy.values == original.values
        assert copy.params == original.params


def test_continuing_adds_trials_and_refuses_another_question(study_file, tmp_path):
    runs = tmp_path / "runs"
    conduct(load_study(str(study_file(trials=4)), runs, {}), runs)
    before = [(t.number, t.values) for t in trained(trials_of(runs / "toy"))]
    conduct(load_study("toy", runs, {"trials": 7}), runs)
    after = trained(trials_of(runs / "toy"))
    assert len(after) == 7
    assert [(t.number, t.values) for t in after[: len(before)]] == before
    assert set(finished_events(runs / "toy").values()) == {1}
    with pytest.raises(SpecError, match=r"study.yaml: the run was started with another seed \(0, now 3\)"):
        conduct(load_study(str(study_file(seed=3)), runs, {}), runs)
    with pytest.raises(
        SpecError, match=r"study.yaml: the run was started with another final.changes.timeout \(None, now 9"
    ):
        conduct(load_study(str(study_file(final={"seeds": 5, "changes": {"timeout": 9}})), runs, {}), runs)


def test_an_ablation_of_the_same_name_is_left_alone(study_file, tmp_path):
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "plan.yaml").write_text("name: toy\n")
    with pytest.raises(SpecError, match="toy: name: holds an ablation; give the run another name"):
        conduct(load_study(str(study_file()), tmp_path, {}), tmp_path)
    with pytest.raises(SpecError, match="toy: holds an ablation; `archspec ablate toy` continues it"):
        load_study("toy", tmp_path, {})


def test_a_failed_layout_is_recorded_with_its_reason_and_the_search_goes_on(study_file, tmp_path):
    space = {
        "resolution": 32,
        "stem": "hr_stem",
        "head": {"type": "classifier", "classes": 10},
        "stages": [
            {"block": "HR", "depth": {"range": [2, 3]}, "width": 8},
            {"block": "CFFN", "depth": {"range": [3, 4]}, "width": 8, "downsample": "conv"},
        ],
    }
    config = load_study(str(study_file(trials=4, space=space)), tmp_path, {})
    conduct(config, tmp_path / "runs")
    trials = trials_of(tmp_path / "runs" / "toy")
    failed = [t for t in trials if t.state == TrialState.FAIL]
    assert failed
    assert "exit code 1" in failed[0].user_attrs["failure"]
    assert all("the same layout failed" in t.user_attrs["failure"] for t in failed[1:])
    assert len(trained(trials)) == 3  # the fourth layout is the one that cannot be trained


def test_a_command_that_never_works_is_reported_instead_of_tried_forever(study_file, tmp_path):
    evaluator = {"type": "command", "command": [sys.executable, "-c", "print('no json')"], "resolution": 32}
    config = load_study(str(study_file(evaluator=evaluator)), tmp_path, {})
    with pytest.raises(RunError, match=r"the first 5 layouts all failed.*must be a JSON object .*, not: no json"):
        conduct(config, tmp_path / "runs")


def start(study: Path, runs: Path, *options: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "archspec", "search", str(study), "--runs", str(runs), "--workers", "2", *options]
    return subprocess.Popen(command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)


def test_kill_9_five_times_loses_no_finished_trial_and_trains_none_twice(study_file, tmp_path):
    study, runs = study_file(seconds=0.25, trials=24), tmp_path / "runs"
    rng = random.Random(7)
    finished: set[str] = set()
    for _ in range(5):
        before = count_events(runs / "toy")
        process = start(study, runs)
        wait_until(lambda n=before: count_events(runs / "toy") > n)  # a trial is under way, however busy the machine
        time.sleep(1.5 * rng.random())
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()
        results = {str(p.parent) for p in runs.glob("toy/artifacts/*/*/result.json")}
        assert finished <= results
        finished = results
    process = start(study, runs)
    assert process.wait(timeout=120) == 0, process.stderr.read()
    process.stderr.close()
    trials = trials_of(runs / "toy")
    assert len(trained(trials)) == 24
    assert len({t.user_attrs["digest"] for t in trained(trials)}) == 24
    assert set(finished_events(runs / "toy").values()) == {1}
    assert not any(t.state in (TrialState.RUNNING, TrialState.WAITING) for t in trials)
    requeued = [t for t in trials if t.user_attrs.get("requeued")]
    assert requeued
    assert all("interrupted" in t.user_attrs["failure"] for t in requeued)
    for trial in requeued:
        again = [t for t in trials if t.user_attrs.get("requeued_from") == trial.number]
        assert [t.user_attrs["queued"] for t in again] == [trial.user_attrs.get("queued", trial.params)]


def test_a_killed_worker_costs_one_attempt_and_ctrl_c_saves(study_file, tmp_path):
    study, runs = study_file(seconds=0.4, trials=8), tmp_path / "runs"
    process = start(study, runs)
    wait_until(lambda: count_events(runs / "toy") > 0)  # a trial is under way, however busy the machine
    workers = subprocess.run(
        ["pgrep", "-P", str(process.pid), "-f", "spawn_main"], capture_output=True, text=True, check=False
    )
    if workers.stdout.split():
        os.kill(int(workers.stdout.split()[0]), signal.SIGKILL)
    time.sleep(1)
    os.kill(process.pid, signal.SIGINT)
    code = process.wait(timeout=60)
    message = process.stderr.read().decode()
    process.stderr.close()
    assert code in (0, 130), message
    assert "Traceback" not in message
    process = start(study, runs)
    assert process.wait(timeout=60) == 0, process.stderr.read()
    process.stderr.close()
    assert len(trained(trials_of(runs / "toy"))) == 8
    assert set(finished_events(runs / "toy").values()) <= {0, 1}


def test_a_torn_last_line_is_moved_aside_and_a_damaged_journal_is_refused(study_file, tmp_path):
    runs = tmp_path / "runs"
    config = load_study(str(study_file(trials=3)), runs, {})
    conduct(config, runs)
    journal = runs / "toy" / "journal.log"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code": 4, "wor')
    conduct(config, runs)
    assert journal.read_bytes().startswith(whole)
    assert (runs / "toy" / "journal.torn").read_bytes() == b'{"op_code": 4, "wor\n'
    lines = whole.splitlines(keepends=True)
    damaged = b"".join([*lines[:2], b"garbage\n", *lines[2:]])
    journal.write_bytes(damaged)
    with pytest.raises(RunError, match=r"journal.log:3: damaged"):
        conduct(config, runs)
    assert journal.read_bytes() == damaged


def test_two_processes_cannot_work_on_one_run(study_file, tmp_path):
    study, runs = study_file(seconds=0.5, trials=6), tmp_path / "runs"
    process = start(study, runs)
    while not (runs / "toy" / "journal.log").exists():
        time.sleep(0.05)
    try:
        with pytest.raises(SpecError, match="another archspec process is at work on this run"):
            conduct(load_study(str(study), runs, {}), runs)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        process.stderr.close()


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "nsga3", "gp", "random", "qmc"])
def test_every_sampler_runs_and_is_recorded(sampler, study_file, tmp_path):
    config = load_study(str(study_file(trials=8, sampler={"type": sampler, "startup": 4})), tmp_path, {})
    assert conduct(config, tmp_path / "runs")
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "runs" / "toy" / "journal.log")))
    study = optuna.load_study(study_name="search", storage=storage)
    assert study.user_attrs["sampler"]["type"] == sampler
    assert len(trained(study.get_trials())) == 8


def test_a_timeout_ends_the_search_but_not_what_follows_it(study_file, tmp_path):
    config = load_study(str(study_file(trials=50, final={"seeds": 1})), tmp_path, {})
    assert conduct(config, tmp_path / "runs", timeout=1.5)
    run = tmp_path / "runs" / "toy"
    assert 0 < len(trained(trials_of(run))) < 50
    assert trials_of(run, "final")


def test_a_run_of_a_version_with_metrics_in_one_attribute_is_continued(study_file, tmp_path):
    """Its layouts are known, so that they are answered from its record and not trained again."""
    runs = tmp_path / "runs"
    small = {
        "resolution": 32,
        "stem": "hr_stem",
        "head": {"type": "classifier", "classes": 10},
        "stages": [{"block": "HR", "depth": {"range": [1, 4]}, "width": 8}],
    }
    conduct(load_study(str(study_file(trials=3, space=small)), runs, {}), runs)
    journal = runs / "toy" / "journal.log"
    lines: list[dict[str, object]] = []
    told: dict[int, dict[str, object]] = {}
    for line in journal.read_text().splitlines():
        entry = json.loads(line)
        del entry["crc"]  # versions before wrote no checksums
        named = entry.get("user_attr", {})
        if "study:metric_names" in entry.get("system_attr", {}):
            continue
        own = ("accuracy", *COSTS, "train_seconds")
        metrics = {key: value for key, value in named.items() if key in own}
        if entry["op_code"] == 4:  # what is known of a layout when its trial begins
            attrs = entry["user_attrs"]
            known = told[sum(one["op_code"] == 4 for one in lines)] = {
                key: attrs.pop(key) for key in own if key in attrs
            }
            lines.append(entry | {"user_attrs": attrs | {"metrics": known}})
        elif "trial_id" in entry and metrics:
            known = told.setdefault(entry["trial_id"], {})
            if not known:
                lines.append(entry | {"user_attr": {"metrics": known}})
            known.update(metrics)
        else:
            lines.append(entry)
    journal.write_text("".join(f"{json.dumps(entry)}\n" for entry in lines))
    before = trials_of(runs / "toy")
    assert all(set(t.user_attrs["metrics"]) == {"accuracy", *COSTS, "train_seconds"} for t in trained(before))
    assert not any("macs" in t.user_attrs for t in before)
    events = finished_events(runs / "toy")
    conduct(load_study("toy", runs, {"trials": 4}), runs)
    after = trials_of(runs / "toy")
    assert sum(finished_events(runs / "toy").values()) == sum(events.values()) + 1
    assert any("duplicate_of" in trial.user_attrs for trial in after[len(before) :])
    for trial in after:
        original = after[trial.user_attrs.get("duplicate_of", trial.number)]
        metrics = trial.user_attrs.get("metrics") or trial.user_attrs
        assert trial.values == original.values == [metrics["accuracy"], metrics["macs"]]


def test_a_run_of_an_earlier_version_is_continued(run, tmp_path):
    """`recorded` was written when every sampler had a population."""
    shutil.copytree(Path(__file__).parent / "recorded", tmp_path / "recorded")
    before = trials_of(tmp_path / "recorded")
    assert "population: 20" in (tmp_path / "recorded" / "study.yaml").read_text()
    code, out, err = run("search", "recorded", "--trials", 11, "--runs", tmp_path)
    assert code == 0, out + err
    after = trials_of(tmp_path / "recorded")
    assert [trial.params for trial in after[: len(before)]] == [trial.params for trial in before]
    assert (len(trained(before)), len(trained(after))) == (8, 11)
    assert yaml.safe_load((tmp_path / "recorded" / "study.yaml").read_text())["sampler"] == {
        "type": "tpe",
        "startup": 6,
    }
    code, _, err = run("search", "recorded", "--sampler", "random", "--runs", tmp_path)
    assert code == 2
    assert "the run was started with another sampler" in err
