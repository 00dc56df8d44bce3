"""The evaluator `table`: which row answers, what is refused, and whole searches over the shipped table."""

import csv
import subprocess
import sys
from pathlib import Path
from statistics import fmean
from typing import Any

import optuna
import pytest
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from archspec.cost.measure import measure
from archspec.cost.metrics import exact_values
from archspec.documents.reader import Document
from archspec.errors import FieldError, RunError, SpecError
from archspec.loader import load
from search.data.trained_layouts import load_table
from search.evaluator import Evaluator, Task, parse_evaluator
from search.run.run import conduct
from search.space.space import load_space
from search.study.reading import load_study, parse_study

LAYOUTS = list(load_space("five_stage_grid").enumerate())
ROWS = [(5, 0.5, 0.25), (2, 0.25, 0.5), (9, 0.75, 1.0)]
"""Seed, accuracy and test accuracy of every layout of `table_file`, not in order of seeds."""


def never() -> bool:
    return False


@pytest.fixture
def table_file(tmp_path):
    """Writes a table of the first `layouts` layouts; `columns` are left out."""

    def write(layouts: int = 3, without: tuple[str, ...] = ()) -> Path:
        path = tmp_path / "my.csv"
        with path.open("w", newline="") as file:
            writer = csv.DictWriter(
                file,
                [c for c in ("digest", "seed", "accuracy", "test_accuracy") if c not in without],
                extrasaction="ignore",
            )
            writer.writeheader()
            for layout in LAYOUTS[:layouts]:
                for seed, accuracy, test in ROWS:
                    record = {"digest": layout.spec.digest, "seed": seed, "accuracy": accuracy, "test_accuracy": test}
                    writer.writerow(record)
        return path

    return write


def evaluator(path: Path, **changes: Any) -> Evaluator:
    return parse_evaluator({"type": "table", "table": str(path), **changes})


def answer(config: Evaluator, seed: int = 0, index: int = 0, final: bool = False) -> dict[str, float | int]:
    spec = config.prepare(LAYOUTS[index].spec)
    return config.open().evaluate(Task(spec, seed, Path(), Path(), final), never, print)


def test_the_row_of_the_seed_answers_in_order_of_seeds(table_file):
    config = evaluator(table_file())
    assert [answer(config, seed)["accuracy"] for seed in range(5)] == [0.25, 0.5, 0.75, 0.25, 0.5]
    assert "test_accuracy" not in answer(config)


def test_finalists_get_the_rows_that_follow_and_the_test_accuracy(table_file):
    config = evaluator(table_file())
    finals = [answer(config.finalist({}), seed, final=True) for seed in (1, 2)]
    assert [(final["accuracy"], final["test_accuracy"]) for final in finals] == [(0.5, 0.25), (0.75, 1.0)]


def test_mean_is_the_mean_over_seeds_whatever_the_seed(table_file):
    config = evaluator(table_file(), seed="mean")
    for seed in range(3):
        metrics = answer(config, seed, final=True)
        assert metrics["accuracy"] == pytest.approx(0.5)
        assert metrics["test_accuracy"] == pytest.approx(fmean(test for _, _, test in ROWS))


def test_costs_are_measured_at_the_resolution_of_the_data(table_file):
    layout = LAYOUTS[0]
    config = evaluator(table_file())
    spec = config.prepare(layout.spec.at(128))
    assert spec.resolution == 64
    cost = measure(layout.spec)
    metrics = answer(config)
    assert {name: metrics[name] for name in config.gives} == {
        "accuracy": 0.25,
        **exact_values(cost.total.lines),
    }


def test_a_layout_that_the_table_lacks_is_named_with_the_table(table_file):
    path = table_file(layouts=2)
    config, other = evaluator(path), LAYOUTS[2].spec
    pattern = rf"table .*my\.csv lacks layout {other.digest} \(.*HR1x12e4-.* at 64\); it holds 2 layouts"
    with pytest.raises(FieldError, match=pattern):
        config.prepare(other)
    with pytest.raises(RunError, match=pattern):
        config.open().evaluate(Task(other, 0, Path(), Path()), never, print)


def test_a_head_of_other_classes_is_refused(table_file):
    with pytest.raises(FieldError, match="head: must have the data set's 10 classes, not 1000"):
        evaluator(table_file()).prepare(load("hiri-vit-s"))


def test_finalists_need_test_accuracies(table_file):
    config = evaluator(table_file(without=("test_accuracy",)))
    assert answer(config)["accuracy"] == 0.25
    with pytest.raises(RunError, match="lacks the test accuracy of layout"):
        answer(config, final=True)
    with pytest.raises(FieldError, match="epochs: unknown field"):
        config.finalist({"epochs": 3})


def test_a_table_that_cannot_be_read_is_refused_with_the_study(tmp_path):
    def study(table: str) -> Document:
        data = {"space": "five_stage_grid", "evaluator": {"type": "table", "table": table}}
        return Document(data, "study.yaml", {("evaluator", "table"): 3})

    with pytest.raises(SpecError) as caught:
        parse_study(study("five_stage_gird"))
    assert str(caught.value).startswith("study.yaml:3: evaluator.table: 'five_stage_gird' is no file and no shipped")
    assert "did you mean" in str(caught.value)
    path = tmp_path / "bad.csv"
    path.write_text(f"digest,seed,accuracy\n{LAYOUTS[0].spec.digest},0,1.5\n")
    with pytest.raises(SpecError, match=r"bad\.csv:2: accuracy: must be a number from 0 to 1, not '1.5'"):
        parse_study(study(str(path)))
    path.write_text("digest,seed,accuracy\n0123456789abcdef,0,0.5\n")
    with pytest.raises(SpecError, match=r"^study.yaml: space: does not fit the evaluator: table .* lacks layout"):
        parse_study(study(str(path)))


def test_a_search_over_the_shipped_table_sees_one_training_and_reports_others(tmp_path):
    config = load_study("table", tmp_path, {"trials": 20, "baseline": 12})
    assert conduct(config, tmp_path)
    rows = load_table("five_stage_grid").rows
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "table" / "journal.log")))
    search, final = (optuna.load_study(study_name=name, storage=storage).get_trials() for name in ("search", "final"))
    trained = [t for t in search if t.state == TrialState.COMPLETE and "duplicate_of" not in t.user_attrs]
    assert len(trained) == 20
    for trial in trained:
        assert trial.values[0] == rows[trial.user_attrs["digest"]][0].accuracy
    assert final
    for trial in final:
        row = rows[trial.user_attrs["digest"]][trial.user_attrs["seed"]]
        assert trial.user_attrs["test_accuracy"] == row.test_accuracy


def test_the_command_line_searches_a_table_and_names_a_layout_that_it_lacks(table_file, tmp_path):
    def search(table: Path, name: str) -> subprocess.CompletedProcess[str]:
        study = tmp_path / f"{name}.yaml"
        evaluator = {"type": "table", "table": str(table)}
        data = {"name": name, "space": "five_stage_grid", "evaluator": evaluator, "trials": 5, "final": {"seeds": 1}}
        study.write_text(yaml.safe_dump(data))
        command = [sys.executable, "-m", "archspec", "search", str(study), "--runs", str(tmp_path)]
        return subprocess.run(command, capture_output=True, text=True, check=False)

    done = search(table_file(layouts=len(LAYOUTS)), "whole")
    assert done.returncode == 0, done.stderr
    empty = tmp_path / "other.csv"
    empty.write_text("digest,seed,accuracy\n0123456789abcdef,0,0.5\n")
    refused = search(empty, "lacking")
    assert refused.returncode == 2
    assert "Traceback" not in refused.stderr
    assert f"lacks layout {LAYOUTS[0].spec.digest}" in refused.stderr.replace("\n", " ")
