"""Samplers as files: what each declares, what a study may not ask of it, and what earlier versions wrote of it."""

import sys
from collections.abc import Sequence
from typing import ClassVar, Literal

import pytest
import yaml
from optuna.samplers import RandomSampler
from optuna.storages import InMemoryStorage

import search.plugins
from archspec.cost.metrics import find_metric
from archspec.documents.reader import parse_document
from archspec.errors import FieldError, SpecError
from search.run.journal import open_study
from search.run.proposals import SearchPhase
from search.run.worker import Report
from search.sampler import Problem, Sampler, SamplerSession, parse_sampler, samplers
from search.study.reading import load_study, parse_study

RANGE = "{resolution: 64, stem: hr_stem, stages: [{block: HR, width: 8, depth: {range: [1, 4]}}], head: HEAD}"
CHOICE = "{resolution: 64, stem: hr_stem, stages: [{block: HR, width: {choice: [8, 16]}}], head: HEAD}"
HEAD = "{type: classifier, classes: 10}"


class Plain(Sampler):
    """A sampler of another package that cannot keep a budget and notes its proposals."""

    most_objectives: ClassVar[int | None] = 2
    budgets: ClassVar[bool] = False

    type: Literal["plain"] = "plain"

    def open(self, problem: Problem) -> SamplerSession:
        return SamplerSession(RandomSampler(seed=problem.seed), notes=lambda number: {"noted": number})


class Entry:
    """An entry point, as `importlib.metadata` gives it."""

    name = "plain"

    def load(self) -> type[Sampler]:
        return Plain


@pytest.fixture
def plain(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(search.plugins, "_entries", lambda group: (Entry(),) if group == "archspec.samplers" else ())


def metrics(*names: str):
    return [find_metric(name) for name in names]


def test_every_file_is_one_sampler_with_its_name_as_tag():
    assert {"cmaes", "exact", "gp", "nsga2", "nsga3", "qmc", "random", "tpe"} <= set(samplers())
    for tag in samplers():
        kind = type(parse_sampler(tag))
        assert kind.model_fields["type"].default == tag
        assert all(field.description for name, field in kind.model_fields.items() if name != "type")


def test_an_option_belongs_to_the_samplers_that_have_it():
    assert parse_sampler({"type": "nsga2", "population": 8}).model_dump()["population"] == 8
    with pytest.raises(FieldError, match=r"^strtup: unknown field \(did you mean startup\?\)$"):
        parse_sampler({"type": "nsga2", "strtup": 8})
    with pytest.raises(FieldError, match="population: must be"):
        parse_sampler({"type": "nsga3", "population": 1})


@pytest.mark.parametrize("tag", ["tpe", "gp", "random", "qmc", "exact"])
def test_what_earlier_versions_wrote_for_every_sampler_is_read_and_no_longer_written(tag: str):
    sampler = parse_sampler({"type": tag, "startup": 7, "population": 20})
    assert sampler == parse_sampler({"type": tag, "startup": 7})
    written = sampler.model_dump()
    assert (written["type"], written["startup"]) == (tag, 7)
    assert "population" not in written


def test_a_mapping_without_a_type_is_tpe():
    assert parse_sampler({"startup": 3}) == parse_sampler({"type": "tpe", "startup": 3})


@pytest.mark.parametrize("tag", ["tpe", "nsga2", "nsga3", "gp", "random", "qmc"])
@pytest.mark.parametrize("names", [("accuracy",), ("macs", "params"), ("accuracy", "macs", "params", "activations")])
def test_samplers_of_several_objectives_take_one_too(tag: str, names: Sequence[str]):
    parse_sampler(tag).check(metrics(*names), budget=True)


@pytest.mark.parametrize(
    ("sampler", "rest", "rule"),
    [
        ("cmaes", "", "cmaes takes one objective, not accuracy and macs"),
        ("cmaes", "objectives: [macs, params, accuracy]", "cmaes takes one objective, not macs, params and accuracy"),
        (
            "{type: exact}",
            "objectives: [params, macs]",
            "exact takes an objective to maximise such as accuracy and one of params, macs, activations, saved_bytes, "
            "not params and macs",
        ),
        ("plain", "objectives: [macs, params, accuracy]", "plain takes at most 2 objectives, not macs, params and"),
        ("plain", "budget: {macs: <= 1G}", "plain cannot keep a budget"),
    ],
)
@pytest.mark.usefixtures("plain")
def test_what_a_sampler_cannot_is_refused_with_its_line(sampler: str, rest: str, rule: str):
    text = f"space: {RANGE.replace('HEAD', HEAD)}\n{rest}\nsampler: {sampler}\n"
    with pytest.raises(SpecError) as caught:
        parse_study(parse_document(text, "study.yaml"))
    assert str(caught.value).startswith(f"study.yaml:3: sampler: {rule}"), str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_space_without_a_range_is_refused_by_cmaes():
    rest = "objectives: [accuracy]\nsampler: cmaes\n"
    with pytest.raises(SpecError, match=r"^study.yaml:3: sampler: cmaes needs a range of integers that every layout"):
        parse_study(parse_document(f"space: {CHOICE.replace('HEAD', HEAD)}\n{rest}", "study.yaml"))
    assert parse_study(parse_document(f"space: {RANGE.replace('HEAD', HEAD)}\n{rest}", "study.yaml")).sampler.startup


@pytest.mark.parametrize(
    ("tag", "module", "requirement"),
    [("cmaes", "cmaes", "archspec-vision[cmaes]"), ("gp", "scipy", "archspec-vision[data]")],
)
def test_a_missing_package_is_one_line_before_anything_is_written(tag, module, requirement, run, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, module, None)
    study = tmp_path / "study.yaml"
    evaluator = {"type": "command", "command": ["train"]}
    asked = {"space": "five_stage_tiny", "objectives": ["accuracy"], "sampler": tag, "evaluator": evaluator}
    study.write_text(yaml.safe_dump(asked))
    code, _, err = run("search", study, "--runs", tmp_path / "runs")
    assert code == 2
    assert err == f"archspec: sampler: {tag} needs the package {module}: pip install '{requirement}'\n"
    assert not (tmp_path / "runs").exists()


@pytest.mark.usefixtures("plain")
def test_what_a_sampler_notes_becomes_the_attributes_of_its_own_proposals(study_file, tmp_path):
    config = load_study(str(study_file(sampler={"type": "plain", "startup": 2}, trials=5)), tmp_path, {})
    storage = InMemoryStorage()
    study = open_study(storage, "search", list(config.objectives), {})
    phase = SearchPhase(study, storage, config, config.open_space(), tmp_path, trials=config.trials)
    while order := phase.next_order():
        phase.finish(order, Report("done", metrics={"accuracy": 0.5, "macs": 1}))
    drawn = [trial.number for trial in study.trials if trial.user_attrs["arm"] == "random"]
    noted = {trial.number: trial.user_attrs["noted"] for trial in study.trials if "noted" in trial.user_attrs}
    assert len(drawn) >= 2
    assert noted == {trial.number: trial.number for trial in study.trials if trial.number not in drawn}
