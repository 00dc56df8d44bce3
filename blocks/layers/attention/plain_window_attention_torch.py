"""Attention inside windows, without positions."""

from collections.abc import Mapping
from typing import final

import torch.nn.functional as F
from torch import Tensor, nn

from blocks.layers.attention.attention_torch import split_heads
from blocks.layers.basic.windows_torch import crop, cut, join, pad


@final
class PlainWindowAttention(nn.Module):
    """Self-attention inside windows: (N, C, H, W) -> (N, C, H, W). Submodules `qkv` and `proj`."""

    def __init__(self, parts: Mapping[str, nn.Module], heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, x: Tensor) -> Tensor:
        _, channels, height, width = x.shape
        window = (self.window, self.window)
        x = pad(x.permute(0, 2, 3, 1), window)
        size = (x.shape[1], x.shape[2])
        q, k, v = split_heads(self.get_submodule("qkv")(cut(x, window)), self.heads, 3, self.window**2)
        out = F.scaled_dot_product_attention(q, k, v)
        out = self.get_submodule("proj")(out.transpose(1, 2).reshape(-1, size[0] * size[1], channels))
        return crop(join(out, window, size), (height, width)).permute(0, 3, 1, 2)

    def extra_repr(self) -> str:
        return f"heads={self.heads}, window={self.window}"
