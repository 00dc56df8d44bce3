"""Zero padding of a map to a multiple, and resizing by a factor or to the size of another map."""

from typing import final

import torch.nn.functional as F
from torch import Tensor, nn


@final
class PadTo(nn.Module):
    """Zeros at the bottom and right up to a multiple: (N, C, H, W) -> (N, C, H', W')."""

    def __init__(self, multiple: int) -> None:
        super().__init__()
        self.multiple = multiple

    def forward(self, x: Tensor) -> Tensor:
        bottom, right = -x.shape[2] % self.multiple, -x.shape[3] % self.multiple
        return F.pad(x, (0, right, 0, bottom)) if bottom or right else x

    def extra_repr(self) -> str:
        return f"multiple={self.multiple}"


@final
class Enlarge(nn.Module):
    """Bilinear resizing by a factor: (N, C, H, W) -> (N, C, factor·H, factor·W)."""

    def __init__(self, factor: int) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, x: Tensor) -> Tensor:
        size = [self.factor * side for side in x.shape[2:]]
        return F.interpolate(x, size, mode="bilinear", align_corners=False)

    def extra_repr(self) -> str:
        return f"factor={self.factor}"


@final
class ResizeLike(nn.Module):
    """[(N, C, H, W), (N, C', H', W')] -> (N, C, H', W'), the first map at the size of the second."""

    def __init__(self, mode: str) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, maps: list[Tensor]) -> Tensor:
        x, like = maps
        if x.shape[2:] == like.shape[2:]:
            return x
        corners = False if self.mode == "bilinear" else None
        return F.interpolate(x, like.shape[2:], mode=self.mode, align_corners=corners)

    def extra_repr(self) -> str:
        return f"mode={self.mode}"
