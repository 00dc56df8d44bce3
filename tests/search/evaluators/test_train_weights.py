"""The evaluator `train` with weights, frozen parts and teachers: what it records, and what it refuses."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_layouts import layout, network, write_run, write_training

from archspec.documents.reader import parse_document
from archspec.errors import FieldError, RunError, SpecError
from search.ablation.plan import parse_plan
from search.ablation.rows import Ablation
from search.ablation.run import conduct_plan
from search.evaluator import Task, parse_evaluator, renew
from search.evaluators.train import Train
from search.run.pools.engine import settle
from search.study.reading import parse_study
from search.study.recorded_inputs import record_inputs

HEAD = {"type": "classifier", "classes": 10, "hidden": 16}
SPEC = layout(head=HEAD, name="small")
DATA = {"type": "cluttered_digits", "train": 100, "validation": 100, "test": 100}


@pytest.fixture
def demo(tmp_path: Path) -> str:
    write_run(tmp_path / "runs" / "demo", network(SPEC))
    return str(tmp_path / "runs" / "demo" / "0")


def evaluator(**fields: Any) -> Train:
    found = parse_evaluator({"type": "train", "data": DATA, **fields})
    assert isinstance(found, Train)
    return found


def never() -> bool:
    return False


def test_a_member_is_fine_tuned_says_what_it_took_and_is_not_continued_with_other_weights(demo: str, tmp_path: Path):
    config = evaluator(init={"weights": demo}, recipe={"epochs": 1, "lr": 1e-9, "freeze": ["backbone"]})
    spec, said = config.prepare(SPEC), list[str]()
    assert spec.resolution == 64
    metrics = config.open().evaluate(Task(spec, 0, tmp_path / "run", tmp_path), never, said.append)
    assert metrics["params_taken_share"] == 1
    assert metrics["params_taken"] == metrics["params"] > network(SPEC).stem.conv.weight.numel()  # pyright: ignore
    assert said[0].endswith(f"(100.0 %) from {demo}; resized: 1 table of positions")
    kept = torch.load(tmp_path / "run" / "checkpoint.pt", weights_only=True)
    assert torch.equal(kept["ema"]["stem.conv.weight"], network(SPEC).state_dict()["stem.conv.weight"])
    fingerprint = kept["fingerprint"]
    assert fingerprint.startswith(f"{spec.digest} ")
    assert fingerprint.endswith(f" {config.weights()[0].digest}")
    before = config.inputs()
    record_inputs(tmp_path, before, begun=False)
    (path,) = (Path(demo).parent / "artifacts").glob("*/*/checkpoint.pt")
    path.unlink()
    path.parent.rename(path.parent.with_name("old"))
    write_training(path.parent, network(SPEC, seed=9))
    with pytest.raises(SpecError, match=rf"weights {demo}: not as when this run began: 1 file has other content"):
        record_inputs(tmp_path, config.inputs(), begun=True)
    with pytest.raises(RunError, match=r"checkpoint of another run \(fingerprint"):
        config.open().evaluate(Task(spec, 0, tmp_path / "run", tmp_path), never, print)


def test_without_weights_nothing_of_a_training_is_named_otherwise_than_before():
    config = evaluator()
    assert config.init == "fan_out"
    assert config.weights() == ()
    assert config.model_dump(mode="json")["init"] == "fan_out"
    given = evaluator(init={"weights": "a.pt"})
    dumped = given.model_dump(mode="json")
    assert dumped["init"] == {"weights": "a.pt", "partial": False, "others": "fan_out"}
    assert renew(dumped) == given.record()


@pytest.mark.parametrize(
    ("fields", "rule"),
    [
        ({"init": "fanout"}, r"init: unknown initial weights 'fanout' \(did you mean fan_out\?\)"),
        ({"init": {"weight": "a.pt"}}, r"init.weight: unknown field \(did you mean weights\?\)"),
        ({"init": {"partial": True}}, r"init.weights: is required"),
        ({"init": {"weights": "a.pt", "others": "x"}}, r"init.others: must be 'vit' or 'fan_out', not 'x'"),
        ({"init": 3}, "init"),
        (
            {"recipe": {"teacher": {"model": "a", "hard": True, "temperature": 2}}},
            "recipe.teacher.temperature: must be 1",
        ),
    ],
)
def test_bad_fields(fields: dict[str, Any], rule: str):
    with pytest.raises(FieldError, match=f"^{rule}"):
        evaluator(**fields)


STUDY = """name: study
space:
  resolution: 64
  stem: patch_stem
  stages:
    - {block: HR, width: {choice: [8, 16]}}
  head: {type: classifier, classes: 10}
evaluator:
  type: train
  init: INIT
  recipe: {freeze: FREEZE}
"""


@pytest.mark.parametrize(
    ("init", "freeze", "rule"),
    [
        ("{weights: nowhere.pt}", "[]", r"study.yaml:10: evaluator.init.weights: nowhere.pt: no such file, and not"),
        ("{weights: DEMO}", "[]", r"study.yaml:10: evaluator.init.weights: .* is another network than this layout: "),
        ("vit", "[stems]", r"study.yaml:11: evaluator.recipe.freeze\[0\]: the network has no part 'stems' \(did you"),
    ],
)
def test_a_study_is_refused_at_its_line(demo: str, init: str, freeze: str, rule: str):
    text = STUDY.replace("INIT", init.replace("DEMO", demo)).replace("FREEZE", freeze)
    with pytest.raises(SpecError, match=f"^{rule}") as caught:
        parse_study(parse_document(text, "study.yaml"))
    assert "\n" not in str(caught.value)


def test_a_plan_is_refused_at_its_line(demo: str):
    head = "base: tiny\nevaluator:\n  type: train\n"
    plan = parse_plan(parse_document(f"{head}  init: {{weights: {demo}}}\nviews: [progressive]\n", "plan.yaml"))
    with pytest.raises(SpecError, match=r"^plan.yaml:4: evaluator.init.weights: .* is another network"):
        Ablation(plan)


def test_a_teacher_that_cannot_be_had_is_refused_before_the_first_trial(demo: str, tmp_path: Path):
    for model, rule in (("runs/none/1", "runs/none/1: no such file"), ("tiny", "is required: tiny is a spec")):
        config = evaluator(recipe={"teacher": {"model": model}})
        with pytest.raises(SpecError, match=rf"^evaluator.recipe.teacher.(model|weights): {rule}"):
            settle(None, 1, {"search": config}, ())
    text = f"base: tiny\nname: p\nseeds: 1\nevaluator:\n  type: train\n  recipe: {{teacher: {{model: {demo}x}}}}\n"
    plan = parse_plan(parse_document(f"{text}views: [progressive]\n", "plan.yaml"))
    with pytest.raises(SpecError, match="no layout '0x'"):
        conduct_plan(Ablation(plan), tmp_path / "out", quiet=True)
    assert not (tmp_path / "out").exists()
    settle(None, 1, {"search": evaluator(recipe={"teacher": {"model": demo}})}, ())


def test_a_teachers_weights_are_an_input_of_the_run(demo: str):
    (found,) = evaluator(recipe={"teacher": {"model": demo}}).inputs()
    assert (found.kind, found.name) == ("data", f"weights {demo}")
