"""Searches from Python: over functions of every kind, continued, refused, and what is left of them on disk."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Literal, final

import pytest

import archspec
from archspec.errors import RunError, SpecError
from archspec.plugins import Evaluator, Metrics, Session, Task, cost_metrics

ROOT = Path(__file__).parents[3]
GRID = "five_stage_grid"


@pytest.fixture(autouse=True)
def _inside(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)


def by_params(spec, seed):
    return archspec.measure(spec).params / 1e6 + seed / 1e6


def with_energy(spec, seed):
    cost = archspec.measure(spec)
    return {"accuracy": cost.params / 1e6, "energy_j": cost.activations / 1e4, "note": 3}


def test_a_function_is_searched_and_its_front_is_that_of_what_it_returned():
    seen = []

    def accuracy(spec, seed):
        seen.append((spec.digest, seed, os.getpid()))
        return by_params(spec, seed)

    run = archspec.search(GRID, accuracy, trials=12, seed=3, name="one")
    assert len(seen) == len(set(seen)) == 12
    assert {(seed, process) for _, seed, process in seen} == {(3, os.getpid())}
    table = run.trials
    assert set(table["digest"]) == {digest for digest, _, _ in seen}
    points = {(one["accuracy"], one["macs"]) for one in table.to_dict("records")}
    best = {(accuracy, macs) for accuracy, macs in points if not any(a > accuracy and m <= macs for a, m in points)}
    front = run.front
    assert {(member.metrics["accuracy"], member.metrics["macs"]) for member in front} <= best
    assert front.objectives == ("accuracy", "macs")
    assert [archspec.measure(member.spec).macs for member in front] == [member.metrics["macs"] for member in front]
    assert front[0].spec.digest == table["digest"][front[0].trial]
    page = run.report().read_text()
    assert "one" in page
    assert not (run.root / "journal.log.lock").exists()


def test_an_own_metric_is_minimised_and_recorded():
    metrics = {"energy_j": {"title": "Energy", "unit": "J"}}
    run = archspec.search(GRID, with_energy, objectives=["accuracy", "energy_j"], metrics=metrics, trials=10)
    assert [one.name for one in run.study.directions] == ["MAXIMIZE", "MINIMIZE"]
    assert (run.trials["energy_j"] * 1e4).round().tolist() == run.trials["activations"].tolist()
    energies = [member.metrics["energy_j"] for member in run.front]
    assert energies == sorted(energies)
    assert "Energy" in run.report().read_text()


def test_bound_methods_closures_and_mappings_of_any_numbers_do():
    import numpy as np
    import torch

    class Model:
        def score(self, spec, seed):
            return {"accuracy": np.float32(0.5), "steps": torch.tensor(3)}

    run = archspec.search(GRID, Model().score, trials=2, name="bound")
    assert run.trials["accuracy"].tolist() == [0.5, 0.5]
    assert "Model.score" in (run.root / "study.yaml").read_text()


def test_a_run_is_continued_by_the_same_call_and_by_extend():
    calls = []

    def accuracy(spec, seed):
        calls.append(spec.digest)
        return by_params(spec, seed)

    run = archspec.search(GRID, accuracy, trials=6, name="long")
    archspec.search(GRID, accuracy, trials=6, name="long")
    assert len(calls) == 6
    longer = run.extend(trials=9)
    assert len(set(calls)) == len(calls) == 9
    assert len(longer.trials) >= 9
    opened = archspec.open_run("runs/long")
    assert isinstance(opened, archspec.RecordedSearch)
    assert opened.name == "long"
    assert opened.front.specs == longer.front.specs
    with pytest.raises(SpecError, match="is not here: such a run begins and goes on from Python alone"):
        opened.extend(trials=10)
    assert len(opened.extend(trials=10, accuracy=accuracy).trials) >= 10
    with pytest.raises(SpecError, match="started with another seed"):
        archspec.search(GRID, accuracy, trials=6, name="long", seed=5)


def test_the_command_line_refuses_to_continue_a_function_in_one_line():
    archspec.search(GRID, by_params, trials=3, name="mine")
    command = [sys.executable, "-m", "archspec", "search", "runs/mine", "--trials", "5"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **PATHS})
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "goes on from Python alone" in done.stderr


def test_a_study_file_that_names_a_function_imports_nothing(tmp_path):
    (tmp_path / "evil.py").write_text("raise SystemExit(9)")
    study = {"space": GRID, "name": "evil", "evaluator": {"type": "function", "function": "evil.main"}}
    with pytest.raises(SpecError, match=r"evil.main is not here"):
        archspec.search(study)
    assert not Path("runs/evil").exists()


def test_a_budget_of_the_space_is_that_of_the_search():
    space = archspec.space(GRID).within("<= 3M")
    run = archspec.search(space, by_params, trials=5, name="budget", budget="params <= 200k")
    assert (run.trials["macs"] <= 3e6).all()
    assert (run.trials["params"] <= 2e5).all()


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda: archspec.search(GRID, lambda spec: 0.5), r"accuracy: .*must take a spec and a seed, f\(spec, seed\)"),
        (lambda: archspec.search(GRID, 0.5), "accuracy: must be a function of a spec and a seed, not 0.5"),
        (lambda: archspec.search(GRID, by_params, trails=3), r"trails: unknown field \(did you mean trials\?\)"),
        (lambda: archspec.search(GRID, by_params, objectives=["accuracy", "energy"]), "'energy' is no metric"),
        (lambda: archspec.search(GRID, by_params, evaluator="table"), "evaluator: takes the place of a function"),
        (lambda: archspec.search(GRID, evaluator="tabel"), r"evaluator.type: unknown evaluator .*did you mean table"),
        (lambda: archspec.search(GRID, metrics={"a": {}}), "metrics: go with a function"),
        (lambda: archspec.search(GRID, by_params, metrics={"macs": {}}), "metrics.macs: is computed exactly"),
        (lambda: archspec.search(GRID, lambda s, n: 0.5, workers=2), "workers: must be 1, not 2: .*top level"),
        (lambda: archspec.search("five_stage_gird", by_params), r"did you mean five_stage_grid\?"),
        (lambda: archspec.search(GRID, by_params, budget="<= 1"), "no layout"),
        (lambda: archspec.open_run("nowhere"), "nowhere: no such folder: a run's folder has study.yaml or plan.yaml"),
    ],
)
def test_mistakes_are_told_in_one_line_and_leave_nothing(ask, message):
    with pytest.raises(SpecError, match=message) as caught:
        ask()
    assert "\n" not in str(caught.value)
    assert not Path("runs").exists()


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        (
            71.3,
            r"accuracy must be a number from 0 to 1, not 71.3: .* per cent: divide by 100 \(returned by .*<lambda>\)",
        ),
        (float("nan"), "accuracy must be a number from 0 to 1, not nan"),
        ({"top5": 0.4}, r"no `accuracy` in the record \(it has top5\)"),
        ("good", "accuracy must be a number, not 'good'"),
    ],
)
def test_what_is_no_accuracy_is_refused_by_name(answer, message):
    with pytest.raises(RunError, match=message):
        archspec.search(GRID, lambda spec, seed: answer, trials=5, sampler="random")


def test_a_function_that_fails_for_some_layouts_does_not_end_the_search():
    def picky(spec, seed):
        if spec.stages[3].depth == 2:
            raise ValueError("not this one")
        return 0.5

    run = archspec.search(GRID, picky, trials=8, seed=1, sampler="random")
    failed = run.trials[run.trials["state"] == "FAIL"]
    assert len(failed)
    assert failed["failure"].str.contains("ValueError: not this one").all()
    assert (run.trials["state"] == "COMPLETE").sum() == 8


@final
class Own(Evaluator):
    """An evaluator of a script, which no file and no entry point names."""

    type: Literal["own_of_a_test"] = "own_of_a_test"

    @property
    def gives(self) -> frozenset[str]:
        return frozenset({"accuracy", "macs"})

    @property
    def metric(self) -> dict[str, str | None]:
        return {"name": "accuracy", "label": "accuracy", "dataset": "none", "benchmark": None}

    def prepare(self, spec):
        return spec.at(64)

    def finalist(self, changes: dict[str, Any]) -> Evaluator:
        return self

    def open(self) -> Session:
        return OwnSession()


@final
class OwnSession(Session):
    def evaluate(self, task: Task, stop, progress) -> Metrics:
        return {"accuracy": 0.25, "process": os.getpid(), "test_accuracy": 0.5, **cost_metrics(task.spec)}


def test_an_evaluator_of_a_script_answers_here_and_its_run_goes_on():
    run = archspec.search(GRID, evaluator=Own(), trials=2, name="own", final={"seeds": 2, "members": 2})
    assert run.front[0].metrics["test_accuracy"] == 0.5
    assert len(archspec.open_run(run.root).extend(trials=3).trials) >= 3
    assert len(archspec.search(GRID, evaluator={"type": "own_of_a_test"}, trials=2, name="again").trials) >= 2


PATHS = {"PYTHONPATH": str(ROOT)}
SCRIPT = """
import os, sys
import archspec
print("start", flush=True)
def accuracy(spec, seed):
    return {{"accuracy": 0.5, "process": os.getpid()}}
{guard}
    run = archspec.search("five_stage_grid", accuracy, trials=6, workers=2, sampler="random", name="w")
    print("done", len(run.trials))
"""


def run_script(tmp_path: Path, guard: str) -> subprocess.CompletedProcess[str]:
    (tmp_path / "script.py").write_text(SCRIPT.format(guard=guard))
    command = [sys.executable, "script.py"]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **PATHS}, cwd=tmp_path, timeout=120
    )


def test_a_function_of_a_script_runs_in_workers(tmp_path):
    done = run_script(tmp_path, 'if __name__ == "__main__":')
    assert done.returncode == 0, done.stderr
    assert "done 6" in done.stdout


def test_a_script_without_a_guard_does_not_start_itself_again(tmp_path):
    done = run_script(tmp_path, "if True:")
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("archspec.errors.SpecError: ")
    assert 'put the start under `if __name__ == "__main__":`' in last
    assert "done" not in done.stdout
    assert done.stdout.count("start") <= 3  # this process, and one attempt of each worker
    assert done.stderr.count("Traceback") == 1


def test_an_interrupted_search_ends_after_the_layout_under_way_and_goes_on():
    calls, before = [], signal.getsignal(signal.SIGINT)

    def accuracy(spec, seed):
        calls.append(spec.digest)
        if len(calls) == 3:
            signal.raise_signal(signal.SIGINT)
        return 0.5

    run = archspec.search(GRID, accuracy, trials=8, sampler="random")
    assert len(calls) == 3
    assert (run.trials["state"] == "COMPLETE").sum() == 3
    assert signal.getsignal(signal.SIGINT) == before
    run.extend()
    assert len(calls) == len(set(calls)) == 8


def test_a_search_runs_in_a_thread_that_hears_no_signals():
    with ThreadPoolExecutor(1) as threads:
        run = threads.submit(archspec.search, GRID, by_params, trials=2).result()
    assert len(run.trials) >= 2
