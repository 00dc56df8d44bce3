"""The evaluator `supernet` end to end: trained once, asked for many layouts, finalists, cut out; what is refused."""

import json
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from journals import trained, trials_of
from small_supernets import DATA, RECIPE, SPACE

from archspec.documents.reader import Document, parse_document
from archspec.errors import RunError, SpecError
from archspec.loader import dump, load
from archspec.model.weights import restore
from search.evaluator import parse_evaluator
from search.recipe.recipe import Recipe
from search.run import run as engine
from search.run.pools.in_process import InProcessPool
from search.run.run import conduct
from search.study.reading import load_study, parse_study
from search.supernet.plan import read_plan
from search.supernet.trained import TrainedSupernet

MEMBER = {**RECIPE, "epochs": 1}
STUDY: dict[str, Any] = {
    "name": "cut",
    "space": SPACE,
    "evaluator": {"type": "supernet", "data": DATA, "recipe": RECIPE, "member": MEMBER, "images": 34},
    "objectives": ["validation_loss", "macs"],
    "sampler": {"type": "nsga2", "population": 4},
    "trials": 8,
    "budget": {"macs": "<= 700k"},
    "check": {"layouts": 0},
    "final": {"seeds": 1, "members": 2, "from": "supernet"},
}


def parse(**changes: Any):
    text = yaml.safe_dump({**STUDY, **changes}, sort_keys=False)
    return parse_study(parse_document(text, "study.yaml"))


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> Path:
    """A search over a supernet, by workers that are this process."""
    runs = tmp_path_factory.mktemp("runs")
    before = torch.get_num_threads()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "open_pool", lambda workers, evaluators, root, *clock: InProcessPool(evaluators, root))
        assert conduct(parse(), runs, quiet=True)
        events = (runs / "cut" / "supernet" / "events.jsonl").read_bytes()
        assert conduct(load_study("cut", runs, {"trials": 10}), runs, quiet=True)
        assert (runs / "cut" / "supernet" / "events.jsonl").read_bytes() == events  # nothing is trained twice
    torch.set_num_threads(before)
    return runs / "cut"


def test_one_supernet_answers_for_every_trial(finished):
    done = trained(trials_of(finished))
    assert len(done) == 10
    supernet = TrainedSupernet(finished / "supernet", read_plan(finished / "supernet").data.load(), torch.device("cpu"))
    for trial in done[:3]:
        spec = load(finished / "artifacts" / trial.user_attrs["digest"] / "spec.yaml")
        score = supernet.score(spec)
        assert trial.user_attrs["accuracy"] == score.accuracy
        assert trial.user_attrs["validation_loss"] == pytest.approx(score.loss, abs=1e-6)
    assert len({trial.values[0] for trial in done}) == 10
    assert all(trial.user_attrs["macs"] <= 700_000 for trial in done)
    rows = (finished / "supernet" / "curve.csv").read_text().splitlines()
    assert len(rows) == 1 + RECIPE["epochs"]
    largest = json.loads((finished / "supernet" / "result.json").read_text())
    assert largest["metrics"]["macs"] <= 700_000
    assert "place" not in largest


def test_finalists_begin_with_their_slices_and_have_test_figures(finished):
    finals = trials_of(finished, "final")
    assert finals
    for trial in finals:
        assert trial.user_attrs["params_taken"] == trial.user_attrs["params"]
        assert 0 <= trial.user_attrs["test_accuracy"] <= 1
        assert len(trial.user_attrs["curve"]) == 1


def test_build_cuts_out_a_layout_whose_logits_are_the_supernets(finished, run, tmp_path):
    code, _, err = run("build", "0", "--from", finished / "supernet", "--out", tmp_path / "one")
    assert (code, err) == (0, "")
    digest = trials_of(finished)[0].user_attrs["digest"]
    folder = finished / "supernet"
    data = read_plan(folder).data.load()
    spec = load(finished / "artifacts" / digest / "spec.yaml")
    images, _ = next(data.test.batches(20, seed=0, epoch=0, shuffle=False))
    supernet = TrainedSupernet(folder, data, torch.device("cpu"))
    network = restore(tmp_path / "one")
    assert network.spec.digest == digest
    with torch.no_grad():
        assert torch.equal(network(images), supernet.answer(spec, images))
    (tmp_path / "spec.yaml").write_text(dump(spec))
    for member in (digest[:8], tmp_path / "spec.yaml"):
        assert (
            f"built: {trials_of(finished)[0].user_attrs['params']:,} parameters"
            in run("build", member, "--from", folder)[1]
        )


@pytest.mark.parametrize(
    ("member", "folder", "words"),
    [
        ("tiny", "supernet", "supernet cannot give this layout: "),
        ("99", "supernet", "no trial 99: "),
        ("abcdef0123", "supernet", "has no layout 'abcdef0123'"),
        ("0", "", "holds no supernet"),
    ],
)
def test_build_refuses_in_one_line_what_cannot_be_cut_out(finished, run, member, folder, words):
    code, out, err = run("build", member, "--from", finished / folder)
    assert (code, out, len(err.splitlines())) == (2, "", 1)
    assert words in err


def test_a_layout_of_another_space_fails_alone(finished):
    supernet = TrainedSupernet(finished / "supernet", read_plan(finished / "supernet").data.load(), torch.device("cpu"))
    with pytest.raises(RunError, match="of another space"):
        supernet.score(load("tiny"))


def test_a_supernet_of_another_study_is_refused_before_anything_is_trained(finished, tmp_path):
    folder = tmp_path / "other" / "supernet"
    folder.mkdir(parents=True)
    (folder / "supernet.yaml").write_bytes((finished / "supernet" / "supernet.yaml").read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(engine, "open_pool", lambda workers, evaluators, root, *clock: InProcessPool(evaluators, root))
        with pytest.raises(SpecError, match=r"other/supernet: holds a supernet of another budget; move it away"):
            conduct(parse(name="other", budget={"macs": "<= 690k"}), tmp_path, quiet=True)


def test_finalists_from_scratch_are_trained_as_the_evaluator_train_does():
    config = parse(final={"seeds": 1, "changes": {"epochs": 7}})
    made = config.final_evaluator()
    assert (made.type, made.recipe) == ("train", Recipe(**{**MEMBER, "epochs": 7}))
    assert made.init == "fan_out"


def test_a_study_records_the_space_of_its_supernet_and_reads_as_it_was_written():
    config = parse()
    assert config.evaluator.space is not None
    assert "from: supernet" in config.dump()
    assert parse_study(Document(yaml.safe_load(config.dump()), "again"), recorded=True) == config


EVALUATOR = STUDY["evaluator"]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"evaluator": {**EVALUATOR, "paths": 0, "sandwich": False}}, r"evaluator.paths: must be at least 1"),
        ({"evaluator": {**EVALUATOR, "distill": True, "sandwich": False}}, r"evaluator.distill: needs sandwich: true"),
        ({"evaluator": {**EVALUATOR, "recipe": {"freeze": "stem"}}}, r"evaluator.recipe.freeze: does not go with"),
        ({"evaluator": {**EVALUATOR, "recipe": {"distill": 0.5}}}, r"evaluator.recipe.distill: does not go with"),
        ({"evaluator": {**EVALUATOR, "recipe": {"compile": True}}}, r"evaluator.recipe.compile: must be false"),
        ({"evaluator": {**EVALUATOR, "space": "0123456789abcdef"}}, r"evaluator.space: is of another space or budget"),
        ({"evaluator": {**EVALUATOR, "data": "digit_scenes"}}, r"evaluator.data: must be for classification"),
        (
            {"evaluator": {"type": "train", "data": DATA}, "check": None, "objectives": ["macs"]},
            r"final.from: must be scratch, not",
        ),
        ({"final": {"seeds": 1, "from": "nowhere"}}, r"final.from: must be 'scratch' or 'supernet', not 'nowhere'"),
        ({"final": {"form": "supernet"}}, r"final.form: unknown field \(did you mean from\?\)"),
        (
            {"final": {"from": "supernet", "anchors": ["tiny"]}},
            r"final.anchors\[0\]: tiny cannot be cut out of this space's supernet: layout \w+: the supernet has no",
        ),
        ({"objectives": ["val_loss", "macs"]}, r"objectives\[0\]: 'val_loss' is no metric"),
    ],
)
def test_what_cannot_be_is_refused_in_one_line(changes, words):
    with pytest.raises(SpecError, match=rf"study.yaml:\d+: {words}") as found:
        parse(**changes)
    assert "\n" not in str(found.value)


def test_a_space_that_gives_no_supernet_is_refused_with_its_place():
    layouts = {"family": {"choice": {"one": {**SPACE, "name": "one"}}}}
    with pytest.raises(SpecError, match=r"study.yaml:\d+: family: a supernet needs one pyramid"):
        parse(space=layouts, budget={})


def test_without_a_space_it_is_refused_before_anything_runs():
    with pytest.raises(SpecError, match=r"evaluator.type: supernet answers for the layouts of a search's space alone"):
        parse_evaluator({"type": "supernet", "data": DATA}).check_ready(1)
