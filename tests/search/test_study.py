"""Study files: forms that load, and what is refused with place and rule."""

from pathlib import Path

import pytest

from archspec.document import parse_document
from archspec.errors import SpecError
from search.study import load_study, parse_study

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


def test_finalists_may_be_trained_with_another_recipe():
    config = study("space: five_stage_tiny\nfinal: {changes: {epochs: 33}}\n")
    assert config.final_evaluator().recipe.epochs == 33
    assert config.evaluator.recipe.epochs != 33


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- 1\n", "study.yaml:1: a study must be a mapping"),
        ("trials: 3\n", "study.yaml:1: field space is required"),
        ("space: 3\n", "study.yaml:1: space: must be a file, the name of a shipped space, or a space, not 3"),
        ("space: five_stge\n", "'five_stge' is no file and no shipped space (did you mean five_stage?)"),
        ("space: five_stage_tiny\ntrails: 3\n", "study.yaml:2: trails: unknown field (did you mean trials?)"),
        ("space: five_stage_tiny\ntrials: 0\n", "study.yaml:2: trials: must be at least 1, not 0"),
        ("space: five_stage_tiny\nname: a/b\n", "study.yaml:2: name: "),
        ("space: five_stage_tiny\nobjectives: [accuracy, flops]\n", "study.yaml:2: objectives[1]: must be 'accuracy'"),
        ("space: five_stage_tiny\nobjectives: [macs, macs]\n", "study.yaml:1: objectives must differ, not macs, macs"),
        ("space: five_stage_tiny\nsampler: tpee\n", "study.yaml:2: sampler.type: must be 'tpe', 'nsga2'"),
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
            "study.yaml:1: evaluator command does not give latency_ms",
        ),
        ("space: five_stage\n", "study.yaml: the space does not fit the evaluator: head: must have the data set's"),
        ("space: five_stage_tiny\nfinal: {anchors: [tny]}\n", "'tny' is no file, preset (did you mean tiny?)"),
        ("space: five_stage_tiny\nfinal: {changes: {epoch: 3}}\n", "study.yaml:2: final.changes"),
        (f"space:{SPACE.replace('HR', 'HRR')}", "study.yaml:5: stages[0].block: unknown block 'HRR'"),
    ],
)  # fmt: skip
def test_broken_studies_are_refused_with_place_and_rule(text, message):
    with pytest.raises(SpecError) as caught:
        study(text)
    assert str(caught.value).startswith(message), str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_study_is_one_line(tmp_path):
    with pytest.raises(SpecError, match="no such file"):
        load_study(str(tmp_path / "none.yaml"), Path(tmp_path), {})
    with pytest.raises(
        SpecError, match=r"'five_stge' is no file, no shipped space \(did you mean five_stage\?\) and no run"
    ):
        load_study("five_stge", Path(tmp_path), {})
