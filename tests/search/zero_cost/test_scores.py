"""Zero-cost scores against what can be computed by hand."""

import math

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from archspec.errors import RunError
from search.zero_cost.naswot import code_kernel, naswot
from search.zero_cost.score_session import Probe
from search.zero_cost.synflow import synflow
from search.zero_cost.zico import steadiness, zico


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
