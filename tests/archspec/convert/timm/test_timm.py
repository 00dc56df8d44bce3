"""Presets of the families that timm has, and conversions of their weights; skipped where timm is absent."""

from collections import Counter

import pytest
import torch
from torch import nn

from archspec.convert.convert import convert, families, find_family
from archspec.cost.measure import measure
from archspec.loader import load, presets
from archspec.model.build import build

TWINS = {
    **{f"pvtv2-b{size}": f"pvt_v2_b{size}" for size in range(6)},
    **{f"davit-{size[0]}": f"davit_{size}" for size in ("tiny", "small", "base")},
    **{f"swin-{size[0]}": f"swin_{size}_patch4_window7_224" for size in ("tiny", "small", "base")},
    **{f"hrnet-w{width}": f"hrnet_w{width}" for width in (18, 32, 48)},
    "convnext-t": "convnext_tiny",
    **{"resnet-18": "resnet18", "resnet-50": "resnet50", "resnet-50d": "resnet50d"},
}
RESNETS = ("resnet-18", "resnet-50", "resnet-50d")
BUILT = ("pvtv2-b0", "pvtv2-b2", "davit-t", "swin-t", "hrnet-w18", "hrnet-w32", "convnext-t", *RESNETS)


def test_every_preset_of_a_family_is_compared():
    assert set(TWINS) == {name for name in presets() if name.split("-")[0] in families()}
    assert {find_family(load(name)) for name in BUILT} == set(families())


@pytest.mark.parametrize("name", TWINS)
def test_parameters_are_timms_and_each_has_its_place(create, name):
    spec = load(name)
    with torch.device("meta"):
        theirs = create(TWINS[name])
    ours = build(spec, device="meta")
    assert measure(spec).params == sum(parameter.numel() for parameter in theirs.parameters())
    shapes = [Counter(tuple(parameter.shape) for parameter in model.parameters()) for model in (ours, theirs)]
    assert shapes[0] == shapes[1]
    state = theirs.state_dict()
    assert len(convert(state, spec, ours, find_family(spec))) == len(state)


def converted(spec, theirs):
    """The network of `spec` with the weights of timm's."""
    network = build(spec, init="skip").to(next(theirs.parameters()).dtype)
    network.load_state_dict(convert(theirs.state_dict(), spec, network, find_family(spec)))
    return network.eval()


def lively(model, image):
    """`model` without weights that begin as zeros and ones, and with the statistics of `image` in its batch norms.

    Where these stay at zero and one, the logits of a deep network without other norms are astronomic.
    """
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.02 * torch.randn_like(parameter))
        norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
        for module in norms:
            module.momentum = 1.0
        if norms:
            model.train()(image)
    return model.eval()


@pytest.mark.parametrize("name", BUILT)
def test_logits_equal_timms(create, name):
    torch.manual_seed(0)
    image = torch.randn(1, 3, 224, 224)
    spec, theirs = load(name), lively(create(TWINS[name]), image)
    image = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        expected, found = theirs(image), converted(spec, theirs)(image)
    assert 0.05 < expected.std() < 10
    assert float((found - expected).abs().max()) < 1e-5


@pytest.mark.parametrize("name", ["pvtv2-b0", "convnext-t", *RESNETS])
def test_logits_equal_timms_where_no_weight_is_like_another(create, name):
    # At their start biases are zero, norms the identity and LayerScale a millionth: a mistake there would not show.
    torch.manual_seed(0)
    spec, theirs = load(name), create(TWINS[name]).double().eval()
    with torch.no_grad():
        for tensor in theirs.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.2 * torch.rand_like(tensor) * tensor.abs().max().clamp(min=0.5) ** 0.5)
        image = torch.randn(1, 3, 97, 130, dtype=torch.double)
        expected, found = theirs(image), converted(spec, theirs)(image)
        assert expected.isfinite().all()
        assert expected.std() > 0.01
        assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))
