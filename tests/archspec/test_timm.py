"""Presets and specs as timm models: what timm's own tests ask of a model, as far as it applies."""

import importlib

import pytest
import torch
from extras import need

import archspec
from archspec.errors import SpecError


@pytest.fixture(autouse=True)
def registered():
    """timm's names are registered by an import."""
    need("timm")
    importlib.import_module("archspec.timm")


def create(name: str = "archspec_tiny", **arguments):
    return need("timm").create_model(name, **arguments)


def images(side: int = 64, channels: int = 3) -> torch.Tensor:
    return torch.randn(2, channels, side, side)


def test_presets_are_listed_and_made_by_name():
    timm = need("timm")
    names = timm.list_models("archspec_*")
    assert "archspec_hiri_vit_s" in names
    assert len(names) == len(archspec.presets())
    assert timm.is_model("archspec")
    assert create(num_classes=7)(images()).shape == (2, 7)


@pytest.mark.parametrize(
    ("arguments", "shape"),
    [({"num_classes": 0}, (2, 96)), ({"in_chans": 1}, (2, 10)), ({"img_size": 128}, (2, 10)), ({}, (2, 10))],
)
def test_arguments_change_the_network(arguments, shape):
    network = create(**arguments).eval()
    x = images(arguments.get("img_size", 64), arguments.get("in_chans", 3))
    assert network(x).shape == shape
    assert network.pretrained_cfg is network.default_cfg


def test_stochastic_depth_reaches_the_last_block():
    network = create(drop_path_rate=0.3)
    assert network.spec.drop_path == 0.3
    assert [one.rate for one in network.modules() if type(one).__name__ == "DropPath"][-1] == pytest.approx(0.3)


def test_every_parameter_gets_a_gradient():
    network = create(num_classes=5).train()
    network(images()).mean().backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in network.parameters())


@pytest.mark.parametrize("name", ["archspec_tiny", "archspec_hrnet_w18"])
def test_features_alone(name):
    network = create(name, features_only=True, out_indices=(1, 2)).eval()
    found = network(images())
    assert [one.shape[1] for one in found] == network.feature_info.channels()
    assert [64 // one.shape[2] for one in found] == network.feature_info.reduction()
    assert type(network).__name__ == "FeatureGetterNet"


def test_a_spec_of_ones_own(tmp_path):
    path = tmp_path / "net.yaml"
    path.write_text("stem: {type: hr_stem, width: 8}\nstages:\n  - {block: HR, depth: 1, width: 8}\n")
    assert create("archspec", spec=str(path), features_only=True)(images())[0].shape == (2, 8, 16, 16)
    assert create("archspec", spec="HR1x8-CFFN1x12", num_classes=4)(images()).shape == (2, 4)


@pytest.mark.parametrize(
    ("name", "arguments", "rule"),
    [
        ("archspec", {}, "spec: is needed"),
        ("archspec_tiny", {"spec": "tiny"}, "spec: is that of preset tiny"),
        ("archspec_tiny", {"pretrained": True}, "has no weights to download"),
        ("archspec_tiny", {"global_pool": "max"}, "global_pool: is no option"),
        ("archspec_tiny", {"drop_rate": 0.1}, "drop_rate: is no option"),
        ("archspec_tiny", {"img_size": (64, 96)}, "img_size: must be square, not 64x96"),
        ("archspec_tiny", {"img_size": 32}, "empties a map"),
    ],
)
def test_what_cannot_be_followed_is_refused(name, arguments, rule):
    with pytest.raises(SpecError, match=rule):
        create(name, **arguments)


def test_optimisers_of_timm_find_depth_and_what_is_not_decayed():
    from timm.optim import create_optimizer_v2

    network = create("archspec", spec="tiny")
    optimizer = create_optimizer_v2(network, opt="adamw", lr=0.1, weight_decay=0.05, layer_decay=0.5)
    scales = sorted({group["lr_scale"] for group in optimizer.param_groups})
    assert len(scales) == 7  # stem, five blocks, head
    assert scales[-1] == 1


@pytest.mark.parametrize("kind", ["Unet", "FPN"])
def test_segmentation_models_train_a_step(kind):
    smp = need("segmentation_models_pytorch")
    model = getattr(smp, kind)("tu-archspec_tiny", encoder_weights=None, classes=3)
    before = [one.clone() for one in model.parameters()]
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    x = images(128)
    out = model(x)
    assert out.shape == (2, 3, 128, 128)
    out.square().mean().backward()
    optimizer.step()
    assert any(not torch.equal(one, other) for one, other in zip(before, model.parameters(), strict=True))
