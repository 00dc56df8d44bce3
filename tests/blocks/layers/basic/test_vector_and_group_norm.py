"""Group norm, transposed convolution, flattening, a learnable number, and maxima over windows."""

import pytest
import torch

from archspec.errors import FieldError
from blocks.layers.basic.conv import conv
from blocks.layers.basic.group_norm import GroupNorm
from blocks.layers.basic.linear import Linear
from blocks.layers.basic.pool import MaxPool
from blocks.layers.basic.transposed_conv import TransposedConv
from blocks.layers.basic.vector import Flatten, Scale
from blocks.layers.combine import chain
from blocks.layers.layer import Meter, Value


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(("groups", "size"), [(1, (3, 5)), (3, (1, 2)), (6, (4, 4))])
def test_group_norm_costs_five_per_element_in_both_modes(agree, groups, size, training):
    elements = 6 * size[0] * size[1]
    found = agree(GroupNorm(6, groups), (6, *size), training=training)
    assert (found.params, found.macs) == (12, {"group_norm": 5 * elements})
    assert found.saved_bytes == 4 * elements + 2 * 4 * groups


def test_group_norm_normalises_each_image_and_group_alone():
    out = GroupNorm(4, 2).module()(torch.randn(3, 4, 5, 5) * 7 + 2).reshape(3, 2, -1)
    assert torch.allclose(out.mean(2), torch.zeros(3, 2), atol=1e-5)
    assert torch.allclose(out.var(2, unbiased=False), torch.ones(3, 2), atol=1e-3)


def test_groups_of_a_single_number_are_refused_as_torch_refuses_them():
    layer = GroupNorm(4, 4)
    with pytest.raises(
        FieldError, match=r"group norm of 4 groups finds a single number in each, in a map of \(4, 1, 1\)"
    ):
        layer.trace(Value.new((4, 1, 1)), Meter())
    with pytest.raises(ValueError, match="Expected more than 1 value per channel"):
        layer.module()(torch.randn(1, 4, 1, 1))
    assert layer.trace(Value.new((4, 1, 2)), Meter()).shape == (4, 1, 2)


@pytest.mark.parametrize("stride", [2, 3])
def test_a_transposed_convolution_costs_its_weights_per_input_position(agree, stride):
    found = agree(TransposedConv(3, 5, stride), (3, 4, 7))
    weights = stride**2 * 3 * 5
    assert (found.shape, found.params) == ((5, 4 * stride, 7 * stride), weights + 5)
    assert (found.macs, found.activations) == ({"conv": weights * 28}, 5 * 28 * stride**2)


def test_a_flattened_map_is_the_same_memory(agree):
    found = agree(chain(conv=conv(2, 3), flatten=Flatten(), linear=Linear(3 * 20, 4)), (2, 4, 5))
    assert found.shape == (4,)
    assert found.saved_bytes == 4 * (2 + 3) * 20


def test_a_learnable_number_is_free_and_begins_at_one(agree):
    found = agree(Scale(), (2, 3, 3))
    assert (found.params, found.macs, found.saved_bytes) == (1, {}, 4 * 18)
    module = Scale().module()
    assert torch.equal(module(torch.arange(4.0)), torch.arange(4.0))


@pytest.mark.parametrize(("size", "out"), [((5, 6), (3, 3)), ((1, 1), (1, 1))])
def test_a_maximum_over_single_positions_takes_every_second_one(agree, size, out):
    found = agree(MaxPool(1, 2), (3, *size))
    assert (found.shape, found.macs) == ((3, *out), {})
    x = torch.randn(1, 3, *size)
    assert torch.equal(MaxPool(1, 2).module()(x), x[:, :, ::2, ::2])
