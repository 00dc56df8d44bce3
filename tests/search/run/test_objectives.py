"""Objectives of a search: an evaluator's own metrics, one that is added to the catalog, and a single one."""

import subprocess
import sys
from math import prod
from pathlib import Path

import optuna
import pytest
import yaml
from journals import trained, trials_of
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend

from archspec.cost.measure import measure
from archspec.loader import load
from search.run.run import conduct
from search.study.reading import load_study

MEASURE = """
import json, pathlib, sys
size = len(pathlib.Path(sys.argv[1]).read_text())
print(json.dumps({"accuracy": 0.5, "test_accuracy": 0.4, "top5": size % 97 / 97, "energy_j": 1000.5 + size, "seed": 9}))
"""
ADDED = """
from math import prod
from archspec.cost import metrics
peak = metrics.Metric(
    "peak_memory", "Peak memory", unit="B", over="max", count=lambda lines: max(4 * prod(line.shape) for line in lines)
)
metrics.METRICS += (peak,)
if __name__ == "__main__":
    from archspec.cli.app import main
    main()
"""


def own(tmp_path: Path) -> dict[str, object]:
    script = tmp_path / "measure.py"
    script.write_text(MEASURE)
    metrics = {"energy_j": {"title": "Energy", "unit": "J"}, "top5": {"unit": "%", "direction": "maximize"}}
    command = [sys.executable, "-S", str(script), "{spec}"]
    return {"type": "command", "command": command, "resolution": 32, "metrics": metrics}


def test_an_evaluators_own_metrics_are_searched_in_their_directions(study_file, tmp_path, capsys):
    asked = study_file(
        evaluator=own(tmp_path), objectives=["energy_j", "top5"], trials=8, baseline=6, final={"seeds": 1}
    )
    assert conduct(load_study(str(asked), tmp_path, {}), tmp_path / "runs")
    run = tmp_path / "runs" / "toy"
    storage = JournalStorage(JournalFileBackend(str(run / "journal.log")))
    studies = {name: optuna.load_study(study_name=name, storage=storage) for name in ("search", "baseline", "final")}
    assert [study.metric_names for study in studies.values()] == [["energy_j", "top5"]] * 2 + [["accuracy"]]
    assert [len(study.user_attrs["own_metrics"]) for study in studies.values()] == [2, 2, 2]
    search = studies["search"]
    assert [direction.name for direction in search.directions] == ["MINIMIZE", "MAXIMIZE"]
    done = trained(search.get_trials())
    assert len(done) == 8
    for trial in done:
        assert trial.values == [trial.user_attrs["energy_j"], trial.user_attrs["top5"]]
        assert trial.user_attrs["seed"] == 0  # the run's, whatever the command prints
    best = {tuple(trial.values) for trial in search.best_trials}
    points = {tuple(trial.values) for trial in done}
    assert best == {p for p in points if not any(q[0] <= p[0] and q[1] >= p[1] and q != p for q in points)}
    frame = search.trials_dataframe()
    assert {"values_energy_j", "values_top5", "user_attrs_macs"} <= set(frame.columns)
    assert f"energy_j {done[0].values[0]:.4f}, top5 {done[0].values[1]:.4f}" in capsys.readouterr().err


def test_an_exact_metric_that_is_added_to_the_catalog_is_an_objective_at_once(study_file, tmp_path):
    script = tmp_path / "added.py"
    script.write_text(ADDED)
    study = study_file(trials=6, objectives=["accuracy", "peak_memory"])
    command = [sys.executable, str(script), "search", str(study), "--runs", str(tmp_path / "runs")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    trials = trained(trials_of(tmp_path / "runs" / "toy"))
    assert len(trials) == 6
    for trial in trials:
        spec = load(tmp_path / "runs" / "toy" / "artifacts" / trial.user_attrs["digest"] / "spec.yaml")
        largest = max(4 * prod(line.shape) for line in measure(spec).total.lines)
        assert trial.values[1] == trial.user_attrs["peak_memory"] == largest


@pytest.mark.parametrize(("objective", "better", "reported"), [("accuracy", max, 0), ("macs", min, 1)])
def test_a_search_may_have_one_objective(objective, better, reported, run, tmp_path):
    asked = {"name": "one", "space": "five_stage_grid", "evaluator": {"type": "table"}, "objectives": [objective]}
    asked |= {"trials": 12, "baseline": 8, "sampler": {"type": "nsga2", "startup": 6, "population": 4}}
    study = tmp_path / "study.yaml"
    study.write_text(yaml.safe_dump({**asked, "final": {"seeds": 2}}))
    code, _, err = run("search", study, "--runs", tmp_path)
    assert code == 0, err
    search = trials_of(tmp_path / "one")
    best = better(trained(search), key=lambda trial: trial.values[0])
    finalists = {trial.user_attrs["digest"] for trial in trials_of(tmp_path / "one", "final")}
    assert best.user_attrs["digest"] in finalists
    has_page = reported == 0
    assert ("next: archspec report" in err) == has_page == ("archspec report has no page of it" not in err)
    code, _, err = run("report", tmp_path / "one")
    assert code == reported, err
    way_out = f"`archspec search {tmp_path / 'one'}` shows the front"
    assert has_page or err.endswith(f"the objectives are macs: a report needs accuracy among them; {way_out}\n")
    code, _, err = run("search", tmp_path / "one")
    assert has_page or (code, "front" in err) == (0, True)
