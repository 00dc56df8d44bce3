"""Schedules of the learning rate, beside timm's and torch's."""

from typing import Any

import pytest
import torch
from extras import need

from archspec.errors import FieldError
from search.recipe.recipe import Recipe, parse_recipe

STEPS = 7  # of an epoch


def optimizer(lr: float) -> torch.optim.Optimizer:
    return torch.optim.SGD([torch.ones(1, requires_grad=True)], lr=lr)


def rates(**fields: Any) -> list[float]:
    recipe = parse_recipe({"lr": 0.3, "epochs": 9, **fields})
    return [recipe.lr_at(step, STEPS) for step in range(recipe.epochs * STEPS)]


def theirs(scheduler: Any, count: int) -> list[float]:
    """A timm scheduler's values, asked per update."""
    found: list[float] = []
    for step in range(count):
        scheduler.step_update(step)
        found.append(scheduler.optimizer.param_groups[0]["lr"])
    return found


@pytest.mark.parametrize("warmup", [0, 2, 2.5])
@pytest.mark.parametrize("lowest", [0, 1e-3])
def test_cosine_equals_timms(warmup: float, lowest: float):
    module = need("timm.scheduler", "timm")
    ours = rates(warmup_epochs=warmup, schedule={"name": "cosine", "lowest": lowest})
    rise = round(warmup * STEPS)
    scheduler = module.CosineLRScheduler(
        optimizer(0.3), len(ours) - rise, lowest, warmup_t=rise, warmup_prefix=True, t_in_epochs=False
    )
    expected = theirs(scheduler, len(ours))
    # timm's first update has the rate 0, which would be a step for nothing: ours is one ahead until the peak.
    assert ours[: max(rise - 1, 0)] == pytest.approx(expected[1:rise], rel=1e-12)
    assert ours[rise:] == pytest.approx(expected[rise:], rel=1e-12)
    assert max(ours) == ours[rise] == 0.3


def test_step_equals_timms():
    module = need("timm.scheduler", "timm")
    ours = rates(warmup_epochs=2, schedule={"name": "step", "every": 2.5, "factor": 0.2})
    scheduler = module.StepLRScheduler(
        optimizer(0.3), 2.5 * STEPS, 0.2, warmup_t=2 * STEPS, warmup_prefix=False, t_in_epochs=False
    )
    assert ours[2 * STEPS :] == pytest.approx(theirs(scheduler, len(ours))[2 * STEPS :], rel=1e-12)
    assert ours[2 * STEPS - 1] == 0.3
    assert ours[-1] == pytest.approx(0.3 * 0.2**3)


@pytest.mark.parametrize("fields", [{}, {"pct_start": 0.05, "div_factor": 10, "final_div_factor": 50}])
def test_one_cycle_equals_torchs(fields: dict[str, float]):
    ours = rates(schedule={"name": "onecycle", **fields})
    given = optimizer(0.1)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(
        given, 0.3, total_steps=len(ours), cycle_momentum=False, **{"pct_start": 0.3, **fields}
    )
    for rate in ours:
        assert rate == pytest.approx(given.param_groups[0]["lr"], rel=1e-12)
        given.step()
        if rate is not ours[-1]:
            scheduler.step()


def test_of_a_single_step():
    for name in ("cosine", "step", "constant", "onecycle"):
        assert parse_recipe({"lr": 0.3, "epochs": 1, "schedule": name}).lr_at(0, 1) <= 0.3


def test_constant_stays_at_the_peak():
    ours = rates(warmup_epochs=1, schedule="constant")
    assert ours[: STEPS + 1] == pytest.approx([0.3 * (step + 1) / STEPS for step in range(STEPS)] + [0.3])
    assert set(ours[STEPS - 1 :]) == {0.3}


def test_the_batch_scales_the_peak_linearly():
    recipe = Recipe(lr=0.1, lr_batch=256, batch_size=1024, warmup_epochs=0)
    assert recipe.peak_lr == recipe.lr_at(0, 5) == pytest.approx(0.4)


@pytest.mark.parametrize(
    ("raw", "message"),
    [
        ({"schedule": "cosin"}, "schedule: unknown schedule 'cosin' (did you mean cosine?)"),
        ({"schedule": {"name": "x"}}, "schedule.name: unknown schedule 'x' (known: cosine, step, onecycle, constant)"),
        ({"schedule": 4}, "schedule: must be the name of a schedule or a mapping with it, not 4"),
        ({"schedule": {"name": "step", "evry": 3}}, "schedule.evry: unknown field (did you mean every?)"),
        ({"schedule": {"every": 3}}, "schedule.every: belongs to the schedule step, not to cosine"),
        ({"schedule": {"name": "step", "factor": 2}}, "schedule.factor: must be less than or equal to 1, not 2"),
        (
            {"schedule": {"lowest": 0.1}, "lr": 0.2, "lr_batch": 100},
            "schedule.lowest: must be below the learning rate 0.096, not 0.1",
        ),
        (
            {"schedule": {"name": "step", "every": 3}, "warmup_epochs": 5},
            "schedule.every: must be at least the warm-up's 5 epochs, not 3",
        ),
        (
            {"schedule": "onecycle", "warmup_epochs": 5},
            "warmup_epochs: must be 0, not 5: onecycle rises for its own pct_start",
        ),
    ],
)
def test_refused(raw: dict[str, Any], message: str):
    with pytest.raises(FieldError) as caught:
        parse_recipe(raw)
    assert str(caught.value) == message
