"""Attention in windows without positions, against one window at a time."""

import pytest
import torch
import torch.nn.functional as F

from blocks.layers.attention.plain_window_attention import PlainWindowAttention
from blocks.layers.basic.norm import layer_norm
from blocks.layers.combine import chain, residual

SIZES = [(4, 4), (8, 12), (9, 6), (3, 2), (1, 1), (1, 9), (4, 12), (12, 4)]


@pytest.mark.parametrize("size", SIZES)
def test_each_window_of_the_padded_map_is_on_its_own(size):
    torch.manual_seed(0)
    module = PlainWindowAttention(6, 2, 4).module()
    x = torch.randn(2, 6, *size)
    padded = F.pad(x, (0, -size[1] % 4, 0, -size[0] % 4))
    expected = torch.zeros_like(padded)
    for row in range(0, padded.shape[2], 4):
        for column in range(0, padded.shape[3], 4):
            here = (slice(None), slice(None), slice(row, row + 4), slice(column, column + 4))
            q, k, v = module.qkv(padded[here].flatten(2).transpose(1, 2)).chunk(3, dim=2)
            heads = []
            for head in (slice(0, 3), slice(3, 6)):
                weights = (q[..., head] @ k[..., head].transpose(1, 2) / 3**0.5).softmax(-1)
                heads.append(weights @ v[..., head])
            expected[here] = module.proj(torch.cat(heads, -1)).transpose(1, 2).reshape(2, 6, 4, 4)
    assert torch.allclose(module(x), expected[:, :, : size[0], : size[1]], atol=1e-6)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("window", [1, 4])
def test_cost_is_the_projections_and_two_matmuls_on_the_padded_map(agree, size, window):
    positions = (size[0] + -size[0] % window) * (size[1] + -size[1] % window)
    found = agree(chain(norm=layer_norm(6), attention=PlainWindowAttention(6, 3, window)), (6, *size))
    assert found.params == 12 + 4 * 36 + 4 * 6
    assert found.macs["linear"] == 4 * 36 * positions
    assert found.macs["scaled_dot_product_attention"] == 2 * 6 * positions * window**2
    assert found.activations == (18 + 6 + 6 + 3 * window**2) * positions


def test_what_comes_after_keeps_the_padded_map(agree):
    body = chain(norm=layer_norm(6), attention=PlainWindowAttention(6, 2, 4))
    agree(residual(body, scale=0.1, width=6), (6, 5, 7))
