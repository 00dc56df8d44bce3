"""HRNet, HRFormer and HRViT against published figures, and HRNet's tensors against timm's where that is installed."""

from collections import Counter

import pytest
import torch

from archspec.audit import audit
from archspec.builder import build
from archspec.cost import measure
from archspec.loader import load

PUBLISHED = {
    "hrnet-w18": 21.3,
    "hrnet-w32": 41.2,
    "hrnet-w48": 77.5,
    "hrformer-t": 8.0,
    "hrformer-s": 13.5,
    "hrformer-b": 50.3,
    "hrvit-b1": 19.7,
    "hrvit-b2": 32.5,
    "hrvit-b3": 37.9,
}
"""Millions of parameters: the tables of HRNet (Table 5's widths as timm lists them), the READMEs of the others."""
HEADS = {
    "hrnet-w18": 11.74,
    "hrformer-t": 5.46,
    "hrformer-s": 5.65,
    "hrformer-b": 6.28,
    "hrvit-b1": 11.93,
    "hrvit-b2": 12.18,
    "hrvit-b3": 12.36,
}


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_equal_the_published_ones_to_their_digits(name):
    spec = load(name)
    cost = measure(spec)
    assert round(cost.params / 1e6, 1) == PUBLISHED[name]
    assert spec.status == "published"
    network = build(spec, device="meta")
    assert sum(parameter.numel() for parameter in network.parameters()) == cost.params
    if name in HEADS:
        assert round(cost.parts[-1].params / 1e6, 2) == HEADS[name]


@pytest.mark.parametrize(
    ("name", "params"), [("hrnet-w18", 21_299_004), ("hrnet-w32", 41_232_680), ("hrnet-w48", 77_469_864)]
)
def test_parameters_of_hrnet_equal_timms(name, params):
    assert measure(load(name)).params == params  # read off timm 1.0.31


def test_costs_of_hrnet_equal_fvcores_count():
    assert audit(load("hrnet-w18"), (200, 236)).operators > 1000


@pytest.fixture(scope="module")
def timm():
    try:
        library = torch.library.Library("torchvision", "FRAGMENT")
        for name, arguments in (("nms", "Tensor dets, Tensor scores, float"), ("qnms", "Tensor d, Tensor s, float")):
            library.define(f"{name}({arguments} iou_threshold) -> Tensor")
        import timm
    except (ImportError, RuntimeError) as error:
        pytest.skip(f"timm cannot be imported: {error}")
    return timm


@pytest.mark.parametrize("width", [18, 32, 48])
def test_tensors_have_the_shapes_of_timms(timm, width):
    with torch.device("meta"):
        theirs = timm.create_model(f"hrnet_w{width}")
    ours = build(load(f"hrnet-w{width}"), device="meta")
    shapes = [Counter(tuple(x.shape) for x in model.state_dict().values()) for model in (theirs, ours)]
    assert shapes[0] == shapes[1]
