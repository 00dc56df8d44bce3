"""Attention among channels against the formula, one group at a time."""

import pytest
import torch

from blocks.layers.attention.channel_attention import ChannelAttention
from blocks.layers.basic.norm import layer_norm
from blocks.layers.combine import chain


@pytest.mark.parametrize(("size", "groups"), [((3, 5), 2), ((1, 1), 3), ((4, 4), 1), ((2, 3), 6)])
def test_channels_of_a_group_attend_to_one_another(size, groups):
    torch.manual_seed(0)
    module = ChannelAttention(6, groups).module().double()
    x = torch.randn(2, 6, *size, dtype=torch.double)
    q, k, v = module.qkv(x.flatten(2).transpose(1, 2)).chunk(3, dim=2)
    d = 6 // groups
    mixed = []
    for start in range(0, 6, d):
        here = slice(start, start + d)
        weights = (k[..., here].transpose(1, 2) @ v[..., here] / d**0.5).softmax(-1)
        mixed.append(q[..., here] @ weights.transpose(1, 2))
    expected = module.proj(torch.cat(mixed, -1)).transpose(1, 2).reshape(2, 6, *size)
    assert torch.allclose(module(x), expected, atol=1e-12)


def test_a_group_does_not_see_the_others():
    torch.manual_seed(0)
    module = ChannelAttention(4, 2).module()
    with torch.no_grad():
        for part in (module.qkv, module.proj):
            part.weight.copy_(torch.eye(4).repeat(part.out_features // 4, 1))
    x = torch.randn(1, 4, 3, 3, requires_grad=True)
    module(x)[0, :2].sum().backward()
    assert x.grad[0, :2].abs().min() > 0
    assert not x.grad[0, 2:].any()


@pytest.mark.parametrize("size", [(4, 5), (1, 1), (1, 7), (3, 1)])
@pytest.mark.parametrize("groups", [1, 2, 6])
def test_cost_is_linear_in_the_positions(agree, size, groups):
    n, d = size[0] * size[1], 6 // groups
    found = agree(chain(norm=layer_norm(6), attention=ChannelAttention(6, groups)), (6, *size))
    assert found.params == 12 + 4 * 36 + 4 * 6
    assert found.macs["linear"] == 4 * 36 * n
    assert found.macs["scaled_dot_product_attention"] == 2 * 6 * d * n
    assert found.activations == (18 + 6 + 6) * n + 6 * d
