"""Cutting a map into windows and putting it together again."""

import torch.nn.functional as F
from torch import Tensor

Side = tuple[int, int]
"""(height, width)."""


def pad(x: Tensor, window: Side) -> Tensor:
    """Zeros at the bottom and right up to a multiple of the window: (N, H, W, C) -> (N, H', W', C)."""
    bottom, right = -x.shape[1] % window[0], -x.shape[2] % window[1]
    return F.pad(x, (0, 0, 0, right, 0, bottom)) if bottom or right else x


def cut(x: Tensor, window: Side) -> Tensor:
    """Positions window by window, row by row inside each: (N, H, W, C) -> (N, H·W, C).

    Height and width must be multiples of the window's.
    """
    _, height, width, channels = x.shape
    grid = x.reshape(-1, height // window[0], window[0], width // window[1], window[1], channels)
    return grid.permute(0, 1, 3, 2, 4, 5).reshape(-1, height * width, channels)


def join(tokens: Tensor, window: Side, size: Side) -> Tensor:
    """The map of `size` from what `cut` gave: (N, H·W, C) -> (N, H, W, C)."""
    (height, width), channels = size, tokens.shape[2]
    grid = tokens.reshape(-1, height // window[0], width // window[1], window[0], window[1], channels)
    return grid.permute(0, 1, 3, 2, 4, 5).reshape(-1, height, width, channels)


def split_heads(qkv: Tensor, area: int, heads: int) -> tuple[Tensor, Tensor, Tensor]:
    """Queries, keys and values of each window: (N, L, 3·C) -> three of (N·L / area, heads, area, C / heads)."""
    parts = qkv.reshape(-1, area, 3, heads, qkv.shape[2] // 3 // heads)
    q, k, v = parts.permute(2, 0, 3, 1, 4).unbind(0)
    return q, k, v
