"""HRViT and HRFormer as specs: published parameters and multiply-adds, and fvcore's count of the built models.

Published: HRViT repository README and HRFormer repository README, ImageNet classification at 224.
"""

import pytest

from archspec.audit import audit
from archspec.contract import check_saved_bytes
from archspec.cost import measure
from archspec.loader import load
from archspec.parallel_tree import drop_path_rates
from archspec.schema import ArchSpec

PARAMS = {
    "hrvit-b1": (19_685_152, 19.7),
    "hrvit-b2": (32_486_408, 32.5),
    "hrvit-b3": (37_870_304, 37.9),
    "hrformer-t": (8_035_820, 8.0),
    "hrformer-s": (13_544_882, 13.5),
    "hrformer-b": (50_320_098, 50.3),
}


@pytest.mark.parametrize("name", PARAMS)
def test_params_equal_the_published_ones_to_their_digits(name):
    params, published = PARAMS[name]
    spec = load(name)
    assert measure(spec).params == params
    assert round(params / 1e6, 1) == published
    assert spec.status == "published"


@pytest.mark.parametrize(("name", "published"), [("hrvit-b1", 2.7), ("hrvit-b2", 5.1), ("hrvit-b3", 5.7)])
def test_hrvits_multiply_adds_count_one_of_the_two_matmuls(name, published):
    macs = measure(load(name)).total.by_operator
    counted = macs["conv"] + macs["linear"] + macs["scaled_dot_product_attention"] / 2
    assert round(counted / 1e9, 1) == published


@pytest.mark.parametrize("name", PARAMS)
def test_the_head_has_its_published_size(name):
    # HRViT 11.93, 12.18, 12.36 M; HRFormer 5.46, 5.65, 6.28 M, by the description of the shared head.
    heads = dict(zip(PARAMS, (11.93, 12.18, 12.36, 5.46, 5.65, 6.28), strict=True))
    head = next(part for part in measure(load(name)).parts if part.name == "head")
    assert round(head.params / 1e6, 2) == heads[name]


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
    rates = drop_path_rates(load("hrformer-b"))
    assert rates[0] == [[0.0]]
    assert (rates[1][0][0], rates[-1][-1][-1]) == (0, 0.2)
