"""Multi-head self-attention inside the windows of a map."""

from collections.abc import Mapping
from typing import final

import torch
import torch.nn.functional as F
from torch import Tensor, nn


@final
class WindowAttention(nn.Module):
    """Self-attention inside windows: (N, C, H, W) -> (N, C, H, W).

    Submodules `q`, `k`, `v` and `proj`; parameter `relative_position_bias_table` of shape ((2·window - 1)², heads).
    """

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
        grid, top, left = pad_around(x, self.window)
        tokens = to_windows(grid, self.window)
        q, k, v = (self._split(self.get_submodule(name)(tokens)) for name in ("q", "k", "v"))
        bias = relative_bias(self.relative_position_bias_table, self.window)
        out = F.scaled_dot_product_attention(q, k, v, attn_mask=bias)
        out = self.get_submodule("proj")(out.transpose(1, 2).reshape(batch, -1, channels))
        out = from_windows(out, self.window, *grid.shape[2:])
        # Slicing only where needed keeps the traced graph free of no-op slices.
        return out if out.shape == x.shape else out[:, :, top : top + height, left : left + width]

    def _split(self, tokens: Tensor) -> Tensor:
        """(N, windows·L, C) -> (N·windows, heads, L, C / heads)."""
        return tokens.reshape(-1, self.window**2, self.heads, tokens.shape[2] // self.heads).transpose(1, 2)

    def extra_repr(self) -> str:
        return f"heads={self.heads}, window={self.window}"


def pad_around(x: Tensor, multiple: int) -> tuple[Tensor, int, int]:
    """Zeros on all sides up to a multiple, the odd one at the end; returns what was added at the top and left too."""
    rows, columns = -x.shape[2] % multiple, -x.shape[3] % multiple
    top, left = rows // 2, columns // 2
    if rows or columns:
        x = F.pad(x, (left, columns - left, top, rows - top))
    return x, top, left


def to_windows(x: Tensor, size: int) -> Tensor:
    """The positions of a map, window after window: (N, C, H, W) -> (N, H·W, C); `size` must divide both sides."""
    batch, channels, height, width = x.shape
    tiles = x.permute(0, 2, 3, 1).reshape(batch, height // size, size, width // size, size, channels)
    return tiles.transpose(2, 3).reshape(batch, height * width, channels).contiguous()


def from_windows(tokens: Tensor, size: int, height: int, width: int) -> Tensor:
    """Back from the order of `to_windows`: (N, H·W, C) -> (N, C, H, W)."""
    batch, _, channels = tokens.shape
    tiles = tokens.reshape(batch, height // size, width // size, size, size, channels)
    return tiles.transpose(2, 3).reshape(batch, height, width, channels).permute(0, 3, 1, 2)


def relative_bias(table: Tensor, size: int) -> Tensor:
    """The bias between all positions of a window: ((2·size - 1)², heads) -> (heads, size², size²).

    Query at (y, x) and key at (y', x') read row (y - y' + size - 1)·(2·size - 1) + (x - x' + size - 1). Seen as sliding
    windows over the table, turned by half a turn, these rows need no index, which would be a buffer to carry along.
    """
    span, heads = 2 * size - 1, table.shape[1]
    sliding = table.view(span, span, heads).unfold(0, size, 1).unfold(1, size, 1).flip(3, 4)
    return sliding.permute(2, 0, 1, 3, 4).reshape(heads, size * size, size * size)
