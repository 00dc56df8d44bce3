"""The identities that runs of earlier versions wrote into their checkpoints stay what they were."""

import hashlib

from search.ablation.rows import HELD
from search.evaluators.train import BESIDE, Train
from search.identity import identity
from search.recipe.recipe import Recipe, parse_recipe

DEFAULT = (
    '{"epochs":10,"batch_size":48,"lr":0.004,"weight_decay":0.05,"warmup_epochs":1.0,"label_smoothing":0.1,'
    '"clip_grad":1.0,"ema_decay":0.98,"precision":"auto","channels_last":"auto","augment":true}'
)
SMALL = (
    DEFAULT.replace('"epochs":10', '"epochs":20')[:-1]
    + ',"cutmix":1.0,"mixup":0.2,"mix_prob":0.5,"erasing":0.1,"randaugment":{"ops":1,"magnitude":3.0},"distill":0.5}'
)
TRAIN = (
    '{"type":"train","data":{"type":"imagefolder","resolution":224,"path":"x","validation":0.1,"test":0.1,'
    '"crop":0.875,"smallest_area":0.08,"flip":true,"num_classes":3,"protocol":null},"init":"fan_out",'
    '"zero_init_residual":true}'
)


def test_of_recipes():
    assert Recipe().identity() == DEFAULT
    assert parse_recipe("small").identity() == SMALL
    assert parse_recipe({"workers": 3, "prefetch": 4}).identity() == DEFAULT


def test_a_later_field_counts_where_it_is_not_at_its_default():
    changed = parse_recipe({"optimizer": {"name": "sgd", "momentum": 0.9}})
    assert changed.identity() == DEFAULT[:-1] + ',"optimizer":{"name":"sgd","options":{"momentum":0.9}}}'


def test_of_the_way_of_training_of_a_row():
    text = identity(Train(), keep=HELD)
    assert hashlib.sha256(text.encode()).hexdigest()[:8] == "ccf76389"


def test_what_does_not_decide_a_result_is_left_out():
    plain, moved = (Train.model_validate(given) for given in ({}, {"device": "cpu", "recipe": {"compile": True}}))
    assert identity(moved) == identity(plain)
    assert identity(Train.model_validate({"latency": []})) != identity(plain)


def test_of_an_evaluator_and_its_data():
    data = {"type": "imagefolder", "path": "x", "num_classes": 3}
    assert identity(Train.model_validate({"data": data}), BESIDE) == TRAIN
