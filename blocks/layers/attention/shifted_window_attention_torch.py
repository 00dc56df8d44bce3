"""Attention inside windows that may be shifted, with a learned bias for each relative position."""

from collections.abc import Mapping
from typing import ClassVar, final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from blocks.layers.attention.attention_torch import split_heads
from blocks.layers.basic.windows_torch import Side, crop, cut, join, pad, relative_bias

MASKED = -100.0
"""Added to the logits of two positions that are neighbours only by the shift; the authors' value."""


@final
class ShiftedWindowAttention(nn.Module):
    """Self-attention inside windows: (N, C, H, W) -> (N, C, H, W). Submodules `qkv` and `proj`.

    Bias and mask are made from the map's size in each call: there is no buffer that would tie the module to a size.
    """

    no_weight_decay: ClassVar[frozenset[str]] = frozenset({"relative_position_bias_table"})
    """Parameters that the authors' optimisers do not decay (Swin Transformer's `no_weight_decay_keywords`)."""

    def __init__(self, parts: Mapping[str, nn.Module], heads: int, window: int, *, shift: bool) -> None:
        super().__init__()
        self.heads, self.window, self.shift = heads, window, shift
        self.relative_position_bias_table = nn.Parameter(torch.empty((2 * window - 1) ** 2, heads))
        for name, part in parts.items():
            self.add_module(name, part)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Draw the bias table from a normal of deviation 0.02, truncated."""
        nn.init.trunc_normal_(self.relative_position_bias_table, std=0.02)

    def forward(self, x: Tensor) -> Tensor:
        _, channels, height, width = x.shape
        window = (min(self.window, height), min(self.window, width))
        shifts = (self._shift(height), self._shift(width))
        x = pad(x.permute(0, 2, 3, 1), window)
        size = (x.shape[1], x.shape[2])
        if shifts != (0, 0):
            x = x.roll((-shifts[0], -shifts[1]), (1, 2))
        area = window[0] * window[1]
        q, k, v = split_heads(self.get_submodule("qkv")(cut(x, window)), self.heads, 3, area)
        bias = relative_bias(self.relative_position_bias_table, self.window, window).to(q.dtype).unsqueeze(0)
        if shifts != (0, 0):
            mask = separation(size, window, shifts, x.device).to(q.dtype) * MASKED
            bias = (bias + mask.unsqueeze(1)).repeat(x.shape[0], 1, 1, 1)
        # A bias that is learned sends attention to its plain kernel, which would keep all of qkv for the values alone.
        out = F.scaled_dot_product_attention(q, k, v.contiguous(), attn_mask=bias)
        out = self.get_submodule("proj")(out.transpose(1, 2).reshape(-1, size[0] * size[1], channels))
        out = join(out, window, size)
        if shifts != (0, 0):
            out = out.roll(shifts, (1, 2))
        return crop(out, (height, width)).permute(0, 3, 1, 2)

    def _shift(self, side: int) -> int:
        """A side that one window covers has nothing to be shifted against."""
        return self.window // 2 if self.shift and side > self.window else 0

    def extra_repr(self) -> str:
        return f"heads={self.heads}, window={self.window}, shift={self.shift}"


def separation(size: Side, window: Side, shifts: Side, device: torch.device) -> Tensor:
    """Pairs of positions that share a window only because the shift wrapped one of them around.

    Args:
        size: of the padded map, a multiple of the window.
        window: its sides.
        shifts: positions by which the map was rolled up and left; below the window's sides.
        device: of the result.

    Returns:
        (windows, area, area), true where the pair is to be kept apart.
    """
    regions = [
        (position >= side - step).long() if shift else torch.zeros_like(position)
        for side, step, shift in zip(size, shifts, shifts, strict=True)
        for position in (torch.arange(side, device=device),)
    ]
    region = (2 * regions[0][:, None] + regions[1])[None, :, :, None]
    tokens = cut(region, window).reshape(-1, window[0] * window[1])
    return tokens.unsqueeze(1) != tokens.unsqueeze(2)
