"""`archspec search` by its exit codes: finished, finalists missing, a finalist's worker that dies, --quiet."""

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from journals import trials_of

SPACE = {
    "name": "toy",
    "resolution": 32,
    "stem": "hr_stem",
    "head": {"type": "classifier", "classes": 10},
    "stages": [{"block": "HR", "depth": {"range": [1, 4]}, "width": 8}],
}
SCRIPT = """
import json, os, pathlib, sys
split, folder = sys.argv[1:]
if split == "test" and pathlib.Path("broken").exists():
    sys.exit("no GPU")
print(json.dumps({"accuracy": len(folder) / 1000, "test_accuracy": 0.5}))
"""


@pytest.fixture
def study(tmp_path, monkeypatch):
    """Writes a study over four layouts and returns its path; finalists fail while there is a file `broken`."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "evaluate.py").write_text(SCRIPT)
    command = [sys.executable, "-S", str(tmp_path / "evaluate.py"), "{split}", "{folder}"]
    asked = {"name": "toy", "space": SPACE, "trials": 3, "sampler": "random", "final": {"seeds": 2}}
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(asked | {"evaluator": {"type": "command", "command": command, "resolution": 32}}))
    return path


def test_missing_finalists_are_exit_code_1_until_they_are_tried_again(study, run, tmp_path):
    (tmp_path / "broken").touch()
    code, out, err = run("search", study)
    assert (code, out) == (1, "")
    last = err.splitlines()[-1]
    assert last.startswith(
        "archspec: runs/toy: not finished: 2 of 2 finalists not recorded, 2 failed; the last: command"
    )
    assert last.endswith(". `archspec search runs/toy --retry-failed` tries again what failed")
    (tmp_path / "broken").unlink()
    code, _, err = run("search", "runs/toy")
    assert code == 1
    assert "finalist, seed" not in err  # nothing is tried again unasked
    code, _, err = run("search", "runs/toy", "--retry-failed")
    assert code == 0
    assert "finalists: 2 failed trainings tried again" in err
    assert err.splitlines()[-1] == "next: archspec report runs/toy"
    states = Counter(trial.state.name for trial in trials_of(tmp_path / "runs" / "toy", "final"))
    assert states == {"FAIL": 2, "COMPLETE": 2}
    code, out, _ = run("review", "runs/toy")
    assert "final trainings failed" not in out
    assert run("search", "runs/toy", "--retry-failed")[0] == 0


def test_quiet_writes_nothing_on_the_way(study, run, tmp_path):
    assert run("search", study, "--quiet") == (0, "", "")
    assert len(trials_of(tmp_path / "runs" / "toy", "final")) == 2
    (tmp_path / "broken").touch()
    code, out, err = run("search", study, "--quiet", "--set", "final.seeds=3")
    assert (code, out, err.count("\n")) == (1, "", 1)


KILLS = """
from pathlib import Path
from typing import Literal, final
import os
from archspec.plugins import Evaluator, Session, cost_metrics


@final
class Killed(Evaluator):
    type: Literal["killed"] = "killed"
    times: int = 1

    @property
    def gives(self):
        return frozenset({"accuracy", "macs"})

    @property
    def metric(self):
        return {"name": "accuracy", "label": "accuracy", "dataset": "none", "benchmark": None}

    def prepare(self, spec):
        return spec

    def finalist(self, changes):
        return self

    def open(self):
        return KilledSession(self.times)


@final
class KilledSession(Session):
    def __init__(self, times):
        self.times = times

    def evaluate(self, task, stop, progress):
        seen = task.folder / "seen"
        before = len(seen.read_text()) if seen.exists() else 0
        if task.final and task.seed == 2 and before < self.times:
            seen.write_text("x" * (before + 1))
            os.kill(os.getpid(), 9)
        return {"accuracy": 0.5, "test_accuracy": 0.4, **cost_metrics(task.spec)}
"""
RUN = """
import sys
import archspec
from killed import Killed, SPACE
if __name__ == "__main__":
    final = {"seeds": 2, "members": 2}
    archspec.search(SPACE, evaluator=Killed(times=int(sys.argv[1])), trials=3, workers=2, name=sys.argv[1], final=final)
"""


@pytest.mark.parametrize("times", [1, 2, 3])
def test_a_finalist_whose_worker_dies_is_trained_again(times, tmp_path):
    (tmp_path / "killed.py").write_text(f"SPACE = {SPACE!r}\n{KILLS}")
    (tmp_path / "script.py").write_text(RUN)
    path = os.pathsep.join([str(Path(__file__).parents[4]), str(tmp_path)])
    done = subprocess.run(
        [sys.executable, "script.py", str(times)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": path},
        capture_output=True,
        text=True,
        check=False,
        timeout=240,
    )
    states = Counter(trial.state.name for trial in trials_of(tmp_path / "runs" / str(times), "final"))
    if times < 3:
        assert done.returncode == 0, done.stderr
        assert states == {"COMPLETE": 2, "FAIL": times}
        assert f"tried again (attempt {times + 1} of 3)" in done.stderr
        assert "finalists 2 of 2" in done.stderr
    else:
        assert done.returncode == 1
        assert "1 of 2 finalists not recorded, 1 failed; the last: the worker died with signal 9" in done.stderr


def test_a_name_that_is_none_is_named_by_its_option(run):
    code, _, err = run("search", "table", "--name", "a/b")
    assert code == 2
    assert err.startswith("archspec: --name: must match")
