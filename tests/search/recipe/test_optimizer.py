"""Optimisers by name: what is refused where, with and without timm."""

from typing import Any

import pytest
from extras import need

from archspec.documents.reader import parse_document
from archspec.errors import FieldError, SpecError
from search.recipe import timm_optimizer
from search.recipe.optimizer import OptimizerSpec, SGDOptions, parse_optimizer
from search.recipe.recipe import Recipe, parse_recipe
from search.study.reading import parse_study

STUDY = "name: toy\nspace: five_stage_tiny\nevaluator:\n  type: train\n  recipe:\n    epochs: 2\n    optimizer: "


def refusal(raw: object) -> str:
    with pytest.raises(FieldError) as caught:
        parse_optimizer(raw)
    return str(caught.value)


def test_however_it_is_written():
    spec = OptimizerSpec(name="sgd", options={"momentum": 0.8})
    assert parse_optimizer({"name": "sgd", "momentum": 0.8}) == spec
    assert parse_optimizer({"name": "sgd", "options": {"momentum": 0.8}}) == spec
    assert parse_optimizer(spec) is spec
    assert parse_recipe({"optimizer": "adamw"}) == Recipe()
    recipe = parse_recipe({"optimizer": {"name": "adamw", "betas": [0.9, 0.98]}})
    assert Recipe.model_validate(recipe.model_dump(mode="json")) == recipe


def test_nesterov_follows_the_momentum_unless_it_is_said():
    assert SGDOptions().arguments == {"momentum": 0.9, "dampening": 0, "nesterov": True}
    assert not SGDOptions(momentum=0).arguments["nesterov"]
    assert not SGDOptions(nesterov=False).arguments["nesterov"]


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        (5, "must be the name of an optimizer or a mapping with it, not 5"),
        ({"momentum": 1}, "name: the optimizer needs its name; it has momentum"),
        ({"name": "sgd", "momentun": 0.9}, "momentun: unknown field (did you mean momentum?)"),
        ({"name": "sgd", "options": {"momentun": 1}}, "options.momentun: unknown field (did you mean momentum?)"),
        ({"name": "sgd", "momentum": 1.5}, "momentum: must be less than 1, not 1.5"),
        ({"name": "sgd", "momentum": {}}, "momentum: must be a finite number, true or false, text, or a list"),
        ({"name": "sgd", "momentum": 0, "nesterov": True}, "nesterov: needs momentum above 0 and no dampening, not 0"),
        ({"name": "sgd", "lr": 1}, "lr: is no option of an optimizer here: lr of the recipe says it"),
        ({"name": "adamw", "betas": [0.9]}, "betas[1]: is required"),
        ({"name": "adamw", "eps": float("nan")}, "eps: must be a finite number"),
    ],
)
def test_refused(raw: object, message: str):
    assert refusal(raw).startswith(message)


def test_a_study_names_file_and_line():
    with pytest.raises(SpecError) as caught:
        parse_study(parse_document(STUDY + "{name: sgd, momentun: 0.9}\n", "study.yaml"))
    place = "study.yaml:7: evaluator.recipe.optimizer.momentun"
    assert str(caught.value) == f"{place}: unknown field (did you mean momentum?)"


class TestWithoutTimm:
    @pytest.fixture(autouse=True)
    def absent(self, monkeypatch: pytest.MonkeyPatch):
        monkeypatch.setattr(timm_optimizer, "find_spec", lambda _name: None)  # pyright: ignore

    def test_the_extra_is_named_with_file_and_line(self):
        with pytest.raises(SpecError) as caught:
            parse_study(parse_document(STUDY + "lamb\n", "study.yaml"))
        place = "study.yaml:7: evaluator.recipe.optimizer"
        assert str(caught.value) == f"{place}: lamb is timm's: pip install 'archspec-vision[timm]'"

    def test_unknown_names(self):
        more = "all but adamw and sgd are timm's: pip install 'archspec-vision[timm]'"
        assert refusal("sdg") == f"unknown optimizer 'sdg' (did you mean sgd?); {more}"
        assert refusal("xyzzy") == f"unknown optimizer 'xyzzy'; {more}"


def test_a_timm_that_cannot_be_imported_is_no_traceback(monkeypatch: pytest.MonkeyPatch):
    def fail(_name: str) -> Any:
        raise RuntimeError("operator torchvision::nms does not exist\nand more")

    monkeypatch.setattr(timm_optimizer, "find_spec", lambda _name: True)  # pyright: ignore
    monkeypatch.setattr(timm_optimizer, "import_module", fail)
    monkeypatch.setattr(timm_optimizer, "_library", timm_optimizer._library.__wrapped__)  # pyright: ignore
    reason = "RuntimeError: operator torchvision::nms does not exist"
    assert refusal("lamb") == f"timm is installed but cannot be imported: {reason}"


class TestWithTimm:
    @pytest.fixture(autouse=True)
    def present(self):
        need("timm.optim", "timm")

    @pytest.mark.parametrize(
        ("raw", "message"),
        [
            ("lambb", "unknown optimizer 'lambb' (did you mean lamb?)"),
            ("xyzzy", "unknown optimizer 'xyzzy'; timm.optim.list_optimizers() names all"),
            ("my_adamw", "unknown optimizer 'my_adamw' (did you mean adamw?)"),
            ("adahessian", "adahessian needs second derivatives, which this training loop does not compute"),
            ({"name": "lamb", "trust_clp": True}, "trust_clp: unknown option of lamb (did you mean trust_clip?)"),
            ({"name": "lamb", "trust_clip": 1}, "trust_clip: must be true or false, not 1"),
            ({"name": "lamb", "betas": [0.9]}, "betas: must be 2 numbers, not [0.9]"),
            ({"name": "lamb", "eps": "x"}, "eps: must be a number, not 'x'"),
            ({"name": "lamb", "fallback_list": ["head.*"]}, "fallback_list: unknown option of lamb"),
            ({"name": "lion", "betas": [2, 3]}, "betas: lion does not take that: Invalid beta parameter at index 0"),
            ({"name": "muon", "ns_coefficients": "a"}, "ns_coefficients: muon does not take that: Unknown coeffic"),
            ({"name": "muon", "fallback_list": 3}, "fallback_list: must be a list of patterns, not 3"),
            ({"name": "lamb", "weight_decay": 1}, "weight_decay: is no option of an optimizer here"),
        ],
    )
    def test_refused(self, raw: object, message: str):
        assert refusal(raw).startswith(message)

    def test_accepted(self):
        for raw in ("lookahead_adamw", "adopt", "rmsprop", {"name": "muon", "fallback_list": ["head.*"]}):
            assert parse_optimizer(raw).name
