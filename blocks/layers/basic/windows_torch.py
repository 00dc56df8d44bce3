"""Windows of a map, cut out and joined again; the learned bias between the positions of a window."""

import torch.nn.functional as F
from torch import Tensor

Side = tuple[int, int]
"""(height, width)."""


def pad(x: Tensor, window: Side) -> Tensor:
    """Zeros at the bottom and right up to a multiple of the window: (N, H, W, C) -> (N, H', W', C)."""
    bottom, right = -x.shape[1] % window[0], -x.shape[2] % window[1]
    return F.pad(x, (0, 0, 0, right, 0, bottom)) if bottom or right else x


def pad_around(x: Tensor, window: Side) -> tuple[Tensor, Side]:
    """As `pad`, but on all sides, the odd row or column at the end; returns what was added at the top and left too."""
    rows, columns = -x.shape[1] % window[0], -x.shape[2] % window[1]
    top, left = rows // 2, columns // 2
    if rows or columns:
        x = F.pad(x, (0, 0, left, columns - left, top, rows - top))
    return x, (top, left)


def crop(x: Tensor, size: Side, start: Side = (0, 0)) -> Tensor:
    """The part of `size` that begins at `start`: (N, H', W', C) -> (N, H, W, C)."""
    (height, width), (top, left) = size, start
    # Slicing only where needed keeps the traced graph free of no-op slices.
    return x if (x.shape[1], x.shape[2]) == size else x[:, top : top + height, left : left + width]


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


def relative_bias(table: Tensor, largest: int, window: Side) -> Tensor:
    """The bias between all positions of a window: ((2·largest - 1)², heads) -> (heads, area, area).

    Query at (y, x) and key at (y', x') read row (y - y' + largest - 1)·(2·largest - 1) + (x - x' + largest - 1): a
    window with smaller sides than the `largest` uses the middle of the table. Seen as sliding windows over the table,
    turned by half a turn, these rows need no index, which would be a buffer to carry along.
    """
    span, (rows, columns), heads = 2 * largest - 1, window, table.shape[1]
    middle = table.view(span, span, heads)[
        largest - rows : largest + rows - 1, largest - columns : largest + columns - 1
    ]
    sliding = middle.unfold(0, rows, 1).unfold(1, columns, 1).flip(3, 4)
    return sliding.permute(2, 0, 1, 3, 4).reshape(heads, rows * columns, rows * columns)
