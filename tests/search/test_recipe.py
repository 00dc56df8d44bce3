"""Recipes: shipped ones by name, changes over them, and what is refused where."""

from pathlib import Path
from typing import Any

import pytest

from archspec.documents.reader import parse_document
from archspec.errors import FieldError, SpecError
from search.recipe.recipe import Recipe, parse_recipe, recipes
from search.study.reading import load_study, parse_study

STUDY = "name: toy\nspace: five_stage_tiny\nevaluator:\n  type: train\n  recipe: "


def test_the_papers_recipe():
    recipe = parse_recipe("hiri")
    assert (recipe.lr, recipe.weight_decay, recipe.batch_size) == (1e-3, 0.05, 1024)
    assert (recipe.epochs, recipe.warmup_epochs) == (300, 5)
    assert all((recipe.cutmix, recipe.mixup, recipe.erasing, recipe.distill))
    assert (recipe.auto_augment, recipe.repeats, recipe.randaugment) == ("rand-m9-mstd0.5-inc1", 3, None)  # DeiT's


def test_every_shipped_recipe_is_one():
    assert recipes() == ("finetune", "hiri", "small")
    for name in recipes():
        assert parse_recipe(name) == parse_recipe({"base": name})


def test_changes_lie_over_the_base():
    recipe = parse_recipe({"base": "hiri", "epochs": 30, "distill": None})
    assert recipe == parse_recipe("hiri").model_copy(update={"epochs": 30, "distill": None})
    assert parse_recipe({"epochs": 30}) == Recipe(epochs=30)
    assert parse_recipe(recipe) is recipe


@pytest.mark.parametrize(
    ("raw", "field", "rule"),
    [
        ("hirii", "", "unknown recipe 'hirii' (did you mean hiri?)"),
        ({"base": "x"}, "base", "unknown recipe 'x' (known: finetune, hiri, small)"),
        ({"base": ["hiri"]}, "base", "unknown recipe ['hiri']"),
        (None, "", "must be the name of a recipe or a mapping, not None"),
        ({"base": "hiri", "epoch": 3}, "epoch", "unknown field (did you mean epochs?)"),
        ({"base": "hiri", "ema_decay": 0}, "distill", "needs ema_decay above 0: the teacher is the average, not 0"),
        ({"distill": 0}, "distill", "must be greater than 0"),
        ({"distill": 1.0}, "distill", "must be less than 1"),
        ({"cutmix": -1}, "cutmix", "must be greater than or equal to 0"),
        ({"mixup": "a"}, "mixup", "must be a valid number"),
        ({"mix_prob": 1.5}, "mix_prob", "must be less than or equal to 1"),
        ({"erasing": float("nan")}, "erasing", "must be"),
        ({"randaugment": {"ops": 0}}, "randaugment.ops", "must be greater than or equal to 1"),
        ({"randaugment": {"magnitude": 11}}, "randaugment.magnitude", "must be less than or equal to 10"),
        ({"randaugment": {"op": 1}}, "randaugment.op", "unknown field"),
        ({"randaugment": 9}, "randaugment", "must be"),
    ],
)
def test_refused(raw: object, field: str, rule: str):
    with pytest.raises(FieldError) as caught:
        parse_recipe(raw)
    assert caught.value.field == field
    assert caught.value.rule.startswith(rule)


@pytest.mark.parametrize(
    ("recipe", "message"),
    [
        ("hirii", "study.yaml:5: evaluator.recipe: unknown recipe 'hirii' (did you mean hiri?)"),
        ("\n    base: small\n    epochz: 3\n", "study.yaml:7: evaluator.recipe.epochz: unknown field (did you mean"),
        ("\n    base: tiny\n", "study.yaml:6: evaluator.recipe.base: unknown recipe 'tiny'"),
        (
            "\n    base: small\n    randaugment:\n      ops: 0\n",
            "study.yaml:8: evaluator.recipe.randaugment.ops: must be greater than",
        ),
        ("\n    base: small\n    ema_decay: 0\n", "evaluator.recipe.distill: needs ema_decay above 0"),
    ],
)
def test_a_study_names_file_and_line(recipe: str, message: str):
    with pytest.raises(SpecError) as caught:
        parse_study(parse_document(STUDY + recipe, "study.yaml"))
    assert message in str(caught.value)
    assert str(caught.value).startswith("study.yaml:")


def test_a_study_records_every_value_and_reads_them_back(tmp_path: Path):
    config = parse_study(parse_document(STUDY + "{base: hiri, epochs: 4}\n", "study.yaml"))
    evaluator: Any = config.evaluator
    assert evaluator.recipe == parse_recipe({"base": "hiri", "epochs": 4})
    file = tmp_path / "study.yaml"
    file.write_text(config.dump())
    assert "hiri" not in file.read_text()
    assert load_study(str(file), tmp_path, {}).evaluator == evaluator


def test_finalists_may_change_one_field_of_it():
    study = STUDY + "small\nfinal: {changes: {randaugment: null, epochs: 2}}\n"
    final: Any = parse_study(parse_document(study, "study.yaml")).final_evaluator()
    assert final.recipe == parse_recipe({"base": "small", "randaugment": None, "epochs": 2})


def test_fields_that_came_later_are_part_of_the_identity_only_where_they_are_used():
    assert "cutmix" not in Recipe().identity()
    assert '"cutmix":1.0' in Recipe(cutmix=1).identity()
    assert Recipe(workers=3).identity() == Recipe().identity()
    assert Recipe(distill=0.5).identity() != Recipe(distill=0.6).identity()
