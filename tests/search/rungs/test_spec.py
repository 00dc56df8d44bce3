"""Rungs as a study states them: what is read, what it means in epochs, what is refused."""

import pytest
import yaml

from archspec.errors import FieldError
from search.rungs.spec import parse_rungs


@pytest.mark.parametrize(
    ("epochs", "total", "wanted"),
    [
        (["1/3", 1], 9, (3, 9)),
        ([0.25, 1.0], 8, (2, 8)),
        (["1/9", "1/3", 1], 9, (1, 3, 9)),
        ([3, 9], 9, (3, 9)),
        ([1, 9], 9, (1, 9)),
        (["1/3", 1], 10, (3, 10)),
        (["1/1000", 1], 10, (1, 10)),
    ],
)
def test_shares_and_epochs(epochs, total, wanted):
    rungs = parse_rungs({"epochs": epochs})
    assert rungs.resolve(total) == wanted
    written = yaml.safe_load(yaml.safe_dump(rungs.model_dump(mode="json")))
    assert parse_rungs(written) == rungs
    assert rungs.count == len(wanted)


@pytest.mark.parametrize(
    ("rungs", "field", "rule"),
    [
        ({"epochs": [1, "1/3"]}, "epochs", "must ascend, not [1, 1/3]"),
        ({"epochs": [3, 3, 9]}, "epochs", "must ascend"),
        ({"epochs": [0, 9]}, "epochs", "above 0"),
        ({"epochs": [9]}, "epochs", "two rungs"),
        ({"epochs": ["1/3", 9]}, "epochs", "shares of the training, the last of them 1"),
        ({"epochs": ["1/3", "2/3"]}, "epochs", "the last of them 1"),
        ({"epochs": "1/3"}, "epochs", "must be a list"),
        ({"epochs": ["a third", 1]}, "epochs", "such as 1/3, not 'a third'"),
        ({"epochs": ["1/0", 1]}, "epochs", "such as 1/3"),
        ({"epochs": [True, 9]}, "epochs", "not True"),
        ({"keep": 1}, "keep", "above 0 and below 1"),
        ({"keep": "0"}, "keep", "above 0"),
        ({"keeps": 0.5}, "keeps", "keep"),
        ([3, 9], "", "must be a mapping such as"),
    ],
)
def test_what_is_no_rungs(rungs, field, rule):
    with pytest.raises(FieldError) as refused:
        parse_rungs(rungs)
    assert refused.value.field == field
    assert rule in refused.value.rule


@pytest.mark.parametrize(
    ("epochs", "total", "warmup", "rule"),
    [
        ([3, 9], 8, 0, "exceeds the training, which has 8 epochs, not 9"),
        ([3, 9], 12, 0, "must be all 12 epochs, not 9"),
        (["1/3", 1], 6, 1, "the first rung has 2 of 6 epochs and needs 3: 3 times the recipe's warm-up of 1"),
        (["1/10", "2/10", 1], 4, 0, "must ascend: of 4 epochs they are 1, 1, 4"),
    ],
)
def test_rungs_that_a_training_cannot_have(epochs, total, warmup, rule):
    with pytest.raises(FieldError) as refused:
        parse_rungs({"epochs": epochs}).resolve(total, warmup)
    assert rule in refused.value.rule
    assert refused.value.field == "epochs"
