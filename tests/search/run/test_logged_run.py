"""A run with loggers: interrupted and continued it logs every epoch once, and its results are those without."""

import csv
from collections import Counter

import pytest
from extras import need
from journals import trials_of
from logged_runs import FEW, Pretended

import archspec
from archspec.errors import SpecError
from search.run.answers import MAX_EPOCHS

OPTIONS = {
    "trials": 4,
    "baseline": 2,
    "final": {"seeds": 1, "members": 2},
    "sampler": {"type": "random"},
    "quiet": True,
}


def logged_epochs(root, log):
    """How often each epoch of each trial is in the files of a logger."""
    if log == "csv":
        with (root / "csv" / "epochs.csv").open(newline="") as file:
            return Counter((row["trial"], int(row["epoch"])) for row in csv.DictReader(file))
    loader = need("tensorboard.backend.event_processing.event_file_loader").LegacyEventFileLoader
    return Counter(
        (path.parent.name, event.step)
        for path in (root / "tensorboard").glob("*/events*")
        for event in loader(str(path)).Load()
        if any(value.tag == "loss/train" for value in event.summary.value)
    )


@pytest.mark.parametrize("log", ["csv", "tensorboard"])
@pytest.mark.parametrize("tell", [True, False], ids=["told", "killed before it told"])
def test_interrupted_and_continued_it_has_every_epoch_once_and_the_same_results(log, tell, tmp_path):
    if log == "tensorboard":
        need("tensorboard")
    options = {**OPTIONS, "runs": tmp_path / "logged", "log": log}
    evaluator = Pretended(interrupt=True, tell=tell)
    for _ in range(2):
        plain = archspec.search(FEW, evaluator=evaluator, runs=tmp_path / "plain", **OPTIONS)
    root = archspec.search(FEW, evaluator=evaluator, **options).root
    before = logged_epochs(root, log)
    assert max(before.values()) == 1
    archspec.search(FEW, evaluator=evaluator, **options)
    after = logged_epochs(root, log)
    assert set(after.values()) == {1}
    assert {epoch for _, epoch in after} == {1, 2, 3, 4}
    assert len(after) == 4 * len({name for name, _ in after})
    assert len(before) % 4 == 2
    interrupted = next(name for name, _ in before if (name, 3) not in before)
    assert (interrupted, 4) in after  # under the name that it began with, whatever its number is now
    parts = Counter(name.split("-")[0] for name in {name for name, _ in after})
    assert (parts["search"], parts["final"]) == (4, 2)
    paths = [path for name in ("curve.csv", "result.json") for path in plain.root.glob(f"artifacts/*/*/{name}")]
    assert len(paths) == 12
    assert all((root / path.relative_to(plain.root)).read_bytes() == path.read_bytes() for path in paths)


def test_a_logger_that_fails_is_told_once_and_the_search_goes_on(tmp_path, capsys, monkeypatch):
    def full(path, data):
        raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr("search.loggers.csv.append_bytes", full)
    run = archspec.search(FEW, evaluator=Pretended(), runs=tmp_path, log=["csv"], **{**OPTIONS, "quiet": False})
    said = capsys.readouterr().err
    assert said.count("csv failed and is left out from here on: ") == 1
    assert (run.trials["state"] == "COMPLETE").sum() == 4


def test_one_that_cannot_start_is_refused_before_the_first_trial(tmp_path):
    (tmp_path / "few").mkdir()
    (tmp_path / "few" / "csv").write_text("a file")
    with pytest.raises(SpecError, match=r"^log: csv cannot start: .*File exists"):
        archspec.search(FEW, evaluator=Pretended(), runs=tmp_path, log=["csv"], **OPTIONS)
    assert not (tmp_path / "few" / "artifacts").exists()


def test_a_single_objective_has_its_course_while_it_is_trained_and_the_same_at_the_end(tmp_path):
    options = {**OPTIONS, "baseline": 0, "objectives": ["accuracy"], "final": {"seeds": 0}}
    evaluator = Pretended(interrupt=True, epochs=3)
    root = archspec.search(FEW, evaluator=evaluator, runs=tmp_path, **options).root
    assert next(one.intermediate_values for one in trials_of(root) if one.values is None) == {1: 0.0, 2: 0.5}
    archspec.search(FEW, evaluator=evaluator, runs=tmp_path, **options)
    done = [one for one in trials_of(root) if one.values and "duplicate_of" not in one.user_attrs]
    assert len(done) == 4
    assert all(sorted(one.intermediate_values) == [1, 2, 3] for one in done)


def test_a_long_course_is_thinned_alike_on_the_way_and_at_the_end(tmp_path):
    options = {**OPTIONS, "trials": 1, "baseline": 0, "objectives": ["accuracy"], "final": {"seeds": 0}}
    root = archspec.search(FEW, evaluator=Pretended(epochs=130), runs=tmp_path, **options).root
    (trial,) = trials_of(root)
    assert list(trial.intermediate_values) == [row["epoch"] for row in trial.user_attrs["curve"]]
    assert len(trial.intermediate_values) == MAX_EPOCHS
    assert (root / "journal.log").read_text().count('"step":') == MAX_EPOCHS
