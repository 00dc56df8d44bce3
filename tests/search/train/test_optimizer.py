"""The optimiser of a recipe: parameter groups beside timm's, and runs that are interrupted and resumed."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, final

import pytest
import torch
from extras import need
from torch import Tensor, nn

from archspec.convert.timm import convnext, resnet, swin
from archspec.errors import Interrupted, SpecError
from archspec.loader import load
from archspec.model.build import build
from search.data.dataset import Batch, DatasetSplit, Splits, batch_indices
from search.recipe.recipe import Recipe, parse_recipe
from search.seeding import seed_everything
from search.train.groups import layer_ids, parameter_groups
from search.train.loop import train
from search.train.optimizer import make_optimizer


@final
class Noise(DatasetSplit):
    """Two classes of noisy images."""

    def __init__(self, count: int, seed: int) -> None:
        self.labels = torch.arange(count) % 2
        self.images = torch.randn(count, 3, 6, 6, generator=torch.Generator().manual_seed(seed))

    def __len__(self) -> int:
        return len(self.labels)

    def batches(
        self, batch_size: int, *, seed: int, epoch: int, shuffle: bool, workers: int = 0, augment: bool = False
    ) -> Iterator[Batch]:
        for index in batch_indices(len(self), batch_size, seed=seed, epoch=epoch, shuffle=shuffle):
            yield self.images[index], self.labels[index]


@final
class Staged(nn.Module):
    """A network with the names of a built one: a stem, two stages and a head."""

    def __init__(self) -> None:
        super().__init__()
        seed_everything(3)
        self.stem = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
        self.stages = nn.Sequential(*(nn.ModuleDict({"blocks": nn.Sequential(nn.Conv2d(4, 4, 1))}) for _ in range(2)))
        self.head = nn.Sequential(nn.Flatten(), nn.Dropout(0.1), nn.Linear(64, 2))

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for stage in self.stages:
            x = x + stage["blocks"](x).relu()  # pyright: ignore
        return self.head(x)


@cache
def network(name: str) -> nn.Module:
    """A preset without weights."""
    return build(load(name), device="meta")


def described(groups: list[dict[str, Any]], model: nn.Module) -> dict[str, tuple[float, float]]:
    """Weight decay and learning-rate scale of each parameter."""
    names = {id(parameter): name for name, parameter in model.named_parameters()}
    return {
        names[id(parameter)]: (group["weight_decay"], pytest.approx(group.get("lr_scale", 1), rel=1e-12))
        for group in groups
        for parameter in group["params"]
    }


def run(model: nn.Module, recipe: Recipe, folder: Path, stop_after: int = 10**6) -> nn.Module:
    calls = iter(range(10**9))
    splits = Splits(Noise(24, 0), Noise(8, 1), Noise(8, 2))
    train(
        model, splits, recipe, seed=0, folder=folder, fingerprint="f", stop=lambda: next(calls) >= stop_after,
        progress=lambda _record: None,
    )  # fmt: skip
    return model


class TestGroups:
    def test_by_default_as_ever(self):
        model = network("swin-t")
        decayed, spared = parameter_groups(model, Recipe())
        assert list(decayed) == list(spared) == ["params", "weight_decay"]
        assert (decayed["weight_decay"], spared["weight_decay"]) == (0.05, 0)
        ordered = [parameter for parameter in model.parameters() if parameter.ndim > 1]
        assert all(ours is theirs for ours, theirs in zip(decayed["params"], ordered, strict=True))

    @pytest.mark.parametrize(("name", "tables"), [("swin-t", 12), ("hrformer-t", 38), ("convnext-t", 0)])
    def test_published_exclusions(self, name: str, tables: int):
        model, counts = network(name), list[int]()
        for no_decay in ("published", "*"):
            groups = parameter_groups(model, parse_recipe({"no_decay": no_decay}))
            counts.append(sum(p.ndim > 1 for group in groups if not group["weight_decay"] for p in group["params"]))
        assert counts == [tables, sum(p.ndim > 1 for p in model.parameters())]

    @pytest.mark.parametrize("recipe", [Recipe(), Recipe(no_decay=("published",)), Recipe(no_decay=("*.qkv.weight",))])
    def test_equal_timms(self, recipe: Recipe):
        groups = need("timm.optim", "timm")
        patterns = {(): [], ("published",): ["*.relative_position_bias_table"]}.get(recipe.no_decay, recipe.no_decay)
        model = network("swin-t")
        theirs = groups.param_groups_weight_decay(model, 0.05, no_weight_decay_list=patterns)
        assert described(parameter_groups(model, recipe), model) == described(theirs, model)

    def test_published_exclusions_of_swin_are_timms(self):
        create = need("timm").create_model
        with torch.device("meta"):
            expected = create("swin_tiny_patch4_window7_224").no_weight_decay()
        spec, model = load("swin-t"), network("swin-t")
        found = described(parameter_groups(model, Recipe(no_decay=("published",))), model)
        excluded = {swin.original(name, spec) for name, (decay, _) in found.items() if not decay}
        assert {name for name in excluded if name.endswith("table")} == expected

    def test_a_pattern_that_matches_nothing_says_so(self):
        with pytest.raises(SpecError) as caught:
            make_optimizer(Staged(), Recipe(no_decay=("*.wieght",)))
        rule = "'*.wieght' matches no parameter of this network (did you mean weight?)"
        assert str(caught.value) == f"recipe.no_decay: {rule}"

    def test_frozen_parameters_are_left_out(self):
        model = Staged()
        model.stem.requires_grad_(False)
        parameters = [p for group in parameter_groups(model, Recipe(layer_decay=0.5)) for p in group["params"]]
        assert len(parameters) == 6


class TestLayerDecay:
    @pytest.mark.parametrize(
        ("name", "model", "rules", "layers"),
        [("convnext-t", "convnext_tiny", convnext, 20), ("resnet-50", "resnet50", resnet, 18)],
    )
    def test_equals_timms_on_timms_own_model(self, name: str, model: str, rules: Any, layers: int):
        groups, create = need("timm.optim", "timm"), need("timm").create_model
        with torch.device("meta"):
            theirs = create(model)
        expected = described(groups.param_groups_layer_decay(theirs, 0.05, layer_decay=0.75), theirs)
        ours, spec = network(name), load(name)
        found = described(parameter_groups(ours, Recipe(layer_decay=0.75)), ours)
        assert {rules.original(key, spec): value for key, value in found.items()} == expected
        assert len(set(layer_ids(found).values())) == layers

    @pytest.mark.parametrize("name", ["swin-t", "tiny", "davit-t"])
    def test_equals_timms_function_given_the_names_of_our_layers(self, name: str, monkeypatch: pytest.MonkeyPatch):
        groups = need("timm.optim", "timm")
        blocks = [(r"^stages\.(\d+)\.downsample", (0,)), (r"^stages\.(\d+)\.blocks\.(\d+)", None)]
        model, matcher = network(name), {"stem": r"^stem", "blocks": blocks}
        monkeypatch.setattr(type(model), "group_matcher", lambda _self, coarse=False: matcher, raising=False)  # pyright: ignore
        theirs = groups.param_groups_layer_decay(model, 0.05, layer_decay=0.8)
        assert described(parameter_groups(model, Recipe(layer_decay=0.8)), model) == described(theirs, model)

    def test_of_parallel_branches_each_unit_is_a_layer(self):
        names = [name for name, _ in network("hrnet-w18").named_parameters()]
        ids = layer_ids(names)
        assert ids["stem.conv1.weight"] == 0
        units = {name.split(".branches")[0]: number for name, number in ids.items() if ".branches." in name}
        assert [units[f"stages.{stage}.units.0"] for stage in range(1, 4)] == [3, 4, 8]
        assert {number for name, number in ids.items() if name.startswith("stages.1.downsample")} == {3}
        assert max(ids.values()) == ids["head.fc.weight"] == 11

    def test_each_group_gets_its_share_of_the_learning_rate(self, tmp_path: Path):
        recipe = Recipe(epochs=2, batch_size=8, layer_decay=0.5)
        run(Staged(), recipe, tmp_path)
        groups = torch.load(tmp_path / "checkpoint.pt", weights_only=True)["optimizer"]["param_groups"]
        assert [group["lr_scale"] for group in groups] == [0.125, 0.125, 0.25, 0.25, 0.5, 0.5, 1, 1]
        assert all(group["lr"] == recipe.lr_at(5, 3) * group["lr_scale"] for group in groups)

    def test_a_network_without_layers_is_refused(self):
        with pytest.raises(SpecError, match=r"^recipe\.layer_decay: needs a network of a stem, stages and a head"):
            make_optimizer(nn.Linear(2, 2), Recipe(layer_decay=0.5))


class TestOptimizers:
    @pytest.mark.parametrize("name", ["adamw", "sgd", "lamb", "lion", "muon", "adopt", "rmsprop"])
    def test_steps_equal_those_of_timms_factory(self, name: str):
        create = need("timm.optim", "timm").create_optimizer_v2
        ours, theirs = Staged(), Staged()
        recipe = parse_recipe({"optimizer": name, "lr": 0.01})
        pairs = ((ours, make_optimizer(ours, recipe)), (theirs, create(theirs, name, 0.01, 0.05)))
        for model, optimizer in pairs:
            for step in range(4):
                images = torch.randn(4, 3, 6, 6, generator=torch.Generator().manual_seed(step))
                optimizer.zero_grad()
                model.eval()(images).square().mean().backward()
                optimizer.step()
        for one, other in zip(ours.parameters(), theirs.parameters(), strict=True):
            assert torch.allclose(one, other, rtol=1e-6, atol=1e-8)

    def test_muon_leaves_vectors_and_what_is_named_to_its_adamw(self):
        need("timm.optim", "timm")
        recipe = parse_recipe({"optimizer": {"name": "muon", "fallback_list": ["head.*"]}})
        model = Staged()
        optimizer = make_optimizer(model, recipe)
        model(torch.randn(4, 3, 6, 6)).sum().backward()
        optimizer.step()
        muon = {name for name, p in model.named_parameters() if optimizer.state[p]["use_muon"]}
        assert muon == {"stem.0.weight", "stages.0.blocks.0.weight", "stages.1.blocks.0.weight"}

    @pytest.mark.parametrize("name", ["adamw", "sgd", "lamb", "lion", "muon"])
    def test_interrupted_and_resumed_in_bits(self, name: str, tmp_path: Path):
        if name not in ("adamw", "sgd"):
            need("timm.optim", "timm")
        fields = {"epochs": 3, "batch_size": 8, "layer_decay": 0.7, "precision": "float32", "optimizer": name}
        recipe = parse_recipe(fields)
        whole = run(Staged(), recipe, tmp_path / "whole")
        with pytest.raises(Interrupted):
            run(Staged(), recipe, tmp_path / "parts", stop_after=4)
        resumed = run(Staged(), recipe, tmp_path / "parts").state_dict()
        assert all(torch.equal(tensor, resumed[key]) for key, tensor in whole.state_dict().items())
        assert any(not torch.equal(tensor, resumed[key]) for key, tensor in Staged().state_dict().items())

    def test_another_optimiser_does_not_continue(self, tmp_path: Path):
        run(Staged(), Recipe(epochs=1, batch_size=8), tmp_path)
        with pytest.raises(Exception, match="checkpoint of another run"):
            run(Staged(), parse_recipe({"epochs": 1, "batch_size": 8, "optimizer": "sgd"}), tmp_path)
