"""Cheap estimates as evaluators: what they answer, what they stand for, and what they refuse."""

import math

import pytest

from archspec.errors import FieldError
from archspec.loader import load
from search.evaluator import Task, parse_evaluator
from search.run.results import find_fault

TINY = load("tiny")
DATA = {"type": "cluttered_digits", "train": 100, "validation": 100, "test": 100}
SMALL = {"naswot": {"batch_size": 8}, "synflow": {}, "zico": {"batch_size": 8}}


def never() -> bool:
    return False


def evaluator(name: str, **fields):
    return parse_evaluator({"type": name, "data": DATA, **SMALL.get(name, {}), **fields})


def score(name: str, folder, seed: int = 0, spec=TINY, **fields) -> float:
    own = evaluator(name, **fields)
    metrics = own.open().evaluate(Task(own.prepare(spec), seed, folder, folder), never, lambda said: None)
    assert metrics.keys() == own.gives
    assert not find_fault("accuracy", metrics["accuracy"], own)
    return metrics["accuracy"]


def test_cost_alone_is_the_logarithm_of_the_cost_that_is_named(tmp_path):
    assert score("cost", tmp_path) == pytest.approx(math.log(5_346_464))
    assert score("cost", tmp_path, by="params") == pytest.approx(math.log(373_994))


@pytest.mark.parametrize("name", ["naswot", "zico", "synflow"])
def test_a_seed_decides_a_score_which_is_beyond_the_range_of_an_accuracy(name, tmp_path):
    first = score(name, tmp_path)
    assert first > 1
    assert score(name, tmp_path) == first
    assert score(name, tmp_path, seed=1) != first


def test_a_score_on_masks_takes_the_loss_of_masks(tmp_path):
    data = {"type": "digit_scenes", "train": 100, "validation": 100, "test": 100}
    assert math.isfinite(score("zico", tmp_path, data=data, spec=load("tiny-hiri-seg")))


@pytest.mark.parametrize("name", ["cost", "naswot", "synflow", "zico"])
def test_an_estimate_says_that_it_is_none_of_accuracy_and_what_it_estimates(name):
    own = evaluator(name)
    assert own.estimates
    assert own.quality.endswith("(not an accuracy)")
    (quality,) = own.own_metrics
    assert (quality.name, quality.unit, quality.direction) == ("accuracy", "", "maximize")
    full = own.finalist({"epochs": 3})
    assert (full.type, full.data, full.recipe.epochs) == ("train", own.data, 3)
    assert own.settled(64).full == own.finalist({})
    assert parse_evaluator(own.settled(64).record()) == own.settled(64)
    assert not parse_evaluator("train").estimates


def test_what_is_estimated_may_be_any_evaluator_that_trains(tmp_path):
    own = evaluator("synflow", full={"type": "command", "command": ["train"]})
    assert own.settled(64).full.resolution == 64
    assert own.prepare(TINY).digest == evaluator("synflow").prepare(TINY).digest
    with pytest.raises(FieldError, match="full: command sees layouts at 32 px, this estimate at 64 px"):
        evaluator("synflow", full={"type": "command", "command": ["train"], "resolution": 32}).prepare(TINY)
    with pytest.raises(FieldError, match=r"full\.type: must train, which naswot does not"):
        evaluator("synflow", full="naswot")
    with pytest.raises(FieldError, match="full: table five_stage_grid lacks layout"):
        evaluator("cost", full="table").prepare(TINY)


def test_what_is_estimated_trains_on_the_same_data():
    own = evaluator("cost", full={"type": "train", "recipe": {"epochs": 3}})
    assert own.full.data == own.data
    assert evaluator("cost", full="train").full.data == own.data
    assert evaluator("cost", full={"type": "train", "data": DATA}).full.data == own.data
    for data, rule in (
        ({**DATA, "train": 200}, "has train 200, and that of the estimate 100"),
        ("digit_scenes", "is digit_scenes, and that of the estimate is cluttered_digits"),
    ):
        with pytest.raises(FieldError) as refused:
            evaluator("naswot", full={"type": "train", "data": data})
        assert refused.value.field == "full.data"
        assert refused.value.rule == f"{rule}: give both the same, or leave it out here"


def test_bad_fields_are_refused_by_name():
    with pytest.raises(FieldError, match=r"device: must be auto"):
        evaluator("naswot", device="gpu")
    with pytest.raises(FieldError, match="batch_size"):
        evaluator("naswot", batch_size=1)
    with pytest.raises(FieldError, match="by: must be"):
        evaluator("cost", by="latency")
    with pytest.raises(FieldError, match="head: must have the data set's 10 classes"):
        evaluator("zico").prepare(load("hiri-vit-s"))
    full_range = find_fault("accuracy", 3.0, parse_evaluator("train"))
    assert "number from 0 to 1" in full_range
    assert "finite number" in find_fault("accuracy", math.inf, evaluator("zico"))
