"""Frozen parts: bit for bit as they were, statistics and all; and a fine-tuning that is resumed."""

from pathlib import Path
from typing import Any

import pytest
import torch
from small_layouts import blobs, layout, network, same
from torch import nn

from archspec.errors import FieldError, Interrupted
from archspec.model.network import Network
from search.data.dataset import Splits
from search.recipe.recipe import Recipe
from search.train.freezing import freeze, hold
from search.train.loop import TrainResult, train
from search.train.optimizer import make_optimizer
from search.weights.initial import InitialWeights, begin
from search.weights.parts import check_parts
from search.weights.reading import read_weights

RECIPE = Recipe(epochs=2, batch_size=12, lr=3e-3, warmup_epochs=0, ema_decay=0.9, weight_decay=0.1)
SPEC = layout(drop_path=0.2)
DATA = blobs()


def run(model: nn.Module, folder: Path, recipe: Recipe, data: Splits = DATA, calls: int = 10**6) -> TrainResult:
    remaining = iter(range(calls))
    return train(
        model, data, recipe, seed=0, folder=folder, fingerprint="f",
        stop=lambda: next(remaining, None) is None, progress=lambda record: None,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("parts", "kept", "moved"),
    [
        (("stem", "stages[0]"), ("stem.", "stages.0."), ("stages.1.", "head.")),
        (("backbone",), ("stem.", "stages."), ("head.",)),
        (("stages[1].blocks[0]",), ("stages.1.blocks.0.",), ("stem.", "stages.1.downsample.", "head.")),
        (("head",), ("head.",), ("stem.", "stages.")),
    ],
)
def test_frozen_parts_stay_bit_for_bit_in_the_model_and_its_average(
    tmp_path: Path, parts: tuple[str, ...], kept: tuple[str, ...], moved: tuple[str, ...]
):
    model, before = network(SPEC), network(SPEC)
    run(model, tmp_path, RECIPE.model_copy(update={"freeze": parts}))
    assert all(same(model, before, prefix) for prefix in kept)
    assert not any(same(model, before, prefix) for prefix in moved)
    live = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["model"]
    state = before.state_dict()
    frozen = [name for name in state if name.startswith(kept)]
    assert any(name.endswith("running_mean") for name in frozen) == (parts[0] != "stem")
    assert all(torch.equal(live[name], state[name]) for name in frozen)
    assert all(parameter.requires_grad for parameter in model.parameters())  # for whatever comes next


def test_frozen_parts_are_in_evaluation_mode_and_out_of_the_optimiser():
    model = network(SPEC)
    freeze(model, ("stages[1]",))
    model.train()
    hold(model, ("stages[1]",))
    assert not any(module.training for module in model.stages[1].modules())
    assert model.stages[0].training
    inside = {id(parameter) for parameter in model.stages[1].parameters()}
    asked = [id(parameter) for group in make_optimizer(model, RECIPE).param_groups for parameter in group["params"]]
    assert inside.isdisjoint(asked)
    assert len(asked) == len(list(model.parameters())) - len(inside)


def test_nothing_is_frozen_by_default():
    model = network(SPEC).train()
    freeze(model, ())
    hold(model, ())
    assert all(module.training for module in model.modules())


@pytest.mark.parametrize(
    ("parts", "rule"),
    [
        (("stem", "stage[0]"), r"freeze\[1\]: the network has no part 'stage\[0\]' \(did you mean stages\[0\]\?\)"),
        (("stages[2]",), r"freeze\[0\]: the network has no part 'stages\[2\]' \(did you mean stages\[\d\]\?\)"),
        (("xyz",), r"freeze\[0\]: the network has no part 'xyz' \(there are stem, stages, stages\[0\], .* backbone\)"),
        (("backbone", "head"), "freeze: leaves nothing to train: backbone, head"),
        (("stem", "stages", "head"), "freeze: leaves nothing to train: stem, stages, head"),
    ],
)
def test_what_cannot_be_frozen_is_refused_without_a_network(parts: tuple[str, ...], rule: str):
    with pytest.raises(FieldError, match=f"^{rule}$"):
        check_parts(SPEC, parts)


def test_a_network_without_the_part_is_refused_too(tmp_path: Path):
    with pytest.raises(FieldError, match=r"freeze\[0\]: the network has no part 'stem'"):
        run(nn.Sequential(nn.Flatten(), nn.Linear(3072, 3)), tmp_path, RECIPE.model_copy(update={"freeze": ("stem",)}))
    assert not list(tmp_path.iterdir())


def test_a_fine_tuning_that_is_interrupted_ends_bit_for_bit_as_one_that_is_not(tmp_path: Path):
    data = blobs(64)
    torch.save(network(SPEC).state_dict(), tmp_path / "weights.pt")
    init = InitialWeights(weights=str(tmp_path / "weights.pt"))
    recipe = RECIPE.model_copy(update={"freeze": ("stem",)})

    def start() -> Network:
        options: dict[str, Any] = {"zero_init_residual": False, "weights": read_weights(init.weights)}
        return begin(SPEC.at(64), init, **options).network

    whole, parts, fresh = start(), start(), start()
    expected = run(whole, tmp_path / "whole", recipe, data)
    with pytest.raises(Interrupted):
        run(parts, tmp_path / "parts", recipe, data, calls=4)  # three steps an epoch
    torch.rand(5)
    result = run(fresh, tmp_path / "parts", recipe, data)
    assert same(whole, fresh)
    assert [record.train_loss for record in result.curve] == [record.train_loss for record in expected.curve]
