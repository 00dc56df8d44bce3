"""Zero-cost scores against what can be computed by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from archspec.errors import RunError
from archspec.loader import load
from search.seeding import seed_everything
from search.weights.initial import begin
from search.zero_cost.naswot import code_kernel, naswot
from search.zero_cost.score_session import Probe
from search.zero_cost.synflow import synflow
from search.zero_cost.zico import steadiness, zico

MANY_ATTENTIONS = (
    "hr_stem:width=16-CFFN2x8e4-CFFN1x12e2-irds_a-T2x16h2e2-irds_b-CFFN3x32e2-T2x64h2e4-classifier:classes=20@64",
    "CFFN1x16e2-HR1x24e2-irds_a-T2x16h2e2-T2x64h1e4-T2x32h4e4-classifier:classes=20@64",
)
"""Layouts that had no score while their attentions saw logits as they are."""


@pytest.fixture(scope="module", autouse=True)
def one_thread():
    """As in workers."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def cross_entropy(network: nn.Module):
    return lambda images, labels: F.cross_entropy(network(images), labels)


def probe(network: nn.Module, *batches, shape=(1, 1, 1)) -> Probe:
    return Probe(network, list(batches), cross_entropy(network), shape)


def labelled(*rows: list[float]):
    return torch.tensor(rows), torch.zeros(len(rows), dtype=torch.int64)


class Functional(nn.Module):
    """An activation that is no module."""

    def forward(self, x):
        return F.gelu(x)


@pytest.mark.parametrize("activation", [nn.ReLU, nn.GELU, nn.SiLU, nn.Hardswish, Functional])
def test_naswot_is_the_log_determinant_of_the_units_that_code_images_alike(activation):
    batch = labelled([1.0, 2.0, -1.0], [1.0, -2.0, -1.0], [-1.0, -2.0, 3.0])
    network = nn.Sequential(activation(), nn.Sigmoid())
    # codes 110, 100 and 001: the first two agree in two units, the first and the third in none, the others in one
    expected = np.array([[3, 2, 0], [2, 3, 1], [0, 1, 3]])
    assert code_kernel(network, batch[0]).tolist() == expected.tolist()
    assert naswot(probe(network, batch)) == pytest.approx(math.log(np.linalg.det(expected)))


def test_naswot_reads_a_code_before_it_is_overwritten_and_adds_up_layers():
    network = nn.Sequential(nn.ReLU(inplace=True), nn.Linear(2, 2, bias=False), nn.ReLU())
    with torch.no_grad():
        network[1].weight.copy_(-torch.eye(2))  # all codes of the second layer are 0
    kernel = code_kernel(network, torch.tensor([[1.0, -1.0], [1.0, 1.0]]))
    assert kernel.tolist() == [[4, 3], [3, 4]]


def test_naswot_refuses_codes_that_are_the_same_and_networks_without_any():
    batch = labelled([1.0, 2.0], [2.0, 1.0])
    with pytest.raises(RunError, match="the same code"):
        naswot(probe(nn.Sequential(nn.ReLU()), batch))
    with pytest.raises(RunError, match="needs an activation"):
        naswot(probe(nn.Sequential(nn.Sigmoid()), batch))


def test_synflow_of_a_linear_chain_is_its_product_once_for_each_layer():
    chain = nn.Sequential(*(nn.Conv2d(1, 1, 1, bias=False) for _ in range(3)), nn.BatchNorm2d(1), nn.ReLU())
    with torch.no_grad():
        for layer, weight in zip(chain, (2.0, -3.0, 5.0), strict=False):
            layer.weight.fill_(weight)
    assert synflow(probe(chain)) == pytest.approx(math.log(3 * 2 * 3 * 5))


def test_synflow_adds_up_every_path_and_passes_what_a_float_holds():
    wide = nn.Sequential(nn.Conv2d(1, 4, 1, bias=False), nn.Conv2d(4, 1, 1, bias=False))
    with torch.no_grad():
        for one in wide.parameters():
            one.fill_(-0.5)
    assert synflow(probe(wide)) == pytest.approx(math.log(2 * 4 * 0.25))
    deep = nn.Sequential(*(nn.Conv2d(1, 1, 1, bias=False) for _ in range(60)))
    with torch.no_grad():
        for one in deep.parameters():
            one.fill_(10.0)
    assert synflow(probe(deep)) == pytest.approx(math.log(60) + 60 * math.log(10))


def test_zico_is_the_log_of_mean_over_deviation_summed_over_the_weights_of_each_layer():
    rng = np.random.default_rng(0)
    layers = [rng.random((4, 3, 2)), rng.random((4, 5))]
    layers[0][:, 0, 0] = 0.3  # a weight whose gradient does not vary
    expected = 0.0
    for values in layers:
        deviation = values.std(0)
        expected += math.log((values.mean(0)[deviation > 0] / deviation[deviation > 0]).sum())
    same = [torch.ones(2), torch.ones(2)]
    found = steadiness([[torch.from_numpy(one) for one in values] for values in layers] + [same, []])
    assert found == pytest.approx(expected)


def test_zico_takes_the_gradient_of_each_batch_by_itself():
    network = nn.Sequential(nn.Linear(2, 3))
    batches = labelled([1.0, 2.0], [0.5, 1.0]), labelled([-1.0, 1.0], [2.0, 0.0])
    gradients: list[torch.Tensor] = []
    for images, labels in batches:
        loss = F.cross_entropy(network(images), labels)
        gradients += torch.autograd.grad(loss, network[0].weight)
    expected = steadiness([[one.double().abs() for one in gradients]])
    assert zico(probe(network, *batches)) == pytest.approx(expected)


class TokenAttention(nn.Module):
    """Attention over the pixels of a row, on one channel, with or without the fused function."""

    def __init__(self, *, fused: bool) -> None:
        super().__init__()
        self.maps, self.fused = nn.Conv2d(1, 3, 1, bias=False), fused
        with torch.no_grad():
            self.maps.weight.copy_(torch.tensor([2.0, 3.0, 5.0]).view(3, 1, 1, 1))

    def forward(self, x):
        q, k, v = self.maps(x * torch.arange(1, x.shape[-1] + 1)).flatten(2).unsqueeze(-1).unbind(1)
        if self.fused:
            return F.scaled_dot_product_attention(q, k, v)
        return (q @ k.transpose(1, 2)).softmax(2) @ v


@pytest.mark.parametrize("fused", [True, False])
def test_synflow_is_conserved_through_attention_whose_logits_are_over_their_largest(fused):
    # pixels are 1 and 2, and logits are their products over the largest of them, 4, whatever query and key are
    pattern = np.exp(np.outer([1, 2], [1, 2]) / 4)
    total = 5 * (pattern / pattern.sum(1, keepdims=True) @ [1, 2]).sum()
    own = TokenAttention(fused=fused)
    assert synflow(probe(own, shape=(1, 1, 2))) == pytest.approx(math.log(total))
    for factor in (1e3, 1e60):
        network = nn.Sequential(nn.Conv2d(1, 1, 1, bias=False), TokenAttention(fused=fused)).double()
        with torch.no_grad():
            network[0].weight.fill_(factor)
        assert synflow(probe(network, shape=(1, 1, 2))) == pytest.approx(math.log(2 * total) + math.log(factor))


def test_synflow_has_a_score_for_layouts_of_many_attentions():
    for code in MANY_ATTENTIONS:
        spec = load(code)
        seed_everything(0)
        network = begin(spec, "fan_out", zero_init_residual=False, weights=None).network
        assert 40 < synflow(probe(network, shape=(3, 64, 64))) < 200
