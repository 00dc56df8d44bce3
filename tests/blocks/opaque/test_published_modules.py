"""Modules of published networks, written from their formulas, as blocks that are not made of layers."""

from collections import Counter

import pytest
import torch
import torch.nn.functional as F
from torch import nn
from torch.nn.utils import parametrizations

from archspec.model.audit import count
from blocks.layers.layer import Meter, Value
from blocks.opaque.opaque import opaque


class GlobalResponse(nn.Module):
    """Global response normalization: ConvNeXt V2 (arXiv 2301.00808), section 3, algorithm 1."""

    def __init__(self, width):
        super().__init__()
        self.gamma = nn.Parameter(torch.rand(1, width, 1, 1))
        self.beta = nn.Parameter(torch.rand(1, width, 1, 1))

    def forward(self, x):
        norm = x.norm(p=2, dim=(2, 3), keepdim=True)
        return self.gamma * (x * (norm / (norm.mean(1, keepdim=True) + 1e-6))) + self.beta + x


class CosineAttention(nn.Module):
    """Scaled cosine attention with positions by log-spaced offsets: Swin V2 (arXiv 2111.09883), equations 2 to 4."""

    def __init__(self, width, heads, window):
        super().__init__()
        self.heads = heads
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.scale = nn.Parameter(torch.full((heads, 1, 1), 2.3))
        self.bias = nn.Sequential(nn.Linear(2, 16), nn.ReLU(inplace=True), nn.Linear(16, heads, bias=False))
        axis = torch.arange(window)
        grid = torch.stack(torch.meshgrid(axis, axis, indexing="ij"), -1).reshape(-1, 2)
        self.register_buffer("offsets", (grid[:, None] - grid[None]).float())

    def forward(self, x):
        n, c, h, w = x.shape
        q, k, v = self.qkv(x.flatten(2).transpose(1, 2)).reshape(n, h * w, 3, self.heads, -1).permute(2, 0, 3, 1, 4)
        logits = F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)
        logits = logits * torch.clamp(self.scale, max=4.6).exp()
        where = torch.sign(self.offsets) * torch.log2(self.offsets.abs() + 1)
        logits = logits + 16 * torch.sigmoid(self.bias(where)).permute(2, 0, 1)
        out = (logits.softmax(-1) @ v).transpose(1, 2).reshape(n, h * w, c)
        return self.proj(out).transpose(1, 2).reshape(n, c, h, w)


class CrossCovariance(nn.Module):
    """Cross-covariance attention: XCiT (arXiv 2106.09681), equation 2."""

    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.temperature = heads, nn.Parameter(torch.ones(heads, 1, 1))
        self.qkv, self.proj = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x):
        n, c, h, w = x.shape
        q, k, v = self.qkv(x.flatten(2).transpose(1, 2)).reshape(n, h * w, 3, self.heads, -1).permute(2, 0, 3, 4, 1)
        attention = (F.normalize(q, dim=-1) @ F.normalize(k, dim=-1).transpose(-2, -1)) * self.temperature
        out = (attention.softmax(-1) @ v).permute(0, 3, 1, 2).reshape(n, h * w, c)
        return self.proj(out).transpose(1, 2).reshape(n, c, h, w)


class GridAttention(nn.Module):
    """Grid attention after a squeeze and excitation, its norm on six sides: MaxViT (arXiv 2204.01697) section 3.2."""

    def __init__(self, width, heads, grid):
        super().__init__()
        self.grid = grid
        self.norm, self.attention = nn.LayerNorm(width), nn.MultiheadAttention(width, heads, batch_first=True)
        self.squeeze = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(width, 2, 1), nn.SiLU(), nn.Conv2d(2, width, 1))

    def forward(self, x):
        x = x * self.squeeze(x).sigmoid()
        n, c, h, w = x.shape
        g = self.grid
        cells = self.norm(x.reshape(n, c, g, h // g, g, w // g).permute(0, 3, 5, 2, 4, 1))
        tokens = cells.reshape(-1, g * g, c)
        out = self.attention(tokens, tokens, tokens, need_weights=False)[0]
        return out.reshape(n, h // g, w // g, g, g, c).permute(0, 5, 3, 1, 4, 2).reshape(n, c, h, w)


class StarMixer(nn.Module):
    """Separable convolution with StarReLU and a bias-free norm: CAFormer (arXiv 2210.13452), equations 7 to 9."""

    def __init__(self, width):
        super().__init__()
        self.scale, self.bias = nn.Parameter(torch.ones(1) * 0.89), nn.Parameter(torch.ones(1) * -0.45)
        self.norm = nn.LayerNorm(width, bias=False)
        self.inner, self.outer = nn.Linear(width, 2 * width, bias=False), nn.Linear(2 * width, width, bias=False)
        self.mix = nn.Conv2d(2 * width, 2 * width, 7, padding="same", groups=2 * width, bias=False)

    def forward(self, x):
        y = self.inner(self.norm(x.permute(0, 2, 3, 1)))
        y = self.scale * torch.square(F.relu(y)) + self.bias
        return self.outer(self.mix(y.permute(0, 3, 1, 2)).permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvolutionalAttention(nn.Module):
    """Channel and spatial attention by averages and maxima: CBAM (arXiv 1807.06521), equations 2 and 3."""

    def __init__(self, width):
        super().__init__()
        self.mlp = nn.Sequential(nn.Conv2d(width, 2, 1, bias=False), nn.ReLU(), nn.Conv2d(2, width, 1, bias=False))
        self.spatial = nn.Conv2d(2, 1, 7, padding=3, bias=False)

    def forward(self, x):
        x = x * (self.mlp(F.adaptive_avg_pool2d(x, 1)) + self.mlp(F.adaptive_max_pool2d(x, 1))).sigmoid()
        pooled = torch.cat((x.mean(1, keepdim=True), x.max(1, keepdim=True)[0]), 1)
        return x * self.spatial(pooled).sigmoid()


class RootMeanSquare(nn.Module):
    """A norm without mean (arXiv 1910.07467) before a gated feed-forward (arXiv 2002.05202)."""

    def __init__(self, width):
        super().__init__()
        self.norm = nn.RMSNorm(width)
        self.gate, self.out = nn.Linear(width, 4 * width), nn.Linear(2 * width, width)

    def forward(self, x):
        return self.out(F.glu(self.gate(self.norm(x.permute(0, 2, 3, 1))))).permute(0, 3, 1, 2)


class Reparametrized(nn.Module):
    """Weights as direction and length (arXiv 1602.07868), or divided by their largest singular value (1802.05957)."""

    def __init__(self, width, spectral):
        super().__init__()
        conv = nn.Conv2d(width, width, 3, padding=1)
        self.conv = parametrizations.spectral_norm(conv) if spectral else parametrizations.weight_norm(conv)

    def forward(self, x):
        return self.conv(x)


class MixedPrecision(nn.Module):
    """A convolution under autocast, as training scripts write it into models."""

    def __init__(self, width):
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1)

    def forward(self, x):
        with torch.autocast("cpu", torch.bfloat16):
            return self.conv(x).float()


CASES = [
    (Reparametrized, {"spectral": False}, {"conv": 9 * 64 * 36}),
    (Reparametrized, {"spectral": True}, {"conv": 9 * 64 * 36, "mv": 8 * 72, "vdot": 8}),
    (MixedPrecision, {}, {"conv": 64 * 36}),
    (GlobalResponse, {}, {}),
    (
        CosineAttention,
        {"heads": 2, "window": 6},
        {"linear": 4 * 64 * 36 + 36 * 36 * (32 + 32), "matmul": 2 * 8 * 36**2},
    ),
    (CrossCovariance, {"heads": 2}, {"linear": 4 * 64 * 36, "matmul": 2 * 8 * 4 * 36}),
    (
        GridAttention,
        {"heads": 2, "grid": 3},
        {
            "linear": 4 * 64 * 36,
            "scaled_dot_product_attention": 2 * 8 * 9 * 36,
            "layer_norm": 5 * 288,
            "adaptive_avg_pool2d": 288,
            "conv": 32,
        },
    ),
    (StarMixer, {}, {"linear": 4 * 64 * 36, "conv": 16 * 49 * 36, "layer_norm": 5 * 288}),
    (ConvolutionalAttention, {}, {"conv": 2 * 32 + 98 * 36, "adaptive_avg_pool2d": 288}),
    (RootMeanSquare, {}, {"rms_norm": 3 * 288, "linear": 6 * 64 * 36}),
]


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch, forget):
    monkeypatch.setenv("ARCHSPEC_CACHE", str(tmp_path))
    forget()
    yield
    forget()


@pytest.mark.parametrize(("module", "options", "macs"), CASES, ids=lambda value: getattr(value, "__name__", ""))
def test_a_published_module_is_counted_as_built(module, options, macs):
    layer, meter = opaque(module, width=8, **options), Meter()
    assert layer.trace(Value.new((8, 6, 6)), meter).shape == (8, 6, 6)
    assert _sums(meter.lines) == macs
    built = count(layer.module().eval(), torch.zeros(1, 8, 6, 6))
    assert built.macs[""] == macs
    assert built.activations == sum(line.activations for line in meter.lines)


def _sums(lines):
    sums = Counter()
    for line in lines:
        sums[line.operator] += line.macs
    return +sums
