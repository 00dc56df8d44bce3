"""The check of an estimate in a run: what it draws, trains and records, where it stops, and what goes on."""

import json
from pathlib import Path
from typing import Any

import pytest
from guesses import Guess, hidden, trained

import archspec
from archspec.errors import RunError, SpecError
from archspec.files.journal import open_journal
from archspec.loader import load
from search.run.check import draw_layouts
from search.study.reading import load_study

SPACE: dict[str, Any] = {
    "name": "toy",
    "resolution": 64,
    "stem": {"type": "hr_stem", "width": 8},
    "stages": [
        {"block": "HR", "depth": {"range": [1, 3]}, "width": {"choice": [8, 12, 16]}, "expansion": 2},
        {
            "block": "CFFN",
            "depth": {"range": [1, 2]},
            "width": {"choice": [12, 16, 24]},
            "expansion": 2,
            "downsample": "irds_b",
        },
    ],
    "head": {"type": "classifier", "classes": 10},
}
COUNT = {"type": "command", "command": ["true"], "resolution": 64}
OPTIONS: dict[str, Any] = {"trials": 5, "final": {"seeds": 1, "members": 2}, "sampler": "random", "quiet": True}


def search(root: Path, **options: Any):
    return archspec.search(SPACE, evaluator=options.pop("evaluator", Guess()), runs=root, **{**OPTIONS, **options})


def study(root: Path, name: str):
    import optuna

    return optuna.load_study(study_name=name, storage=open_journal(root / "search" / "journal.log"))


@pytest.fixture(autouse=True)
def named(monkeypatch):
    monkeypatch.setitem(OPTIONS, "name", "search")


def test_an_estimate_that_beats_cost_is_checked_and_its_finalists_are_trained(tmp_path, capsys):
    search(tmp_path, check={"layouts": 11, "seeds": 2}, quiet=False)
    said = capsys.readouterr().err
    assert "a check of 11 layouts x 2 seeds" in said
    assert "check: over 11 layouts trained in full, Kendall's tau b of guess (not an accuracy) is" in said
    assert "check: it ranks layouts better than cost alone does" in said
    gate = study(tmp_path, "search").user_attrs["gate"]
    assert (gate["kind"], gate["verdict"], gate["layouts"], gate["seeds"]) == ("check", "front", 11, 2)
    assert gate["ceiling"] > 0.9
    assert gate["costs"]["macs"]["difference"]["low"] > 0
    checks = study(tmp_path, "check").trials
    assert len(checks) == 22
    for trial in checks:
        spec = load(tmp_path / "search" / "artifacts" / trial.user_attrs["digest"] / "spec.yaml")
        assert trial.value == trained(spec, trial.user_attrs["seed"])["accuracy"]
        assert trial.user_attrs["checked_estimate"] > 100 * hidden(spec)
        assert trial.user_attrs["role"] == "check"
        assert "test_accuracy" not in trial.user_attrs  # the test split decides nothing
    finals = study(tmp_path, "final").trials
    assert finals
    assert all("test_accuracy" in trial.user_attrs for trial in finals)
    assert study(tmp_path, "final").user_attrs["metric"]["label"] == "accuracy"


def test_an_estimate_that_is_cost_stops_the_run_before_its_finalists_unless_asked_anyway(tmp_path, capsys):
    options = {"evaluator": Guess(knows=False), "check": {"layouts": 10}}
    with pytest.raises(RunError) as caught:
        search(tmp_path, **options)
    line = str(caught.value)
    assert line.startswith(f"{tmp_path / 'search'}: not finished: stopped before its finalists: over 10 layouts")
    assert "the difference is 0.00 [0.00, 0.00] to MACs and" in line
    assert "does not rank better than cost alone" in line
    assert "with anyway=True trains the finalists all the same" in line
    assert "final" not in {
        one.study_name for one in open_journal(tmp_path / "search" / "journal.log").get_all_studies()
    }
    search(tmp_path, **options, anyway=True, quiet=False)
    assert "the finalists are trained all the same, as was asked for" in capsys.readouterr().err
    assert len(study(tmp_path, "check").trials) == 10
    assert study(tmp_path, "final").trials
    assert study(tmp_path, "search").user_attrs["gate"]["verdict"] != "front"


def test_a_check_of_no_layouts_is_said_and_recorded_and_without_finalists_none_has_to_stop(tmp_path, capsys):
    search(tmp_path / "no-finalists", evaluator=Guess(knows=False), check={"layouts": 10}, final={"seeds": 0})
    assert study(tmp_path / "no-finalists", "search").user_attrs["gate"]["verdict"] != "front"
    search(tmp_path, check={"layouts": 0}, quiet=False)
    said = capsys.readouterr().err
    assert "no check of the estimate" in said
    assert "check: none was asked for (check.layouts: 0), so nothing tells whether guess" in said
    assert study(tmp_path, "search").user_attrs["gate"]["skipped"] is True
    assert study(tmp_path, "final").trials


def test_more_layouts_go_on_from_those_there_are_and_finalists_find_the_trainings_of_the_check(tmp_path, monkeypatch):
    calls: list[tuple[str, int]] = []

    def counted(spec, seed):
        calls.append((spec.digest, seed))
        return trained(spec, seed)

    monkeypatch.setattr("guesses.trained", counted)
    search(tmp_path, check={"layouts": 10})
    first = [trial.user_attrs["digest"] for trial in study(tmp_path, "check").trials]
    search(tmp_path, check={"layouts": 30}, trials=12, final={"seeds": 1, "members": 8})
    checks = [trial.user_attrs["digest"] for trial in study(tmp_path, "check").trials]
    assert checks[:10] == first
    assert len(set(checks)) == 30
    finals = {trial.user_attrs["digest"] for trial in study(tmp_path, "final").trials}
    assert finals & set(checks), "choose other numbers: no finalist was checked"
    assert len(calls) == len(set(calls)) == len(finals | set(checks))


@pytest.mark.parametrize("stopped", [3, 14])
def test_an_interrupted_check_goes_on_where_it_stopped_and_trains_nothing_twice(tmp_path, monkeypatch, stopped):
    whole = tmp_path / "whole"
    search(whole, check={"layouts": 10})
    calls: list[tuple[str, int]] = []

    def killed(spec, seed):
        if len(calls) == stopped - 10 and stopped >= 10:
            calls.append(("", 0))
            raise KeyboardInterrupt
        calls.append((spec.digest, seed))
        return trained(spec, seed)

    monkeypatch.setattr("guesses.trained", killed)
    if stopped < 10:  # among the estimates
        from guesses import GuessSession

        evaluate, asked = GuessSession.evaluate, list[str]()

        def estimate(self, task, stop, progress):
            asked.append(task.spec.digest)
            if len(asked) == OPTIONS["trials"] + stopped:
                raise KeyboardInterrupt
            return evaluate(self, task, stop, progress)

        monkeypatch.setattr(GuessSession, "evaluate", estimate)
    with pytest.raises(KeyboardInterrupt):
        search(tmp_path / "parts", check={"layouts": 10})
    search(tmp_path / "parts", check={"layouts": 10})
    made = [call for call in calls if call[0]]
    assert len(made) == len(set(made))
    both = [study(root, "search").user_attrs["gate"] for root in (whole, tmp_path / "parts")]
    assert both[0] == both[1]


def test_layouts_are_drawn_inside_the_budget_the_same_ones_whenever_and_all_of_a_small_space(study_file):
    config = load_study(str(study_file(space=SPACE, budget={"macs": "<= 1500k"}, evaluator=COUNT)), Path("runs"), {})
    drawn = [spec.digest for spec in draw_layouts(config, 20)]
    assert len(set(drawn)) == 20
    assert [spec.digest for spec in draw_layouts(config, 12)] == drawn[:12]
    assert all(archspec.measure(spec).macs <= 1_500_000 for spec in draw_layouts(config, 20))
    other = load_study(
        str(study_file(space=SPACE, budget={"macs": "<= 1500k"}, evaluator=COUNT, seed=1)), Path("runs"), {}
    )
    assert [spec.digest for spec in draw_layouts(other, 20)] != drawn
    small = {**SPACE, "stages": [{"block": "HR", "depth": {"range": [1, 3]}, "width": 8, "expansion": 2}]}
    config = load_study(str(study_file(space=small, evaluator=COUNT)), Path("runs"), {})
    assert len(list(draw_layouts(config, 24))) == 3


def test_a_check_is_refused_where_nothing_is_estimated_and_where_it_decides_nothing(study_file):
    with pytest.raises(
        SpecError, match=r"study\.yaml:\d+: check: goes with an evaluator that estimates, such as naswot"
    ):
        load_study(str(study_file(space=SPACE, check={"layouts": 24})), Path("runs"), {})
    with pytest.raises(SpecError, match="check: layouts must be 0 or at least 10, not 3: fewer decide nothing"):
        load_study(str(study_file(space=SPACE, check={"layouts": 3}, evaluator="synflow")), Path("runs"), {})


def test_a_command_line_of_an_estimate_records_the_evaluator_that_it_stands_for(tmp_path, study_file):
    config = load_study(str(study_file(space=SPACE, evaluator={"type": "cost", "full": COUNT})), tmp_path, {})
    assert config.final_evaluator().type == "command"
    recorded = json.loads(json.dumps(config.model_dump(mode="json")))
    assert recorded["evaluator"]["full"]["command"] == ["true"]
    default = load_study(str(study_file(space=SPACE, evaluator="cost")), tmp_path, {})
    assert default.evaluator.record()["full"]["type"] == "train"
