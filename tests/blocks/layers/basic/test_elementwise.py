"""Layers without weights: activations, pooling, resizing."""

import pytest
import torch

from archspec.errors import FieldError
from blocks.layers.basic.activation import Activation
from blocks.layers.basic.conv import conv
from blocks.layers.basic.pool import AvgPool, GlobalPool, MaxPool
from blocks.layers.basic.resize import Repeat, Resize
from blocks.layers.combine import chain
from blocks.layers.layer import Meter, Value


@pytest.mark.parametrize("name", ["gelu", "silu", "hardswish", "relu"])
def test_activations_are_free_in_macs_and_keep_one_map(agree, name):
    found = agree(Activation(name), (3, 4, 5))
    assert (found.shape, found.params, found.macs, found.activations) == ((3, 4, 5), 0, {}, 0)
    assert found.saved_bytes == 4 * 60


@pytest.mark.parametrize(("name", "maps"), [("gelu", 3), ("relu", 2)])
def test_relu_keeps_its_output_which_the_next_layer_keeps_anyway(agree, name, maps):
    found = agree(chain(a=conv(2, 2), b=Activation(name), c=conv(2, 2)), (2, 4, 4))
    assert found.saved_bytes == maps * 4 * 32


def test_gelu_is_the_exact_one():
    x = torch.linspace(-3, 3, 13).reshape(1, 1, 1, -1)
    expected = x * 0.5 * (1 + torch.erf(x / 2**0.5))
    assert torch.allclose(Activation("gelu").module()(x), expected, atol=1e-6)


@pytest.mark.parametrize(("size", "shape", "out"), [(2, (4, 6), (2, 3)), (2, (5, 1), (3, 1)), (3, (7, 8), (3, 3))])
def test_average_pooling_is_free_and_counts_a_last_odd_row_alone(agree, size, shape, out):
    found = agree(AvgPool(size), (2, *shape))
    assert (found.shape, found.macs) == ((2, *out), {})
    assert found.saved_bytes == 4 * 2 * shape[0] * shape[1]


def test_the_mean_of_a_last_odd_row_is_of_what_is_there():
    pooled = AvgPool(2).module()(torch.tensor([[[[1.0, 3, 5]]]]))
    assert pooled.flatten().tolist() == [2, 5]


@pytest.mark.parametrize(("shape", "out"), [((4, 6), (2, 3)), ((5, 1), (3, 1)), ((7, 8), (4, 4))])
def test_max_pooling_is_free_and_keeps_where_each_maximum_was(agree, shape, out):
    found = agree(MaxPool(3, 2), (2, *shape))
    assert (found.shape, found.macs) == ((2, *out), {})
    assert found.saved_bytes == 4 * 2 * shape[0] * shape[1] + 8 * 2 * out[0] * out[1]


def test_a_stem_cannot_pool_a_map_of_one_position():
    meter = Meter()
    meter.reducing = True
    with pytest.raises(FieldError, match="stride 2 empties a map of 1x5"):
        MaxPool().trace(Value.new((2, 1, 5)), meter)


def test_global_pooling_is_one_per_input_element(agree):
    found = agree(GlobalPool(), (3, 4, 5))
    assert (found.shape, found.macs) == ((3,), {"adaptive_avg_pool2d": 60})
    x = torch.randn(2, 3, 4, 5)
    assert torch.allclose(GlobalPool().module()(x), x.mean((2, 3)), atol=1e-6)


def test_repetition_is_one_per_output_element(agree):
    found = agree(Repeat(2), (3, 2, 3))
    assert (found.shape, found.macs, found.saved_bytes) == ((3, 4, 6), {"upsample_nearest2d": 72}, 0)
    x = torch.randn(2, 3, 2, 3)
    assert torch.equal(Repeat(2).module()(x), x.repeat_interleave(2, 2).repeat_interleave(2, 3))


@pytest.mark.parametrize("shape", [(3, 2, 7), (3, 6, 6), (3, 1, 1)])
def test_bilinear_resizing_is_four_per_output_element(agree, shape):
    found = agree(Resize(6), shape)
    assert (found.shape, found.macs, found.saved_bytes) == ((3, 6, 6), {"upsample_bilinear2d": 4 * 108}, 0)
