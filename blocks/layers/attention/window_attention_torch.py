"""Multi-head self-attention inside the windows of a map."""

from collections.abc import Mapping
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.layers.basic.windows_torch import crop, cut, join, pad_around, relative_bias


@final
class WindowAttention(nn.Module):
    """Self-attention inside windows: (N, C, H, W) -> (N, C, H, W).

    Submodules `q`, `k`, `v` and `proj`; parameter `relative_position_bias_table` of shape ((2·window - 1)², heads).
    """

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"relative_position_bias_table"})
    """Parameters that the authors' optimisers do not decay (HRFormer's configuration in MMPose)."""

    def __init__(self, parts: Mapping[str, nn.Module], heads: int, window: int) -> None:
        super().__init__()
        self.heads, self.window = heads, window
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        for name, part in parts.items():
            self.add_module(name, part)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the bias from a normal of deviation 0.02, truncated at two deviations."""
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02, a=-0.04, b=0.04)

    def forward(self, x: Tensor) -> Tensor:
        batch, channels, height, width = x.shape
        window = (self.window, self.window)
        grid, start = pad_around(x.permute(0, 2, 3, 1), window)
        size = (grid.shape[1], grid.shape[2])
        tokens = cut(grid, window).contiguous()
        q, k, v = (self._split(self.get_submodule(name)(tokens)) for name in ("q", "k", "v"))
        bias = relative_bias(self.relative_position_bias_table, self.window, window)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        out = self.get_submodule("proj")(out.transpose(1, 2).reshape(batch, -1, channels))
        return crop(join(out, window, size), (height, width), start).permute(0, 3, 1, 2)

    def _split(self, tokens: Tensor) -> Tensor:
        """(N, windows·L, C) -> (N·windows, heads, L, C / heads)."""
        return tokens.reshape(-1, self.window**2, self.heads, tokens.shape[2] // self.heads).transpose(1, 2)

    def extra_repr(self) -> str:
        return f"heads={self.heads}, window={self.window}"
