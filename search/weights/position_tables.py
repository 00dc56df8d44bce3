"""Tables of positions at another size: relative biases of windows, and embeddings of positions."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Size, Tensor

RELATIVE = "relative_position_bias_table"
ABSOLUTE = ("pos_embed", "position_embedding")
"""What the names of tables of absolute positions have in them, in timm and in torchvision. Parts of this project have
no such tables; a part of another package may."""


def resize_table(name: str, table: Tensor, shape: Size) -> Tensor | None:
    """The table called `name` in another shape; None where the tensor is no table of positions, or cannot have it."""
    leaf = name.rpartition(".")[2]
    if leaf == RELATIVE:
        return resize_relative(table, shape)
    if any(word in leaf for word in ABSOLUTE):
        return resize_absolute(table, shape)
    return None


def resize_relative(table: Tensor, shape: Size) -> Tensor | None:
    """A table ((2·window - 1)², heads) for another window, bicubically.

    As Swin's authors fine-tune at 384 (`load_pretrained` in their utils.py), and as timm's
    `resize_rel_pos_bias_table_simple`. None where the number of heads differs or a side is no odd number.
    """
    if table.ndim != 2 or len(shape) != 2 or table.shape[1] != shape[1]:
        return None
    old, new = math.isqrt(table.shape[0]), math.isqrt(shape[0])
    if old**2 != table.shape[0] or new**2 != shape[0] or not (old % 2 and new % 2):
        return None
    return _interpolate(table, old, new, antialias=False)


def resize_absolute(table: Tensor, shape: Size) -> Tensor | None:
    """A table of positions in another size, bicubically with antialiasing, as timm's `resample_abs_pos_embed`.

    Args:
        table: (1, tokens, C) or (tokens, C), where one class token may come first; or (1, C, H, W).
        shape: of the same number of axes and the same C.
    """
    from torch.nn import functional as F

    if table.ndim != len(shape) or table.ndim not in (2, 3, 4):
        return None
    if table.ndim == 4:
        if table.shape[:2] != shape[:2]:
            return None
        size = (shape[2], shape[3])
        return F.interpolate(table.float(), size, mode="bicubic", antialias=True).to(table.dtype)
    if table.shape[-1] != shape[-1] or (table.ndim == 3 and (table.shape[0], shape[0]) != (1, 1)):
        return None
    import torch

    flat = table.reshape(-1, table.shape[-1])
    for extra in (0, 1):
        old, new = math.isqrt(flat.shape[0] - extra), math.isqrt(shape[-2] - extra)
        if old**2 == flat.shape[0] - extra and new**2 == shape[-2] - extra:
            grid = _interpolate(flat[extra:], old, new, antialias=True)
            return torch.cat((flat[:extra], grid)).reshape(shape)
    return None


def _interpolate(table: Tensor, old: int, new: int, *, antialias: bool) -> Tensor:
    """(old², C) -> (new², C), in float32."""
    from torch.nn import functional as F

    grid = table.float().T.reshape(1, -1, old, old)
    resized = F.interpolate(grid, (new, new), mode="bicubic", align_corners=False, antialias=antialias)
    return resized.reshape(-1, new * new).T.contiguous().to(table.dtype)
