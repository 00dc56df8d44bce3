"""Linear layers, and attention made of them."""

import pytest
import torch

from archspec.errors import FieldError
from blocks.layers.attention.attention import Attention
from blocks.layers.basic.linear import Linear
from blocks.layers.basic.norm import layer_norm
from blocks.layers.combine import chain
from blocks.layers.layer import Meter, Value


@pytest.mark.parametrize("bias", [True, False])
def test_linear_is_elements_times_outputs(agree, bias):
    found = agree(Linear(6, 4, bias=bias), (6,))
    assert (found.shape, found.params, found.macs) == ((4,), 24 + 4 * bias, {"linear": 24})
    assert (found.activations, found.saved_bytes) == (4, 24)


@pytest.mark.parametrize(("height", "width", "heads"), [(4, 5, 2), (1, 1, 1), (3, 7, 8), (2, 1, 4)])
def test_attention_is_its_projections_and_two_matmuls(agree, height, width, heads):
    c, n = 8, height * width
    found = agree(Attention(c, heads), (c, height, width))
    assert found.shape == (c, height, width)
    assert found.params == 3 * c * c + 3 * c + c * c + c
    assert found.macs == {"linear": 4 * c * c * n, "scaled_dot_product_attention": 2 * c * n * n}
    assert found.activations == 3 * c * n + heads * n * n + c * n + c * n
    # Tokens, queries with keys and values, output, and the logarithm of each row's sum.
    assert found.saved_bytes == 4 * (c * n + 3 * c * n + c * n + heads * n)


@pytest.mark.parametrize(("height", "width", "r"), [(4, 6, 2), (5, 7, 2), (8, 8, 8), (9, 4, 3)])
def test_spatial_reduction_shrinks_keys_and_values(agree, height, width, r):
    c, n, m = 6, height * width, (height // r) * (width // r)
    found = agree(Attention(c, 2, r), (c, height, width))
    assert found.macs == {
        "linear": (c * c + c * c) * n + 2 * c * c * m,
        "conv": c * c * r * r * m,
        "layer_norm": 5 * c * m,
        "scaled_dot_product_attention": 2 * c * n * m,
    }


def test_a_reduction_beyond_the_map_is_refused():
    with pytest.raises(FieldError, match="a 8x8 window at stride 8 empties a side of 7"):
        Attention(6, 2, 8).trace(Value.new((6, 7, 9)), Meter())


@pytest.mark.parametrize("r", [1, 2])
def test_attention_is_the_textbook_formula(r):
    torch.manual_seed(0)
    layer = Attention(6, 3, r).module()
    x = torch.randn(2, 6, 4, 4)
    tokens = x.flatten(2).transpose(1, 2)
    if r == 1:
        q, k, v = layer.qkv(tokens).chunk(3, dim=-1)
    else:
        q = layer.q(tokens)
        k, v = layer.kv(layer.norm(layer.reduce(x)).flatten(2).transpose(1, 2)).chunk(2, dim=-1)
    heads = []
    for index in range(3):
        part = slice(2 * index, 2 * index + 2)
        weights = (q[..., part] @ k[..., part].transpose(1, 2) / 2**0.5).softmax(-1)
        heads.append(weights @ v[..., part])
    expected = layer.proj(torch.cat(heads, -1)).transpose(1, 2).reshape(2, 6, 4, 4)
    assert torch.allclose(layer(x), expected, atol=1e-6)


@pytest.mark.parametrize("r", [1, 2])
def test_queries_may_stand_apart_from_keys_and_values_without_a_reduction_too(agree, r):
    torch.manual_seed(0)
    layer = Attention(6, 3, r, separate=True, eps=1e-3)
    fused = Attention(6, 3, r)
    found, other = agree(layer, (6, 4, 6)), agree(fused, (6, 4, 6))
    assert (found.params, found.macs, found.activations) == (other.params, other.macs, other.activations)
    module = layer.module()
    assert {name for name, _ in module.named_children()} == {"q", "kv", "proj", *(("reduce", "norm") if r > 1 else ())}
    if r > 1:
        assert module.norm.eps == 1e-3
        return
    one, x = fused.module(), torch.randn(2, 6, 4, 6)
    with torch.no_grad():
        one.qkv.weight.copy_(torch.cat([module.q.weight, module.kv.weight]))
        one.qkv.bias.copy_(torch.cat([module.q.bias, module.kv.bias]))
        one.proj.load_state_dict(module.proj.state_dict())
        assert torch.allclose(module(x), one(x), atol=1e-6)


def test_linear_on_a_map_is_a_1x1_convolution(agree):
    layer = Linear(6, 4, on_map=True)
    found = agree(chain(norm=layer_norm(6), linear=layer), (6, 3, 5))
    assert (found.shape, found.macs["linear"], found.activations) == ((4, 3, 5), 24 * 15, 4 * 15)
    module = layer.module()
    x = torch.randn(2, 6, 3, 5)
    assert module.weight.shape == (4, 6)
    assert torch.allclose(module(x), torch.conv2d(x, module.weight[:, :, None, None], module.bias), atol=1e-6)
