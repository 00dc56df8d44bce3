"""Ablations from Python: rows, scores and the report of a plan that is data."""

import pytest
import yaml

import archspec
from archspec.errors import SpecError

PLAN = {
    "name": "plain",
    "base": "tiny",
    "edits": {"deeper": {"stages[1].depth": 3}, "hr": {"stages[2].block": "HR"}},
    "views": [{"type": "leave_one_in"}],
    "seeds": 4,
}


def accuracy(spec, seed):
    return archspec.measure(spec).params / 1e6 + seed / 100


def test_rows_are_scored_by_a_function_with_every_seed(tmp_path):
    run = archspec.ablate(PLAN, accuracy, runs=tmp_path)
    rows = run.rows.set_index("label")
    base = archspec.load("tiny")
    for label, spec in {
        "tiny": base,
        "deeper": base.edit({"stages[1].depth": 3}),
        "hr": base.edit({"stages[2].block": "HR"}),
    }.items():
        params = archspec.measure(spec).params
        assert rows.loc[label, "params"] == params
        assert rows.loc[label, "mean"] == pytest.approx(params / 1e6 + 0.015)
        assert rows.loc[label, "n"] == 4
    assert rows.loc["tiny", "sd"] == pytest.approx(0.0129099, abs=1e-6)
    assert len(run.trials) == 12
    assert run.report().read_text().count("deeper") > 1
    assert "deeper" in run._repr_html_()
    again = archspec.open_run(run.root)
    assert isinstance(again, archspec.RecordedAblation)
    assert again.rows.equals(run.rows)


def test_more_seeds_and_the_plans_own_evaluator(tmp_path):
    calls = []

    def counted(spec, seed):
        calls.append((spec.digest, seed))
        return 0.5

    archspec.ablate(PLAN, counted, runs=tmp_path, seeds=2)
    archspec.ablate(PLAN, counted, runs=tmp_path, seeds=3)
    assert len(calls) == len(set(calls)) == 9
    plan = {
        "name": "table",
        "base": yaml.safe_load(archspec.dump(next(iter(archspec.space("five_stage_grid"))))),
        "evaluator": {"type": "table", "table": "five_stage_grid"},
        "edits": {"wide": {"stages[1].width": 32}},
        "views": [{"type": "leave_one_in"}],
        "seeds": 3,
    }
    run = archspec.ablate(plan, runs=tmp_path, name="looked-up")
    assert run.name == "looked-up"
    assert (run.rows["n"] == 3).all()


@pytest.mark.parametrize(
    ("plan", "message"),
    [
        ({**PLAN, "edits": {"a": {"stages[1].dept": 3}}}, r"did you mean depth\?"),
        ({**PLAN, "bse": "tiny"}, r"bse: unknown field \(did you mean base\?\)"),
        ({**PLAN, "base": "tinny"}, "base: 'tinny' is no file, preset"),
        ("table8_smal", r"did you mean table8_small\?"),
    ],
)
def test_mistakes_are_told_in_one_line(plan, message, tmp_path):
    with pytest.raises(SpecError, match=message):
        archspec.ablate(plan, accuracy, runs=tmp_path / "runs")
    assert not (tmp_path / "runs").exists()


def test_a_plan_without_evaluator_needs_one(tmp_path):
    with pytest.raises(SpecError, match="evaluator: is required to train the rows"):
        archspec.ablate(PLAN, runs=tmp_path)
