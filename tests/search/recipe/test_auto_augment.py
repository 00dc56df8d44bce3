"""Names of augmentation policies: what timm makes of them, and what is refused instead of being passed over."""

from typing import Any

import pytest
from extras import need

from archspec.documents.reader import parse_document
from archspec.errors import FieldError, SpecError
from search.evaluators.train import Train
from search.recipe.auto_augment import check_installed, parse_policy
from search.recipe.recipe import parse_recipe
from search.study.reading import parse_study


@pytest.mark.parametrize(
    ("text", "magnitude", "noise", "layers", "probability"),
    [
        ("rand", 10, 0, 2, 0.5),
        ("rand-m9-mstd0.5-inc1", 9, 0.5, 2, 0.5),
        ("rand-m15-n3-p0.25-mmax30", 15, 0, 3, 0.25),
        ("rand-mstd101-n1-tweights", 10, float("inf"), 1, 0.5),
        ("rand-m6-t3a-inc1", 6, 0, 2, 0.5),
    ],
)
def test_timm_reads_the_same_numbers(text: str, magnitude: float, noise: float, layers: int, probability: float):
    parse_policy(text)
    transform: Any = need("timm.data.auto_augment", "timm").rand_augment_transform(text)
    first = transform.ops[0]
    assert (first.magnitude, first.magnitude_std, transform.num_layers) == (magnitude, noise, layers)
    assert first.prob == probability


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("rnad-m9", "unknown policy 'rnad-m9' (did you mean rand?)"),
        ("RandAugment", "unknown policy 'RandAugment' (did you mean rand-m9-mstd0.5-inc1?)"),
        ("TrivialAugment", "unknown policy 'TrivialAugment' (did you mean ta_wide?)"),
        ("zzz", "unknown policy 'zzz' (known: rand, original, originalr, v0, v0r, 3a, augmix, ta_wide)"),
        ("rand-m15", "rand-m15: m must be a whole number from 0 to 10, not 15 (mmax15 beside it allows more)"),
        ("rand-m99", "rand-m99: m must be a whole number from 0 to 10, not 99"),
        ("rand-m9.5", "rand-m9.5: m must be a whole number from 0 to 10, not 9.5"),
        ("rand-m", "rand-m: m must be a whole number from 0 to 10, not nothing"),
        ("rand-m9-m5", "rand-m9-m5: m stands twice"),
        ("rand-msdt0.5", "rand-msdt0.5: 'msdt0.5' is no part of rand (did you mean mstd?); its parts are m9, n2, p0.5"),
        ("rand-twheights", "rand-twheights: t must be one of weights, 3a, 3aw, not 'wheights'"),
        ("original-m9", "original-m9: 'm9' is no part of original; its parts are mstd0.5"),
        ("augmix-w0", "augmix-w0: w must be a whole number from 1 to 10, not 0"),
        ("ta_wide-m9", "ta_wide-m9: 'm9' is no part of ta_wide; it has no parts"),
        ("", "unknown policy ''"),
    ],
)
def test_refused(text: str, rule: str):
    with pytest.raises(FieldError) as caught:
        parse_recipe({"auto_augment": text})
    assert caught.value.field == "auto_augment"
    assert caught.value.rule.startswith(rule)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"base": "small", "auto_augment": "3a"}, "randaugment: must be null beside auto_augment (3a): either of both"),
        ({"auto_augment": "3a", "augment": False}, "auto_augment: needs augment: true"),
        ({"repeats": 3, "augment": False}, "repeats: needs augment: true, or its default: with false"),
        ({"erasing_mode": "noise"}, "erasing_mode: must be 'pixel', 'rand' or 'const', not 'noise'"),
    ],
)
def test_fields_that_exclude_each_other(raw: object, message: str):
    with pytest.raises(FieldError) as caught:
        parse_recipe(raw)
    assert str(caught.value).startswith(message)


def test_a_study_names_file_and_line():
    study = "name: toy\nspace: five_stage_tiny\nevaluator:\n  type: train\n  recipe:\n    auto_augment: rand-m99\n"
    with pytest.raises(SpecError, match=r"^study\.yaml:6: evaluator\.recipe\.auto_augment: rand-m99: m must be"):
        parse_study(parse_document(study, "study.yaml"))


def test_without_timm_a_study_is_read_and_refused_before_it_trains(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("search.recipe.auto_augment.find_spec", lambda _name: None)  # pyright: ignore
    train = Train.model_validate({"recipe": "hiri"})
    with pytest.raises(SpecError) as caught:
        train.check_ready(1)
    rule = "evaluator.recipe.auto_augment: rand-m9-mstd0.5-inc1 is timm's: pip install 'archspec-vision[timm]'"
    assert str(caught.value) == rule
    check_installed("ta_wide")  # Pillow's
    check_installed(None)
