"""Striped attention against loops over stripes, heads and masks, written from its description."""

import pytest
import torch
import torch.nn.functional as F
from torch import nn

from blocks.layers.attention.striped_attention import StripedAttention
from blocks.layers.layer import Meter, Value


def lively(layer, std=0.5):
    module = layer.module().double()
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=std)
    return module


def stripes_of_rows(q, v, heads, window):
    """Attention of (H, W, c) in stripes of rows, with the whole mask of padded queries and keys."""
    height, width, channels = q.shape
    d = channels // heads
    out = torch.zeros_like(q)
    for top in range(0, height, window):
        real = min(window, height - top)
        shape = (window, width, channels)
        queries, values = torch.zeros(shape, dtype=q.dtype), torch.zeros(shape, dtype=q.dtype)
        queries[:real], values[:real] = q[top : top + real], v[top : top + real]
        mask = torch.full((window * width, window * width), -100.0, dtype=q.dtype)
        mask[: real * width, : real * width] = 0
        for head in range(heads):
            part = slice(head * d, (head + 1) * d)
            query, value = queries[..., part].reshape(-1, d), values[..., part].reshape(-1, d)
            weights = (d**-0.5 * query @ value.T + mask).softmax(-1)  # keys are the values
            out[top : top + real, :, part] = (weights @ value).view(window, width, d)[:real]
    return out


def directly(module, x, heads, window):
    """One image (C, H, W)."""
    channels, half = x.shape[0], x.shape[0] // 2
    q, v = module.qv(x.permute(1, 2, 0)).split(channels, -1)
    rows = stripes_of_rows(q[..., :half], v[..., :half], heads // 2, window)
    turned = stripes_of_rows(q[..., half:].transpose(0, 1), v[..., half:].transpose(0, 1), heads // 2, window)
    attended = torch.cat((rows, turned.transpose(0, 1)), -1).permute(2, 0, 1)
    conv = module.local.conv
    local = F.conv2d(F.hardswish(v.permute(2, 0, 1)), conv.weight, conv.bias, padding=1, groups=channels)
    return module.proj(F.hardswish(attended + local).permute(1, 2, 0)).permute(2, 0, 1)


SIZES = [(4, 4), (5, 7), (1, 1), (1, 6), (7, 2), (3, 3), (6, 9)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("window", [1, 2, 7])
@pytest.mark.parametrize("heads", [2, 4])
def test_it_equals_loops_over_stripes(size, window, heads):
    torch.manual_seed(0)
    module = lively(StripedAttention(8, heads, window))
    x = torch.randn(2, 8, *size, dtype=torch.double)
    with torch.no_grad():
        expected = torch.stack([directly(module, image, heads, window) for image in x])
        assert torch.allclose(module(x), expected, rtol=1e-10, atol=1e-10)


def test_the_mask_is_minus_100_and_not_minus_infinity():
    # Where all real keys score far below the padding's 0, the padding that gets -100 takes part.
    torch.manual_seed(0)
    module = lively(StripedAttention(4, 2, 2), std=15)
    x = torch.randn(1, 4, 3, 3, dtype=torch.double)
    with torch.no_grad():
        out = module(x)
        assert torch.allclose(out[0], directly(module, x[0], 2, 2), rtol=1e-10, atol=1e-10)
        q, v = module.qv(x.permute(0, 2, 3, 1)).split(4, -1)
        scores = torch.einsum("nhwc,nhwc->nhw", q[..., :2], v[..., :2]) * 2**-0.5
    assert scores.min() < -100


@pytest.mark.parametrize("window", [1, 2, 5, 9])
@pytest.mark.parametrize("size", SIZES)
def test_cost_by_formula_and_by_fvcore(agree, size, window):
    c, (h, w), (up, across) = 8, size, (-(-n // window) for n in size)
    found = agree(StripedAttention(c, 4, window), (c, h, w))
    assert found.shape == (c, h, w)
    assert found.params == 3 * c * c + 3 * c + 9 * c + c
    halves = [2 * up * (window * w) ** 2 * (c // 2), 2 * across * (window * h) ** 2 * (c // 2)]
    assert found.macs == {
        "linear": 3 * c * c * h * w,
        "conv": 9 * c * h * w,
        "scaled_dot_product_attention": sum(halves),
    }


def test_what_is_kept_for_backward(agree):
    c, n = 8, 6 * 4
    # The input, queries with values, both turned halves, both outputs, the logarithms of the sums of four heads, and
    # around the convolution and the projection what they and Hardswish read.
    expected = c * n + 2 * c * n + c * n + c * n + 4 // 2 * 2 * n + c * n + c * n + c * n
    assert agree(StripedAttention(c, 4, 2), (c, 6, 4)).saved_bytes == 4 * expected


def test_a_half_sees_its_stripe_only():
    module = lively(StripedAttention(4, 2, 2))
    nn.init.zeros_(module.local.conv.weight)
    nn.init.eye_(module.proj.weight)
    x = torch.randn(1, 4, 6, 6, dtype=torch.double)
    other = x.clone()
    other[0, :, 0, 0] += 1
    with torch.no_grad():
        changed = ~torch.isclose(module(x), module(other))[0]
    assert changed[:2, :2].any(0).all()
    assert not changed[:2, 2:].any()
    assert changed[2:, :, :2].any(0).all()
    assert not changed[2:, :, 2:].any()


def test_an_odd_last_stripe_does_not_see_its_padding():
    torch.manual_seed(1)
    module = lively(StripedAttention(4, 2, 4))
    x = torch.randn(1, 4, 5, 4, dtype=torch.double)
    whole = lively(StripedAttention(4, 2, 1))
    whole.load_state_dict(module.state_dict())
    with torch.no_grad():
        # The fifth row is a stripe of its own whether its window has 4 rows or 1.
        rows = [net._attend(*_halves(net, x)) for net in (module, whole)]
    assert torch.allclose(rows[0][:, 4], rows[1][:, 4], rtol=1e-10)


def _halves(module, x):
    return [tensor[..., :2] for tensor in module.qv(x.permute(0, 2, 3, 1)).split(4, -1)]


def test_state_dict_and_tails():
    layer = StripedAttention(4, 2, 2)
    assert list(layer.module().state_dict()) == [
        f"{name}.{kind}" for name in ("qv", "local.conv", "proj") for kind in ("weight", "bias")
    ]
    assert layer.tails() == ("proj",)
    assert layer.trace(Value.new((4, 3, 3)), Meter()).shape == (4, 3, 3)
