"""Study files: forms that load, and what is refused with place and rule."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from archspec.documents.reader import parse_document
from archspec.edits.settings import parse_settings
from archspec.errors import SpecError
from search.evaluator import cost_metrics
from search.run.run import _record
from search.space.space import spaces
from search.study.reading import load_study, parse_study, studies

SPACE = """
  resolution: 64
  stem: hr_stem
  stages:
    - {block: HR, width: {choice: [8, 16]}}
  head: {type: classifier, classes: 10}
"""


def study(text: str):
    return parse_study(parse_document(text, "study.yaml"))


def test_defaults_are_spelt_out_and_load_to_the_same_study():
    config = study("space: five_stage_tiny\n")
    assert (config.objectives, config.sampler.type, config.evaluator.type) == (("accuracy", "macs"), "tpe", "train")
    assert parse_study(parse_document(config.dump(), "again")) == config


def test_a_space_may_be_named_written_out_or_a_file_beside_the_study(tmp_path):
    (tmp_path / "my.yaml").write_text(SPACE.replace("\n  ", "\n"))
    (tmp_path / "study.yaml").write_text("space: my.yaml\n")
    beside = load_study(str(tmp_path / "study.yaml"), tmp_path, {})
    written = study(f"space:{SPACE}")
    assert beside.open_space().count() == written.open_space().count() == 2


def test_a_bare_space_and_a_shipped_name_are_studies_with_defaults(tmp_path):
    (tmp_path / "my.yaml").write_text("name: mine\n" + SPACE.replace("\n  ", "\n"))
    config = load_study(str(tmp_path / "my.yaml"), tmp_path, {"trials": 3, "sampler": "random"})
    assert (config.name, config.trials, config.sampler.type) == ("mine", 3, "random")
    assert load_study("five_stage_tiny", tmp_path, {}).name == "five_stage_tiny"


def test_a_run_is_continued_by_its_name_or_folder(tmp_path):
    recorded = study("name: old\nspace: five_stage_tiny\nseed: 4\n")
    (tmp_path / "old").mkdir()
    (tmp_path / "old" / "study.yaml").write_text(recorded.dump())
    assert load_study("old", tmp_path, {}) == recorded
    assert load_study(str(tmp_path / "old"), tmp_path, {"trials": 7}).trials == 7


def test_settings_of_the_command_line_change_the_study_and_explicit_options_win(tmp_path):
    settings = parse_settings(
        ["trials=3", "evaluator.recipe.epochs=1", "rungs=null", "sampler=nsga2", "sampler.population=7"]
    )
    config = load_study("demo", tmp_path, {"trials": 5}, settings)
    assert (config.trials, config.evaluator.recipe.epochs) == (5, 1)
    assert (config.sampler.type, config.sampler.population) == ("nsga2", 7)
    narrow = load_study("five_stage_tiny", tmp_path, {}, parse_settings(["space.stages[1].width={choice: [8, 16]}"]))
    assert narrow.space["stages"][1]["width"] == {"choice": [8, 16]}
    assert narrow.name == "five_stage_tiny"


RUNGS = "demo:12: rungs.epochs: "
"""Where the rungs of the study stand."""


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("evaluator.recipe.epoch=1", "--set evaluator.recipe.epoch: unknown field (did you mean epochs?)"),
        ("trails=3", "--set trails: unknown field (did you mean trials?)"),
        ("trials=many", "--set trials: must be a whole number, not 'many'"),
        ("evaluator.recipe.epochs=true", "--set evaluator.recipe.epochs: must be a valid integer, not True"),
        (
            "evaluator.recipe.epochs=1",
            RUNGS + "must ascend: of 1 epoch they are 1, 1; without rungs (--set rungs=null)",
        ),
        ("evaluator.recipe.epochs=4", RUNGS + "the first rung has 1 of 4 epochs and needs 3: 3 times the recipe's"),
        ("final.seed=3", "--set final.seed: unknown field (did you mean seeds?)"),
        ("final.changes.epoch=3", "--set final.changes.epoch: unknown field (did you mean epochs?)"),
        ("evaluator.type=tabel", "--set evaluator.type: unknown evaluator 'tabel' (did you mean table?)"),
        ("budget.macs=<= 5Q", "--set budget.macs: unknown unit 'Q'; known: k, M, G or T"),
        ("space.stages[1].widht=8", "--set space.stages[1].widht: unknown field (did you mean width?)"),
        ("space.stages[1].width={range: [4, 2]}", "--set space.stages[1].width: must go up from low to high"),
    ],
)
def test_a_bad_setting_is_named_and_not_the_file(tmp_path, text, message):
    with pytest.raises(SpecError) as caught:
        load_study("demo", tmp_path, {}, parse_settings([text]))
    assert str(caught.value).startswith(message), str(caught.value)


def test_a_run_is_continued_with_what_may_change_and_nothing_else(tmp_path):
    recorded = study("name: old\nspace: five_stage_tiny\nseed: 4\n")
    (tmp_path / "old").mkdir()
    _record(recorded, tmp_path / "old")
    more = load_study("old", tmp_path, {}, parse_settings(["trials=150", "final.seeds=5", "final.members=4"]))
    _record(more, tmp_path / "old")
    again = load_study("old", tmp_path, {})
    assert (again.trials, again.final.seeds, again.final.members) == (150, 5, 4)
    with pytest.raises(SpecError, match=r"the run was started with another evaluator.recipe.epochs \(10, now 3\)"):
        _record(load_study("old", tmp_path, {}, parse_settings(["evaluator.recipe.epochs=3"])), tmp_path / "old")


def test_finalists_may_be_trained_with_another_recipe():
    config = study("space: five_stage_tiny\nfinal: {changes: {epochs: 33}}\n")
    assert config.final_evaluator().recipe.epochs == 33
    assert config.evaluator.recipe.epochs != 33


def test_a_budget_is_recorded_in_canonical_form_and_loads_to_the_same_limits():
    config = study("space: five_stage_tiny\nbudget: {macs@64: '<= 5000k', params: 100k..200e3}\n")
    assert config.budget == {"macs": "<= 5M @ 64", "params": "100k..200k"}
    again = parse_study(parse_document(config.dump(), "again"))
    assert again == config
    assert again.box == config.box
    assert study("space: five_stage_tiny\n").confinement is None


def test_a_budget_without_a_resolution_speaks_of_the_costs_that_the_trials_report():
    """Not of the space's own resolution: the evaluator trains at that of its data."""
    text = "space: five_stage_tiny\nevaluator:\n  type: train\n  data: {type: cluttered_digits, resolution: 96}\n"
    config = study(text + "budget: {macs: <= 5M, macs@64: <= 4M}\n")
    assert [str(limit) for limit in config.box] == ["macs <= 5M @ 96", "macs <= 4M @ 64"]
    layout = config.open_space().fill(lambda hole: hole.options[0])
    (row,) = config.confinement.draw(np.random.default_rng(0))
    spec = config.evaluator.prepare(config.confinement.encoding.spec(row))
    assert spec.resolution == config.evaluator.prepare(layout.spec).resolution == 96
    assert cost_metrics(spec)["macs"] == config.confinement.chain.price(row[None])[0, 0]


def test_a_run_started_before_there_were_budgets_is_continued_but_not_with_one(study_file, tmp_path):
    config = load_study(str(study_file()), tmp_path, {})
    recorded = config.model_dump(mode="json")
    del recorded["budget"]
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "study.yaml").write_text(yaml.safe_dump(recorded))
    _record(config, tmp_path / "toy")
    assert "budget: {}" in (tmp_path / "toy" / "study.yaml").read_text()
    with pytest.raises(SpecError, match=r"study.yaml: the run was started with another budget"):
        _record(load_study(str(study_file(budget={"macs": "<= 600k"})), tmp_path, {}), tmp_path / "toy")


BUDGETS = [
    ("budget: 5G\n", "study.yaml:2: budget: must map metrics to limits, such as {macs: '<= 5G @ 448'}, not '5G'"),
    ("budget:\n  macs: 5G\n", "study.yaml:3: budget.macs: '5G' is no limit: write '<= 5G', '>= 3M' or '4..5G'"),
    ("budget:\n  macs: 5000000\n", "study.yaml:3: budget.macs: 5000000 is no limit: write"),
    ("budget:\n  params: '<= 3M'\n  macs: <= 5g\n", "study.yaml:4: budget.macs: unknown unit 'g' (did you mean G?)"),
    ("budget:\n  parms: <= 5M\n", "study.yaml:3: budget.parms: unknown metric 'parms' (did you mean params?)"),
    ("budget:\n  macs@64: <= 5Q\n", "study.yaml:3: budget['macs@64']: unknown unit 'Q'; known: k, M, G or T"),
    ("budget:\n  flops: <= 5M\n", "study.yaml:3: budget.flops: 'flops' means different things; write macs"),
    ("budget:\n  macs: 5M..4M\n", "study.yaml:3: budget.macs: 5M..4M is empty"),
    (
        "budget:\n  macs@64: <= 5M @ 32\n",
        "study.yaml:3: budget['macs@64']: speaks of resolution 64 and of 32; state one",
    ),
    (
        "budget:\n  macs: <= 1M\n  macs@64: 2..3M\n",
        "study.yaml:2: budget: macs <= 1M @ 64 and macs 2M..3M @ 64 exclude each other",
    ),
    (
        "trials: 3\nbudget:\n  macs: <= 1k\n",
        "study.yaml:3: budget: no layout of five_stage_tiny meets macs <= 1k @ 64: the cheapest has ",
    ),
    (
        "budget: {params: '>= 5M'}\n",
        "study.yaml:2: budget: no layout of five_stage_tiny meets params >= 5M @ 64: the dearest has ",
    ),
    (
        "budget: {macs: <= 1M, params: '>= 500k'}\n",
        "study.yaml:2: budget: no layout of five_stage_tiny meets macs <= 1M @ 64 and params >= 500k @ 64, though each",
    ),
]


@pytest.mark.parametrize(("text", "message"), BUDGETS)
def test_broken_and_empty_budgets_are_refused_with_place_and_rule(text, message):
    with pytest.raises(SpecError) as caught:
        study(f"space: five_stage_tiny\n{text}")
    assert str(caught.value).startswith(message), str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n", "study.yaml:1: a study must be a mapping"),
        ("trials: 3\n", "study.yaml:1: field space is required"),
        ("space: 3\n", "study.yaml:1: space: must be a file, the name of a shipped space, or a space, not 3"),
        ("space: five_stge\n", "study.yaml:1: space: 'five_stge' is no file and no shipped space (did you mean"),
        ("space: five_stage_tiny\ntrails: 3\n", "study.yaml:2: trails: unknown field (did you mean trials?)"),
        ("space: five_stage_tiny\ntrials: 0\n", "study.yaml:2: trials: must be at least 1, not 0"),
        ("space: five_stage_tiny\nname: a/b\n", "study.yaml:2: name: "),
        ("space: five_stage_tiny\nobjectives: [accuracy, flops]\n", "study.yaml:2: objectives[1]: 'flops' means"),
        ("space: five_stage_tiny\nobjectives: [macs, macs]\n", "study.yaml:1: objectives must differ, not macs, macs"),
        ("space: five_stage_tiny\nsampler: tpee\n", "study.yaml:2: sampler.type: unknown sampler 'tpee' (did you"),
        ("space: five_stage_tiny\nsampler: {type: tpe, strtup: 3}\n", "study.yaml:2: sampler.strtup: unknown field"),
        (
            "space: five_stage_tiny\nevaluator: trane\n",
            "study.yaml:2: evaluator.type: unknown evaluator 'trane' (did you mean train?)",
        ),
        (
            "space: five_stage_tiny\nevaluator:\n  type: train\n  recipe: {epochs: 0}\n",
            "study.yaml:4: evaluator.recipe.epochs: must be",
        ),
        (
            "space: five_stage_tiny\nevaluator:\n  type: train\n  data: {type: digitz}\n",
            "study.yaml:4: evaluator.data.type: unknown dataset 'digitz'",
        ),
        (
            "space: five_stage_tiny\nevaluator:\n  type: train\n  data: {type: cluttered_digits, resolution: 3}\n",
            "study.yaml:4: evaluator.data.resolution: must be",
        ),
        (
            "space: five_stage_tiny\nevaluator: {type: command, command: [x]}\nobjectives: [accuracy, latency_ms]\n",
            "study.yaml:3: objectives[1]: evaluator command does not give latency_ms",
        ),
        (
            "space: {resolution: 64, stem: conv_stem, stages: [{block: HR, width: 8}], "
            "head: {choice: {a: {type: classifier, classes: 10}, b: {type: mask_rcnn, classes: 10, width: 8}}}}\n",
            "study.yaml:1: space: does not fit the evaluator: head: mask_rcnn is a detector's, and cluttered_digits "
            "is a data set for classification; box assignment and NMS are left to detection libraries (with head 'b')",
        ),
        ("space: five_stage\n", "study.yaml:1: space: does not fit the evaluator: head: must have the data set's"),
        (
            "space: five_stage_tiny\nfinal: {anchors: [tny]}\n",
            "study.yaml:2: final.anchors[0]: 'tny' is no file, preset (did you mean tiny?)",
        ),
        (
            "space: five_stage_tiny\nfinal:\n  anchors:\n    - tiny\n    - hiri-vit-s\n",
            "study.yaml:5: final.anchors[1]: hiri-vit-s does not fit the evaluator: head: must have the data set's 10 ",
        ),
        ("space: five_stage_tiny\nfinal: {changes: {epoch: 3}}\n", "study.yaml:2: final.changes"),
        (f"space:{SPACE.replace('HR', 'HRR')}", "study.yaml:5: stages[0].block: unknown block 'HRR'"),
    ],
)  # fmt: skip
def test_broken_studies_are_refused_with_place_and_rule(text, message):
    with pytest.raises(SpecError) as caught:
        study(text)
    assert str(caught.value).startswith(message), str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("name", studies())
def test_shipped_studies_load_by_name_and_a_run_or_file_comes_before(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = load_study(name, tmp_path, {"seed": 7})
    assert (config.name, config.seed) == (name, 7)
    assert name not in spaces()
    Path(name).write_text("space: five_stage_tiny\nname: own\n")
    assert load_study(name, tmp_path / "runs", {}).name == "own"
    (tmp_path / "runs" / name).mkdir(parents=True)
    (tmp_path / "runs" / name / "study.yaml").write_text("space: five_stage_tiny\nname: recorded\n")
    assert load_study(name, tmp_path / "runs", {}).name == "recorded"


def test_a_missing_study_is_one_line(tmp_path):
    hint = r"^docs/demo\.yaml: no such file; the study is called demo, without folder and ending$"
    with pytest.raises(SpecError, match=hint):
        load_study("docs/demo.yaml", Path(tmp_path), {})
    with pytest.raises(SpecError, match="no such file"):
        load_study(str(tmp_path / "none.yaml"), Path(tmp_path), {})
    with pytest.raises(
        SpecError, match=r"'five_stge' is no file, no shipped study or space \(did you mean five_stage\?\) and no run"
    ):
        load_study("five_stge", Path(tmp_path), {})
