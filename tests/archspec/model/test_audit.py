"""The audit agrees where it must, and names module and operator where something is wrong."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from archspec.cost.measure import measure
from archspec.errors import AuditError
from archspec.loader import load
from archspec.model.audit import audit, compare, count, saved_bytes
from archspec.model.build import build


@pytest.mark.parametrize("resolution", [64, (96, 65)])
def test_fvcore_and_torch_confirm_the_tiny_preset(resolution):
    passed = audit(load("tiny"), resolution)
    assert passed.cost == measure(load("tiny"), resolution)
    assert passed.modules == sum(1 for _ in build(load("tiny"), device="meta").modules())
    assert passed.operators > 100
    assert 0 < passed.torch_macs < passed.cost.macs


@pytest.mark.parametrize("resolution", [224, 384])
def test_fvcore_and_torch_confirm_hiri_vit_s(resolution):
    cost = audit(load("hiri-vit-s"), resolution).cost
    assert (cost.params, cost.macs) == (34_729_000, {224: 4_537_159_552, 384: 4_835_431_808}[resolution])


def test_a_model_of_another_spec_is_found_out():
    model = build(load("HR1x8-CFFN1x16e3")).eval()
    with pytest.raises(AuditError, match=r"params: computed [0-9,]+, the model has [0-9,]+"):
        audit(load("HR1x8-CFFN1x16e4"), 64, model=model)


def test_a_disagreement_names_the_innermost_module_and_the_operator():
    spec = load("HR1x8-T1x16h2")
    network = build(spec).eval()
    network.stages[1].get_submodule("blocks.0.ffn.body.ffn.mix.body").stride = (2, 2)
    network.stages[1].get_submodule("blocks.0.ffn.body.ffn.mix").forward = lambda x: x
    with pytest.raises(AuditError) as caught:
        compare(measure(spec, 64), count(network, torch.zeros(1, 3, 64, 64)))
    message = "module stages.1.blocks.0.ffn.body.ffn.mix.body: operator conv: computed 36,864 MACs, fvcore counts 0"
    assert message in str(caught.value)


def test_batches_count_as_one_image():
    network = build(load("tiny")).eval()
    assert count(network, torch.zeros(3, 3, 64, 64)) == count(network, torch.zeros(1, 3, 64, 64))


class Wrap(nn.Module):
    def __init__(self, function):
        super().__init__()
        self.function = function

    def forward(self, x):
        return self.function(x)


@pytest.mark.parametrize(
    ("operator", "function"),
    [
        ("aten::fft_fft2", lambda x: torch.fft.fft2(x).abs()),
        ("aten::cdist", lambda x: torch.cdist(x, x)),
        ("aten::linalg_inv", lambda x: torch.linalg.inv(x + torch.eye(8))),
        ("aten::cosine_similarity", lambda x: F.cosine_similarity(x, x)),
        ("aten::_upsample_bicubic2d_aa", lambda x: F.interpolate(x, size=9, mode="bicubic", antialias=True)),
        ("aten::linalg_norm of a matrix", lambda x: torch.linalg.norm(x, 2, dim=(2, 3))),
    ],
)
def test_an_operator_without_a_rule_is_an_error_and_never_a_zero(operator, function):
    model = nn.Sequential(nn.Conv2d(3, 4, 1), Wrap(function))
    with pytest.raises(AuditError, match=f"module 1: operator {operator} has no counting rule"):
        count(model.eval(), torch.zeros(1, 3, 8, 8))


@pytest.mark.parametrize(
    "function",
    [
        F.gelu,
        F.silu,
        lambda x: x + 2 * x,
        lambda x: F.pad(x, (0, 1, 1, 0)),
        lambda x: F.avg_pool2d(x, 2),
        lambda x: x.softmax(-1),
        lambda x: x.repeat_interleave(2, dim=-1),
        lambda x: x.permute(0, 2, 3, 1).reshape(1, -1, 4),
    ],
)
def test_free_operators_are_free(function):
    counted = count(nn.Sequential(nn.Conv2d(3, 4, 1), Wrap(function)).eval(), torch.zeros(1, 3, 8, 8))
    assert counted.macs[""] == {"conv": 3 * 4 * 64}


def test_attention_counts_as_its_two_matmuls():
    def attend(x):
        tokens = x.flatten(2).transpose(1, 2).reshape(1, 64, 2, 2).transpose(1, 2)
        return F.scaled_dot_product_attention(tokens, tokens[:, :, :16], tokens[:, :, :16])

    counted = count(nn.Sequential(nn.Conv2d(3, 4, 1), Wrap(attend)).eval(), torch.zeros(1, 3, 8, 8))
    # 64 queries, 16 keys, 4 channels over 2 heads.
    assert counted.macs["1"] == {"scaled_dot_product_attention": 2 * 64 * 16 * 4}
    assert counted.activations == 4 * 64 + 2 * 64 * 16 + 64 * 4


def test_saved_bytes_see_each_tensor_once_and_no_parameters():
    model = nn.Sequential(nn.Conv2d(3, 4, 1), nn.GELU())
    assert saved_bytes(model, torch.zeros(1, 3, 8, 8)) == 4 * (3 * 64 + 4 * 64)
    # ReLU keeps its output, which is what the next layer keeps as its input.
    model = nn.Sequential(nn.ReLU(), nn.Conv2d(3, 4, 1))
    assert saved_bytes(model, torch.zeros(1, 3, 8, 8, requires_grad=True)) == 4 * 3 * 64
