"""Presets of published networks, and conversions of their weights, against timm; skipped where timm is absent."""

import warnings
from collections import Counter
from importlib.util import find_spec

import pytest
import torch

from archspec.builder import build
from archspec.convert import convert, find_family
from archspec.loader import load

PUBLISHED = {
    **{f"pvtv2-b{size}": f"pvt_v2_b{size}" for size in range(6)},
    "convnext-t": "convnext_tiny",
    "resnet-50": "resnet50",
}
SMALL = ("pvtv2-b0", "pvtv2-b1", "pvtv2-b2", "convnext-t", "resnet-50")


@pytest.fixture(scope="module")
def create():
    """timm's `create_model`, which makes a network without pretrained weights."""
    if find_spec("timm") is None:
        pytest.skip("timm is not installed")
    library = torch.library.Library("torchvision", "FRAGMENT")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            import torchvision  # noqa: F401
        except (ImportError, RuntimeError):
            # Its compiled part does not load beside every build of torch, and timm needs none of it.
            for operator in ("nms", "qnms"):
                library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
        from timm import create_model
    yield create_model
    del library


def converted(spec, theirs):
    """The network of `spec` with the weights of timm's."""
    network = build(spec, init="skip").to(next(theirs.parameters()).dtype)
    network.load_state_dict(convert(theirs.state_dict(), spec, network, find_family(spec)))
    return network.eval()


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_have_the_shapes_of_timms(create, name):
    with torch.device("meta"):
        theirs = create(PUBLISHED[name])
    ours = build(load(name), device="meta")
    shapes = [Counter(tuple(parameter.shape) for parameter in model.parameters()) for model in (ours, theirs)]
    assert shapes[0] == shapes[1]
    buffers = [Counter(tuple(buffer.shape) for buffer in model.buffers()) for model in (ours, theirs)]
    assert buffers[0] == buffers[1]


@pytest.mark.parametrize("name", PUBLISHED)
def test_every_tensor_of_timms_has_its_place(create, name):
    spec = load(name)
    with torch.device("meta"):
        state = create(PUBLISHED[name]).state_dict()
    found = convert(state, spec, build(spec, device="meta"), find_family(spec))
    assert len(found) == len(state)


@pytest.mark.parametrize("name", SMALL)
def test_logits_equal_timms(create, name):
    torch.manual_seed(0)
    spec, theirs = load(name), create(PUBLISHED[name]).eval()
    image = torch.randn(1, 3, 224, 224)
    with torch.no_grad():
        expected = theirs(image)
        assert expected.std() > 0.01
        assert torch.allclose(converted(spec, theirs)(image), expected, rtol=0, atol=1e-5)


@pytest.mark.parametrize("name", ["pvtv2-b0", "convnext-t", "resnet-50"])
def test_logits_equal_timms_where_no_weight_is_like_another(create, name):
    # At their start biases are zero, norms the identity and LayerScale a millionth: a mistake there would not show.
    torch.manual_seed(0)
    spec, theirs = load(name), create(PUBLISHED[name]).double().eval()
    with torch.no_grad():
        for tensor in theirs.state_dict().values():
            if tensor.is_floating_point():
                tensor.add_(0.2 * torch.rand_like(tensor) * tensor.abs().max().clamp(min=0.5) ** 0.5)
        image = torch.randn(1, 3, 97, 130, dtype=torch.double)
        expected, found = theirs(image), converted(spec, theirs)(image)
        assert expected.isfinite().all()
        assert expected.std() > 0.01
        assert torch.allclose(found, expected, rtol=1e-9, atol=1e-9 * float(expected.abs().max()))
