"""Loggers in a study: by name or with options, in a list or alone; what cannot be is refused by its place."""

import pytest
from journals import trials_of

from archspec.errors import SpecError
from search.logger import loggers, parse_logger
from search.run.run import conduct
from search.study.reading import load_study


def test_the_shipped_loggers_are_found_by_their_files():
    assert {"csv", "tensorboard", "mlflow", "wandb"} <= set(loggers())
    assert parse_logger("tensorboard").model_dump() == {"type": "tensorboard", "folder": ""}


@pytest.mark.parametrize("log", ["csv", ["csv"], {"type": "csv"}, [{"type": "csv"}]])
def test_one_logger_needs_no_list(log, study_file, tmp_path):
    assert load_study(str(study_file(log=log)), tmp_path, {}).model_dump(mode="json")["log"] == [{"type": "csv"}]


@pytest.mark.parametrize(
    ("log", "rule"),
    [
        (["csv", "tensorbord"], r"log\[1\]: unknown logger 'tensorbord' \(did you mean tensorboard\?\)"),
        ("cvs", r"log: unknown logger 'cvs' \(did you mean csv\?\)"),
        ([{"type": "mlflow", "url": "x"}], r"log\[0\].url: unknown field \(did you mean uri\?\)"),
        (["csv", {"type": "csv"}], r"log\[1\]: csv is named twice"),
        (3, r"log: must be a list of loggers such as \[tensorboard\], not 3"),
        ([{"uri": "x"}], r"log\[0\].type: the logger needs its name, type: NAME; it has uri"),
    ],
)
def test_what_is_no_logger_is_refused_by_its_place(log, rule, study_file, tmp_path):
    with pytest.raises(SpecError, match=r"study.yaml:\d+: " + rule):
        load_study(str(study_file(log=log)), tmp_path, {})


def test_a_logger_that_is_not_installed_is_refused_before_anything_is_written(study_file, tmp_path, monkeypatch):
    monkeypatch.setattr("search.plugins.find_spec", lambda name: None)
    config = load_study(str(study_file(log=["csv", "mlflow"])), tmp_path, {})
    rule = r"log: mlflow needs the package mlflow: pip install 'archspec-vision\[mlflow\]'"
    with pytest.raises(SpecError, match=rule):
        conduct(config, tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_loggers_may_differ_when_a_run_is_continued(study_file, tmp_path):
    runs = tmp_path / "runs"
    for trials, log in ((2, []), (3, ["csv"]), (4, [])):
        assert conduct(load_study(str(study_file(trials=trials, log=log)), tmp_path, {}), runs, quiet=True)
    assert len({trial.user_attrs["digest"] for trial in trials_of(runs / "toy") if trial.values}) == 4
    assert (runs / "toy" / "csv" / "trials.csv").read_text().count(",accuracy,") == 1
