"""HRNet, HRFormer and HRViT as specs: published parameters and multiply-adds, and fvcore's count of the built models.

Published: HRNet's Table 5 (widths as timm lists them), and the READMEs of the repositories of HRViT and HRFormer,
ImageNet classification at 224.
"""

import pytest

from archspec.cost.measure import measure
from archspec.loader import load
from archspec.model.audit import audit
from archspec.model.build import build
from archspec.spec.schema import ArchSpec
from archspec.testing.contract import check_saved_bytes
from archspec.tree.tree_parallel import branch_rates

PARAMS = {
    "hrnet-w18": (21_299_004, 21.3),
    "hrnet-w32": (41_232_680, 41.2),
    "hrnet-w48": (77_469_864, 77.5),
    "hrvit-b1": (19_685_152, 19.7),
    "hrvit-b2": (32_486_408, 32.5),
    "hrvit-b3": (37_870_304, 37.9),
    "hrformer-t": (8_035_820, 8.0),
    "hrformer-s": (13_544_882, 13.5),
    "hrformer-b": (50_320_098, 50.3),
}
"""Parameters, those of HRNet as read off timm 1.0.31, and the published millions."""
HEADS = {
    "hrnet-w18": 11.74,
    "hrvit-b1": 11.93,
    "hrvit-b2": 12.18,
    "hrvit-b3": 12.36,
    "hrformer-t": 5.46,
    "hrformer-s": 5.65,
    "hrformer-b": 6.28,
}
"""Millions of parameters, by the description of the shared head."""


@pytest.mark.parametrize("name", PARAMS)
def test_params_equal_the_published_ones_to_their_digits(name):
    params, published = PARAMS[name]
    spec = load(name)
    assert measure(spec).params == params
    assert round(params / 1e6, 1) == published
    assert spec.status == "published"
    network = build(spec, device="meta")
    assert sum(parameter.numel() for parameter in network.parameters()) == params


def test_costs_of_hrnet_equal_fvcores_count():
    assert audit(load("hrnet-w18"), (200, 236)).operators > 1000


@pytest.mark.parametrize(("name", "published"), [("hrvit-b1", 2.7), ("hrvit-b2", 5.1), ("hrvit-b3", 5.7)])
def test_hrvits_multiply_adds_count_one_of_the_two_matmuls(name, published):
    macs = measure(load(name)).total.by_operator
    counted = macs["conv"] + macs["linear"] + macs["scaled_dot_product_attention"] / 2
    assert round(counted / 1e9, 1) == published


@pytest.mark.parametrize("name", HEADS)
def test_the_head_has_its_published_size(name):
    head = next(part for part in measure(load(name)).parts if part.name == "head")
    assert round(head.params / 1e6, 2) == HEADS[name]


def thin(name):
    """The first three stages of a preset with one block in each branch: all kinds of layers, few of each."""
    data = load(name).canonical()
    stages = [
        {**stage, "modules": 1, "branches": [{**one, "blocks": one["blocks"][:1]} for one in stage["branches"]]}
        for stage in data["stages"][:3]
    ]
    # A head reads all maps, as tracing for the count leaves out what no output needs.
    head = {**data["head"], "planes": 1, "hidden": 8, "classes": 2}
    return ArchSpec.model_validate({**data, "stages": stages, "head": head})


@pytest.mark.parametrize(
    ("name", "size"), [("hrvit-b1", (200, 236)), ("hrvit-b2", (193, 197)), ("hrformer-t", (200, 164))]
)
def test_fvcore_agrees_where_windows_fit_and_where_they_do_not(name, size):
    assert audit(thin(name), size).operators > 100


@pytest.mark.parametrize("name", ["hrvit-b1", "hrformer-t"])
def test_autograd_keeps_what_is_computed(name):
    assert check_saved_bytes(load(name), (200, 164))


def test_stochastic_depth_of_hrformer_begins_with_its_own_blocks():
    rates = branch_rates(load("hrformer-b"))
    assert rates[0] == [[0.0]]
    assert (rates[1][0][0], rates[-1][-1][-1]) == (0, 0.2)
