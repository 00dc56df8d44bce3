"""Slices by parts: the leading share of each, and views where a plain slice is one."""

import pytest
import torch

from archspec.errors import FieldError
from archspec.model.slices import slices, take, widest
from blocks.layers.attention.attention import Attention
from blocks.layers.basic.conv import Conv, dwconv
from blocks.layers.basic.linear import Linear


def cut(layer):
    with torch.device("meta"):
        return slices(layer, layer.module())


def test_queries_keys_and_values_keep_their_roles():
    wide, narrow = (cut(Attention(width, heads=2))["qkv.weight"] for width in (8, 4))
    roles = [(role, head, channel) for role in "qkv" for head in (0, 1) for channel in range(4)]
    rows = take(torch.arange(24).view(24, 1).expand(24, 8), wide.factors, narrow.factors)
    assert rows.shape == (12, 4)
    taken = [roles[int(row)] for row in rows[:, 0]]
    assert taken == [(role, head, channel) for role in "qkv" for head in (0, 1) for channel in range(2)]


def test_plain_slices_are_views_and_gradients_flow_into_them():
    weight = torch.zeros(8, 6, 3, 3, requires_grad=True)
    wide, narrow = cut(Conv(6, 8, 3))["weight"], cut(Conv(4, 2, 3))["weight"]
    part = take(weight, wide.factors, narrow.factors)
    assert part._base is weight
    part.sum().backward()
    assert int(weight.grad.count_nonzero()) == 2 * 4 * 9
    assert weight.grad[:2, :4].all()


def test_depthwise_convolutions_share_leading_channels_and_grouped_ones_those_of_each_group():
    assert widest(cut(dwconv(4))["weight"], cut(dwconv(6))["weight"]).shape == (6, 1, 3, 3)
    wide, narrow = (cut(Conv(width, width, groups=2))["weight"] for width in (8, 4))
    rows = take(torch.arange(8.0).view(8, 1, 1, 1).expand(wide.shape), wide.factors, narrow.factors)
    assert rows[:, 0, 0, 0].tolist() == [0, 1, 4, 5]


def test_what_cannot_be_sliced_is_refused():
    with pytest.raises(FieldError, match=r"^weight: is 4x4x3x3 in one option and 4x4x5x5 in another$"):
        widest(cut(Conv(4, 4, 3))["weight"], cut(Conv(4, 4, 5))["weight"])
    with pytest.raises(
        FieldError, match=r"^weight: has a dimension of 10, which cannot be cut into 3 x 4 equal parts$"
    ):
        cut(Linear(4, 10, parts_out=(3, 4)))
    whole, other = (cut(Linear(width, 4, parts_in=None))["weight"] for width in (6, 8))
    with pytest.raises(FieldError, match="4x6 in one option and 4x8"):
        widest(whole, other)
