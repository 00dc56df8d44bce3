"""Batch norm and layer norm."""

import pytest
import torch

from blocks.layers.basic.conv import conv
from blocks.layers.basic.norm import BatchNorm, batch_norm, layer_norm, norm
from blocks.layers.combine import chain


def test_batch_norm_is_two_per_element_in_evaluation_and_five_in_training(agree):
    found = agree(batch_norm(6), (6, 4, 5))
    assert (found.shape, found.params, found.macs, found.activations) == ((6, 4, 5), 12, {"batch_norm": 2 * 120}, 0)
    # The input, and mean and inverse deviation of each channel.
    assert found.saved_bytes == 4 * (120 + 12)
    assert agree(batch_norm(6), (6, 4, 5), training=True).macs == {"batch_norm": 5 * 120}


@pytest.mark.parametrize("training", [False, True])
def test_layer_norm_is_five_per_element(agree, training):
    found = agree(layer_norm(6), (6, 4, 5), training=training)
    assert (found.shape, found.params, found.macs) == ((6, 4, 5), 12, {"layer_norm": 5 * 120})
    # The input, and mean and inverse deviation of each position.
    assert found.saved_bytes == 4 * (120 + 2 * 20)


def test_layer_norm_is_over_the_channels():
    x = torch.randn(2, 6, 4, 5)
    out = layer_norm(6).module()(x)
    assert torch.allclose(out.mean(1), torch.zeros(2, 4, 5), atol=1e-6)
    assert torch.allclose(out.std(1, correction=0), torch.ones(2, 4, 5), atol=1e-3)


@pytest.mark.parametrize("kind", ["bn", "ln"])
def test_norms_by_name_share_memory_with_their_neighbours(agree, kind):
    # Convolution keeps its input, the norm its own, the next convolution the norm's output.
    found = agree(chain(a=conv(3, 6), b=norm(kind, 6), c=conv(6, 2)), (3, 4, 4))
    statistics = 12 if kind == "bn" else 32
    assert found.saved_bytes == 4 * (3 * 16 + 6 * 16 + statistics + 6 * 16)


def test_layer_norm_of_a_vector(agree):
    found = agree(layer_norm(6), (6,))
    assert (found.shape, found.params, found.macs, found.saved_bytes) == ((6,), 12, {"layer_norm": 30}, 4 * (6 + 2))


@pytest.mark.parametrize("shape", [(2, 6), (2, 6, 3, 4)])
def test_epsilon_is_added_to_the_variance(shape):
    x = torch.randn(shape)
    out = layer_norm(6, eps=3.0).module()(x)
    expected = (x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + 3).sqrt()
    assert torch.allclose(out, expected, atol=1e-6)


def test_layer_norm_of_a_vector_and_its_epsilon(agree):
    found = agree(layer_norm(6, 1e-5), (6,))
    assert (found.shape, found.macs) == ((6,), {"layer_norm": 5 * 6})
    x = 1e-3 * torch.randn(2, 6)
    expected = (x - x.mean(1, keepdim=True)) / (x.var(1, correction=0, keepdim=True) + 1e-5).sqrt()
    assert torch.allclose(layer_norm(6, 1e-5).module()(x), expected, atol=1e-6)
    assert not torch.allclose(layer_norm(6).module()(x), expected, atol=1e-2)


def test_a_batch_norm_that_begins_at_zero_costs_the_same(agree):
    first, second = (agree(BatchNorm(4, zero=zero), (4, 3, 3), training=True) for zero in (False, True))
    assert first == second
    module = BatchNorm(4, zero=True).module()
    assert not module(torch.randn(2, 4, 3, 3)).any()


def test_epsilon_of_layer_norm():
    x = torch.full((1, 2, 1, 1), 0.0)
    x[0, 0] = 2e-3
    large, small = (layer_norm(2, eps).module()(x)[0, 0].item() for eps in (1e-5, 1e-6))
    assert large == pytest.approx(1e-3 / (1e-6 + 1e-5) ** 0.5, rel=1e-4)
    assert small == pytest.approx(1e-3 / (1e-6 + 1e-6) ** 0.5, rel=1e-4)
