"""A small space on real digits, and the plan of its supernet."""

from typing import Any

from search.data.dataset import parse_dataset
from search.recipe.recipe import Recipe
from search.supernet.plan import SupernetPlan

SPACE: dict[str, Any] = {
    "name": "small",
    "resolution": 64,
    "stem": {"type": "hr_stem", "width": 4},
    "stages": [
        {"block": {"choice": ["HR", "CFFN"]}, "depth": {"range": [1, 2]}, "width": {"choice": [4, 8]}, "expansion": 2},
        {
            "block": {"choice": {"CFFN": "CFFN", "T": {"type": "T", "heads": {"choice": [1, 2]}}}},
            "depth": 1,
            "width": {"choice": [8, 12]},
            "expansion": 2,
            "downsample": "irds_b",
        },
    ],
    "head": {"type": "classifier", "classes": 10},
}
DATA = {"type": "cluttered_digits", "train": 100, "validation": 100, "test": 100}
RECIPE = {"epochs": 2, "batch_size": 34, "warmup_epochs": 0.5}
STEPS = 6
"""Steps of the training: three in each of two epochs."""


def make_plan(**changes: Any) -> SupernetPlan:
    fields: dict[str, Any] = {
        "space": SPACE,
        "budget": {},
        "data": parse_dataset(DATA),
        "recipe": Recipe(**RECIPE),
        "paths": 1,
        "sandwich": True,
        "distill": True,
        "init": "fan_out",
        "zero_init_residual": True,
        "images": 34,
        "seed": 3,
    }
    return SupernetPlan(**fields | changes)
